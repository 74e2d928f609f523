"""What the drawings share: a size, colours, and random fields."""

from __future__ import annotations

import colorsys

import cv2
import numpy as np
from numpy.typing import NDArray

HEIGHT, WIDTH = 300, 400
SHAPE = (HEIGHT, WIDTH)
F32 = NDArray[np.float32]
Rgb = NDArray[np.uint8]
Colour = tuple[float, float, float]


def colour(rng: np.random.Generator, *, light: tuple[float, float] = (0.0, 1.0),
           vivid: tuple[float, float] = (0.0, 1.0), hue: tuple[float, float] = (0.0, 1.0)) -> Colour:
    """Red, green, blue, 0 to 255. light, vivid, hue: ranges of HLS lightness, saturation, hue (0 red, 1/3 green)."""
    turn = hue[0] + (hue[1] - hue[0]) * rng.random()
    red, green, blue = colorsys.hls_to_rgb(turn, rng.uniform(*light), rng.uniform(*vivid))
    return 255 * red, 255 * green, 255 * blue


def sheet(tint: Colour, shape: tuple[int, int] = SHAPE) -> F32:
    return np.broadcast_to(np.array(tint, np.float32), (*shape, 3)).copy()


def field(rng: np.random.Generator, slope: float, shape: tuple[int, int] = SHAPE) -> F32:
    """Noise whose amplitude falls as frequency ** -slope (0 white, 1 pink, 2 brown); mean 0, standard deviation 1."""
    rows, columns = np.fft.fftfreq(shape[0])[:, None], np.fft.rfftfreq(shape[1])[None]
    frequency = np.maximum(np.hypot(rows, columns), 1 / max(shape))
    wild = np.fft.irfft2(np.fft.rfft2(rng.standard_normal(shape)) * frequency**-slope, s=shape)
    return np.asarray((wild - wild.mean()) / wild.std(), dtype=np.float32)


def mixed(first: Colour, second: Colour, share: F32) -> F32:
    """Each pixel between two colours; share: 0 to 1, shape (H, W)."""
    weight = np.clip(share, 0, 1)[..., None]
    return np.asarray(sheet(first, share.shape) * (1 - weight) + sheet(second, share.shape) * weight, np.float32)


def finished(rgb: F32, rng: np.random.Generator, *, grain: float = 3.0, blur: float = 0.6) -> Rgb:
    """A camera's softness and grain, so that nothing is told by its being too clean."""
    soft = cv2.GaussianBlur(rgb, (0, 0), blur) if blur > 0 else rgb
    return np.asarray(np.clip(soft + rng.normal(0, grain, soft.shape), 0, 255).round(), dtype=np.uint8)
