"""Skin tone as the picture shows it: the individual typology angle of the skin round the lesion. A proxy, no label."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

#: Share of each side that counts as round the lesion.
RIM = 0.15
SIDE = 128
#: A vignette's black and a burnt-out spot are no skin.
DARKEST, LIGHTEST = 20.0, 98.0
LEAST = 0.1


def estimate(rgb: NDArray[np.uint8]) -> float:
    """Individual typology angle, degrees: arctan((L* - 50) / b*), of the rim's median colour (Chardon et al. 1991).

    rgb: uint8, shape (H, W, 3), sRGB. Returns: -90 (darkest) to 90; NaN where too little of the rim can be skin.
    """
    small = cv2.resize(rgb, (SIDE, SIDE), interpolation=cv2.INTER_AREA).astype(np.float32) / 255
    lab = cv2.cvtColor(small, cv2.COLOR_RGB2LAB)
    rim = np.ones((SIDE, SIDE), bool)
    edge = round(RIM * SIDE)
    rim[edge:-edge, edge:-edge] = False
    skin = rim & (lab[..., 0] > DARKEST) & (lab[..., 0] < LIGHTEST) & (lab[..., 2] > 0)
    if skin.sum() < LEAST * rim.sum():
        return float("nan")
    lightness, yellow = np.median(lab[skin][:, 0]), np.median(lab[skin][:, 2])
    return float(np.degrees(np.arctan2(lightness - 50, yellow)))
