"""The pictures of an exam that a figure is taken over."""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from macule.evaluation import metrics
from macule.evaluation.exam import Exam
from macule.evaluation.metrics import Figure, Floats

Key = TypeVar("Key", bound=Hashable)
#: Each level of risk that calls for something, with the risks that are at least it.
LEVELS = {"medium": ("medium", "high"), "high": ("high",)}


@dataclass(frozen=True)
class Sample:
    """keep: bool, (N,), of the exam's pictures. weights: (B, n). groups: int, (n,), lesion or patient of each."""

    keep: NDArray[np.bool_] = field(repr=False)
    weights: NDArray[Any] = field(repr=False)
    groups: NDArray[np.int64] = field(repr=False)

    @classmethod
    def of(cls, exam: Exam, keep: NDArray[np.bool_]) -> Sample:
        names = exam.predictions.groups
        groups = np.unique(np.asarray(names), return_inverse=True)[1] if names else np.zeros(0, np.int64)
        # Taking all columns would copy them: 80 MB for 10,000 pictures.
        return cls(keep, exam.weights if keep.all() else exam.weights[:, keep], groups[keep])

    @property
    def count(self) -> int:
        return len(self.groups)

    def behind(self, among: NDArray[np.bool_]) -> int:
        """How many lesions or patients these pictures are of. among: bool, (n,)."""
        return len(np.unique(self.groups[among]))

    def figures(self, measure: Callable[[Any], Mapping[Key, Floats]], *,
                centred: Collection[Key] = ()) -> dict[Key, Figure]:
        return metrics.figures(measure, self.weights, centred=centred)


def alarms(exam: Exam, level: str) -> NDArray[np.bool_]:
    """bool, (N,): the answers that were served with at least this risk. level: of LEVELS."""
    return np.isin(np.asarray(exam.predictions.risks, dtype=str), LEVELS[level])


def plain(values: Floats) -> list[float | None]:
    """For JSON: rounded, None where undefined."""
    return [round(float(value), 4) if np.isfinite(value) else None for value in values]


def band(spread: Floats) -> tuple[list[float | None], list[float | None]]:
    """The middle 95 % of the resamples at each point. spread: (B, T)."""
    if not len(spread):
        return [None] * spread.shape[1], [None] * spread.shape[1]
    known = np.sort(np.where(np.isfinite(spread), spread, np.nan), axis=0)
    count = np.isfinite(known).sum(axis=0)
    places = np.arange(spread.shape[1])
    bounds = [np.where(count > 0, known[np.maximum(np.rint(share * (count - 1)), 0).astype(int), places], np.nan)
              for share in (0.025, 0.975)]
    return plain(bounds[0]), plain(bounds[1])
