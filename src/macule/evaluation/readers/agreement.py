"""How far raters agree beyond chance: Cohen 1960 for pairs, Fleiss 1971 and Krippendorff 2004 for all.

Ratings are whole numbers; MISSING where a rater did not rate. A pair that never varies has no kappa: NaN.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from macule.evaluation.metrics import Figure, Floats, Weights, ratio
from macule.evaluation.predictions import NO_CLASS
from macule.evaluation.readers.intervals import figures
from macule.evaluation.readers.study import ARMS, Study

Ints = NDArray[np.int64]
MISSING = -1
MODEL, TRUTH = "model", "truth"


def measure(study: Study, weights: Weights) -> dict[str, Any]:
    """By arm: agreement on the call (malignant or indeterminate against benign) and on the class."""
    return {arm: {"call": _level(study, weights, _calls(study, k)),
                  "diagnosis": _level(study, weights, _codes(study, k))}
            for k, arm in enumerate(ARMS) if study.read[k].any()}


def _calls(study: Study, arm: int) -> dict[str, Ints]:
    rated = {name: _numbered(row) for name, row in zip(study.readers, study.calls[arm], strict=True)}
    rated[TRUTH] = study.positive.astype(np.int64)
    if study.points:
        rated[MODEL] = _numbered(study.points[0].calls)
    return rated


def _codes(study: Study, arm: int) -> dict[str, Ints]:
    rated = dict(zip(study.readers, study.codes[arm], strict=True)) | {TRUTH: study.truth}
    if study.model:
        rated[MODEL] = study.model_codes
    return {name: np.where(row == NO_CLASS, MISSING, row) for name, row in rated.items()}


def _numbered(calls: Floats) -> Ints:
    return np.where(np.isnan(calls), MISSING, np.nan_to_num(calls)).astype(np.int64)


def _level(study: Study, weights: Weights, rated: dict[str, Ints]) -> dict[str, Any]:
    """kappa: a row and column a rater, of which those above the diagonal are filled."""
    names, ratings = list(rated), np.stack(list(rated.values()))
    of_pair = dict(zip(combinations(range(len(names)), 2), cohen(ratings, weights), strict=True))
    among = ratings[:len(study.readers)]
    return {
        "raters": names,
        "kappa": [[of_pair[i, j].to_dict() if i < j else None for j in range(len(names))] for i in range(len(names))],
        "fleiss": fleiss(among, weights).to_dict(),
        "krippendorff": krippendorff(among, weights).to_dict(),
    }


def cohen(ratings: Ints, weights: Weights) -> list[Figure]:
    """Kappas of all pairs of raters, in the order of `combinations`, each over the pictures that both rated.

    ratings: shape (R, N).
    """
    pairs = list(combinations(range(len(ratings)), 2))
    counts = [int(((ratings[i] != MISSING) & (ratings[j] != MISSING)).sum()) for i, j in pairs]
    return figures(partial(_cohen, ratings, pairs), weights, counts)


def _cohen(ratings: Ints, pairs: Sequence[tuple[int, int]], weights: Weights) -> Floats:
    first, second = (ratings[list(of)] for of in zip(*pairs, strict=True))
    both = (first != MISSING) & (second != MISSING)
    total = weights @ both.T.astype(np.float64)
    seen = ratio(weights @ (both & (first == second)).T.astype(np.float64), total)
    margins = _Margins(ratings, weights)
    shared = np.stack([(margins.of(i, where) * margins.of(j, where)).sum(axis=1)
                       for (i, j), where in zip(pairs, both, strict=True)], axis=1)
    by_chance = ratio(shared, total**2)
    return ratio(seen - by_chance, 1 - by_chance)


class _Margins:
    """How much weight each value has with a rater; most pairs share their pictures, and so these."""

    def __init__(self, ratings: Ints, weights: Weights) -> None:
        self._told = ratings[None] == np.unique(ratings[ratings != MISSING])[:, None, None]
        self._weights = weights
        self._known: dict[tuple[int, bytes], Floats] = {}

    def of(self, rater: int, where: NDArray[np.bool_]) -> Floats:
        """where: the pictures that count. Returns: shape (b, K)."""
        key = rater, where.tobytes()
        if key not in self._known:
            self._known[key] = np.asarray(self._weights @ (self._told[:, rater] & where).T.astype(np.float64))
        return self._known[key]


def fleiss(ratings: Ints, weights: Weights) -> Figure:
    """Over the pictures that every rater rated. ratings: shape (R, N). NaN with one rater."""
    whole = (ratings != MISSING).all(axis=0)
    counts, raters = _counts(ratings), len(ratings)
    if raters < 2:
        return Figure(np.nan, np.nan, np.nan, int(whole.sum()))
    agreed = (counts * (counts - 1)).sum(axis=1) / (raters * (raters - 1)) * whole

    def kappa(w: Weights) -> Floats:
        total = w @ whole.astype(np.float64)
        by_chance = (ratio(w @ (counts * whole[:, None]), raters * total[:, None]) ** 2).sum(axis=1)
        return ratio(ratio(w @ agreed, total) - by_chance, 1 - by_chance)[:, None]

    return figures(kappa, weights, [int(whole.sum())])[0]


def krippendorff(ratings: Ints, weights: Weights) -> Figure:
    """Alpha for names without order, over the pictures that two raters and more rated; n of these."""
    counts = _counts(ratings)
    raters = counts.sum(axis=1)
    used = raters > 1
    apart = (raters**2 - (counts**2).sum(axis=1)) / np.maximum(raters - 1, 1) * used

    def alpha(w: Weights) -> Floats:
        by_value = w @ (counts * used[:, None])
        total = by_value.sum(axis=1)
        expected = ratio(total**2 - (by_value**2).sum(axis=1), total - 1)
        return np.where(expected > 0, 1 - ratio(w @ apart, expected), np.nan)[:, None]

    return figures(alpha, weights, [int(used.sum())])[0]


def _counts(ratings: Ints) -> Floats:
    """How many raters gave each value, shape (N, K)."""
    values = np.unique(ratings[ratings != MISSING])
    return np.stack([(ratings == k).sum(axis=0) for k in values], axis=1).astype(np.float64) if len(values) \
        else np.zeros((ratings.shape[1], 1))
