"""What the colours alone say: the weakest account of a picture, for a baseline that a model has to beat."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

#: Bins of each channel, and the side that pictures are shrunk to first.
BINS, SIDE = 32, 64
LENGTH = 3 * BINS


def histogram(rgb: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Shares of the pixels by lightness, a and b (CIELAB), where neither place nor shape is left.

    rgb: uint8, shape (H, W, 3), sRGB. Returns: float32, shape (96,); each of the three histograms sums to 1.
    """
    small = cv2.resize(rgb, (SIDE, SIDE), interpolation=cv2.INTER_AREA)
    lab = cv2.cvtColor(small, cv2.COLOR_RGB2LAB).reshape(-1, 3)
    shares = [np.bincount(lab[:, channel] // (256 // BINS), minlength=BINS) / len(lab) for channel in range(3)]
    return np.concatenate(shares).astype(np.float32)
