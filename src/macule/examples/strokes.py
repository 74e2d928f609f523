"""Lines whose width changes along their way: hair shafts, vessels, streaks."""

from __future__ import annotations

from typing import TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

from macule.examples.noise import F32

Mask: TypeAlias = NDArray[np.uint8]
Points: TypeAlias = NDArray[np.float64]

SUBPIXEL = 4  # bits: cv2 takes coordinates as fixed-point numbers


def fixed(points: Points) -> NDArray[np.int32]:
    """Points in px to cv2's fixed-point numbers."""
    out: NDArray[np.int32] = np.round(points * (1 << SUBPIXEL)).astype(np.int32)
    return out


def coverage(canvas: Mask) -> F32:
    """0-255 to 0-1."""
    out: F32 = np.multiply(canvas, 1 / 255, dtype=np.float32)
    return out


def ribbon(canvas: Mask, path: Points, width: float, *, tip: float = 0.3, shade: float = 255.0) -> None:
    """Draws a line from `width` px at its start to `tip` of that at its end, lightening only. path: (n, 2), x and y.

    Thinner than a pixel is drawn a pixel wide and fainter.
    """
    along = np.gradient(path, axis=0)
    along /= np.maximum(np.hypot(along[:, 0], along[:, 1])[:, None], 1e-6)
    across = np.stack([-along[:, 1], along[:, 0]], 1)
    half = 0.5 * np.maximum(width * np.linspace(1, tip, len(path)), 0.9)[:, None]
    outline = np.concatenate([path + across * half, (path - across * half)[::-1]])
    low = np.maximum(np.floor(outline.min(0)).astype(int) - 2, 0)
    high = np.minimum(np.ceil(outline.max(0)).astype(int) + 3, canvas.shape[::-1])
    if (high <= low).any():
        return  # outside the picture
    window = canvas[low[1] : high[1], low[0] : high[0]]
    layer = np.zeros_like(window)
    cv2.fillPoly(layer, [fixed(outline - low)], (shade * min(width, 1.0),), cv2.LINE_AA, SUBPIXEL)
    np.maximum(window, layer, out=window)
