"""What lies on the skin besides the lesion: pen ink, rulers, hair, gel, stickers: the known shortcuts.

These are other painters than training's augmentations, of which they share the brush alone: a network that learnt to
ignore those is not examined on them.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from macule.evaluation.corruptions.kind import Family, Kind, Rgb, unit
from macule.training.augment import paint

_POINTS = 32
_BISSOTO = "Bissoto et al. 2020"
#: pieces of the ring, turn of each (radians), distance from the middle, width (shares of the side), darkness
_INK = ((2, 0.12, 0.45, 0.025, 0.7), (3, 0.30, 0.43, 0.035, 0.9), (4, 0.6, 0.41, 0.045, 1.1),
        (5, 0.95, 0.38, 0.055, 1.3), (6, 1.2, 0.33, 0.065, 1.5))
_MOST_INK = 6
#: distance of the scale from the middle, length of a tick, width, between ticks (shares of the side), cover
_RULER = ((0.45, 0.025, 0.004, 0.055, 0.6), (0.42, 0.035, 0.005, 0.055, 0.75), (0.37, 0.045, 0.006, 0.055, 0.85),
          (0.31, 0.055, 0.007, 0.055, 0.95), (0.25, 0.07, 0.009, 0.055, 1.0))
_HAIRS = (4, 11, 24, 44, 75)
_BUBBLES = (4, 10, 20, 34, 55)
#: radius, distance of its centre from the middle (shares of the side)
_STICKER = ((0.07, 0.46), (0.11, 0.45), (0.15, 0.43), (0.19, 0.41), (0.23, 0.38))
_STICKERS = np.array([(46, 110, 190), (70, 160, 90), (235, 200, 60), (205, 60, 60), (240, 240, 235), (230, 140, 50)])
#: What gentian violet lets through of red, green and blue.
_VIOLET = np.array([0.28, 0.14, 0.58])


def _ink(rgb: Rgb, strength: int, rng: Generator) -> Rgb:
    """A surgical pen's ring round the lesion, in pieces that grow together and come nearer."""
    pieces, turn, away, width, dark = _INK[strength - 1]
    start = rng.uniform(0, 2 * np.pi) + np.arange(_MOST_INK) * 2.4 + rng.normal(0, 0.15, _MOST_INK)
    along = np.linspace(-0.5, 0.5, _POINTS)
    bearing = start[:pieces, None] + turn * along
    phases, wobble = rng.uniform(0, 6, (_MOST_INK, 2))[:pieces], 1 + rng.normal(0, 0.04, _MOST_INK)[:pieces, None]
    wobble = wobble + 0.03 * np.sin(2 * bearing + phases[:, :1])
    seen, frame = _framed(rgb)
    lines = 0.5 + (away * wobble)[..., None] * np.stack([np.cos(bearing), np.sin(bearing)], -1) * _extent(rgb)
    widths = width * _extent(rgb).min() * (1 + 0.2 * np.sin(9 * along + phases[:, 1:]))
    body = paint.ribbons(lines, widths, np.full(pieces, 200), len(seen))
    coarse, fine = (cv2.resize(rng.random((round(len(seen) / step) + 2,) * 2, np.float32), (len(seen),) * 2,
                               interpolation=cv2.INTER_LINEAR) for step in (12 * unit(rgb), 1.3 * unit(rgb)))
    # Dye runs along the skin's furrows: a frayed edge, more here and less there, down to a pixel.
    soft = cv2.GaussianBlur(body, (0, 0), 0.7 * unit(rgb)).astype(np.float32)
    frayed = np.clip(1.7 * soft - 150 * fine * (soft < 190), 0, 200) * (0.45 + 0.5 * coarse + 0.5 * fine)
    paint.stain(seen, np.clip(frayed, 0, 255).astype(np.uint8), _VIOLET**dark)
    return seen[frame].copy()


def _ruler(rgb: Rgb, strength: int, rng: Generator) -> Rgb:
    """A millimetre scale along an edge, which comes nearer."""
    away, reach, width, step, cover = _RULER[strength - 1]
    ticks, side = np.arange(-16, 17), rng.integers(4)
    away = away * _extent(rgb)[1 - side % 2]  # the scale lies along the upper or lower edge, or along the others
    foot = away + reach * np.where(ticks % 10 == 0, 1.8, np.where(ticks % 5 == 0, 1.4, 1.0))
    along = ticks * step + rng.uniform(-step, step) / 2
    ends = np.stack([np.stack([along, np.full(len(ticks), away)], 1), np.stack([along, foot], 1)], 1)
    bar = np.array([[[-0.9, away], [0.9, away]]])
    lines = np.concatenate([ends, bar])
    turn = rng.normal(0, 0.04) + side * np.pi / 2
    cos, sin = np.cos(turn), np.sin(turn)
    lines = 0.5 + lines @ np.array([[cos, sin], [-sin, cos]])
    grey = 20 if rng.random() < 0.8 else 240
    seen, frame = _framed(rgb)
    mask = paint.ribbons(lines, np.full(lines.shape[:2], width), np.full(len(lines), round(255 * cover)), len(seen))
    paint.lay(seen, mask, (grey, grey, grey))
    return seen[frame].copy()


