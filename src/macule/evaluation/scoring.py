"""How good a bundle's answers to labelled pictures are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from macule.analysis.bundle import Bundle
from macule.analysis.calibration import SUSPICIOUS
from macule.data import sources
from macule.evaluation import metrics
from macule.evaluation.metrics import Confusion, Figure, Floats, Ranking, Reliability, Weights
from macule.evaluation.predictions import CODES, NO_CLASS, Predictions, projected

#: Raised by the noise of a resample: see `metrics.interval`.
_CENTRED = ("calibration_error",)


def score(predictions: Predictions, dataset: str, *, resamples: int = metrics.RESAMPLES,
          seed: int = 0, weights: Weights | None = None) -> dict[str, Any]:
    """All figures of one data set, as plain numbers with n and 95 % intervals.

    dataset: its id; of several together, joined by `+`. weights: resamples that were drawn already.
    Probabilities are renormalised over the classes that the set's labels can take. A picture whose label names no
    single class only counts in the malignant figures, if its label is benign or suspicious as a whole.
    """
    classes = {code for name in dataset.split("+") for code in sources.find(name).classes}
    known = sorted(CODES.index(code) for code in classes)
    if weights is None:
        weights = metrics.resample(predictions.groups, resamples=resamples, seed=seed)
    targets, suspicious = predictions.targets, predictions.suspicious
    single, told = targets != NO_CLASS, ~np.isnan(suspicious)
    closed = projected(predictions.shares, known)
    figures = _of_classes(closed[single], targets[single], known, _columns(weights, single),
                          [group for group, kept in zip(predictions.groups, single, strict=True) if kept])
    ranks = _of_ranks(predictions.malignant[told], suspicious[told] == 1, _columns(weights, told))
    return {
        "pictures": len(targets),
        "lesions": len({record.group for record in predictions.records}),
        "refused": len(predictions.refused),
        "failed": len(predictions.failed),
        "without_single_class": int((~single).sum()),
        "resamples": resamples,
        **{name: value.to_dict() for (code, name), value in figures.items() if not code},
        **{name: value.to_dict() for name, value in ranks.items()},
        "classes": {CODES[k].value: {name: value.to_dict() for (code, name), value in figures.items()
                                     if code == CODES[k].value} for k in known},
        "risk": _risk_table(predictions),
    }


def _columns(weights: Weights, keep: NDArray[np.bool_]) -> Weights:
    """Taking all of them would copy them."""
    return weights if keep.all() else weights[:, keep]


def score_malignant(predictions: Predictions, positive: NDArray[np.bool_], *, resamples: int = metrics.RESAMPLES,
                    seed: int = 0) -> dict[str, Any]:
    """Malignant (or indeterminate) against benign, called at a probability of a half; plain numbers as in `score`.

    positive: bool, shape (N,), of the pictures that were answered; their labels need not name one class.
    """
    shares = predictions.shares[:, SUSPICIOUS].sum(axis=1)
    called, count = shares >= 0.5, int(positive.sum())
    weights = metrics.resample(predictions.groups, resamples=resamples, seed=seed)
    pair = np.stack([1 - shares, shares], axis=1)
    figures = {
        "accuracy": metrics.figure(lambda w: metrics.accuracy(called == positive, w), weights),
        "balanced_accuracy": metrics.figure(
            lambda w: metrics.balanced_accuracy(called.astype(np.int64), positive.astype(np.int64), w), weights),
        "sensitivity": metrics.figure(lambda w: metrics.accuracy(called, w * positive), weights, positives=count),
        "specificity": metrics.figure(lambda w: metrics.accuracy(~called, w * ~positive), weights, positives=count),
        "precision": metrics.figure(lambda w: metrics.accuracy(positive, w * called), weights, positives=count),
        "f1": metrics.figure(lambda w: metrics.f1(called, positive, w), weights, positives=count),
        "calibration_error": metrics.figures(
            lambda w: {"": metrics.calibration_error(pair.max(axis=1), called == positive, w)}, weights,
            centred=("",))[""],
        "brier": metrics.figure(lambda w: metrics.brier(pair, positive.astype(np.int64), w), weights),
        **_of_ranks(shares, positive, weights),
    }
    return {
        "pictures": len(positive),
        "lesions": len({record.group for record in predictions.records}),
        "refused": len(predictions.refused),
        "failed": len(predictions.failed),
        "resamples": resamples,
        **{name: value.to_dict() for name, value in figures.items()},
    }


def _of_ranks(malignant: Floats, positive: NDArray[np.bool_], weights: Weights) -> dict[str, Figure]:
    """What the malignant probability is worth whatever the threshold."""
    ranking = Ranking.of(malignant, positive)

    def every(weights: Weights) -> dict[str, Floats]:
        points = ranking.points(weights)
        return {"malignant_auc": points.auc()} | {
            f"malignant_sensitivity_at_{specificity:.0%}_specificity": points.sensitivity_at(specificity)
            for specificity in (0.90, 0.95)}

    return metrics.figures(every, weights, positives=int(positive.sum()))


def _of_classes(shares: Floats, targets: NDArray[np.int64], known: list[int],
                weights: Weights, groups: Sequence[str]) -> dict[tuple[str, str], Figure]:
    """(class code, or nothing for all together; name) -> figure. shares: (n, 11), over `known` alone."""
    predicted = shares.argmax(axis=1)
    cells = Confusion.cells(predicted, targets, len(CODES))
    bins = Reliability.of(shares.max(axis=1), predicted == targets)
    rankings = {k: Ranking.of(shares[:, k], targets == k) for k in {*known, *targets.tolist()}}
    present = sorted(set(targets.tolist()))

    def every(weights: Weights) -> dict[tuple[str, str], Floats]:
        table = Confusion.of(weights, cells)
        points = {k: ranking.points(weights) for k, ranking in rankings.items()}
        areas = {k: each.auc() for k, each in points.items()}
        found = {
            "accuracy": table.accuracy(),
            "balanced_accuracy": table.balanced_accuracy(),
            "macro_auc": np.mean([areas[k] for k in present], axis=0) if present else np.full(len(weights), np.nan),
            "calibration_error": Reliability.error(bins.sums(weights)),
            "brier": metrics.brier(shares, targets, weights),
        }
        sensitivity, specificity = table.sensitivity(), table.specificity()
        return {("", name): value for name, value in found.items()} | {
            (CODES[k].value, name): value for k in known for name, value in (
                ("auc", areas[k]), ("sensitivity", sensitivity[:, k]), ("specificity", specificity[:, k]),
                ("sensitivity_at_90%_specificity", points[k].sensitivity_at(0.90)))}

    found = metrics.figures(every, weights, centred=[("", name) for name in _CENTRED])
    counts = {CODES[k].value: int((targets == k).sum()) for k in known}
    behind = {("", "accuracy"): np.ones(len(targets), bool)} | {
        (CODES[k].value, name): among for k in known for name, among in (
            ("sensitivity", targets == k), ("specificity", targets != k))}
    settled = {key: metrics.settle(found[key], metrics.independent(groups, among)) for key, among in behind.items()}
    return {key: replace(figure, positives=counts.get(key[0])) for key, figure in (found | settled).items()}


def _risk_table(predictions: Predictions) -> dict[str, dict[str, int]]:
    """How many suspicious and benign pictures fell into each risk; those whose label does not say are left out."""
    table = {risk: {"suspicious": 0, "benign": 0} for risk in ("low", "medium", "high")}
    for suspicious, risk in zip(predictions.suspicious, predictions.risks, strict=True):
        if not np.isnan(suspicious):
            table[risk]["suspicious" if suspicious else "benign"] += 1
    return table


def describe(bundle: Bundle) -> dict[str, str]:
    return {"id": bundle.id, "sha256": bundle.sha256}
