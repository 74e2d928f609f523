"""How far probabilities can be taken at their word: bins and proper scores."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from macule.evaluation.metrics.bootstrap import Floats, Weights, ratio, tally

ECE_BINS = 15
TINY = 1e-15
Sums = tuple[Floats, Floats, Floats]


@dataclass(frozen=True)
class Reliability:
    """Pictures in bins of equal count by their probability (adaptive bins; Nguyen & O'Connor 2015).

    places: bin of each picture, (N,). probability, outcome: (N,), outcome 0 or 1.
    """

    bins: int
    places: NDArray[np.intp]
    probability: Floats
    outcome: Floats

    @classmethod
    def of(cls, probability: Floats, outcome: NDArray[np.bool_], bins: int = ECE_BINS) -> Reliability:
        bins = min(bins, len(probability))
        places = np.zeros(len(probability), np.intp)
        for number, members in enumerate(np.array_split(np.argsort(probability, kind="stable"), bins) if bins else ()):
            places[members] = number
        return cls(bins, places, probability, outcome.astype(np.float64))

    def sums(self, weights: Weights) -> Sums:
        """Pictures, sum of probabilities and of outcomes; each (B, bins)."""
        return (tally(self.places, self.bins, weights), tally(self.places, self.bins, weights, self.probability),
                tally(self.places, self.bins, weights, self.outcome))

    @staticmethod
    def error(sums: Sums) -> Floats:
        """Expected calibration error: the bins' mean distance of outcome and probability."""
        counts, expected, seen = sums
        return ratio(np.abs(seen - expected).sum(axis=1), counts.sum(axis=1))

    @staticmethod
    def largest(sums: Sums) -> Floats:
        """Maximum calibration error: that of the worst bin."""
        counts, expected, seen = sums
        distance = np.where(counts > 0, ratio(np.abs(seen - expected), counts), -1.0)
        worst = distance.max(axis=1, initial=-1.0)
        return np.where(worst >= 0, worst, np.nan)


def calibration_error(confidence: Floats, correct: NDArray[np.bool_], weights: Weights) -> Floats:
    """Expected calibration error with bins of equal count (adaptive; Nguyen & O'Connor 2015)."""
    return Reliability.error(Reliability.of(confidence, correct).sums(weights))


def brier(shares: Floats, targets: NDArray[np.int64], weights: Weights) -> Floats:
    """Multi-class Brier score: 0 is perfect, 2 the worst. shares: shape (N, K)."""
    errors = ((shares - np.eye(shares.shape[1])[targets]) ** 2).sum(axis=1)
    return ratio(weights @ errors, weights.sum(axis=1))


def log_loss(probability: Floats, weights: Weights) -> Floats:
    """Mean of -ln of the probability of what was true (natural logarithm; probabilities below 1e-15 count as that)."""
    return ratio(weights @ -np.log(np.maximum(probability, TINY)), weights.sum(axis=1))
