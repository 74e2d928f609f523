"""Resamples of whole lesions or patients, and a figure with its interval."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Collection, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from macule.statistics import wilson

Floats = NDArray[np.float64]
#: Shape (B, N); whole numbers, as float32 or float64.
Weights = NDArray[Any]
Key = TypeVar("Key", bound=Hashable)
RESAMPLES = 2000
#: Entries of the weights that are worked on together: 1.5 MB, so that the cache of one core holds them.
_AT_ONCE = 400_000
_SAME = 1e-9


@dataclass(frozen=True)
class Figure:
    """value with its 95 % interval (percentile bootstrap). n: pictures; positives: None if not binary."""

    value: float
    low: float
    high: float
    n: int
    positives: int | None = None

    def to_dict(self) -> dict[str, float | int | None]:
        shown = {key: None if np.isnan(value) else round(float(value), 4)
                 for key, value in (("value", self.value), ("low", self.low), ("high", self.high))}
        return {**shown, "n": self.n} | ({} if self.positives is None else {"positives": self.positives})

    def __str__(self) -> str:
        return self._told(".3f")

    def signed(self) -> str:
        """Of a difference: with its sign."""
        return self._told("+.3f")

    def _told(self, places: str) -> str:
        if np.isnan(self.value):
            return "not measured"
        if np.isnan(self.low):
            return f"{self.value:{places}} (no interval)"
        return f"{self.value:{places}} ({self.low:{places}} to {self.high:{places}})"


def resample(groups: Sequence[str], *, resamples: int = RESAMPLES, seed: int = 0) -> NDArray[np.float32]:
    """Weights of whole groups drawn with replacement. groups: lesion or patient of each picture, length N.

    Returns: float32, shape (resamples, N): small, and safe to add up (whole numbers up to 2^24 are exact).
    """
    weights = np.zeros((resamples, len(groups)), np.float32)
    if not groups:
        return weights
    _, group = np.unique(np.asarray(groups), return_inverse=True)
    count = int(group.max()) + 1
    rng = np.random.default_rng(seed)
    for rows in _chunks(resamples, count):
        height = rows.stop - rows.start
        draws = rng.integers(0, count, (height, count)) + count * np.arange(height)[:, None]
        times = np.bincount(draws.ravel(), minlength=height * count).reshape(height, count)
        weights[rows] = times.astype(np.float32)[:, group]
    return weights


def figure(metric: Callable[[Any], Floats], weights: Weights, *, positives: int | None = None) -> Figure:
    """A metric's value on all pictures, and its interval over the resamples in `weights`; NaN without pictures."""
    n = weights.shape[1]
    if n == 0:
        return Figure(np.nan, np.nan, np.nan, n, positives)
    return figures(lambda w: {"": metric(w)}, weights, positives=positives)[""]


def figures(measure: Callable[[Any], Mapping[Key, Floats]], weights: Weights, *, positives: int | None = None,
            centred: Collection[Key] = ()) -> dict[Key, Figure]:
    """Many metrics at once, so that what they share is computed once a resample.

    measure: weights, shape (b, N) -> each metric, shape (b,).
    centred: metrics that resampling itself raises, since it repeats pictures; see `interval`.
    """
    whole, spread = gathered(measure, weights)
    return {key: Figure(float(whole[key]), *interval(spread[key], float(whole[key]), centred=key in centred),
                        weights.shape[1], positives) for key in whole}


def gathered(measure: Callable[[Any], Mapping[Key, Floats]],
             weights: Weights) -> tuple[dict[Key, Any], dict[Key, Floats]]:
    """Each metric on all pictures, and on every resample; a metric's own shape follows that of the resamples."""
    n = weights.shape[1]
    whole = {key: value[0] for key, value in measure(np.ones((1, n))).items()}
    parts = [measure(weights[rows]) for rows in _chunks(len(weights), n)]
    return whole, {key: np.concatenate([part[key] for part in parts]) if parts else np.zeros((0, *np.shape(whole[key])))
                   for key in whole}


def interval(spread: Floats, value: float, *, centred: bool = False) -> tuple[float, float]:
    """The middle 95 % of the resamples where the metric is defined.

    centred: moved so that its middle is the value. The error of a bin grows with the noise in it, and a resample has
    more noise than the pictures have: unmoved, the interval of a small error lies above the error.
    Returns: NaN if all resamples say the same (all pictures are of one lesion, or all are right): then they do not
    tell how others would vary.
    """
    known = spread[np.isfinite(spread)]
    if not len(known) or np.isnan(value):
        return np.nan, np.nan
    low, middle, high = (float(each) for each in np.quantile(known, [0.025, 0.5, 0.975]))
    if high - low < _SAME:
        return np.nan, np.nan
    return (low + value - middle, high + value - middle) if centred else (low, high)


def independent(groups: Sequence[str], among: NDArray[np.bool_]) -> int:
    """How many lesions or patients stand behind these pictures."""
    return len({group for group, counts in zip(groups, among, strict=True) if counts})


def settle(found: Figure, groups: int, *, share: bool = True) -> Figure:
    """A figure with what its interval can be, given how many lesions or patients stand behind it.

    Of one there is no interval. share: whether it is a share of pictures: if all or none were right, every resample
    says the same, and Wilson's interval (1927) over the groups stands in.
    """
    if groups < 2:
        return dataclasses.replace(found, low=np.nan, high=np.nan)
    if share and np.isnan(found.low) and found.value in (0.0, 1.0):
        low, high = wilson(round(found.value * groups), groups)
        return dataclasses.replace(found, low=low, high=high)
    return found


def tally(places: NDArray[np.intp], size: int, weights: Weights, values: Weights | None = None) -> Floats:
    """Sum of the weights (times values) of the pictures at each place. places: (N,), below size. Returns: (B, size).

    Counted, not multiplied by a matrix of places: 30 times less work, and no threads that wait on a busy machine.
    """
    rows = weights if values is None else (row * values for row in weights)
    return np.array([np.bincount(places, row, size) for row in rows], np.float64).reshape(len(weights), size)


def ratio(top: Floats, bottom: Floats) -> Floats:
    """NaN where there is nothing below the line."""
    top, bottom = np.asarray(top, np.float64), np.asarray(bottom, np.float64)
    found = np.full(np.broadcast(top, bottom).shape, np.nan)
    np.divide(top, bottom, out=found, where=bottom > 0)
    return found


def mean_of_known(values: Floats) -> Floats:
    """Mean over the last axis of what is defined; NaN if nothing is."""
    known = np.isfinite(values)
    return ratio(np.where(known, values, 0.0).sum(axis=-1), known.sum(axis=-1))


def _chunks(rows: int, width: int) -> Iterator[slice]:
    step = max(1, _AT_ONCE // max(width, 1))
    return (slice(start, min(start + step, rows)) for start in range(0, rows, step))
