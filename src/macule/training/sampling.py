"""Which pictures are drawn, epoch by epoch: natural, balanced, oversampled, or easy ones first.

Everything follows from the seed and the step, so a run that goes on after a kill draws what an unbroken one would have.
"""

from __future__ import annotations

import bisect
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from macule.training import labels
from macule.training.labels import Allowed
from macule.training.recipe import Sampling

Indices = NDArray[np.int64]
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Epoch:
    """Steps `first` to `last` (exclusive) draw one epoch. share: of each class's pictures that are admitted."""

    number: int
    first: int
    last: int
    share: float


def expected(rows: Allowed, settings: Sampling, factors: Floats | None = None) -> Floats:
    """How often each picture is drawn in an epoch, on average. float64, shape (N,).

    factors: of groups.factors, by which some pictures of a class come up more often than others.
    """
    times = _by_class(rows, settings)
    if factors is None:
        return times
    # Of pictures that belong to several classes the mean is not quite 1: an epoch stays as long as it was.
    return np.asarray(times * factors * (times.sum() / (times * factors).sum()))


def _by_class(rows: Allowed, settings: Sampling) -> Floats:
    per_class = labels.counts(rows)
    if settings.kind == "target":
        times = np.where(per_class > 0, np.maximum(settings.target / np.maximum(per_class, 1e-12), 1.0), 0.0)
        return _mean_over_labels(rows, times)
    with np.errstate(divide="ignore"):
        weights = np.where(per_class > 0, per_class ** -float(settings.exponent), 0.0)
    by_picture = _mean_over_labels(rows, weights)
    return np.asarray(by_picture / by_picture.sum() * len(rows))


def drawn(rows: Allowed, settings: Sampling) -> Floats:
    """How often each class is drawn in an epoch, on average, whatever the groups. float64, shape (C,)."""
    return np.asarray((rows / rows.sum(axis=1, keepdims=True) * expected(rows, settings)[:, None]).sum(axis=0))


def _mean_over_labels(rows: Allowed, of_class: Floats) -> Floats:
    return np.asarray((rows * of_class).sum(axis=1) / rows.sum(axis=1))


class Sampler:
    """The batches of a run."""

    def __init__(self, rows: Allowed, settings: Sampling, *, batch: int, steps: int, seed: int,
                 factors: Floats | None = None) -> None:
        """rows: bool, shape (N, C). steps: of the whole run. factors: see `expected`."""
        self._rows, self._settings = rows, settings
        self._batch, self._steps, self._seed = batch, steps, seed
        self._expected = expected(rows, settings, factors)
        # A picture's offset spreads its draws evenly over the run: it never waits long for its turn.
        self._offset = np.random.default_rng(seed).random(len(rows))
        self._classes = rows.argmax(axis=1)
        self._order = lru_cache(2)(self._drawn)
        self.epochs = self._plan()
        self._ends = [epoch.last for epoch in self.epochs]

    @property
    def steps_per_epoch(self) -> int:
        """Of an epoch over all pictures."""
        return self._length(self._expected.sum())

    def epoch(self, step: int) -> Epoch:
        return self.epochs[bisect.bisect_right(self._ends, step)]

    def batch(self, step: int, losses: Floats | None = None) -> Indices:
        """The pictures of a step.

        losses: of every picture when it was last drawn, as known before the step's epoch; NaN where it never was.
        Only a curriculum looks at them.
        """
        epoch = self.epoch(step)
        # Bytes, since a NaN is not equal to itself: the epoch would be drawn anew at each of its steps.
        key = b"" if losses is None or epoch.share >= 1 else losses.tobytes()
        order = self._order(epoch.number, epoch.share, key)
        place = (step - epoch.first) * self._batch
        return order[np.arange(place, place + self._batch) % len(order)]

    def _plan(self) -> Sequence[Epoch]:
        epochs: list[Epoch] = []
        first = 0
        while first < self._steps:
            share = self._share(first)
            last = min(first + self._length(share * self._expected.sum()), self._steps)
            epochs.append(Epoch(len(epochs), first, last, share))
            first = last
        return epochs

    def _length(self, pictures: float) -> int:
        return max(1, int(pictures + 1e-6) // self._batch)  # shares of 780 pictures may sum to 779.9999999

    def _share(self, step: int) -> float:
        """Of the pictures that are admitted; the first epoch takes all, to learn which are easy."""
        if not self._settings.curriculum or step == 0:
            return 1.0
        grown = step / max(1.0, self._settings.until * self._steps)
        return min(1.0, self._settings.start + (1 - self._settings.start) * grown)

    def _drawn(self, number: int, share: float, losses: bytes) -> Indices:
        rate = self._expected * self._admitted(share, np.frombuffer(losses))
        if not rate.any():
            rate = self._expected
        times = np.floor(rate * (number + 1) + self._offset) - np.floor(rate * number + self._offset)
        chosen = np.repeat(np.arange(len(rate)), times.astype(int))
        if not len(chosen):
            chosen = np.flatnonzero(rate)
        return np.random.default_rng((self._seed, number)).permutation(chosen)

    def _admitted(self, share: float, losses: Floats) -> NDArray[np.bool_]:
        """The easiest pictures of each class, so that no class waits outside."""
        if share >= 1 or not len(losses):
            return np.ones(len(self._rows), np.bool_)
        known = np.where(np.isnan(losses), np.inf, losses)
        admitted = np.zeros(len(self._rows), np.bool_)
        for label in np.unique(self._classes):
            of_class = np.flatnonzero(self._classes == label)
            easiest = of_class[np.argsort(known[of_class], kind="stable")]
            admitted[easiest[: int(np.ceil(share * len(of_class)))]] = True
        return admitted
