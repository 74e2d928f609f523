"""What a camera's sensor and a bad line add: noise of four kinds, each channel on its own."""

from __future__ import annotations

import numpy as np
from numpy.random import Generator

from macule.evaluation.corruptions.kind import MEDMNIST_C, Family, Kind, Rgb, to_bytes

_GAUSSIAN = (0.025, 0.05, 0.08, 0.12, 0.18)  # standard deviation, of white
_SPECKLE = (0.04, 0.09, 0.15, 0.24, 0.36)  # standard deviation, of the pixel
_IMPULSE = (0.004, 0.012, 0.03, 0.06, 0.12)  # share of the values
_PHOTONS = (200, 80, 36, 18, 9)  # at white


def _gaussian(rgb: Rgb, strength: int, rng: Generator) -> Rgb:
    drawn = rng.standard_normal(rgb.shape, np.float32)
    return to_bytes(rgb + 255 * _GAUSSIAN[strength - 1] * drawn)


def _speckle(rgb: Rgb, strength: int, rng: Generator) -> Rgb:
    drawn = rng.standard_normal(rgb.shape, np.float32)
    return to_bytes(rgb * (1 + np.float32(_SPECKLE[strength - 1]) * drawn))


def _impulse(rgb: Rgb, strength: int, rng: Generator) -> Rgb:
    """Salt and pepper."""
    drawn, share = rng.random(rgb.shape, np.float32), _IMPULSE[strength - 1]
    return np.where(drawn < share / 2, 0, np.where(drawn > 1 - share / 2, 255, rgb)).astype(np.uint8)


def _shot(rgb: Rgb, strength: int, rng: Generator) -> Rgb:
    """Poisson's distribution, by the normal one of the same mean and variance: from 9 photons on they look alike."""
    level = rgb.astype(np.float32)
    spread = np.sqrt(level * np.float32(255 / _PHOTONS[strength - 1]))
    return to_bytes(level + spread * rng.standard_normal(rgb.shape, np.float32))


KINDS = (
    Kind("gaussian_noise", "a sensor's noise in poor light", Family.NOISE, MEDMNIST_C, _gaussian),
    Kind("speckle_noise", "noise that grows with the light", Family.NOISE, MEDMNIST_C, _speckle),
    Kind("impulse_noise", "single values lost to black or white", Family.NOISE, MEDMNIST_C, _impulse),
    Kind("shot_noise", "too few photons", Family.NOISE, MEDMNIST_C, _shot),
)
