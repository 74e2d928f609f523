"""The lesion's outline: a Fourier contour in warped coordinates."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from macule.examples.noise import F32, Frame, fbm, smoothstep
from macule.examples.scene import Scene


@dataclass(frozen=True)
class Outline:
    """alpha: 0-1, soft. depth: 0 on the rim, 1 at the centre, negative outside. rim_px: px to the rim, positive inside.

    All of shape (H, W); `dark` is highest where the pigment is to be darkest, about 0-1.
    """

    alpha: F32
    depth: F32
    rim_px: F32
    angle: F32
    dark: F32
    mask: NDArray[np.bool_]
    centre: tuple[float, float]
    radius: float

    def within(self, soft: float) -> F32:
        """0-1: inside the rim, with an edge of `soft` px."""
        return smoothstep(-soft * 0.3, soft, self.rim_px)


def outline(frame: Frame, scene: Scene) -> Outline:
    """Where the lesion lies. Without a lesion everything is 0 and the mask is empty."""
    rng = frame.rng("outline")
    short = min(frame.shape)
    radius = max(scene.radius * short, 1e-3)
    centre = (
        frame.width / 2 + float(rng.normal(0, 0.025)) * short,
        frame.height / 2 + float(rng.normal(0, 0.025)) * short,
    )
    x, y = _coordinates(frame, scene, rng, centre, radius)
    angle = np.arctan2(y, x)
    rim = radius * np.maximum(_harmonics(rng, angle, scene.irregularity), 0.35)
    distance = np.hypot(x, y)
    rim_px = (rim - distance).astype(np.float32)
    soft = (2.0 * frame.unit + scene.softness * 0.34 * radius) * np.exp(0.45 * fbm(rng, frame.shape, radius + 8, 2))
    alpha = smoothstep(-soft, soft, rim_px) if scene.has_lesion else frame.empty()
    return Outline(
        alpha=alpha,
        depth=(1 - distance / rim).astype(np.float32),
        rim_px=rim_px,
        angle=angle.astype(np.float32),
        dark=_dark(rng, x, y, radius, scene.asymmetry),
        mask=(rim_px > 0) & scene.has_lesion,
        centre=centre,
        radius=radius,
    )


def _coordinates(
    frame: Frame, scene: Scene, rng: np.random.Generator, centre: tuple[float, float], radius: float
) -> tuple[F32, F32]:
    """Pixels relative to the centre, turned, squeezed and warped so that the rim is ragged at several scales."""
    x, y = frame.grid()
    x, y = x - centre[0], y - centre[1]
    rough = 0.02 + 0.07 * scene.irregularity
    for scale, amount in ((0.7, 1.6 * rough), (0.18, 1.0 * rough)):
        x = x + radius * amount * fbm(rng, frame.shape, radius * scale + 3, 3)
        y = y + radius * amount * fbm(rng, frame.shape, radius * scale + 3, 3)
    turn = rng.uniform(0, np.pi)
    squeeze = np.sqrt(scene.elongation)
    along = (x * np.cos(turn) + y * np.sin(turn)) / squeeze
    across = (y * np.cos(turn) - x * np.sin(turn)) * squeeze
    return along.astype(np.float32), across.astype(np.float32)


def _harmonics(rng: np.random.Generator, angle: F32, irregularity: float) -> F32:
    """Radius relative to its mean: 1 + harmonics 2-8 whose size falls with their order."""
    total = np.ones_like(angle)
    for order in range(2, 9):
        size = irregularity * 0.62 / order**1.5 * rng.uniform(0.4, 1.0)
        total += size * np.cos(order * angle + rng.uniform(0, 2 * np.pi))
    return total


def _dark(rng: np.random.Generator, x: F32, y: F32, radius: float, asymmetry: float) -> F32:
    """A wide bump whose top moves from the centre towards the rim with the asymmetry."""
    turn, shift = rng.uniform(0, 2 * np.pi), asymmetry * 0.75 * radius
    away = np.hypot(x - shift * np.cos(turn), y - shift * np.sin(turn)) / radius
    out: F32 = np.exp(-1.6 * away**2).astype(np.float32)
    return out
