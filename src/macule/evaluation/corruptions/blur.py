"""What the lens and the hand do: out of focus, moved, zoomed while open, and a phone's mixture of it all."""

from __future__ import annotations

import math

import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from macule.evaluation.corruptions.kind import MEDMNIST_C, Family, Kind, Rgb, to_bytes, unit

_RADIUS = (0.8, 1.2, 1.7, 2.6, 4.0)  # px at NOMINAL_SIDE
_LENGTH = (3, 6, 9, 13, 18)  # px at NOMINAL_SIDE
_ZOOM = (1.03, 1.06, 1.10, 1.15, 1.22)
#: radius, length (px at NOMINAL_SIDE), standard deviation of the noise (of white)
_PHONE = ((0.6, 1.5, 0.008), (1.0, 3.0, 0.014), (1.6, 5.0, 0.022), (2.3, 7.5, 0.032), (3.2, 11.0, 0.045))
_FINE = 4  # subpixels a side of a kernel's pixel
_STEPS = 10


def _defocus(rgb: Rgb, strength: int, _: Generator) -> Rgb:
    return _filtered(rgb, _disc(_RADIUS[strength - 1] * unit(rgb)))


def _motion(rgb: Rgb, strength: int, rng: Generator) -> Rgb:
    return _filtered(rgb, _line(_LENGTH[strength - 1] * unit(rgb), rng.uniform(0, math.pi)))


def _zoom(rgb: Rgb, strength: int, _: Generator) -> Rgb:
    """The mean of the picture at growing zoom, about its middle."""
    height, width = rgb.shape[:2]
    total = np.zeros(rgb.shape, np.float32)
    for scale in np.linspace(1, _ZOOM[strength - 1], _STEPS):
        about = cv2.getRotationMatrix2D(((width - 1) / 2, (height - 1) / 2), 0, float(scale))
        cv2.accumulate(cv2.warpAffine(rgb, about, (width, height), borderMode=cv2.BORDER_REFLECT_101), total)
    return to_bytes(total / _STEPS)


def _phone(rgb: Rgb, strength: int, rng: Generator) -> Rgb:
    """Out of focus, then shaken, then the sensor's noise."""
    radius, length, sigma = _PHONE[strength - 1]
    shaken = _filtered(_filtered(rgb, _disc(radius * unit(rgb))), _line(length * unit(rgb), rng.uniform(0, math.pi)))
    return to_bytes(shaken + 255 * sigma * rng.standard_normal(rgb.shape, np.float32))


def _filtered(rgb: Rgb, kernel: NDArray[np.float32]) -> Rgb:
    return np.asarray(cv2.filter2D(rgb, -1, kernel, borderType=cv2.BORDER_REFLECT_101), np.uint8)


def _disc(radius: float) -> NDArray[np.float32]:
    """A lens's circle of confusion; sums to 1. radius: px, of any fraction."""
    offsets = _offsets(radius)
    return _kernel((np.hypot(offsets[:, None], offsets) <= max(radius, 0.5)).astype(np.float32))


def _line(length: float, angle: float) -> NDArray[np.float32]:
    """A straight way, a pixel wide; sums to 1. length: px. angle: radians."""
    offsets = _offsets(length / 2)
    along = offsets * math.cos(angle) + offsets[:, None] * math.sin(angle)
    across = -offsets * math.sin(angle) + offsets[:, None] * math.cos(angle)
    return _kernel(((np.abs(along) <= max(length / 2, 0.5)) & (np.abs(across) <= 0.5)).astype(np.float32))


def _offsets(reach: float) -> NDArray[np.float64]:
    """Of the subpixels of an odd number of pixels that hold `reach` either way, from the middle one's centre."""
    pixels = 2 * math.ceil(max(reach, 0.5)) + 1
    return np.asarray((np.arange(pixels * _FINE) + 0.5) / _FINE - pixels / 2)


def _kernel(fine: NDArray[np.float32]) -> NDArray[np.float32]:
    pixels = fine.shape[0] // _FINE
    coarse = fine.reshape(pixels, _FINE, pixels, _FINE).mean(axis=(1, 3))
    return np.asarray(coarse / coarse.sum(), np.float32)


KINDS = (
    Kind("defocus_blur", "out of focus", Family.BLUR, MEDMNIST_C, _defocus),
    Kind("motion_blur", "moved while the shutter was open", Family.BLUR, MEDMNIST_C, _motion),
    Kind("zoom_blur", "moved towards the skin while the shutter was open", Family.BLUR, MEDMNIST_C, _zoom),
    Kind("phone_blur", "a phone's: out of focus, shaken and noisy", Family.BLUR, "as met in phone pictures; ours",
         _phone),
)
