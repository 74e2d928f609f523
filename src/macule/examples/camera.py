"""The camera: vignette, glare, focus, exposure, colour cast, sensor noise, compression."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from macule.examples.noise import F32, Frame, blurred, fbm, smoothstep
from macule.examples.scene import Scene
from macule.examples.tone import to_srgb


def photograph(rgb: F32, frame: Frame, scene: Scene) -> NDArray[np.uint8]:
    """Linear light to a picture. Returns: uint8, shape (H, W, 3), sRGB."""
    rgb = rgb * _illumination(frame, scene, frame.rng("light"))[..., None]
    if scene.glare > 0:
        rgb = _glare(rgb, frame, scene.glare, frame.rng("glare"))
    rgb = _focus(rgb, scene.blur * frame.unit)
    rgb = rgb * (np.array(scene.cast, np.float32) * scene.exposure)
    if scene.vignette > 0:
        rgb = rgb * _vignette(frame, scene.vignette, frame.rng("vignette"))
    rgb = _sensor(rgb, frame, scene.noise, frame.rng("sensor"))
    picture = np.round(to_srgb(rgb) * 255).astype(np.uint8)
    return _compressed(picture, scene.jpeg) if scene.jpeg else picture


def _illumination(frame: Frame, scene: Scene, rng: np.random.Generator) -> F32:
    """A dermatoscope's ring light is even; daylight on a phone's picture falls off to one side."""
    x, y = frame.grid()
    turn = rng.uniform(0, 2 * np.pi)
    across = ((x / frame.width - 0.5) * np.cos(turn) + (y / frame.height - 0.5) * np.sin(turn)).astype(np.float32)
    slope = 0.55 if scene.clinical else 0.12
    out: F32 = np.exp(slope * across + 0.03 * fbm(rng, frame.shape, 260 * frame.unit, 2)).astype(np.float32)
    return out


def _glare(rgb: F32, frame: Frame, strength: float, rng: np.random.Generator) -> F32:
    """Reflected lamps: a wide haze, and clipped white spots broken up by the skin's relief."""
    x, y = frame.grid()
    light = np.zeros(frame.shape, np.float32)
    for _ in range(2 + round(4 * strength)):
        cx, cy = rng.uniform(0.12, 0.88) * frame.width, rng.uniform(0.12, 0.88) * frame.height
        size = rng.uniform(18, 52) * (0.5 + strength) * frame.unit
        away = np.hypot((x - cx) / rng.uniform(0.8, 1.5), (y - cy) * rng.uniform(0.8, 1.5)) / size
        light = np.maximum(light, np.exp(-1.4 * away**2))
    broken = fbm(rng, frame.shape, 10 * frame.unit, 3, 0.7)
    spots = smoothstep(0.6, 1.35, light * (1.0 + 0.35 * strength) + 0.26 * broken * np.sqrt(light))
    spots = blurred(spots, 0.9 * frame.unit)
    out: F32 = (rgb + (strength * (1.3 * spots + 0.22 * light))[..., None]).astype(np.float32)
    return out


def _focus(rgb: F32, sigma: float) -> F32:
    if sigma < 0.15:
        return rgb
    out: F32 = cv2.GaussianBlur(rgb, (0, 0), sigma, borderType=cv2.BORDER_REFLECT).astype(np.float32)
    return out


def _vignette(frame: Frame, strength: float, rng: np.random.Generator) -> F32:
    """(H, W, 3): light falls off from the middle; above 0.5 the dark rim closes in, its edge fringed with colour."""
    x, y = frame.grid()
    centre = np.array([frame.width, frame.height]) * (0.5 + rng.normal(0, 0.012, 2))
    away = np.hypot(x - centre[0], y - centre[1]) / min(frame.shape)
    fall = 1 - 0.55 * strength * smoothstep(0.25, 0.85, away)
    if strength <= 0.5:
        return np.repeat(fall[..., None], 3, axis=2)
    rim = 0.86 - 0.62 * (strength - 0.5)
    edges = [smoothstep(rim + shift + 0.016, rim + shift - 0.026, away) for shift in (0.004, 0.0, -0.005)]
    out: F32 = (fall[..., None] * (0.004 + 0.996 * np.dstack(edges))).astype(np.float32)
    return out


def _sensor(rgb: F32, frame: Frame, level: float, rng: np.random.Generator) -> F32:
    """Shot noise grows with the square root of the light; a share of it is common to the three channels."""
    if level <= 0:
        return rgb
    own = rng.standard_normal((*frame.shape, 3), dtype=np.float32)
    common = rng.standard_normal((*frame.shape, 1), dtype=np.float32)
    grain = cv2.GaussianBlur(0.55 * own + 0.8 * common, (0, 0), 0.55)  # a camera interpolates and denoises
    out: F32 = (rgb + level * 1.6 * np.sqrt(np.maximum(rgb, 0) + 0.002) * grain).astype(np.float32)
    return out


def _compressed(picture: NDArray[np.uint8], quality: int) -> NDArray[np.uint8]:
    data = cv2.imencode(".jpg", picture[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
    decoded = np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), np.uint8)
    return np.ascontiguousarray(decoded[..., ::-1])
