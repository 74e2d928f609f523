"""A surgical pen's marks: dots round the lesion, strokes beside it, or a ring."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from macule.training.augment import paint

#: What the dye lets through of red, green and blue.
_VIOLET, _BLUE = np.array([0.30, 0.12, 0.60]), np.array([0.10, 0.20, 0.62])
_POINTS = 24


def draw(rgb: paint.Rgb, rng: Generator) -> None:
    """Draws on the picture itself; the middle, where the lesion is, stays free."""
    marks = (_dots, _strokes, _ring)[rng.integers(3)](rng)
    width = np.exp(rng.uniform(np.log(0.015), np.log(0.09)))
    pressed = width * rng.uniform(0.8, 1.2, (len(marks), 1)) * _pressure(rng)
    body = paint.ribbons(marks, pressed, np.full(len(marks), rng.integers(70, 190)), rgb.shape[0])
    lines = _furrows(marks, width, rng)
    thin = np.repeat(rng.uniform(0.002, 0.004, (len(lines), 1)), 2, axis=1)
    body = np.maximum(body, paint.ribbons(lines, thin, rng.integers(170, 256, len(lines)), rgb.shape[0]))
    dye = _VIOLET + rng.random() * (_BLUE - _VIOLET)
    paint.stain(rgb, _worn(body, rng), dye ** rng.uniform(0.7, 1.6))


def _pressure(rng: Generator) -> NDArray[np.float64]:
    """A hand does not press evenly."""
    along = np.linspace(0, rng.uniform(2, 12), _POINTS)
    return np.asarray(1 + 0.25 * np.sin(along + rng.uniform(0, 6)) + rng.normal(0, 0.06, _POINTS))


def _furrows(marks: NDArray[np.float64], width: float, rng: Generator) -> NDArray[np.float64]:
    """Dye runs out of a mark along the skin's furrows, which cross: short lines of two bearings."""
    length = np.hypot(*np.diff(marks, axis=1).T).sum() + len(marks) * width
    count = int(length * np.exp(rng.uniform(3.4, 5.7)))
    mark, point = rng.integers((len(marks), _POINTS - 1), size=(count, 2)).T
    between = rng.random((count, 1))
    start = marks[mark, point] * (1 - between) + marks[mark, point + 1] * between
    bearing = rng.uniform(0, np.pi) + rng.choice((0, rng.uniform(0.8, 1.5)), count) + rng.normal(0, 0.2, count)
    way = np.stack([np.cos(bearing), np.sin(bearing)], 1) * rng.uniform(0.1, 0.9, (count, 1)) * min(width, 0.05)
    middle = start + rng.normal(0, 0.33 * width, (count, 2))
    return np.stack([middle - way, middle + way], axis=1)


def _worn(body: paint.Mask, rng: Generator) -> paint.Mask:
    """More dye here and less there, and a frayed edge."""
    size = body.shape[0]
    coarse, fine = (cv2.resize(rng.random((n, n), np.float32), (size, size), interpolation=cv2.INTER_LINEAR)
                    for n in (max(size // 16, 4), max(size // 3, 8)))
    soft = cv2.GaussianBlur(body, (0, 0), max(0.005 * size, 0.3)).astype(np.float32)
    frayed = np.clip(1.5 * soft - 60 * fine, 0, 255)
    return np.asarray(frayed * np.minimum(0.1 + 0.8 * coarse + 0.6 * fine, 1), np.uint8)


def _dots(rng: Generator) -> NDArray[np.float64]:
    bearing = rng.uniform(0, 2 * np.pi) + np.arange(rng.integers(1, 6)) * rng.uniform(0.8, 1.6)
    away = rng.uniform(0.34, 0.48, len(bearing))
    centre = 0.5 + (away * np.stack([np.cos(bearing), np.sin(bearing)])).T
    wriggle = np.linspace(-0.008, 0.008, _POINTS)[:, None] * rng.normal(0, 1, (len(bearing), 1, 2))
    return np.asarray(centre[:, None] + wriggle)


def _strokes(rng: Generator) -> NDArray[np.float64]:
    """Short lines, some across the edge of the picture."""
    count = int(rng.integers(1, 4))
    bearing = rng.uniform(0, 2 * np.pi, count)
    out = np.stack([np.cos(bearing), np.sin(bearing)], 1)
    heading = bearing + rng.uniform(1.0, np.pi - 1.0, count)
    way = np.stack([np.cos(heading), np.sin(heading)], 1)
    t = np.linspace(-0.5, 0.5, _POINTS)[:, None]
    length = rng.uniform(0.1, 0.4, (count, 1, 1))
    # Bent away from the middle, as a hand draws round a lesion.
    middle = 0.5 + out[:, None] * rng.uniform(0.40, 0.52, (count, 1, 1))
    return np.asarray(middle + t * length * way[:, None] - t**2 * length * out[:, None] * rng.uniform(0, 0.6))


def _ring(rng: Generator) -> NDArray[np.float64]:
    """Part of a wobbling circle, or all of it."""
    bearing = rng.uniform(0, 2 * np.pi) + np.linspace(0, rng.uniform(0.8, 6.6), _POINTS)
    wobble = 1 + 0.04 * np.sin(2 * bearing + rng.uniform(0, 6)) + 0.02 * np.sin(5 * bearing + rng.uniform(0, 6))
    away = rng.uniform(0.36, 0.5) * wobble
    return np.asarray((0.5 + away * np.stack([np.cos(bearing), np.sin(bearing)])).T[None])
