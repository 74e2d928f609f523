"""How well the answers name the diagnosis, and how well the malignant probability parts malignant from benign."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from macule.evaluation import metrics
from macule.evaluation.exam import Exam
from macule.evaluation.metrics import Confusion, Figure, Floats, Points, Ranking, settle
from macule.evaluation.predictions import CODES
from macule.evaluation.sample import Sample, band, plain
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
    the classes that the set's labels can take. Malignant figures are over those whose label says benign or suspicious.
    """
    return {**counts(exam), **_single(exam), "malignant": _malignant(exam), "curves": _curves(exam)}


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

    def every(weights: Any) -> dict[Key, Floats]:
        table = Confusion.of(weights, cells)
        found = {("", name): metric(table) for name, metric in OVERALL.items()}
        ranks = {name: np.stack([metric(points) for points in corners]) for corners in
                 [[ranking.points(weights) for ranking in rankings]] for name, metric in RANKS.items()}
        for name, macro in MACRO.items():
            found["", macro] = ranks[name][present].mean(axis=0) if present else np.full(len(weights), np.nan)
        columns = {name: metric(table).T for name, metric in OF_A_CLASS.items()} | ranks
        return found | {(CODES[k].value, name): rows[i] for name, rows in columns.items() for i, k in enumerate(shown)}

    found = sample.figures(every)
    found["", "accuracy"] = settle(found["", "accuracy"], sample.behind(np.ones(sample.count, bool)))
    return {
        "overall": {name: figure.to_dict() for (code, name), figure in found.items() if not code},
        "classes": {CODES[k].value: _class_row(CODES[k], found, targets == k, predicted == k, sample) for k in shown},
        "confusion": {"classes": [CODES[k].value for k in shown],
                      "rows": np.rint(Confusion.of(np.ones((1, sample.count)), cells).counts[0]).astype(int).tolist()},
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
        "operating_points": {
            # Rounding must not move a picture over the threshold: the comparison is that of calibrate.risk.
            name: {"probability": limit.probability, "fitted_sensitivity": limit.sensitivity,
                   "called": int((scores >= limit.probability).sum()),
                   **{key: figure.to_dict() for key, figure in
                      called(positive, scores >= limit.probability, sample).items()}}
            for name, limit in (("medium", limits.medium), ("high", limits.high))
        },
    }


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
