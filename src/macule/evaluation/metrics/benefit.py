"""What acting on a probability is worth (decision curve analysis; Vickers & Elkin 2006)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from macule.evaluation.metrics.bootstrap import Floats, Weights, ratio, tally


@dataclass(frozen=True)
class Benefit:
    """thresholds: (T,), ascending, below 1: probabilities from which one acts. reached: (N,), how many of them each
    picture's probability reaches. positive: (N,), 0 or 1."""

    thresholds: Floats
    reached: NDArray[np.intp]
    positive: Floats

    @classmethod
    def of(cls, probability: Floats, positive: NDArray[np.bool_], thresholds: Floats) -> Benefit:
        return cls(thresholds, np.searchsorted(thresholds, probability, "right"), positive.astype(np.float64))

    @property
    def price(self) -> Floats:
        """Of a false alarm, in missed positives: what somebody who acts from this threshold on is ready to pay."""
        return self.thresholds / (1 - self.thresholds)

    def figures(self, weights: Weights) -> dict[str, Floats]:
        """Each (B, T). `model`: true positives a picture, less false ones at their price. `everyone`: the same if all
        pictures are acted on; if none is, it is 0. `gain`: the model's over the better of these two."""
        n = weights.sum(axis=1)[:, None]
        share = ratio(weights @ self.positive, n[:, 0])[:, None]
        everyone = share - (1 - share) * self.price
        hits, alarms = self._acted(weights, self.positive), self._acted(weights, 1 - self.positive)
        model = ratio(hits, n) - ratio(alarms, n) * self.price
        return {"model": model, "everyone": everyone, "gain": model - np.maximum(everyone, 0.0)}

    def _acted(self, weights: Weights, counted: Floats) -> Floats:
        """How many of the counted pictures reach each threshold, (B, T)."""
        by_reached = tally(self.reached, len(self.thresholds) + 1, weights, counted)[:, 1:]
        return np.cumsum(by_reached[:, ::-1], axis=1)[:, ::-1]
