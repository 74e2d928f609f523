"""What an experiment was expected to show, where a machine can judge it.

    balanced_accuracy >= 0.80
    ham10000.balanced_accuracy > baseline + 0.01
    milk10k/clinical.malignant_auc >= baseline - 0.005
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

import numpy as np

from macule.analysis.patient import Modality
from macule.errors import UsageError
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
_FORM = re.compile(r"(?:([a-z0-9_/-]+)\.)?([a-z0-9_]+)\s*(>=|<=|>|<)\s*(baseline)?\s*([+-]?\s*\d*\.?\d+)?")


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
    if found is None or (found[4] is None and found[5] is None) or (found[4] and (found[5] or "+")[0] not in "+-"):
        raise ValueError(f"{written!r} is no expectation: FIGURE >= NUMBER is needed, or FIGURE > baseline + NUMBER, "
                         "with DATASET. before the figure for a part of the pictures")
    scope, figure, sign, baseline, number = found.groups()
    if figure not in FIGURES:
        raise ValueError(f"{written!r} names {figure!r}; measured are: {', '.join(FIGURES)}")
    if scope and "/" in scope and scope.partition("/")[2] not in list(Modality):
        raise ValueError(f"{written!r} is of {scope!r}; after DATASET/ one of {', '.join(Modality)} is needed")
    limit = float(re.sub(r"\s", "", number or "0"))
    if not (-1 if baseline else 0) <= limit <= 1:
        raise ValueError(f"{written!r} has the limit {limit:g}, which no figure reaches: each is a share from 0 to 1, "
                         "0.8 for 80 %, and differs from the baseline's by at most 1")
    return Expectation(written.strip(), scope or ALL, figure, sign, baseline is not None, limit)


def check(written: str, datasets: Collection[str], name: str) -> None:
    """Raises: UsageError if it asks about a data set that the entry's calibration part has nothing of.

    datasets: of the entry. name: the entry's.
    """
    dataset = parse(written).scope.partition("/")[0]
    if dataset not in (ALL, *datasets):
        raise UsageError(f"{written!r} asks about {dataset!r}, and {name} uses {', '.join(datasets)} alone: name one "
                         "of them, or none for all pictures together.")
