"""What lies on the skin: hair, a ruler, pen ink, gel bubbles. All take and return linear RGB, (H, W, 3)."""

from __future__ import annotations

import cv2
import numpy as np

from macule.examples.noise import F32, Frame, blurred, fbm, smoothstep
from macule.examples.scene import Scene
from macule.examples.strokes import SUBPIXEL, Points, coverage, fixed, ribbon

HAIR = np.array([0.022, 0.012, 0.008], np.float32)
GENTIAN = np.array([0.22, 0.10, 0.62], np.float32)  # what the ink of a surgical pen lets through


def add_artefacts(rgb: F32, frame: Frame, scene: Scene) -> F32:
    for strength, add in ((scene.ink, _ink), (scene.hair, _hair), (scene.ruler, _ruler), (scene.bubbles, _bubbles)):
        if strength > 0:
            rgb = add(rgb, frame, strength, frame.rng(add.__name__))
    return rgb


def _over(rgb: F32, paint: F32 | float, alpha: F32) -> F32:
    out: F32 = (rgb + alpha[..., None] * (paint - rgb)).astype(np.float32)
    return out


def _hair(rgb: F32, frame: Frame, strength: float, rng: np.random.Generator) -> F32:
    """Tapering curved shafts, mostly combed one way, with a thin highlight and a soft shadow."""
    shafts, shine = np.zeros(frame.shape, np.uint8), np.zeros(frame.shape, np.uint8)
    comb = rng.uniform(0, np.pi)
    for _ in range(max(round(26 * strength), 1)):
        path = _curve(frame, rng, comb + rng.normal(0, 0.55))
        thick = rng.uniform(1.0, 3.0) * frame.unit
        ribbon(shafts, path, thick, shade=rng.uniform(170, 245))
        if thick > 1.6 * frame.unit:
            ribbon(shine, path[:28] - 0.3 * frame.unit, 0.5 * thick, tip=0.5, shade=16)
    alpha = coverage(shafts)
    shadow = np.roll(blurred(alpha, 3.0 * frame.unit), (round(3 * frame.unit), round(2 * frame.unit)), (0, 1))
    rgb = rgb * (1 - 0.30 * shadow[..., None])
    tint = HAIR * rng.uniform(0.8, 2.2)
    rgb = _over(rgb, tint, blurred(alpha, 0.45 * frame.unit))
    return _over(rgb, 0.55, blurred(coverage(shine), 0.5 * frame.unit))


def _curve(frame: Frame, rng: np.random.Generator, bearing: float) -> Points:
    """A cubic Bezier through the picture. Returns: (40, 2), px."""
    size = np.array([frame.width, frame.height])
    length = min(frame.shape) * rng.uniform(0.25, 1.0)
    along = np.array([np.cos(bearing), np.sin(bearing)])
    across = np.array([-along[1], along[0]])
    middle = rng.uniform(-0.05, 1.05, 2) * size
    bend = rng.normal(0, 0.13, 4) * length
    knots = [middle + along * length * f + across * b for f, b in zip((-0.5, -0.17, 0.17, 0.5), bend, strict=True)]
    t = np.linspace(0, 1, 40)[:, None]
    weights = ((1 - t) ** 3, 3 * t * (1 - t) ** 2, 3 * t**2 * (1 - t), t**3)
    return sum((w * k for w, k in zip(weights, knots, strict=True)), np.zeros((40, 2)))


