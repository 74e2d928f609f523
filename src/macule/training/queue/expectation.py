"""What an experiment was expected to show, where a machine can judge it.

    balanced_accuracy >= 0.80
    ham10000.balanced_accuracy > baseline + 0.01
    milk10k/clinical.malignant_auc >= baseline - 0.005
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from macule.evaluation.metrics import Figure

#: Figures of the calibration part: name -> what a person calls it. Calibration error is not among them: the temperature
#: is fitted on these very pictures.
FIGURES: Mapping[str, str] = {
    "balanced_accuracy": "balanced accuracy", "macro_auc": "macro AUC", "melanoma_auc": "melanoma AUC",
    "melanoma_sensitivity": "melanoma sensitivity at 90 % specificity", "malignant_auc": "malignant AUC",
}
#: All pictures together.
ALL = "all"
_SIGNS: Mapping[str, Callable[[float, float], bool]] = {
    ">=": operator.ge, ">": operator.gt, "<=": operator.le, "<": operator.lt}
_FORM = re.compile(r"(?:([a-z0-9_/]+)\.)?([a-z0-9_]+)\s*(>=|<=|>|<)\s*(baseline)?\s*([+-]?\s*\d*\.?\d+)?")


@dataclass(frozen=True)
class Expectation:
    """scope: a data set, one of its modalities, or all. relative: whether `limit` is of the lead over the baseline."""

    written: str
    scope: str
    figure: str
    sign: str
    relative: bool
    limit: float

    def judged(self, found: Figure | None) -> str:
        """In words. found: the figure, or the lead over the baseline; None where it was not measured."""
        if found is None or np.isnan(found.value):
            return "cannot be judged"
        met = _SIGNS[self.sign](found.value, self.limit)
        doubt = not np.isnan(found.low) and any(
            _SIGNS[self.sign](end, self.limit) != met for end in (found.low, found.high))
        return ("met" if met else "missed") + (", but the interval holds both" if doubt else "")


def parse(written: str) -> Expectation:
    """Raises: ValueError."""
    found = _FORM.fullmatch(written.strip())
    if found is None or (not found[4] and not found[5]):
        raise ValueError(f"{written!r} is no expectation: FIGURE >= NUMBER is needed, or FIGURE > baseline + NUMBER, "
                         "with DATASET. before the figure for a part of the pictures")
    scope, figure, sign, baseline, number = found.groups()
    if figure not in FIGURES:
        raise ValueError(f"{written!r} names {figure!r}; measured are: {', '.join(FIGURES)}")
    limit = float((number or "0").replace(" ", ""))
    return Expectation(written.strip(), scope or ALL, figure, sign, baseline is not None, limit)
