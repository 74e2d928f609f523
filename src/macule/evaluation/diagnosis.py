"""How well the answers name the diagnosis, and how well the malignant probability parts malignant from benign."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from macule.analysis.bundle import Threshold
from macule.evaluation import metrics, refusals
from macule.evaluation.exam import Exam
from macule.evaluation.metrics import Confusion, Figure, Floats, Points, Ranking, settle
from macule.evaluation.predictions import CODES
from macule.evaluation.sample import LEVELS, Sample, alarms, band, plain
from macule.taxonomy import Diagnosis

Key = tuple[str, str]
RANKS: dict[str, Callable[[Points], Floats]] = {
    "auc": Points.auc,
    "average_precision": Points.average_precision,
    "pauc_above_80%_sensitivity": Points.partial_auc,
    "sensitivity_at_90%_specificity": lambda points: points.sensitivity_at(0.90),
    "sensitivity_at_95%_specificity": lambda points: points.sensitivity_at(0.95),
    "specificity_at_90%_sensitivity": lambda points: points.specificity_at(0.90),
    "specificity_at_95%_sensitivity": lambda points: points.specificity_at(0.95),
}
#: A class of fewer lesions than this moves a mean over classes by luck.
FEW_LESIONS = 5
OF_ENOUGH = f"balanced_accuracy_of_classes_with_{FEW_LESIONS}_lesions"
MACRO = {"auc": "macro_auc", "average_precision": "macro_average_precision"}
OVERALL: dict[str, Callable[[Confusion], Floats]] = {
    "accuracy": Confusion.accuracy, "balanced_accuracy": Confusion.balanced_accuracy, "macro_f1": Confusion.macro_f1,
    "kappa": Confusion.kappa, "matthews": Confusion.matthews,
}
OF_A_CLASS: dict[str, Callable[[Confusion], Floats]] = {
    "sensitivity": Confusion.sensitivity, "specificity": Confusion.specificity, "precision": Confusion.precision,
    "npv": Confusion.npv, "f1": Confusion.f1,
}
#: Where curves are told: closer together where few false positives are.
FALSE_POSITIVES = np.unique(np.r_[np.linspace(0, 0.1, 41), np.linspace(0.1, 1, 91)])
RECALLS = np.linspace(0.01, 1, 100)


def measure(exam: Exam) -> dict[str, Any]:
    """Plain numbers with n and 95 % intervals; None where undefined.

    Single-class figures are over the pictures whose label names one class, with the probabilities renormalised over
    the classes that the set's labels can take; `served` has them by the first of all classes, which is what a clinic
    gets. Malignant figures are over those whose label says benign or suspicious. All these are of answered pictures;
    `refused` counts the others, and `with_refusals` lets them count as missed.
    """
    return {**counts(exam), **_single(exam), "served": _served(exam), "malignant": _malignant(exam),
            **refusals.measure(exam), "curves": _curves(exam)}


def counts(exam: Exam) -> dict[str, int]:
    predictions = exam.predictions
    known = ~np.isnan(predictions.suspicious)
    return {
        "pictures": len(predictions.records),
        "groups": len(set(predictions.groups)),
        "resamples": len(exam.weights),
        "single_class": int(exam.single.sum()),
        "without_single_class": int((~exam.single).sum()),
        "malignancy_known": int(known.sum()),
        "malignancy_unknown": int((~known).sum()),
    }


def of_ranks(scores: Floats, positive: NDArray[np.bool_], sample: Sample) -> dict[str, Figure]:
    """What a score is worth whatever the threshold. scores, positive: (n,), of the sample."""
    ranking = Ranking.of(scores, positive)

    def every(weights: Any) -> dict[str, Floats]:
        points = ranking.points(weights)
        return {name: metric(points) for name, metric in RANKS.items()}

    groups = min(sample.behind(positive), sample.behind(~positive))
    return _binary(sample.figures(every), positive, groups)


def called(positive: NDArray[np.bool_], alarm: NDArray[np.bool_], sample: Sample) -> dict[str, Figure]:
    """Figures of one yes-or-no answer: sensitivity, specificity, precision, npv, f1, accuracy, kappa, matthews."""
    cells = Confusion.cells(alarm.astype(np.int64), positive.astype(np.int64), 2)

    def every(weights: Any) -> dict[str, Floats]:
        table = Confusion.of(weights, cells)
        whole = {name: OVERALL[name](table) for name in ("accuracy", "kappa", "matthews")}
        return {name: metric(table)[:, 1] for name, metric in OF_A_CLASS.items()} | whole

    found = _binary(sample.figures(every), positive, None)
    behind = {"sensitivity": positive, "specificity": ~positive, "precision": alarm, "npv": ~alarm,
              "accuracy": np.ones_like(positive)}
    return found | {name: settle(found[name], sample.behind(among)) for name, among in behind.items()}


def _binary(found: dict[str, Figure], positive: NDArray[np.bool_], groups: int | None) -> dict[str, Figure]:
    """With the number of positives; without an interval if those of one kind are of one lesion."""
    marked = {name: dataclasses.replace(each, positives=int(positive.sum())) for name, each in found.items()}
    return marked if groups is None else {
        name: settle(each, groups, share=False) for name, each in marked.items()}


def _single(exam: Exam) -> dict[str, Any]:
    sample = Sample.of(exam, exam.single)
    targets, shares = exam.targets[exam.single], exam.projected[exam.single]
    shown = sorted({*exam.classes, *targets.tolist()})
    predicted = shares.argmax(axis=1)
    place = np.zeros(len(CODES), np.int64)
    place[shown] = np.arange(len(shown))
    cells = Confusion.cells(place[predicted], place[targets], len(shown))
    rankings = [Ranking.of(shares[:, k], targets == k) for k in shown]
    present = [i for i, k in enumerate(shown) if (targets == k).any()]
    behind = np.array([sample.behind(targets == k) for k in shown], np.int64)

    def every(weights: Any) -> dict[Key, Floats]:
        table = Confusion.of(weights, cells)
        found = {("", name): metric(table) for name, metric in OVERALL.items()}
        found["", OF_ENOUGH] = table.balanced_accuracy_of(behind >= FEW_LESIONS)
        ranks = {name: np.stack([metric(points) for points in corners]) for corners in
                 [[ranking.points(weights) for ranking in rankings]] for name, metric in RANKS.items()}
        for name, macro in MACRO.items():
            found["", macro] = ranks[name][present].mean(axis=0) if present else np.full(len(weights), np.nan)
        columns = {name: metric(table).T for name, metric in OF_A_CLASS.items()} | ranks
        return found | {(CODES[k].value, name): rows[i] for name, rows in columns.items() for i, k in enumerate(shown)}

    found = sample.figures(every)
    found["", "accuracy"] = settle(found["", "accuracy"], sample.behind(np.ones(sample.count, bool)))
    few = [CODES[shown[i]].value for i in present if behind[i] < FEW_LESIONS]
    if not few:  # the same classes, and the same figure
        del found["", OF_ENOUGH]
    return {
        "classes_of_few_lesions": few,
        "resamples_with_every_class": _complete(cells, sample),
        "overall": {name: figure.to_dict() for (code, name), figure in found.items() if not code},
        "classes": {CODES[k].value: _class_row(CODES[k], found, targets == k, predicted == k, sample) for k in shown},
        "confusion": {"classes": [CODES[k].value for k in shown],
                      "rows": np.rint(Confusion.of(np.ones((1, sample.count)), cells).counts[0]).astype(int).tolist()},
    }


def _complete(cells: metrics.Cells, sample: Sample) -> int:
    """In how many resamples no class that is there went missing."""
    _, spread = metrics.gathered(lambda w: {"": Confusion.of(w, cells).complete().astype(np.float64)}, sample.weights)
    return int(spread[""].sum())


def _served(exam: Exam) -> dict[str, Any] | None:
    """By the first of all classes, also those that no label of this set names. None if the labels can name all."""
    if len(exam.classes) == len(CODES):
        return None
    sample, targets = Sample.of(exam, exam.single), exam.targets[exam.single]
    first = exam.predictions.shares[exam.single].argmax(axis=1)
    cells = Confusion.cells(first, targets, len(CODES))
    shown = sorted({*exam.classes, *targets.tolist()})

    def every(weights: Any) -> dict[Key, Floats]:
        table = Confusion.of(weights, cells)
        rates = table.sensitivity()
        return {("", "accuracy"): table.accuracy(), ("", "balanced_accuracy"): table.balanced_accuracy(),
                **{(CODES[k].value, "sensitivity"): rates[:, k] for k in shown}}

    found = sample.figures(every)
    behind = {("", "accuracy"): np.ones(sample.count, bool)} | {
        (CODES[k].value, "sensitivity"): targets == k for k in shown}
    settled = found | {key: settle(found[key], sample.behind(among)) for key, among in behind.items()}
    return {
        "classes": len(CODES),
        "of_other_classes": int((~np.isin(first, shown)).sum()),
        **{name: settled["", name].to_dict() for name in ("accuracy", "balanced_accuracy")},
        "sensitivity": {code: dataclasses.replace(figure, positives=int(behind[code, name].sum())).to_dict()
                        for (code, name), figure in settled.items() if code},
    }


def _class_row(code: Diagnosis, found: dict[Key, Figure], positive: NDArray[np.bool_], answered: NDArray[np.bool_],
               sample: Sample) -> dict[str, Any]:
    mine = _binary({name: figure for (key, name), figure in found.items() if key == code.value}, positive, None)
    behind = {"sensitivity": positive, "specificity": ~positive, "precision": answered, "npv": ~answered}
    either = min(sample.behind(positive), sample.behind(~positive))
    settled = {name: settle(figure, sample.behind(behind[name])) if name in behind
               else settle(figure, either, share=False) for name, figure in mine.items()}
    return {"name": code.entry.name, "pictures": int(positive.sum()), "groups": sample.behind(positive),
            "answered": int(answered.sum())} | {name: figure.to_dict() for name, figure in settled.items()}


def _malignant(exam: Exam) -> dict[str, Any]:
    suspicious = exam.predictions.suspicious
    sample = Sample.of(exam, ~np.isnan(suspicious))
    positive, scores = suspicious[sample.keep] == 1, exam.predictions.malignant[sample.keep]
    limits = exam.bundle.thresholds
    return {
        "positives": int(positive.sum()),
        "n": sample.count,
        "groups": sample.behind(np.ones(sample.count, bool)),
        **{name: figure.to_dict() for name, figure in of_ranks(scores, positive, sample).items()},
        "operating_points": {name: _point(getattr(limits, name), alarms(exam, name)[sample.keep], scores, positive,
                                          sample) for name in LEVELS},
    }


def _point(limit: Threshold, alarm: NDArray[np.bool_], scores: Floats, positive: NDArray[np.bool_],
           sample: Sample) -> dict[str, Any]:
    """By the risk as it is served, which is not the threshold alone: what the gate flags is never low."""
    return {"probability": limit.probability, "fitted_sensitivity": limit.sensitivity, "called": int(alarm.sum()),
            "called_by_the_gate_alone": int((alarm & (scores < limit.probability)).sum()),
            **{key: figure.to_dict() for key, figure in called(positive, alarm, sample).items()}}


def _curves(exam: Exam) -> dict[str, Any]:
    """ROC and precision-recall of the malignant probability and of melanoma's, each with the bootstrap's band."""
    suspicious, melanoma = exam.predictions.suspicious, CODES.index(Diagnosis.MEL)
    known, single = ~np.isnan(suspicious), exam.single
    found = {"malignant": _curve(exam.predictions.malignant[known], suspicious[known] == 1, Sample.of(exam, known))}
    if melanoma in exam.classes:
        found["mel"] = _curve(exam.projected[single, melanoma], exam.targets[single] == melanoma,
                              Sample.of(exam, single))
    return found


def _curve(scores: Floats, positive: NDArray[np.bool_], sample: Sample) -> dict[str, Any]:
    """Empty lists unless there are both kinds."""
    if positive.all() or not positive.any():
        return {"n": sample.count, "positives": int(positive.sum()), "roc": [], "precision_recall": []}
    ranking = Ranking.of(scores, positive)

    def both(weights: Any) -> dict[str, Floats]:
        points = ranking.points(weights)
        return {"roc": points.roc(FALSE_POSITIVES), "precision_recall": points.precision(RECALLS)}

    whole, spread = metrics.gathered(both, sample.weights)
    return {"n": sample.count, "positives": int(positive.sum())} | {
        name: dict(zip(("x", "y", "low", "high"), (plain(x), plain(whole[name]), *band(spread[name])), strict=True))
        for name, x in (("roc", FALSE_POSITIVES), ("precision_recall", RECALLS))}
