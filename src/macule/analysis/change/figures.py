"""What can be measured of one lesion: its size in the picture, its symmetry, its border and its colours."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from macule.analysis.change.colours import delta_e

F32 = NDArray[np.float32]
Mask = NDArray[np.bool_]

#: Pixels from which the spread of colours is read.
ENOUGH = 8000


@dataclass(frozen=True)
class Figures:
    """area: pixels. asymmetry: shares of the lesion, 0 to 1, that do not fall on themselves when it is folded along its
    long axis and across it. border: its length against a circle's of the same area; 1 is round and smooth.
    lab: mean colour, CIELAB. spread: mean Delta E 2000 of its pixels from that colour.
    """

    area: int
    asymmetry: tuple[float, float]
    border: float
    lab: tuple[float, float, float]
    spread: float


def measure(rgb: NDArray[np.uint8], lesion: Mask) -> Figures:
    """rgb: uint8, shape (H, W, 3), sRGB. lesion: bool, shape (H, W), at least one pixel set."""
    lab = to_lab(rgb)
    inside = lab[lesion]
    some = inside[:: max(len(inside) // ENOUGH, 1)]
    mean = inside.mean(axis=0)
    return Figures(
        area=int(lesion.sum()), asymmetry=asymmetry(lesion), border=border(lesion),
        lab=(float(mean[0]), float(mean[1]), float(mean[2])), spread=float(delta_e(some, mean).mean()),
    )


def to_lab(rgb: NDArray[np.uint8]) -> F32:
    """CIELAB, lightly smoothed so that sensor noise is no spread of colour. Returns: float32, shape (H, W, 3)."""
    smooth = cv2.GaussianBlur(rgb, (0, 0), max(min(rgb.shape[:2]) / 256, 0.5))
    return np.asarray(cv2.cvtColor(smooth.astype(np.float32) / np.float32(255), cv2.COLOR_RGB2LAB), dtype=np.float32)


def asymmetry(lesion: Mask) -> tuple[float, float]:
    """Folded along its long axis, and across it. Stolz et al. 1994 (ABCD rule), Eur J Dermatol 4:521."""
    y, x = np.nonzero(lesion)
    centre = np.array([x.mean(), y.mean()])
    turn = _long_axis(x - centre[0], y - centre[1])
    half = int(np.ceil(np.hypot(*lesion.shape) / 2)) + 2
    cos, sin = np.cos(turn), np.sin(turn)
    linear = np.array([[cos, sin], [-sin, cos]])
    matrix = np.hstack([linear, (half - linear @ centre)[:, None]])
    upright = cv2.warpAffine(lesion.astype(np.uint8), matrix, (2 * half + 1, 2 * half + 1), flags=cv2.INTER_NEAREST) > 0
    area = max(int(upright.sum()), 1)
    along, across = (float((upright & ~np.flip(upright, axis)).sum()) / area for axis in (0, 1))
    return along, across


def _long_axis(x: NDArray[np.float64], y: NDArray[np.float64]) -> float:
    """Radians, of the direction in which the points spread most."""
    return float(0.5 * np.arctan2(2 * (x * y).mean(), (x * x).mean() - (y * y).mean()))


def border(lesion: Mask) -> float:
    """Length of the outline / of a circle's with that area; parts beside the largest are left out."""
    contours, _ = cv2.findContours(lesion.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    longest = max(contours, key=cv2.contourArea)
    smooth = _smoothed(longest[:, 0].astype(np.float64))
    steps = np.diff(smooth, axis=0, append=smooth[:1])
    x, y = smooth.T
    area = abs(float((x * np.roll(y, -1) - np.roll(x, -1) * y).sum())) / 2
    return float(np.hypot(*steps.T).sum() / np.sqrt(4 * np.pi * max(area, 1e-6)))


def _smoothed(points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Without the steps of the pixels: a mean along the outline over a hundredth of its length."""
    width = max(len(points) // 100, 1) * 2 + 1
    if len(points) < 2 * width:
        return points
    padded = np.concatenate([points[-(width // 2) :], points, points[: width // 2]])
    kernel = np.ones(width) / width
    return np.stack([np.convolve(padded[:, axis], kernel, "valid") for axis in (0, 1)], axis=1)
