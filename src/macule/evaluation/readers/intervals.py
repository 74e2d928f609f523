"""Many figures at once with their intervals: percentile bootstrap over lesions or patients, the readers fixed."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from macule.evaluation import metrics
from macule.evaluation.metrics import Figure, Floats, Weights, ratio


def figures(metric: Callable[[Weights], Floats], weights: Weights, counts: Sequence[int]) -> list[Figure]:
    """metric: weights, shape (b, N), to M figures of each resample, (b, M). counts: n of each figure."""
    if weights.shape[1] == 0:
        return [Figure(np.nan, np.nan, np.nan, n) for n in counts]
    # Of float32 weights every product below would make its own copy.
    whole, spread = metrics.gathered(lambda w: {"": metric(w.astype(np.float64))}, weights)
    return [Figure(float(value), *metrics.interval(drawn, float(value)), n)
            for value, drawn, n in zip(whole[""], spread[""].T, counts, strict=True)]


def shares(hits: Floats, counted: Floats, weights: Weights, cases: NDArray[np.int64]) -> list[Figure]:
    """Shares of readings: hits out of counted, both of shape (M, N): how many readings of each picture.

    cases: number of each picture's lesion or patient. n of a figure is its number of readings.
    """
    found = means(hits, counted, weights)
    behind = [len(np.unique(cases[row > 0])) for row in counted]
    return [metrics.settle(figure, groups) for figure, groups in zip(found, behind, strict=True)]


def means(sums: Floats, counted: Floats, weights: Weights) -> list[Figure]:
    """Means over readings: sums over counted, both of shape (M, N)."""
    tops, bottoms = sums.T, counted.T
    return figures(lambda w: ratio(w @ tops, w @ bottoms), weights, [int(row.sum()) for row in counted])
