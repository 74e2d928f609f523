"""What the SMOTE ablation measures, with intervals over lesions and the paired difference to a reference arm."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from smote_arms import Bools, Floats, Scored, Task

from macule.evaluation import metrics

#: Names of the figures, in the order of the columns.
MEASURES = ("balanced accuracy", "malignant AUC", "sensitivity at 90 % specificity", "F1 malignant")
RESAMPLES, _AT_ONCE = 1000, 125
#: Names of arms that the page speaks of.
REFERENCE, SMOTE, MOVED = "class weights", "SMOTE", "plain, thresholds moved"
BY_PICTURE = "class weights, split by picture"
FIRST = "SMOTE before the split, synthetic rows tested too"
FIRST_REAL = "SMOTE before the split, real pictures tested"


@dataclass(frozen=True)
class Interval:
    """value with its 95 % interval."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.3f} ({self.low:.3f} to {self.high:.3f})"

    def signed(self) -> str:
        return f"{self.value:+.3f} ({self.low:+.3f} to {self.high:+.3f})"


@dataclass(frozen=True)
class Line:
    """One arm: figure -> its value, and minus that of the reference on the same resamples of lesions."""

    values: Mapping[str, Interval]
    differences: Mapping[str, Interval]


@dataclass(frozen=True)
class Outcome:
    """lines: arm -> figures. penalties: arm -> how often each was chosen. tested: arm -> rows tested a repeat."""

    title: str
    lines: Mapping[str, Line]
    penalties: Mapping[str, Mapping[float, int]]
    tested: Mapping[str, int]


def compare(task: Task, arms: Mapping[str, Sequence[Scored]], *, reference: str, seed: int = 0) -> dict[str, Line]:
    """The mean over an arm's folds and repeats, the same resampled lesions for all of them."""
    ones = np.ones((1, len(task.lesion)))
    draws = metrics.resample([str(each) for each in task.lesion], resamples=RESAMPLES, seed=seed)
    weights = np.concatenate([ones, draws])
    found = {name: spread(task, scored, weights) for name, scored in arms.items()}
    base = found[reference]
    return {name: Line({each: _interval(row) for each, row in rows.items()},
                       {each: _interval(row - base[each]) for each, row in rows.items()})
            for name, rows in found.items()}


def spread(task: Task, folds: Sequence[Scored], weights: Floats) -> dict[str, Floats]:
    """Figure -> its mean over the folds, for each row of weights. weights: (B, N) of the pictures."""
    sums = {name: np.zeros(len(weights)) for name in MEASURES}
    for scored in folds:
        for start in range(0, len(weights), _AT_ONCE):
            chunk = weights[start:start + _AT_ONCE, scored.origin]
            for name, metric in _measures(task, scored).items():
                sums[name][start:start + _AT_ONCE] += metric(chunk) / len(folds)
    return sums


def _measures(task: Task, scored: Scored) -> dict[str, Callable[[Floats], Floats]]:
    malignant = scored.shares[:, task.suspicious].sum(axis=1)
    positive, predicted = task.suspicious[scored.targets], scored.shares.argmax(axis=1)
    return dict(zip(MEASURES, (
        lambda w: metrics.balanced_accuracy(predicted, scored.targets, w),
        lambda w: metrics.auc(malignant, positive, w),
        lambda w: metrics.sensitivity_at(0.9, malignant, positive, w),
        lambda w: f1(malignant >= 0.5, positive, w),
    ), strict=True))


def f1(predicted: Bools, positive: Bools, weights: Floats) -> Floats:
    """F1 of the positive class for each row of weights, (B, n); NaN where nothing is positive or predicted so."""
    hits = weights @ (predicted & positive)
    both = weights @ predicted + weights @ positive
    return np.asarray(np.where(both > 0, 2 * hits / np.where(both > 0, both, 1), np.nan), np.float64)


def _interval(rows: Floats) -> Interval:
    # A resample that leaves a fold without malignant pictures says nothing of it.
    drawn = rows[1:][np.isfinite(rows[1:])]
    low, high = np.quantile(drawn, [0.025, 0.975]) if len(drawn) else (np.nan, np.nan)
    return Interval(float(rows[0]), float(low), float(high))
