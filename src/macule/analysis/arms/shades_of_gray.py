"""Colour constancy: the light's colour is the Minkowski mean of the picture's, in linear light.

Shades of gray: Finlayson & Trezzi 2004, Color and Imaging Conference 12:37, p = 6; for dermoscopy Barata, Celebi &
Marques 2015, IEEE Journal of Biomedical and Health Informatics 19:1146.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from macule.analysis.arms.arm import Arm
from macule.analysis.arms.light import LINEAR, levels, neutralise

#: 1 is the plain mean (grey world), infinity the maximum (max-RGB).
P = 6


def correct(rgb: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """rgb: uint8, shape (H, W, 3), sRGB. Returns: the same shape."""
    counts = levels(rgb)
    mean = counts @ LINEAR.astype(np.float64) ** P / counts.sum(axis=1)
    return neutralise(rgb, mean ** (1 / P))


ARM = Arm(
    "shades_of_gray",
    "takes a colour cast out: the light is the Minkowski mean (p = 6) of the picture",
    "Finlayson & Trezzi 2004, Color and Imaging Conference 12:37",
    run=correct,
)
