"""Hair: shafts that lie over the skin, fine pale down, or the stubble that shaving leaves."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from macule.training.augment import paint

_POINTS = 20


@dataclass(frozen=True)
class _Kind:
    """count, length and width (shares of the side), cover (0-1), shade: least and most.

    bend: standard deviation of a curve's knots, shares of its length. colour: R, G, B in white light at shade 1.
    """

    count: tuple[int, int]
    length: tuple[float, float]
    width: tuple[float, float]
    cover: tuple[float, float]
    shade: tuple[float, float]
    bend: float
    colour: tuple[float, float, float]


_SHAFTS = _Kind(count=(1, 30), length=(0.3, 1.4), width=(0.004, 0.011), cover=(0.55, 0.95), shade=(0.5, 1.1),
                bend=0.12, colour=(52, 30, 24))
_DOWN = _Kind(count=(5, 40), length=(0.1, 0.5), width=(0.003, 0.006), cover=(0.35, 0.75), shade=(1.0, 1.4),
              bend=0.10, colour=(238, 214, 184))
_STUBBLE = _Kind(count=(3, 25), length=(0.03, 0.12), width=(0.005, 0.011), cover=(0.6, 0.95), shade=(0.5, 1.1),
                 bend=0.04, colour=(48, 34, 30))
_KINDS, _CHANCES = (_SHAFTS, _DOWN, _STUBBLE), (0.65, 0.2, 0.15)


def draw(rgb: paint.Rgb, rng: Generator) -> None:
    """Draws on the picture itself."""
    kind = _KINDS[rng.choice(len(_KINDS), p=_CHANCES)]
    count = int(rng.integers(*kind.count, endpoint=True))
    along = np.linspace(0, 1, _POINTS)
    taper = np.minimum(0.4 + 8 * along, 1 - along * rng.uniform(0.1, 0.8))  # from a thin root to a thinner tip
    widths = rng.uniform(*kind.width, (count, 1)) * taper
    shades = np.round(255 * rng.uniform(*kind.cover, count)).astype(np.int64)
    mask = paint.ribbons(_paths(kind, count, rng), widths, shades, rgb.shape[0])
    mask = paint.softened(mask, rng.uniform(0.3, 0.7) * max(rgb.shape[0] / 224, 1))
    light = np.array(cv2.mean(rgb)[:3]) / 175  # the picture's own: in red light hair is maroon
    shade = rng.uniform(*kind.shade) * rng.uniform(0.92, 1.08, 3)
    paint.lay(rgb, mask, np.array(kind.colour) * light * shade)


def _paths(kind: _Kind, count: int, rng: Generator) -> NDArray[np.float64]:
    """Cubic Bezier curves, mostly combed one way; (count, points, 2), shares of the side."""
    bearing = rng.uniform(0, 2 * np.pi) + rng.normal(0, rng.uniform(0.15, 1.2), count)
    along = np.stack([np.cos(bearing), np.sin(bearing)], 1)
    length = rng.uniform(*kind.length, (count, 1))
    middle = rng.uniform(-0.1, 1.1, (count, 2))
    bend = rng.normal(0, kind.bend, (count, 4)) * length
    t = np.linspace(0, 1, _POINTS)
    weights = np.stack([(1 - t) ** 3, 3 * t * (1 - t) ** 2, 3 * t**2 * (1 - t), t**3])
    forward, aside = length * ((-0.5, -0.17, 0.17, 0.5) @ weights), bend @ weights
    return np.asarray(middle[:, None] + forward[..., None] * along[:, None]
                      + aside[..., None] * (along[:, None, ::-1] * (-1, 1)))
