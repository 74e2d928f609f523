"""What readers do with the model's advice: whom it sets right, and whom it leads astray (automation bias).

Of the readings that one reader made of one picture both unaided and aided. Advice: what the model says of the picture.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from macule.evaluation.metrics import Floats, Weights
from macule.evaluation.predictions import NO_CLASS
from macule.evaluation.readers import chance, intervals, mrmc
from macule.evaluation.readers.study import Study

Bools = NDArray[np.bool_]
ALL = "all readers"
OUTCOMES = ("wrong_to_right", "right_to_wrong", "stayed_right", "stayed_wrong")


@dataclass(frozen=True)
class Pairs:
    """right: shape (2, R, N), unaided and aided. paired: (R, N), read both ways. advice: (N,), 1 right, 0 wrong,
    NaN where there is none."""

    right: Bools
    paired: Bools
    advice: Floats

    def of(self, reader: int) -> Pairs:
        only = slice(reader, reader + 1)
        return Pairs(self.right[:, only], self.paired[only], self.advice)


def measure(study: Study, weights: Weights) -> dict[str, Any] | None:
    """None if no picture was read both ways by one reader."""
    paired = np.asarray(study.read.all(axis=0))
    if not paired.any():
        return None
    calls = (study.calls == 1) == study.positive
    advice = study.points[0].calls if study.points else np.full(len(study.pictures), np.nan)
    call_advice = np.where(np.isnan(advice), np.nan, (advice == 1) == study.positive)
    named: Bools = paired & (study.codes != NO_CLASS).all(axis=0) & (study.truth != NO_CLASS)
    class_advice = np.where(study.model_codes == NO_CLASS, np.nan, study.model_codes == study.truth)
    return {
        "advice_point": study.points[0].name if study.points else None,
        "call": _level(study, Pairs(calls, paired, call_advice), weights),
        "diagnosis": _level(study, Pairs(study.codes == study.truth, named, class_advice), weights)
        if named.any() else None,
        "seconds": _seconds(study, paired, weights),
    }


def _level(study: Study, pairs: Pairs, weights: Weights) -> list[dict[str, Any]]:
    """A row for all readers together, and one a reader with pairs."""
    return [_row(ALL, pairs, weights, study.cases)] + [_row(name, pairs.of(j), weights, study.cases)
                                                       for j, name in enumerate(study.readers) if pairs.paired[j].any()]


def _row(name: str, pairs: Pairs, weights: Weights, cases: NDArray[np.int64]) -> dict[str, Any]:
    """Counts by outcome and by the advice's worth, and the rates that matter with their intervals."""
    (before, after), paired, advice = pairs.right, pairs.paired, pairs.advice
    cells = {"wrong_to_right": ~before & after, "right_to_wrong": before & ~after, "stayed_right": before & after,
             "stayed_wrong": ~before & ~after}
    cells = {outcome: which & paired for outcome, which in cells.items()}
    good, bad = (advice == 1)[None], (advice == 0)[None]
    rates = {
        "wrong_to_right": (cells["wrong_to_right"], paired & ~before),
        "right_to_wrong": (cells["right_to_wrong"], paired & before),
        # Of what right advice could mend, what it mended; of what wrong advice could spoil, what it spoilt.
        "mended_by_right_advice": (cells["wrong_to_right"] & good, paired & ~before & good),
        "misled_by_wrong_advice": (cells["right_to_wrong"] & bad, paired & before & bad),
        "followed_wrong_advice": (paired & ~after & bad, paired & bad),
    }
    tops, bottoms = (np.stack([pair[side].sum(axis=0) for pair in rates.values()]).astype(np.float64)
                     for side in (0, 1))
    found = intervals.shares(tops, bottoms, weights, cases)
    return {
        "reader": name,
        "pairs": int(paired.sum()),
        "counts": {outcome: {"all": int(which.sum()), "advice_right": int((which & good).sum()),
                             "advice_wrong": int((which & bad).sum())} for outcome, which in cells.items()},
        "rates": {rate: figure.to_dict() for rate, figure in zip(rates, found, strict=True)},
        # The readers of one picture are not independent: over all readers McNemar's test would claim too much.
        "mcnemar_p": None if len(paired) > 1 else mrmc.rounded(chance.mcnemar(
            int(cells["wrong_to_right"].sum()), int(cells["right_to_wrong"].sum()))),
    }


def _seconds(study: Study, paired: Bools, weights: Weights) -> list[dict[str, Any]] | None:
    """Mean seconds a picture and the mean saved, of pairs that were timed both ways; None if none was."""
    timed = paired & ~np.isnan(study.seconds).any(axis=0)
    if not timed.any():
        return None
    names = [ALL, *(name for j, name in enumerate(study.readers) if timed[j].any())]
    masks = [timed, *(np.where(np.arange(len(timed))[:, None] == j, timed, False)
                      for j in range(len(timed)) if timed[j].any())]
    return [{"reader": name, **_mean_seconds(study, mask, weights)} for name, mask in zip(names, masks, strict=True)]


def _mean_seconds(study: Study, timed: Bools, weights: Weights) -> dict[str, Any]:
    spent = np.where(timed, np.nan_to_num(study.seconds), 0.0).sum(axis=1)
    tops, count = np.stack([spent[0], spent[1], spent[0] - spent[1]]), timed.sum(axis=0).astype(np.float64)
    found = intervals.means(tops, np.stack([count] * 3), weights)
    return {name: figure.to_dict() for name, figure in zip(("unaided", "aided", "saved"), found, strict=True)}
