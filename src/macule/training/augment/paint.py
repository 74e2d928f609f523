"""Paint for what is drawn on a picture: lines of any width as a mask, laid over the picture or seen through."""

from __future__ import annotations

from typing import TypeAlias

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

Rgb: TypeAlias = NDArray[np.uint8]  # (S, S, 3)
Mask: TypeAlias = NDArray[np.uint8]  # (S, S), 255 where the paint is full

FINE = 4  # subpixels a pixel and side: hair is about a pixel wide
_BITS = 4  # cv2 takes coordinates as fixed-point numbers


def ribbons(paths: NDArray[np.float64], widths: NDArray[np.float64], shades: NDArray[np.int64], size: int) -> Mask:
    """Lines whose width changes along their way.

    paths: (n, k, 2), x and y. widths: (n, k). Both in shares of the side. shades: (n,), 0-255.
    """
    along = np.gradient(paths, axis=1)
    across = along[..., ::-1] * (-1, 1) / np.maximum(np.hypot(along[..., :1], along[..., 1:]), 1e-9)
    # The outline itself is drawn a subpixel wide.
    half = across * np.maximum(widths - 1 / (size * FINE), 0)[..., None] / 2
    outlines = np.concatenate([paths + half, (paths - half)[:, ::-1]], axis=1)
    fixed = np.round(outlines * (size * FINE << _BITS)).astype(np.int32)
    canvas = np.zeros((size * FINE, size * FINE), np.uint8)
    for outline, shade in zip(fixed, shades.tolist(), strict=True):
        cv2.fillPoly(canvas, [outline], (shade,), cv2.LINE_8, _BITS)
    for finer in (FINE // 2, 1):  # OpenCV halves seven times as fast as it quarters
        canvas = np.asarray(cv2.resize(canvas, (size * finer, size * finer), interpolation=cv2.INTER_AREA), np.uint8)
    return canvas


def softened(mask: Mask, sigma: float) -> Mask:
    """sigma: px."""
    return np.asarray(cv2.GaussianBlur(mask, (0, 0), sigma), np.uint8)


def lay(rgb: Rgb, mask: Mask, colour: ArrayLike) -> None:
    """Covers the picture, in place, with a colour (R, G, B, 0-255) as far as the mask says."""
    where = np.flatnonzero(mask != 0)
    pixels = rgb.reshape(-1, 3)
    cover = mask.reshape(-1, 1)[where] * np.float32(1 / 255)
    under = pixels[where].astype(np.float32)
    pixels[where] = np.rint(under + (np.asarray(colour, np.float32).clip(0, 255) - under) * cover)


def stain(rgb: Rgb, mask: Mask, transmission: NDArray[np.float64]) -> None:
    """Dyes the picture, in place: what shines through at full mask is `transmission` (R, G, B, 0-1) of the light.

    Beer-Lambert: twice the dye lets the square through.
    """
    where = np.flatnonzero(mask != 0)
    pixels = rgb.reshape(-1, 3)
    through = (transmission ** (np.arange(256)[:, None] / 255)).astype(np.float32)
    pixels[where] = np.rint(pixels[where] * through[mask.reshape(-1)[where]])
