"""A millimetre scale: etched in the contact plate, or printed on a paper strip beside the lesion."""

from __future__ import annotations

import math

import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from macule.training.augment import paint

_FINE = 2  # the scale is drawn twice as large, then turned and shrunk at once


def draw(rgb: paint.Rgb, rng: Generator) -> None:
    """Draws on the picture itself, along an edge or across a corner."""
    size = rgb.shape[0]
    scale = _scale(size, rng)
    place = _place(scale, size, rng)
    if rng.random() < 0.35:
        paper = _turned(np.full_like(scale, round(255 * rng.uniform(0.85, 1))), place, size)
        paint.lay(rgb, paper, rng.uniform(205, 250) * np.array([1, 0.99, 0.96]))
        grey = rng.uniform(10, 60)
    else:
        grey = rng.uniform(5, 70) if rng.random() < 0.85 else rng.uniform(215, 250)
    paint.lay(rgb, _turned(scale, place, size), np.full(3, grey))


def _scale(size: int, rng: Generator) -> paint.Mask:
    """A straight scale, its ticks down from the upper edge: uint8, (0.35, 1.7) times size, twice as fine."""
    unit = size * _FINE
    canvas = np.zeros((round(0.35 * unit), round(1.7 * unit)), np.uint8)
    step, width = unit * rng.uniform(0.03, 0.09), max(1, round(unit * rng.uniform(0.003, 0.008)))
    reach, shade = unit * rng.uniform(0.02, 0.05), round(255 * rng.uniform(0.7, 1))
    period = 5 if step > 0.05 * unit else 10
    numbered, each, height = rng.random() < 0.5, int(rng.choice((1, period))), unit * rng.uniform(0.025, 0.045)
    margin = round(unit * rng.uniform(0.004, 0.03))
    for tick in range(int(canvas.shape[1] / step) + 1):
        x, major = round(tick * step), tick % period == 0
        foot = margin + round(reach * (1.7 if major else 1.35 if tick % 5 == 0 else 1))
        cv2.line(canvas, (x, margin), (x, foot), (shade,), width)
        if numbered and major:
            _number(canvas, str(tick // period * each), (x, foot), height, shade)
    return canvas


def _number(canvas: paint.Mask, text: str, foot: tuple[int, int], height: float, shade: int) -> None:
    """Below a tick, centred. height: px."""
    face, scale = cv2.FONT_HERSHEY_SIMPLEX, height / 22  # its digits are 22 px high at scale 1
    (width, _), _ = cv2.getTextSize(text, face, scale, 1)
    at = (foot[0] - width // 2, foot[1] + round(1.4 * height))
    cv2.putText(canvas, text, at, face, scale, (shade,), max(1, round(height / 9)), cv2.LINE_AA)


def _place(scale: paint.Mask, size: int, rng: Generator) -> NDArray[np.float64]:
    """Where the scale lies: (2, 3), from its pixels to the picture's. Its upper edge faces the middle."""
    along_edge = rng.random() < 0.75
    angle = rng.integers(4) * math.pi / 2 + rng.normal(0, 0.1) if along_edge else rng.uniform(0, 2 * math.pi)
    cos, sin = math.cos(angle), math.sin(angle)
    # How far the picture reaches in this direction: to its edge, or to its corner.
    far = size / 2 * (abs(cos) + abs(sin))
    away = far - size * rng.uniform(0.05, 0.19)
    linear = np.array([[cos, -sin], [sin, cos]]) / _FINE
    upper_middle = np.array([scale.shape[1] / 2 + rng.uniform(-0.1, 0.1) * scale.shape[1], 0])
    return np.column_stack([linear, size / 2 + away * np.array([-sin, cos]) - linear @ upper_middle])


def _turned(scale: paint.Mask, place: NDArray[np.float64], size: int) -> paint.Mask:
    return np.asarray(cv2.warpAffine(scale, place, (size, size), flags=cv2.INTER_LINEAR), np.uint8)
