"""The stack of materials, and the light that turns it into colour."""

from __future__ import annotations

from dataclasses import dataclass, field

import cv2
import numpy as np

from macule.examples.noise import F32, Frame, blurred
from macule.examples.tone import BLOOD, MELANIN, tone_linear

# Linear RGB of what covers pigment instead of absorbing: seen on a fair skin, dimmed on a dark one.
VEIL = np.array([0.155, 0.165, 0.215], np.float32)  # melanin deep in the dermis looks slate blue (Tyndall effect)
SCAR = np.array([0.78, 0.66, 0.63], np.float32)
KERATIN = np.array([0.60, 0.44, 0.27], np.float32)
CRUST = np.array([0.13, 0.055, 0.028], np.float32)


@dataclass
class Layers:
    """Maps of shape (H, W).

    melanin, blood: optical density in green; veil, scar, keratin, crust, vellus: covers, 0-1; height: px; gloss: 0-1.
    """

    frame: Frame
    melanin: F32 = field(init=False)
    blood: F32 = field(init=False)
    veil: F32 = field(init=False)
    scar: F32 = field(init=False)
    keratin: F32 = field(init=False)
    crust: F32 = field(init=False)
    height: F32 = field(init=False)
    gloss: F32 = field(init=False)
    vellus: F32 = field(init=False)

    def __post_init__(self) -> None:
        for name in ("melanin", "blood", "veil", "scar", "keratin", "crust", "height", "gloss", "vellus"):
            setattr(self, name, self.frame.empty())


def colour(layers: Layers, tone: int) -> F32:
    """Linear RGB, (H, W, 3): absorption by melanin and blood, covers on top, light scattered under the surface."""
    skin = tone_linear(tone)
    density = np.maximum(layers.melanin, -0.6)[..., None] * MELANIN + np.maximum(layers.blood, -0.6)[..., None] * BLOOD
    rgb = skin * np.exp(-density)
    # A cover is lit through the same epidermis, so it darkens with the skin, but less than the skin does.
    dim = (skin / tone_linear(1)) ** 0.55
    for cover, paint in ((layers.veil, VEIL), (layers.scar, SCAR), (layers.keratin, KERATIN), (layers.crust, CRUST)):
        rgb += np.clip(cover, 0, 1)[..., None] * (paint * dim - rgb)
    rgb = _scattered(rgb, layers.frame.unit)
    rgb += layers.vellus[..., None] * (SCAR * dim - rgb)  # on the surface, so not scattered
    return rgb


def _scattered(rgb: F32, unit: float) -> F32:
    """Red light travels furthest in skin, so red edges are the softest."""
    sharp = [blurred(np.ascontiguousarray(rgb[..., i]), unit * s) for i, s in enumerate((1.15, 0.75, 0.6))]
    wide = cv2.GaussianBlur(cv2.resize(rgb, None, fx=0.25, fy=0.25, interpolation=cv2.INTER_AREA), (0, 0), 2.2 * unit)
    glow = cv2.resize(wide, (rgb.shape[1], rgb.shape[0]), interpolation=cv2.INTER_LINEAR)
    out: F32 = (np.dstack(sharp) * (1 - GLOW) + glow * GLOW).astype(np.float32)
    return out


GLOW = np.array([0.22, 0.10, 0.07], np.float32)


def lit(rgb: F32, layers: Layers, *, relief: float, shine: float) -> F32:
    """Adds shading by the relief (light from the upper left) and highlights where the surface is glossy."""
    height = blurred(layers.height, 0.7 * layers.frame.unit)
    dx = cv2.Sobel(height, cv2.CV_32F, 1, 0, scale=0.125)
    dy = cv2.Sobel(height, cv2.CV_32F, 0, 1, scale=0.125)
    slope = dx + 1.2 * dy
    shaded = rgb * np.clip(1 + relief * slope, 0.35, 1.8)[..., None]
    facing = np.clip(slope * 0.7 - 0.3, 0, 1.3) ** 2
    out: F32 = (shaded + (shine * np.clip(layers.gloss, 0, 2) * facing)[..., None]).astype(np.float32)
    return out
