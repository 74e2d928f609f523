"""Figures of a score's order: ROC, precision and recall. A score is sorted once, whatever the number of resamples."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from macule.evaluation.metrics.bootstrap import Floats, Weights, ratio

Places = NDArray[np.intp]


@dataclass(frozen=True)
class Ranking:
    """Pictures from the highest score down. Only the T scores that a positive has are corners of the curves.

    hit, missed: places of positives and negatives in that order. ends: of the last positive of each of the T scores.
    before, upto: how many negatives have a higher, and at least this, score.
    """

    hit: Places
    missed: Places
    ends: Places
    before: Places
    upto: Places

    @classmethod
    def of(cls, scores: Floats, positive: NDArray[np.bool_]) -> Ranking:
        order = np.argsort(-scores, kind="stable")
        marked = positive[order]
        hit, missed = order[marked], order[~marked]
        ends = np.flatnonzero(np.diff(-scores[hit], append=np.inf) > 0)
        levels, passed = -scores[hit[ends]], -scores[missed]
        return cls(hit, missed, ends, np.searchsorted(passed, levels, "left"), np.searchsorted(passed, levels, "right"))

    def points(self, weights: Weights) -> Points:
        hits = np.cumsum(weights[:, self.hit], axis=1)
        misses = np.cumsum(weights[:, self.missed], axis=1)
        padded = np.concatenate([np.zeros((len(weights), 1), misses.dtype), misses], axis=1)

        def last(sums: Weights) -> Floats:
            return sums[:, -1].astype(np.float64) if sums.shape[1] else np.zeros(len(sums))

        corners = hits[:, self.ends], padded[:, self.before], padded[:, self.upto]
        above, before, upto = (sums.astype(np.float64) for sums in corners)
        return Points(above, before, upto, last(hits), last(misses))


@dataclass(frozen=True)
class Points:
    """The corners of the curves of B resamples.

    hits, upto: (B, T), positives and negatives at or above each score. before: (B, T), negatives above it.
    positives, negatives: (B,), all of them.
    """

    hits: Floats
    before: Floats
    upto: Floats
    positives: Floats
    negatives: Floats

    @property
    def steps(self) -> Floats:
        return np.diff(self.hits, axis=1, prepend=0.0)

    def auc(self) -> Floats:
        """Area under the ROC curve (Mann-Whitney; ties count half)."""
        beaten = self.negatives[:, None] - (self.before + self.upto) / 2
        return ratio((self.steps * beaten).sum(axis=1), self.positives * self.negatives)

    def partial_auc(self, above: float = 0.8) -> Floats:
        """Area between the ROC curve and the line of this sensitivity: from 0 to 1 - above (ISIC 2024)."""
        start = above * self.positives[:, None]
        floor, steps = self.hits - self.steps, self.steps
        used = np.clip(self.hits - np.maximum(floor, start), 0.0, steps)
        left = self.upto - (self.upto - self.before) * ratio(used, steps)
        beaten = self.negatives[:, None] - (np.where(used > 0, left, 0.0) + self.upto) / 2
        return ratio((used * beaten).sum(axis=1), self.positives * self.negatives)

    def average_precision(self) -> Floats:
        """Precision at each score, weighted by the sensitivity gained there. NaN without positives."""
        precision = ratio(self.hits, self.hits + self.upto)
        gained = self.steps * np.where(self.steps > 0, precision, 0.0)
        return ratio(gained.sum(axis=1), self.positives)

    def sensitivity_at(self, specificity: float) -> Floats:
        """Sensitivity at the lowest threshold that keeps at least this specificity, chosen anew in each resample."""
        allowed = self.upto <= (1 - specificity) * self.negatives[:, None] + 1e-9
        best = np.where(allowed, self.hits, 0.0).max(axis=1, initial=0.0)
        return np.where(self.negatives > 0, ratio(best, self.positives), np.nan)

    def specificity_at(self, sensitivity: float) -> Floats:
        """Specificity at the highest threshold that reaches at least this sensitivity, chosen anew in each resample."""
        reached = self.hits >= sensitivity * self.positives[:, None] - 1e-9
        fewest = np.where(reached, self.upto, np.inf).min(axis=1, initial=np.inf)
        return np.where(self.positives > 0, 1 - ratio(np.minimum(fewest, self.negatives), self.negatives), np.nan)

    def roc(self, false_positives: Floats) -> Floats:
        """Sensitivity at each share of false positives, on straight lines between corners. Returns: (B, len)."""
        x = _laced(self.before, self.upto, self.negatives)
        y = _laced(self.hits - self.steps, self.hits, self.positives)
        return np.stack([np.interp(false_positives, *row) for row in zip(x, y, strict=True)])

    def precision(self, recalls: Floats) -> Floats:
        """Precision at the highest threshold that reaches each recall. Returns: (B, len), NaN without positives."""
        found = ratio(self.hits, self.hits + self.upto)
        rows = []
        for hits, precision, all_hits in zip(self.hits, found, self.positives, strict=True):
            places = np.searchsorted(hits, recalls * all_hits - 1e-9) if all_hits else []
            rows.append(precision[places] if all_hits else np.full(len(recalls), np.nan))
        return np.stack(rows)


def _laced(first: Floats, second: Floats, whole: Floats) -> Floats:
    """(0, first, second of each corner, 1), as shares; NaN without any to share."""
    inner = np.stack([first, second], axis=2).reshape(len(first), -1)
    ends = np.zeros((len(first), 1)), whole[:, None]
    return ratio(np.concatenate([ends[0], inner, ends[1]], axis=1), whole[:, None])


def auc(scores: Floats, positive: NDArray[np.bool_], weights: Weights) -> Floats:
    """Area under the ROC curve (Mann-Whitney; ties count half). NaN without both positives and negatives."""
    return Ranking.of(scores, positive).points(weights).auc()


def average_precision(scores: Floats, positive: NDArray[np.bool_], weights: Weights) -> Floats:
    """Area under the precision-recall curve, as steps. NaN without positives."""
    return Ranking.of(scores, positive).points(weights).average_precision()


def partial_auc(above: float, scores: Floats, positive: NDArray[np.bool_], weights: Weights) -> Floats:
    """See `Points.partial_auc`. NaN without both positives and negatives."""
    return Ranking.of(scores, positive).points(weights).partial_auc(above)


def sensitivity_at(specificity: float, scores: Floats, positive: NDArray[np.bool_], weights: Weights) -> Floats:
    """Sensitivity at the lowest threshold that keeps at least this specificity, chosen anew in each resample."""
    return Ranking.of(scores, positive).points(weights).sensitivity_at(specificity)
