"""What each reader's figure becomes when one case is left out: the covariances of a multi-reader study come from it.

A case is what is sampled together, a lesion or patient with all its pictures.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class Spread:
    """values: shape (M,), one a reader and arm. left: (M, G), the same without each of the G cases that count."""

    values: Floats
    left: Floats

    @property
    def cases(self) -> int:
        return int(self.left.shape[1])

    @property
    def covariance(self) -> Floats:
        """float64, (M, M) (Efron 1982: the jackknife; NaN with fewer than two cases)."""
        if self.cases < 2:
            return np.full((len(self.values), len(self.values)), np.nan)
        off = self.left - self.left.mean(axis=1, keepdims=True)
        return np.asarray((self.cases - 1) / self.cases * off @ off.T)

    def then(self, other: Spread) -> Spread:
        """Both stacked. Raises: ValueError if they are not of the same cases."""
        if self.cases != other.cases:
            raise ValueError(f"{self.cases} cases and {other.cases}: only figures of the same cases go together")
        return Spread(np.r_[self.values, other.values], np.r_[self.left, other.left])


def ratios(right: Bools, counts: Bools, cases: NDArray[np.int64]) -> Spread:
    """Shares of right readings: sensitivity where `counts` are the positives, specificity where the negatives.

    right: shape (M, N). counts: (N,). cases: (N,), number of each picture's case. Cases without a picture that counts
    are no cases of this figure.
    """
    cases = _numbered(cases[counts])
    size = int(cases.max()) + 1 if len(cases) else 0
    of_case = np.bincount(cases, minlength=size).astype(np.float64)
    hits = np.stack([np.bincount(cases, weights=row, minlength=size) for row in right[:, counts].astype(np.float64)])
    all_hits, everything = hits.sum(axis=1, keepdims=True), of_case.sum()
    return Spread(_ratio(all_hits[:, 0], np.array(everything)), _ratio(all_hits - hits, everything - of_case))


def balanced(right: Bools, positive: Bools, cases: NDArray[np.int64]) -> Spread:
    """Mean of sensitivity and specificity. right: shape (M, N). positive: (N,)."""
    cases = _numbered(cases)
    halves = [_of_all(right, counts, cases) for counts in (positive, ~positive)]
    return Spread((halves[0].values + halves[1].values) / 2, (halves[0].left + halves[1].left) / 2)


def _of_all(right: Bools, counts: Bools, cases: NDArray[np.int64]) -> Spread:
    """As `ratios`, but leaving out a case without a picture that counts is also done: it changes nothing."""
    size = int(cases.max()) + 1 if len(cases) else 0
    of_case = np.bincount(cases, weights=counts, minlength=size)
    hits = np.stack([np.bincount(cases, weights=row, minlength=size) for row in (right & counts).astype(np.float64)])
    all_hits = hits.sum(axis=1, keepdims=True)
    return Spread(_ratio(all_hits[:, 0], of_case.sum()), _ratio(all_hits - hits, of_case.sum() - of_case))


def areas(scores: Floats, positive: Bools, cases: NDArray[np.int64]) -> Spread:
    """Areas under the empirical ROC curves (Mann-Whitney, ties half). scores: shape (M, N), finite. positive: (N,)."""
    cases = _numbered(cases)
    found = [_area(row, positive, cases) for row in scores]
    return Spread(np.array([value for value, _ in found]), np.stack([left for _, left in found]))


def _area(scores: Floats, positive: Bools, cases: NDArray[np.int64]) -> tuple[float, Floats]:
    ill, well = scores[positive], scores[~positive]
    size = int(cases.max()) + 1
    won_ill = np.bincount(cases[positive], weights=_beaten(ill, well), minlength=size)
    won_well = np.bincount(cases[~positive], weights=len(ill) - _beaten(well, ill), minlength=size)
    n_ill, n_well = (np.bincount(cases[which], minlength=size) for which in (positive, ~positive))
    won = won_ill.sum()
    # A pair within one case stands in both sums.
    left = won - won_ill - won_well + _within(scores, positive, cases, np.flatnonzero((n_ill > 0) & (n_well > 0)), size)
    pairs = (len(ill) - n_ill).astype(np.float64) * (len(well) - n_well)
    return float(_ratio(won, np.array(float(len(ill) * len(well))))), _ratio(left, pairs)


def _beaten(ones: Floats, others: Floats) -> Floats:
    """How many of the others each is above; ties count half."""
    ranked = np.sort(others)
    return (np.searchsorted(ranked, ones, "left") + np.searchsorted(ranked, ones, "right")) / 2


def _within(scores: Floats, positive: Bools, cases: NDArray[np.int64], mixed: NDArray[np.int64], size: int) -> Floats:
    found = np.zeros(size)
    for case in mixed:
        mine = cases == case
        found[case] = _beaten(scores[mine & positive], scores[mine & ~positive]).sum()
    return found


def _numbered(cases: NDArray[np.int64]) -> NDArray[np.int64]:
    return np.asarray(np.unique(cases, return_inverse=True)[1], dtype=np.int64)


def _ratio(top: Floats, bottom: Floats) -> Floats:
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(np.where(bottom > 0, top / np.where(bottom > 0, bottom, 1), np.nan), dtype=np.float64)
