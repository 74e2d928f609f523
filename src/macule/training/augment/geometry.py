"""Mirror images, turns, zoom, shift and a slight stretch, in one resampling."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from macule.analysis import preprocess
from macule.training.augment.ranges import Ranges


def moved(rgb: NDArray[np.uint8], ranges: Ranges, *, size: int, rng: Generator) -> NDArray[np.uint8]:
    """rgb: uint8, (S, S, 3). Returns: uint8, (size, size, 3); beyond its border the picture is mirrored."""
    if ranges.still:
        return preprocess.squash(rgb, size)
    while 2 * size <= rgb.shape[0]:  # linear interpolation aliases where it shrinks by more than about 2
        rgb = preprocess.squash(rgb, rgb.shape[0] // 2)
    # OpenCV resamples four channels twice as fast as three, to the same values.
    four = cv2.warpAffine(cv2.cvtColor(rgb, cv2.COLOR_RGB2RGBA), _transform(rgb.shape[0], size, ranges, rng),
                          (size, size), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101)
    return np.asarray(cv2.cvtColor(four, cv2.COLOR_RGBA2RGB), np.uint8)


def _transform(side: int, size: int, ranges: Ranges, rng: Generator) -> NDArray[np.float64]:
    """A similarity with a slight stretch, about the picture's centre, from (side, side) to (size, size)."""
    angle = rng.uniform(-ranges.turn, ranges.turn)
    scale = size / side / rng.uniform(*ranges.zoom)
    stretch = np.exp(rng.uniform(-ranges.stretch, ranges.stretch))
    flips = np.where(rng.random(2) < ranges.flip, -1.0, 1.0)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    linear = turn * (flips * scale * (stretch, 1 / stretch))
    # Pixel 0 has its centre at 0.5, so the middle of n pixels is number (n - 1) / 2.
    centre = side / 2 * (1 + rng.uniform(-ranges.shift, ranges.shift, 2)) - 0.5
    return np.column_stack([linear, (size - 1) / 2 - linear @ centre])
