"""How good a bundle's answers to labelled pictures are."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from macule.analysis.bundle import Bundle
from macule.analysis.calibrate import SUSPICIOUS
from macule.data import sources
from macule.evaluation import metrics
from macule.evaluation.metrics import Figure, Floats
from macule.evaluation.predictions import CODES, Predictions


def score(predictions: Predictions, dataset: str, *, resamples: int = metrics.RESAMPLES,
          seed: int = 0) -> dict[str, Any]:
    """All figures of one data set, as plain numbers with n and 95 % intervals.

    dataset: its id; of several together, joined by `+`.
    Probabilities are renormalised over the classes that the set's labels can take.
    """
    classes = {code for name in dataset.split("+") for code in sources.find(name).classes}
    known = sorted(CODES.index(code) for code in classes)
    targets, shares = predictions.targets, predictions.shares
    weights = metrics.resample(predictions.groups, resamples=resamples, seed=seed)
    projected = np.zeros_like(shares)
    projected[:, known] = shares[:, known] / np.maximum(shares[:, known].sum(axis=1, keepdims=True), 1e-12)
    return {
        "pictures": len(targets),
        "lesions": len({record.group for record in predictions.records}),
        "refused": len(predictions.refused),
        "failed": len(predictions.failed),
        "resamples": resamples,
        **{name: value.to_dict() for name, value in _overall(projected, shares, targets, weights).items()},
        "classes": {CODES[k].value: _one_class(projected[:, k], projected.argmax(axis=1) == k, targets == k, weights)
                    for k in known},
        "risk": _risk_table(predictions),
    }


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
        "calibration_error": metrics.figure(
            lambda w: metrics.calibration_error(pair.max(axis=1), called == positive, w), weights),
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


def _of_ranks(malignant: Floats, positive: NDArray[np.bool_], weights: Floats) -> dict[str, Figure]:
    """What the malignant probability is worth whatever the threshold."""
    count = int(positive.sum())
    figures = {"malignant_auc": metrics.figure(lambda w: metrics.auc(malignant, positive, w), weights,
                                               positives=count)}
    for specificity in (0.90, 0.95):
        sensitivity = partial(metrics.sensitivity_at, specificity, malignant, positive)
        figures[f"malignant_sensitivity_at_{specificity:.0%}_specificity"] = metrics.figure(
            sensitivity, weights, positives=count)
    return figures


def _overall(projected: Floats, shares: Floats, targets: NDArray[np.int64], weights: Floats) -> dict[str, Figure]:
    predicted = projected.argmax(axis=1)
    correct, confidence = predicted == targets, projected.max(axis=1)
    malignant, positive = shares[:, SUSPICIOUS].sum(axis=1), SUSPICIOUS[targets]
    present = [int(k) for k in np.unique(targets)]

    def macro(w: Floats) -> Floats:
        return np.asarray(np.mean([metrics.auc(projected[:, k], targets == k, w) for k in present], axis=0))

    figures = {
        "accuracy": metrics.figure(lambda w: metrics.accuracy(correct, w), weights),
        "balanced_accuracy": metrics.figure(lambda w: metrics.balanced_accuracy(predicted, targets, w), weights),
        "macro_auc": metrics.figure(macro, weights),
        "calibration_error": metrics.figure(lambda w: metrics.calibration_error(confidence, correct, w), weights),
        "brier": metrics.figure(lambda w: metrics.brier(projected, targets, w), weights),
    }
    return figures | _of_ranks(malignant, positive, weights)


def _one_class(scores: Floats, called: NDArray[np.bool_], positive: NDArray[np.bool_],
               weights: Floats) -> dict[str, Any]:
    count = int(positive.sum())
    figures = {
        "auc": metrics.figure(lambda w: metrics.auc(scores, positive, w), weights, positives=count),
        "sensitivity": metrics.figure(lambda w: metrics.accuracy(called, w * positive), weights, positives=count),
        "specificity": metrics.figure(lambda w: metrics.accuracy(~called, w * ~positive), weights, positives=count),
        "sensitivity_at_90%_specificity": metrics.figure(
            lambda w: metrics.sensitivity_at(0.90, scores, positive, w), weights, positives=count),
    }
    return {name: value.to_dict() for name, value in figures.items()}


def _risk_table(predictions: Predictions) -> dict[str, dict[str, int]]:
    """How many suspicious and benign pictures fell into each risk."""
    table = {risk: {"suspicious": 0, "benign": 0} for risk in ("low", "medium", "high")}
    for record, risk in zip(predictions.records, predictions.risks, strict=True):
        table[risk]["suspicious" if record.diagnosis.suspicious else "benign"] += 1
    return table


def describe(bundle: Bundle) -> dict[str, str]:
    return {"id": bundle.id, "sha256": bundle.sha256}
