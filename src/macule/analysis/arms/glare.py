"""Reflections of the lamp are found as small, nearly white and far brighter than round about, and filled in.

After Arnold, Ghosh, Ameling & Lacey 2010, EURASIP Journal on Image and Video Processing 2010:814319: absolute and
relative brightness both count, then the spots are inpainted.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from macule.analysis.arms.arm import Arm
from macule.analysis.arms.shape import disc, unit_of, weakest

#: Grey levels of the darkest of the three channels: of a spot's core, and of its fringe.
CORE, FRINGE = 225, 185
#: Grey levels that a spot is brighter than what surrounds it.
LIFT = 45
#: Pixels at a short side of 256: what surrounds a spot; what is taken away beyond its fringe; what fills the gap.
SURROUNDS, MARGIN, REACH = 40.0, 1.5, 3.0
#: Larger spots, as a share of the picture, are paper, a dressing or over-exposure: nothing is known of what they hide.
LARGEST_SPOT = 0.02


def remove(rgb: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """rgb: uint8, shape (H, W, 3), sRGB. Returns: the same shape; the picture itself where there is no glare."""
    spots = mask(rgb)
    if not spots.any():
        return rgb
    reach = max(REACH * unit_of(rgb), 1.0)
    return np.asarray(cv2.inpaint(rgb, spots.astype(np.uint8), reach, cv2.INPAINT_TELEA), dtype=np.uint8)


def mask(rgb: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Where the lamp's reflections are, with a margin. Returns: bool, shape (H, W)."""
    unit = unit_of(rgb)
    white = weakest(rgb)
    lifted = white.astype(np.int16) - _surrounds(white, unit) >= LIFT
    fringe = (lifted & (white >= FRINGE)).astype(np.uint8)
    _, labels, boxes, _ = cv2.connectedComponentsWithStats(fringe, connectivity=8)
    cores = np.bincount(labels[white >= CORE], minlength=len(boxes)) > 0
    kept = cores & (boxes[:, cv2.CC_STAT_AREA] <= max(LARGEST_SPOT * white.size, 1))
    kept[0] = False  # what is no spot
    return np.asarray(cv2.dilate(kept[labels].astype(np.uint8), disc(MARGIN * unit)) > 0, dtype=np.bool_)


def _surrounds(white: NDArray[np.uint8], unit: float) -> NDArray[np.uint8]:
    """The median round about, from a copy at a quarter of the size. Returns: uint8, the same shape."""
    height, width = white.shape
    small = cv2.resize(white, (max(width // 4, 1), max(height // 4, 1)), interpolation=cv2.INTER_AREA)
    median = cv2.medianBlur(small, 2 * max(round(SURROUNDS * unit / 8), 1) + 1)
    return np.asarray(cv2.resize(median, (width, height), interpolation=cv2.INTER_LINEAR), dtype=np.uint8)


ARM = Arm(
    "glare",
    "finds small reflections of the lamp and fills them in from round about",
    "Arnold et al. 2010, EURASIP Journal on Image and Video Processing 2010:814319",
    run=remove,
)
