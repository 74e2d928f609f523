"""Exposure, contrast, the colour of the light, and a flash that mirrors in the skin."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.random import Generator

from macule.evaluation.corruptions.kind import MEDMNIST_C, Family, Kind, Rgb, to_bytes

_BRIGHTER = (1.08, 1.16, 1.25, 1.35, 1.46)
_DARKER = (0.88, 0.75, 0.62, 0.5, 0.38)
_HARDER = (1.12, 1.25, 1.4, 1.6, 1.9)
_SOFTER = (0.85, 0.72, 0.6, 0.5, 0.4)
_CAST = (0.04, 0.08, 0.13, 0.20, 0.28)  # largest change of a channel
#: Gains of red, green, blue: lamp light, shade, fluorescent tube, and their neighbours.
_CASTS = np.array([(1, 0.1, -1), (-1, 0, 1), (-0.5, 1, -0.5), (0.8, -0.8, 0.3), (0.6, 0.6, -1), (-0.8, 0.4, 0.6)])
#: radius of the burnt core and of the haze (shares of the short side), how many, how bright the haze is
_GLARE = ((0.02, 0.08, 1, 0.25), (0.035, 0.12, 2, 0.35), (0.05, 0.16, 3, 0.45), (0.07, 0.22, 4, 0.55),
          (0.10, 0.30, 5, 0.65))
_MOST_GLARES = 5


def _brighter(rgb: Rgb, strength: int, _: Generator) -> Rgb:
    return to_bytes(rgb * np.float32(_BRIGHTER[strength - 1]))


def _darker(rgb: Rgb, strength: int, _: Generator) -> Rgb:
    return to_bytes(rgb * np.float32(_DARKER[strength - 1]))


def _harder(rgb: Rgb, strength: int, _: Generator) -> Rgb:
    return _contrast(rgb, _HARDER[strength - 1])


def _softer(rgb: Rgb, strength: int, _: Generator) -> Rgb:
    return _contrast(rgb, _SOFTER[strength - 1])


def _contrast(rgb: Rgb, factor: float) -> Rgb:
    """About the mean grey level, as Pillow's ImageEnhance does."""
    mean = float(cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY).mean())
    return to_bytes(mean + np.float32(factor) * (rgb - np.float32(mean)))


def _cast(rgb: Rgb, strength: int, rng: Generator) -> Rgb:
    gains = 1 + _CAST[strength - 1] * _CASTS[rng.integers(len(_CASTS))]
    return to_bytes(rgb * gains.astype(np.float32))


def _glare(rgb: Rgb, strength: int, rng: Generator) -> Rgb:
    """Burnt spots with a haze round them; wet or oily skin mirrors the flash in several places."""
    core, haze, count, bright = _GLARE[strength - 1]
    height, width = rgb.shape[:2]
    side = min(height, width)
    places = 0.5 + rng.normal(0, 0.16, (_MOST_GLARES, 2))
    sizes, turns, flat = (rng.uniform(0.6, 1, _MOST_GLARES), rng.uniform(0, np.pi, _MOST_GLARES),
                          rng.uniform(1, 2.2, _MOST_GLARES))
    veil = np.zeros((height, width), np.float32)
    y, x = (np.arange(n, dtype=np.float32) / side for n in (height, width))
    for (across, down), size, turn, narrow in list(zip(places, sizes, turns, flat, strict=True))[:count]:
        dx, dy = x - np.float32(across * width / side), y[:, None] - np.float32(down * height / side)
        cos, sin = np.float32(np.cos(turn)), np.float32(np.sin(turn))
        away2 = ((dx * cos + dy * sin) ** 2 + ((dy * cos - dx * sin) * np.float32(narrow)) ** 2) / np.float32(size**2)
        spot = np.clip(1.5 - np.sqrt(away2) / np.float32(core), 0, 1) + bright * np.exp(-away2 / np.float32(haze**2))
        veil = np.maximum(veil, np.minimum(spot, 1))
    return to_bytes(rgb + (255 - rgb.astype(np.float32)) * veil[..., None])


KINDS = (
    Kind("brightness_up", "over-exposed", Family.LIGHT, MEDMNIST_C, _brighter),
    Kind("brightness_down", "under-exposed", Family.LIGHT, MEDMNIST_C, _darker),
    Kind("contrast_up", "hard contrast", Family.LIGHT, MEDMNIST_C, _harder),
    Kind("contrast_down", "flat contrast", Family.LIGHT, MEDMNIST_C, _softer),
    Kind("colour_cast", "light of another colour, uncorrected", Family.LIGHT,
         "Barata et al. 2015; Maron et al. 2021", _cast),
    Kind("flash_glare", "the flash mirrored in the skin", Family.LIGHT, "as met in phone pictures; ours", _glare),
)
