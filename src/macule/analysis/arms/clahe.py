"""Local contrast of the lightness, evened out with a limit; the colours stay.

Contrast limited adaptive histogram equalisation: Zuiderveld 1994, Graphics Gems IV, p. 474.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from macule.analysis.arms.arm import Arm
from macule.analysis.arms.shape import unit_of

#: No grey level of a tile counts more than this many times its even share, so that noise on smooth skin stays noise.
CLIP = 2.0
#: Tiles are squares of about this many pixels at a short side of 256: eight on the short side.
TILE = 32.0
#: A tile of fewer pixels a side has no histogram to speak of.
SMALLEST_TILE = 8.0


def equalise(rgb: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """rgb: uint8, shape (H, W, 3), sRGB. Returns: the same shape; a grey picture stays grey."""
    tile = max(TILE * unit_of(rgb), SMALLEST_TILE)
    rows, columns = (max(round(side / tile), 1) for side in rgb.shape[:2])
    lab = cv2.cvtColor(rgb, cv2.COLOR_RGB2LAB)
    lightness = cv2.createCLAHE(clipLimit=CLIP, tileGridSize=(columns, rows)).apply(np.ascontiguousarray(lab[..., 0]))
    return np.asarray(cv2.cvtColor(np.dstack([lightness, lab[..., 1:]]), cv2.COLOR_LAB2RGB), dtype=np.uint8)


ARM = Arm(
    "clahe",
    "evens out local contrast of the lightness (L of Lab), colours kept",
    "Zuiderveld 1994, Graphics Gems IV:474",
    run=equalise,
)
