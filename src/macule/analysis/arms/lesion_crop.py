"""The picture cut to the lesion and some skin round it, as a square where the picture allows one.

How the lesion is found, and after whom: see `lesion`. Where none is found with confidence the picture stays whole.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from macule.analysis.arms import lesion
from macule.analysis.arms.arm import WHOLE, Arm, Frame

#: Skin kept beyond the lesion on each side, as a share of the lesion's longer side.
MARGIN = 0.3
#: No crop is smaller than this share of the picture's short side, nor than so many pixels: enlarged, they show nothing.
SMALLEST_SHARE, SMALLEST_PIXELS = 0.35, 48


def find(rgb: NDArray[np.uint8]) -> Frame:
    """rgb: uint8, shape (H, W, 3), sRGB. Returns: the part to keep; WHOLE if no lesion is found with confidence."""
    found = lesion.mask(rgb)
    return WHOLE if found is None else around(found, rgb.shape[0], rgb.shape[1])


def around(found: NDArray[np.bool_], height: int, width: int) -> Frame:
    """A square, in pixels of a picture of height x width, with the margin; moved and narrowed to stay in the picture.

    found: bool, shape (h, w), of a copy of any size, at least one pixel set.
    """
    (top, bottom), (left, right) = (
        _extent(np.asarray(found.any(axis=axis)), side) for axis, side in ((1, height), (0, width))
    )
    least = max(SMALLEST_SHARE * min(height, width), SMALLEST_PIXELS)
    side = max((1 + 2 * MARGIN) * max(bottom - top, right - left), least)
    rows, columns = _span((top + bottom) / 2, side, height), _span((left + right) / 2, side, width)
    return Frame(rows[0] / height, columns[0] / width, rows[1] / height, columns[1] / width)


def _extent(profile: NDArray[np.bool_], side: int) -> tuple[float, float]:
    """From the first to behind the last that is set, scaled to `side` px."""
    set_at = np.flatnonzero(profile)
    return set_at[0] * side / len(profile), (set_at[-1] + 1) * side / len(profile)


def _span(middle: float, side: float, whole: int) -> tuple[float, float]:
    if side >= whole:
        return 0, whole
    start = min(max(middle - side / 2, 0.0), whole - side)
    return start, start + side


ARM = Arm(
    "lesion_crop",
    "cuts the picture to the lesion and some skin round it; whole where no lesion is found with confidence",
    "Otsu 1979, IEEE Transactions on Systems, Man, and Cybernetics 9:62; Celebi et al. 2015",
    frame=find,
)
