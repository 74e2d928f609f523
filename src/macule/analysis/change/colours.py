"""How different two colours look: CIEDE2000 (Sharma, Wu & Dalal 2005, Color Research & Application 30:21)."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

F64 = NDArray[np.float64]


def delta_e(one: ArrayLike, other: ArrayLike) -> F64:
    """CIELAB colours, shape (..., 3) -> the difference, shape (...). About 1 is just seen side by side."""
    first, second = np.asarray(one, np.float64), np.asarray(other, np.float64)
    (l1, a1, b1), (l2, a2, b2) = np.moveaxis(first, -1, 0), np.moveaxis(second, -1, 0)
    grey = 0.5 * (1 - _saturation((np.hypot(a1, b1) + np.hypot(a2, b2)) / 2))
    a1, a2 = a1 * (1 + grey), a2 * (1 + grey)
    c1, c2 = np.hypot(a1, b1), np.hypot(a2, b2)
    h1, h2 = _hue(a1, b1), _hue(a2, b2)
    coloured = (c1 * c2) > 0
    turn = np.where(coloured, (h2 - h1 + 180) % 360 - 180, 0.0)
    lightness, chroma = (l1 + l2) / 2, (c1 + c2) / 2
    hue = np.where(coloured, _mean_hue(h1, h2), h1 + h2)
    weight = 1 - 0.17 * _cos(hue - 30) + 0.24 * _cos(2 * hue) + 0.32 * _cos(3 * hue + 6) - 0.20 * _cos(4 * hue - 63)
    dl = (l2 - l1) / (1 + 0.015 * (lightness - 50) ** 2 / np.sqrt(20 + (lightness - 50) ** 2))
    dc = (c2 - c1) / (1 + 0.045 * chroma)
    dh = 2 * np.sqrt(c1 * c2) * np.sin(np.radians(turn / 2)) / (1 + 0.015 * chroma * weight)
    twist = np.sin(np.radians(60 * np.exp(-(((hue - 275) / 25) ** 2)))) * 2 * _saturation(chroma)
    return np.asarray(np.sqrt(np.maximum(dl**2 + dc**2 + dh**2 - twist * dc * dh, 0)))


def _saturation(chroma: F64) -> F64:
    return np.asarray(np.sqrt(chroma**7 / (chroma**7 + 25.0**7)))


def _hue(a: F64, b: F64) -> F64:
    return np.asarray(np.degrees(np.arctan2(b, a)) % 360)


def _mean_hue(h1: F64, h2: F64) -> F64:
    total = h1 + h2
    far = np.abs(h1 - h2) > 180
    return np.asarray(np.where(far, np.where(total < 360, total + 360, total - 360), total) / 2)


def _cos(degrees: F64) -> F64:
    return np.asarray(np.cos(np.radians(degrees)))
