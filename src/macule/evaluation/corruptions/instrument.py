"""What the dermatoscope and its software leave: dark corners, the rim, letters."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from macule.evaluation.corruptions.kind import MEDMNIST_C, Family, Kind, Rgb, to_bytes, unit

_RADIUS = (1.45, 1.3, 1.15, 1.02, 0.9)  # of the black rim, in half short sides
_LOSS = (0.25, 0.42, 0.6, 0.78, 0.93)  # of the light, in the corner
#: pieces of text, height of the letters (px at NOMINAL_SIDE)
_TEXT = ((1, 8), (2, 10), (3, 12), (4, 14), (6, 17))
_LETTERS = tuple("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-/.")
_INKS = ((255, 255, 255), (0, 0, 0), (255, 230, 60), (60, 255, 90))


def _black_corner(rgb: Rgb, strength: int, rng: Generator) -> Rgb:
    """A tube's sharp rim, a little off the middle."""
    half = min(rgb.shape[:2]) / 2
    away = _away(rgb, rng.normal(0, 0.03, 2)) / half
    edge = 2 / half
    light = np.clip((_RADIUS[strength - 1] - away) / edge + 0.5, 0, 1)
    return to_bytes(rgb * light[..., None] + 6 * (1 - light[..., None]))


def _vignette(rgb: Rgb, strength: int, rng: Generator) -> Rgb:
    """A lens's soft loss of light towards the corners."""
    corner = np.hypot(*rgb.shape[:2]) / 2
    away = np.minimum(_away(rgb, rng.normal(0, 0.05, 2)) / corner, 1.1)
    return to_bytes(rgb * np.maximum(1 - _LOSS[strength - 1] * away**2.2, 0)[..., None])


def _away(rgb: Rgb, shift: NDArray[np.float64]) -> NDArray[np.float32]:
    """float32, (H, W): px from the middle. shift: of the middle, shares of the short side."""
    height, width = rgb.shape[:2]
    x0, y0 = (np.array([width, height]) - 1) / 2 + shift * min(height, width)
    down, across = np.arange(height)[:, None] - y0, np.arange(width) - x0
    return np.asarray(np.hypot(down, across), np.float32)


def _characters(rgb: Rgb, strength: int, rng: Generator) -> Rgb:
    """Burnt-in text, as viewers and archives write it."""
    drawn, (pieces, tall) = rgb.copy(), _TEXT[strength - 1]
    words = ["".join(rng.choice(_LETTERS, int(rng.integers(3, 9)))) for _ in range(_TEXT[-1][0])]
    places, inks = rng.random((len(words), 2)), rng.integers(len(_INKS), size=len(words))
    face, scale = cv2.FONT_HERSHEY_SIMPLEX, tall * unit(rgb) / 22  # its letters are 22 px high at scale 1
    thick = max(round(tall * unit(rgb) / 9), 1)
    for word, place, ink in list(zip(words, places, inks, strict=True))[:pieces]:
        (wide, high), _ = cv2.getTextSize(word, face, scale, thick)
        # The picture's whole area, but no letter cut off.
        room = np.maximum(np.array([rgb.shape[1] - wide, rgb.shape[0] - high]), 0)
        x, y = (place * room).astype(int)
        cv2.putText(drawn, word, (int(x), int(y) + high), face, scale, _INKS[ink], thick, cv2.LINE_AA)
    return drawn


KINDS = (
    Kind("black_corner", "the dermatoscope's black rim", Family.INSTRUMENT, MEDMNIST_C, _black_corner),
    Kind("vignette", "light lost towards the corners", Family.INSTRUMENT, "Bissoto et al. 2020", _vignette),
    Kind("characters", "letters burnt into the picture", Family.INSTRUMENT, MEDMNIST_C, _characters),
)
