"""Takes the colour of the light out of a picture, once an arm has estimated it (von Kries 1902: one gain a channel)."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from macule.analysis.arms.shape import weakest

#: A light that is weaker still in one channel is no light but a picture of one colour: no gain goes further.
LARGEST_GAIN = 4.0
#: A pixel whose three channels are all above is burnt out: it has lost the colour of its light.
BURNT = 250


def _srgb_to_linear() -> NDArray[np.float32]:
    """IEC 61966-2-1, for the 256 levels; shape (256,), 0 to 1."""
    value = np.arange(256) / 255
    return np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4).astype(np.float32)


#: The light that each of the 256 sRGB levels stands for, 0 to 1.
LINEAR = _srgb_to_linear()


def levels(rgb: NDArray[np.uint8]) -> NDArray[np.float64]:
    """How many pixels have each of the 256 levels, per channel; burnt-out ones are left out, unless all are.

    Returns: float64, shape (3, 256).
    """
    telling = (weakest(rgb) < BURNT).astype(np.uint8)
    mask = telling if telling.any() else None
    counts = [cv2.calcHist([rgb], [channel], mask, [256], [0, 256]).ravel() for channel in range(3)]
    return np.stack(counts).astype(np.float64)


def neutralise(rgb: NDArray[np.uint8], light: NDArray[np.float64]) -> NDArray[np.uint8]:
    """The picture as under a white light of the same strength.

    rgb: uint8, shape (H, W, 3), sRGB. light: estimated, linear, of any scale; shape (3,).
    Returns: the same shape as `rgb`; the picture itself under no light.
    """
    strength = float(np.linalg.norm(light))
    if not strength > 0:
        return rgb
    least = strength / (np.sqrt(3) * LARGEST_GAIN)
    gains = strength / (np.sqrt(3) * np.maximum(light, least))
    table = np.stack([_to_srgb(LINEAR * gain) for gain in gains], axis=1)
    return np.asarray(cv2.LUT(rgb, table[None]), dtype=np.uint8)


def _to_srgb(linear: NDArray[np.float64]) -> NDArray[np.uint8]:
    value = np.clip(linear, 0, 1)
    encoded = np.where(value <= 0.0031308, 12.92 * value, 1.055 * value ** (1 / 2.4) - 0.055)
    return np.round(255 * encoded).astype(np.uint8)