def _hair(rgb: Rgb, strength: int, rng: Generator) -> Rgb:
    """Dark terminal hairs, combed roughly one way; the first of them stay where they are as more come."""
    count, most = _HAIRS[strength - 1], _HAIRS[-1]
    bearing = rng.uniform(0, np.pi) + rng.normal(0, 0.45, most)
    length, bend = rng.uniform(0.35, 1.1, most), rng.normal(0, 0.12, (most, 2))
    middle, width = rng.uniform(-0.05, 1.05, (most, 2)), rng.uniform(0.004, 0.009, most)
    t = np.linspace(-0.5, 0.5, _POINTS)
    way, aside = (np.stack([f(bearing), g(bearing)], 1)[:, None] for f, g in ((np.cos, np.sin), (_minus_sin, np.cos)))
    curve = bend[:, :1] * (t**2 * 4 - 1) + bend[:, 1:] * np.sin(2 * np.pi * t)
    lines = middle[:, None] + (length[:, None] * t)[..., None] * way + (length[:, None] * curve)[..., None] * aside
    widths = width[:, None] * (1 - 0.7 * (t + 0.5))
    shades = rng.integers(170, 245, most)
    seen, frame = _framed(rgb)
    mask = paint.softened(paint.ribbons(lines[:count], widths[:count], shades[:count], len(seen)), 0.4)
    paint.lay(seen, mask, np.array((46, 30, 26)) * rng.uniform(0.6, 1.4))
    return seen[frame].copy()


def _minus_sin(angle: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(-np.sin(angle))


def _bubbles(rgb: Rgb, strength: int, rng: Generator) -> Rgb:
    """Air in the contact gel: a dark rim, a brighter inside, and the lamp's small mirror image."""
    count, most, side = _BUBBLES[strength - 1], _BUBBLES[-1], min(rgb.shape[:2])
    places = rng.random((most, 2)) * (rgb.shape[1], rgb.shape[0])
    radii = side * np.exp(rng.uniform(np.log(0.008), np.log(0.055), most))
    seen = rgb.astype(np.float32)
    for (x, y), radius in zip(places[:count], radii[:count], strict=True):
        _bubble(seen, x, y, radius)
    return np.clip(np.rint(seen), 0, 255).astype(np.uint8)


def _bubble(seen: NDArray[np.float32], x: float, y: float, radius: float) -> None:
    """Draws on the picture itself, in the bubble's own square."""
    top, left = max(int(y - radius - 2), 0), max(int(x - radius - 2), 0)
    part = seen[top:int(y + radius + 3), left:int(x + radius + 3)]
    if not part.size:
        return
    dy, dx = (np.arange(top, top + part.shape[0])[:, None] - y), (np.arange(left, left + part.shape[1]) - x)
    away, edge = np.hypot(dy, dx), max(0.13 * radius, 0.7)
    rim = np.exp(-(((away - radius) / edge) ** 2))
    inside = np.clip(radius - away, 0, 1)
    lamp = np.exp(-((np.hypot(dy + 0.4 * radius, dx + 0.4 * radius) / max(0.22 * radius, 0.8)) ** 2))
    part *= (1 + 0.10 * inside - 0.42 * rim)[..., None].astype(np.float32)
    part += ((255 - part) * (0.85 * lamp * inside)[..., None]).astype(np.float32)


def _sticker(rgb: Rgb, strength: int, rng: Generator) -> Rgb:
    """A round coloured plaster beside the lesion, as in the archive's pictures of children."""
    radius, away = _STICKER[strength - 1]
    bearing, colour = rng.uniform(0, 2 * np.pi), _STICKERS[rng.integers(len(_STICKERS))]
    seen, frame = _framed(rgb)
    size = len(seen)
    x, y = (0.5 + away * _extent(rgb) * (np.cos(bearing), np.sin(bearing))) * size
    radius *= min(rgb.shape[:2])
    away_px = np.hypot(np.arange(size)[:, None] - y, np.arange(size) - x)
    shadow = np.exp(-((np.maximum(away_px - radius, 0) / max(0.05 * radius, 1)) ** 2)) * 70
    paint.lay(seen, shadow.astype(np.uint8), (60, 40, 35))
    disc = np.clip(radius - away_px + 0.5, 0, 1)
    paint.lay(seen, (255 * disc).astype(np.uint8), colour)
    return seen[frame].copy()


def _framed(rgb: Rgb) -> tuple[Rgb, tuple[slice, slice]]:
    """The picture in the middle of a square, on which the brush paints, and where it lies there."""
    height, width = rgb.shape[:2]
    size = max(height, width)
    top, left = (size - height) // 2, (size - width) // 2
    square = np.zeros((size, size, 3), np.uint8)
    frame = slice(top, top + height), slice(left, left + width)
    square[frame] = rgb
    return square, frame


def _extent(rgb: Rgb) -> NDArray[np.float64]:
    """Width and height as shares of the square: in a wide picture the sides are farther from the middle."""
    return np.asarray(np.array([rgb.shape[1], rgb.shape[0]]) / max(rgb.shape[:2]))


KINDS = (
    Kind("pen_ink", "a surgical pen's marks round the lesion", Family.SKIN, "Winkler et al. 2019", _ink),
    Kind("ruler", "a millimetre scale beside the lesion", Family.SKIN, "Winkler et al. 2021", _ruler),
    Kind("hair", "dark hair over the lesion", Family.SKIN, "Lee et al. 1997 (DullRazor); Bissoto et al. 2020", _hair),
    Kind("gel_bubbles", "air bubbles in the contact gel", Family.SKIN, _BISSOTO, _bubbles),
    Kind("sticker", "a coloured plaster beside the lesion", Family.SKIN, "Rieger et al. 2020", _sticker),
)
