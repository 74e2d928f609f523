"""Metrics with bootstrap intervals over lesions, vectorised over resamples.

Every metric takes weights, shape (B, N): how often each picture counts in each of B resamples. One row of ones gives
the figure itself, so figure and interval come from the same code. An undefined metric is NaN. scikit-learn is the
oracle in the tests; it is not needed to run this.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
RESAMPLES = 2000
ECE_BINS = 15
_AT_ONCE = 250  # resamples in memory together


@dataclass(frozen=True)
class Figure:
    """value with its 95 % interval (percentile bootstrap over lesions). n: pictures; positives: None if not binary."""

    value: float
    low: float
    high: float
    n: int
    positives: int | None = None

    def to_dict(self) -> dict[str, float | int | None]:
        shown = {key: None if np.isnan(value) else round(value, 4)
                 for key, value in (("value", self.value), ("low", self.low), ("high", self.high))}
        return {**shown, "n": self.n} | ({} if self.positives is None else {"positives": self.positives})

    def __str__(self) -> str:
        if np.isnan(self.value):
            return "not measured"
        return f"{self.value:.3f} ({self.low:.3f} to {self.high:.3f})"


def resample(groups: Sequence[str], *, resamples: int = RESAMPLES, seed: int = 0) -> Floats:
    """Weights of whole lesions drawn with replacement. groups: lesion of each picture, length N.

    Returns: float64, shape (resamples, N).
    """
    if not groups:
        return np.zeros((resamples, 0))
    _, lesion = np.unique(np.asarray(groups), return_inverse=True)
    count = int(lesion.max()) + 1
    draws = np.random.default_rng(seed).integers(0, count, (resamples, count))
    times = np.stack([np.bincount(row, minlength=count) for row in draws])
    return times[:, lesion].astype(np.float64)


def figure(metric: Callable[[Floats], Floats], weights: Floats, *, positives: int | None = None) -> Figure:
    """A metric's value on all pictures, and its interval over the resamples in `weights`; NaN without pictures."""
    n = weights.shape[1]
    if n == 0:
        return Figure(np.nan, np.nan, np.nan, n, positives)
    value = float(metric(np.ones((1, n)))[0])
    parts = [metric(weights[i:i + _AT_ONCE]) for i in range(0, len(weights), _AT_ONCE)]
    spread = np.concatenate(parts) if parts else np.array([])
    spread = spread[np.isfinite(spread)]
    low, high = np.quantile(spread, [0.025, 0.975]) if len(spread) and not np.isnan(value) else (np.nan, np.nan)
    return Figure(value, float(low), float(high), n, positives)


def accuracy(correct: NDArray[np.bool_], weights: Floats) -> Floats:
    return _ratio(weights @ correct, weights.sum(axis=1))


def balanced_accuracy(predicted: NDArray[np.int64], targets: NDArray[np.int64], weights: Floats) -> Floats:
    """Mean sensitivity of the classes that are present (in each resample)."""
    recalls = [_ratio(weights @ ((targets == k) & (predicted == k)), weights @ (targets == k))
               for k in np.unique(targets)]
    with np.errstate(invalid="ignore"):
        return np.asarray(np.nanmean(np.stack(recalls), axis=0))


def f1(called: NDArray[np.bool_], positive: NDArray[np.bool_], weights: Floats) -> Floats:
    """Harmonic mean of precision and sensitivity; NaN without positives and without calls."""
    return _ratio(2 * (weights @ (called & positive)), weights @ called + weights @ positive)


def auc(scores: Floats, positive: NDArray[np.bool_], weights: Floats) -> Floats:
    """Area under the ROC curve (Mann-Whitney; ties count half). NaN without both positives and negatives."""
    order = np.argsort(scores, kind="stable")
    starts = np.flatnonzero(np.r_[True, np.diff(scores[order]) > 0])
    weighted = weights[:, order]
    hits = np.add.reduceat(weighted * positive[order], starts, axis=1)
    misses = np.add.reduceat(weighted * ~positive[order], starts, axis=1)
    below = np.cumsum(misses, axis=1) - misses
    return _ratio((hits * (below + misses / 2)).sum(axis=1), hits.sum(axis=1) * misses.sum(axis=1))


def sensitivity_at(specificity: float, scores: Floats, positive: NDArray[np.bool_], weights: Floats) -> Floats:
    """Sensitivity at the lowest threshold that keeps at least this specificity, chosen anew in each resample."""
    order = np.argsort(-scores, kind="stable")
    ends = np.flatnonzero(np.r_[np.diff(scores[order]) < 0, True])
    hits = np.cumsum(weights[:, order] * positive[order], axis=1)[:, ends]
    alarms = np.cumsum(weights[:, order] * ~positive[order], axis=1)[:, ends]
    positives, negatives = weights @ positive, weights @ ~positive
    allowed = alarms <= (1 - specificity) * negatives[:, None] + 1e-9
    best = np.where(allowed, hits, 0.0).max(axis=1)
    return np.where(negatives > 0, _ratio(best, positives), np.nan)


def calibration_error(confidence: Floats, correct: NDArray[np.bool_], weights: Floats) -> Floats:
    """Expected calibration error with bins of equal count (adaptive; Nguyen & O'Connor 2015)."""
    bins = np.array_split(np.argsort(confidence, kind="stable"), min(ECE_BINS, len(confidence)))
    gaps = [np.abs(weights[:, b] @ (correct[b] - confidence[b])) for b in bins]
    return _ratio(np.sum(gaps, axis=0), weights.sum(axis=1))


def brier(shares: Floats, targets: NDArray[np.int64], weights: Floats) -> Floats:
    """Multi-class Brier score: 0 is perfect, 2 the worst. shares: shape (N, K)."""
    errors = ((shares - np.eye(shares.shape[1])[targets]) ** 2).sum(axis=1)
    return _ratio(weights @ errors, weights.sum(axis=1))


def _ratio(top: Floats, bottom: Floats) -> Floats:
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(np.where(bottom > 0, top / np.where(bottom > 0, bottom, 1), np.nan), dtype=np.float64)
