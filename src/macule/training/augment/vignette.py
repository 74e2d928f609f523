"""The rim of the dermatoscope: dark corners round a circle of light."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.random import Generator

from macule.training.augment import paint


def draw(rgb: paint.Rgb, rng: Generator) -> None:
    """Draws on the picture itself; what lies within 0.4 of the side from the middle keeps its light."""
    size = rgb.shape[0]
    # A tube's black rim is sharp; a lens only loses light towards the corners.
    soft = rng.uniform(0.01, 0.05) if rng.random() < 0.4 else rng.uniform(0.1, 0.3)
    # The whole picture is squashed into a square, which makes the circle of a 4:3 picture an upright ellipse.
    radius = rng.uniform(0.5 + 0.3 * soft, 0.63) * rng.permutation((1, rng.uniform(1, 1.25)))
    centre = 0.5 + rng.normal(0, 0.015, 2)
    x, y = ((((np.arange(size) + 0.5) / size - c) / r).astype(np.float32) for c, r in zip(centre, radius, strict=True))
    inside = np.clip((1 + soft / 2 - np.sqrt(y[:, None] ** 2 + x**2)) / soft, 0, 1)
    light = np.asarray(255 * inside * inside * (3 - 2 * inside), np.uint8)
    cv2.multiply(rgb, cv2.merge([light] * 3), dst=rgb, scale=1 / 255)
    # Stray light: the rim is never quite black.
    stray = cv2.convertScaleAbs(255 - light, alpha=rng.uniform(0, 0.07))
    cv2.add(rgb, cv2.merge([stray] * 3), dst=rgb)
