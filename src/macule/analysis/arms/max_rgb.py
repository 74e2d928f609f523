"""Colour constancy: the light's colour is the brightest that the picture sends back in each channel.

Max-RGB, the white patch of the retinex: Land 1977, Scientific American 237(6):108. With a median filter before and
without burnt-out pixels, after Funt & Shi 2010, Color and Imaging Conference 18:256: else one bad pixel decides.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from macule.analysis.arms.arm import Arm
from macule.analysis.arms.light import LINEAR, levels, neutralise

MEDIAN_SIDE = 5


def correct(rgb: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """rgb: uint8, shape (H, W, 3), sRGB. Returns: the same shape."""
    quiet = np.asarray(cv2.medianBlur(rgb, MEDIAN_SIDE), dtype=np.uint8)
    brightest = [int(np.flatnonzero(counts)[-1]) for counts in levels(quiet)]
    return neutralise(rgb, LINEAR[brightest].astype(np.float64))


ARM = Arm(
    "max_rgb",
    "takes a colour cast out: the light is the brightest of the picture in each channel",
    "Land 1977, Scientific American 237(6):108; Funt & Shi 2010, Color and Imaging Conference 18:256",
    run=correct,
)
