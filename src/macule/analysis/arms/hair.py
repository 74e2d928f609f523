"""Dark hair is found as thin, long and dark in all three colours, and filled in from its sides.

DullRazor: Lee, Ng, Gallagher, Coldman & McLean 1997, Computers in Biology and Medicine 27:533. As there, closings along
lines find what is thin, and only what is long counts. Other than there, the lines have twelve directions instead of
three, and the weakest of the three channels decides: a vessel is nearly invisible in red, a hair is dark in all.
"""

from __future__ import annotations

import math

import cv2
import numpy as np
from numpy.typing import NDArray

from macule.analysis.arms.arm import Arm
from macule.analysis.arms.shape import disc, strongest, unit_of

DIRECTIONS = 12
#: Pixels at a short side of 256: how broad a hair may be, and how much of it must lie straight to be followed at all,
#: and to be sure of.
BROADEST, FOLLOWED, STRAIGHT = 9.0, 13.0, 25.0
#: The diagonal of the box round a whole hair, or round several that cross, at least; pixels at a short side of 256.
EXTENT = 36.0
#: Grey levels that a hair is darker than both its sides: in one place surely, and where it goes on from there.
SURE, LIKELY = 18, 9
#: The texture of a lesion and the strokes of a pen are crooked (less than this share of their pixels lies straight)
#: and fill their place (more than this share of their extent squared). Hair is at most one of the two.
COMBED, SPARSE = 0.5, 0.08
#: Pixels at a short side of 256: taken away on each side of a hair, and looked at beyond them to fill the gap.
MARGIN, REACH = 2.0, 3.0


def remove(rgb: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """rgb: uint8, shape (H, W, 3), sRGB. Returns: the same shape; the picture itself where no hair is found."""
    hairs = mask(rgb)
    if not hairs.any():
        return rgb
    reach = max(REACH * unit_of(rgb), 1.0)
    return np.asarray(cv2.inpaint(rgb, hairs.astype(np.uint8), reach, cv2.INPAINT_TELEA), dtype=np.uint8)


def mask(rgb: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Where hair is, with a margin. Returns: bool, shape (H, W)."""
    unit = unit_of(rgb)
    followed, straight = _darkness(rgb, unit)
    _, labels, boxes, _ = cv2.connectedComponentsWithStats((followed >= LIKELY).astype(np.uint8), connectivity=8)
    area, count = boxes[:, cv2.CC_STAT_AREA], len(boxes)
    extent = np.hypot(boxes[:, cv2.CC_STAT_WIDTH], boxes[:, cv2.CC_STAT_HEIGHT])
    sure = np.bincount(labels[straight >= SURE], minlength=count) > 0
    combed = np.bincount(labels[straight >= LIKELY], minlength=count) >= COMBED * area
    kept = sure & (extent >= EXTENT * unit) & (combed | (area <= SPARSE * extent**2))
    kept[0] = False  # what is no component
    return np.asarray(cv2.dilate(kept[labels].astype(np.uint8), disc(MARGIN * unit)) > 0, dtype=np.bool_)


def _darkness(rgb: NDArray[np.uint8], unit: float) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Grey levels by which a thin structure is darker than its sides, if at least FOLLOWED or STRAIGHT px lie straight.

    Returns: two of uint8, shape (H, W).
    """
    # Repeated edges: the dark rim of a dermatoscope, cut thin by the picture's edge, is broad again.
    edge = max(round(BROADEST * unit), 1)
    padded = cv2.copyMakeBorder(strongest(rgb), edge, edge, edge, edge, cv2.BORDER_REPLICATE)
    dark = cv2.GaussianBlur(padded, (0, 0), max(0.6 * unit, 0.1))
    followed, straight = np.zeros(dark.shape, np.uint8), np.zeros(dark.shape, np.uint8)
    for number in range(DIRECTIONS):
        angle = math.pi * number / DIRECTIONS
        thin = cv2.morphologyEx(dark, cv2.MORPH_BLACKHAT, _line(BROADEST * unit, angle + math.pi / 2))
        for best, length in ((followed, FOLLOWED), (straight, STRAIGHT)):
            cv2.max(best, cv2.morphologyEx(thin, cv2.MORPH_OPEN, _line(length * unit, angle)), dst=best)
    inside = slice(edge, -edge)
    return followed[inside, inside], straight[inside, inside]


def _line(length: float, angle: float) -> NDArray[np.uint8]:
    """A structuring element: a line of about `length` px through the middle."""
    half = max(round(length / 2), 1)
    kernel = np.zeros((2 * half + 1, 2 * half + 1), np.uint8)
    x, y = round(half * math.cos(angle)), round(half * math.sin(angle))
    cv2.line(kernel, (half - x, half - y), (half + x, half + y), (1,))
    return kernel


ARM = Arm(
    "hair",
    "finds dark hair and fills it in from its sides",
    "Lee et al. 1997 (DullRazor), Computers in Biology and Medicine 27:533",
    run=remove,
)
