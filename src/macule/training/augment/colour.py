"""Brightness, contrast, colour cast and saturation, as one affine map of the colours."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from macule.training.augment.ranges import Ranges


def lit(rgb: NDArray[np.uint8], ranges: Ranges, rng: Generator) -> NDArray[np.uint8]:
    """rgb: uint8, (S, S, 3). Returns: the same shape.

    Saturation about the pixel's grey, then contrast about the picture's mean, then a gain for each channel.
    """
    if ranges.plain:
        return rgb
    saturation = 1 + rng.uniform(-ranges.saturation, ranges.saturation)
    gain = (1 + rng.uniform(-ranges.brightness, ranges.brightness)) * (1 + rng.uniform(-ranges.cast, ranges.cast, 3))
    contrast = 1 + rng.uniform(-ranges.contrast, ranges.contrast)
    mean = sum(cv2.mean(rgb)[:3]) / 3
    linear = contrast * (saturation * np.eye(3) + (1 - saturation) / 3)
    offset = np.full((3, 1), mean * (1 - contrast))
    # One pass over bytes, with rounding and clipping; OpenCV's own arithmetic is off by one step at the most.
    return np.asarray(cv2.transform(rgb, gain[:, None] * np.hstack([linear, offset])), np.uint8)