def _ruler(rgb: F32, frame: Frame, strength: float, rng: np.random.Generator) -> F32:
    """A millimetre scale printed on the contact plate, along the lower edge and slightly turned."""
    unit, ink = frame.unit, np.zeros(frame.shape, np.uint8)
    step, base, turn = 21.0 * unit, frame.height - rng.uniform(16, 24) * unit, rng.normal(0, 0.012)
    for tick in range(int(frame.width / step) + 1):
        x = (tick + 0.6) * step
        foot = base + (x - frame.width / 2) * turn
        reach = (17 if tick % 5 == 0 else 9) * unit
        ends = np.round(np.array([x, foot, x - turn * reach, foot - reach]) * 16).astype(int)
        cv2.line(ink, ends[:2].tolist(), ends[2:].tolist(), (255,), max(round(1.4 * unit), 1), cv2.LINE_AA, 4)
        if tick % 5 == 0:
            at = (round(x + 3 * unit), round(foot - 10 * unit))
            cv2.putText(ink, str(tick), at, cv2.FONT_HERSHEY_SIMPLEX, 0.36 * unit, (235,), 1, cv2.LINE_AA)
    worn = np.clip(0.9 + 0.12 * fbm(rng, frame.shape, 6 * unit, 3), 0, 1)
    return _over(rgb, 0.012, strength * worn * blurred(coverage(ink), 0.55 * unit))


def _ink(rgb: F32, frame: Frame, strength: float, rng: np.random.Generator) -> F32:
    """Strokes of a violet surgical pen round the middle; the dye sits in the furrows and misses the ridges."""
    unit, canvas = frame.unit, np.zeros(frame.shape, np.uint8)
    reach = 0.44 * min(frame.shape)
    for bearing in rng.uniform(0, 2 * np.pi) + np.arange(1 + round(3 * strength)) * np.pi / 2:
        arc = bearing + np.linspace(-0.3, 0.3, 24)
        away = reach * (1 + 0.05 * np.sin(np.linspace(0, 3, 24) + rng.uniform(0, 6)) + rng.normal(0, 0.04))
        path = np.stack([frame.width / 2 + 1.15 * away * np.cos(arc), frame.height / 2 + away * np.sin(arc)], 1)
        cv2.polylines(canvas, [fixed(path)], False, (255,), round(rng.uniform(9, 14) * unit), cv2.LINE_AA, SUBPIXEL)
    body = blurred(coverage(canvas), 2.4 * unit)
    broken = np.clip(0.9 + 0.35 * fbm(rng, frame.shape, 11 * unit, 4, 0.65), 0.1, 1.6)
    ragged = body + 0.10 * fbm(rng, frame.shape, 16 * unit, 4, 0.6) * np.minimum(4 * body, 1)
    density = strength * 0.95 * smoothstep(0.15, 0.8, ragged) * broken
    out: F32 = (rgb * GENTIAN ** density[..., None]).astype(np.float32)
    return out


def _bubbles(rgb: F32, frame: Frame, strength: float, rng: np.random.Generator) -> F32:
    """Air in the contact gel: rings with a bright rim, a darker inner line and a small highlight."""
    unit = frame.unit
    bright, dark = np.zeros(frame.shape, np.uint8), np.zeros(frame.shape, np.uint8)
    herd = rng.uniform(0.1, 0.9, (3, 2)) * np.array([frame.width, frame.height])
    for _ in range(round(34 * strength) + 2):
        spot = herd[rng.integers(3)] + rng.normal(0, 60, 2) * unit
        size = float(np.clip(rng.lognormal(1.6, 0.55), 2, 22)) * unit
        centre, radius = np.round(spot * 16).astype(int).tolist(), round(size * 16)
        cv2.circle(dark, centre, round(radius * 0.9), (150,), max(round(0.14 * size), 1), cv2.LINE_AA, 4)
        cv2.ellipse(bright, np.round(spot).astype(int).tolist(), [round(size)] * 2, 0, 150, 300, (190,), 1, cv2.LINE_AA)
        cv2.circle(bright, centre, radius, (70,), 1, cv2.LINE_AA, 4)
        glint = np.round((spot - 0.42 * size) * 16).astype(int).tolist()
        cv2.circle(bright, glint, round(max(0.11 * size, 0.7) * 16), (255,), -1, cv2.LINE_AA, 4)
    rgb = rgb * (1 - 0.45 * blurred(coverage(dark), 0.9 * unit)[..., None])
    return _over(rgb, 0.95, 0.85 * blurred(coverage(bright), 0.6 * unit))
