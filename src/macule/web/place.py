"""Where a heatmap is warm, for those who cannot see it. Words are the template's; here are only positions."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

#: A cell is warm from half of the greatest heat on: the usual half-maximum width of a peak.
WARM = 0.5
#: The middle band, as shares of the side.
MIDDLE = (0.4, 0.6)


@dataclass(frozen=True)
class Place:
    """row: -1 upper, 0 middle, 1 lower. column: -1 left, 0 centre, 1 right. share: of the picture that is warm."""

    row: int
    column: int
    share: float


def find(heatmap: NDArray[np.float32]) -> Place | None:
    """The centre of the warm cells, weighted by their heat.

    heatmap: float32, shape (h, w), 0 to 1.
    Returns: None for a map without any heat.
    """
    peak = float(heatmap.max(initial=0.0))
    if not peak > 0.0:
        return None
    warm = np.where(heatmap >= WARM * peak, heatmap, 0.0)
    row, column = (_band(_centre(warm.sum(axis=axis))) for axis in (1, 0))
    return Place(row=row, column=column, share=float((warm > 0.0).mean()))


def _centre(profile: NDArray[np.float64]) -> float:
    """The centre of gravity of a row of weights, 0 to 1."""
    positions = (np.arange(len(profile)) + 0.5) / len(profile)
    return float((positions * profile).sum() / profile.sum())


def _band(position: float) -> int:
    return int(position > MIDDLE[1]) - int(position < MIDDLE[0])
