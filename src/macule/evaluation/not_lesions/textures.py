"""Surfaces without a subject: noise, gradients, stripes, paper, woven fabric, mosaics of cells."""

from __future__ import annotations

import cv2
import numpy as np

from macule.evaluation.not_lesions.canvas import F32, SHAPE, Rgb, colour, field, finished, mixed, sheet
from macule.examples import noise as fields


def noise(rng: np.random.Generator) -> Rgb:
    """Grey or coloured noise of a random spectrum, white to brown."""
    slope, depth = rng.uniform(0, 2.2), rng.uniform(20, 70)
    channels = [field(rng, slope) for _ in range(3 if rng.random() < 0.5 else 1)] * 3
    rgb = sheet(colour(rng, light=(0.3, 0.7))) + depth * np.stack(channels[:3], axis=2)
    return finished(rgb, rng, grain=0, blur=0)


def gradient(rng: np.random.Generator) -> Rgb:
    """From one colour to another: straight, round or along an angle; sometimes in steps."""
    y, x = _grid(rng)
    share = (x, np.hypot(x - 0.5, y - 0.5) * 1.6, np.arctan2(y - 0.5, x - 0.5) / np.pi)[rng.integers(3)] % 1.0
    if rng.random() < 0.4:
        share = np.floor(share * rng.integers(3, 9)) / 8
    return finished(mixed(colour(rng), colour(rng), np.asarray(share, np.float32)), rng, grain=rng.uniform(0.5, 4))


def stripes(rng: np.random.Generator) -> Rgb:
    """Stripes, or checks where two sets cross."""
    y, x = _grid(rng)
    count = rng.uniform(4, 30)
    wave = np.sin(2 * np.pi * count * x)
    if rng.random() < 0.5:
        wave = wave * np.sin(2 * np.pi * count * y)
    hard = np.tanh(wave * rng.uniform(1, 12)) / 2 + 0.5
    return finished(mixed(colour(rng), colour(rng), np.asarray(hard, np.float32)), rng)


def paper(rng: np.random.Generator) -> Rgb:
    """Paper, plaster or wood: a pale or brown ground with grain along one direction, folds and specks."""
    tint = colour(rng, light=(0.4, 0.93), vivid=(0.05, 0.5))
    grain = field(rng, 1.2)
    if rng.random() < 0.5:  # drawn out along one side, as wood is
        grain = np.asarray(cv2.resize(field(rng, 1.0)[:, :: int(rng.integers(8, 30))], SHAPE[::-1]), np.float32)
    rgb = sheet(tint) * (1 + rng.uniform(0.03, 0.18) * grain[..., None])
    if rng.random() < 0.5:
        rgb *= 1 - 0.25 * np.clip(field(rng, 2.2) - 1, 0, 1)[..., None]
    return finished(np.asarray(rgb, np.float32), rng)


def fabric(rng: np.random.Generator) -> Rgb:
    """Threads over and under each other, wrinkled, of two colours."""
    y, x = _grid(rng)
    count = rng.uniform(25, 70)
    y, x = y + 0.01 * field(rng, 2.0), x + 0.01 * field(rng, 2.0)
    over = np.sin(2 * np.pi * count * x) * np.cos(np.pi * np.floor(count * y))
    under = np.sin(2 * np.pi * count * y) * np.cos(np.pi * np.floor(count * x))
    rgb = mixed(colour(rng, light=(0.2, 0.8)), colour(rng, light=(0.2, 0.8)), np.asarray(over > under, np.float32))
    rgb *= (0.75 + 0.25 * np.maximum(over, under) + 0.12 * field(rng, 2.2))[..., None]
    return finished(np.asarray(rgb, np.float32), rng)


def cells(rng: np.random.Generator) -> Rgb:
    """A mosaic: pebbles, tiles, leaves."""
    mosaic = fields.cells(rng, SHAPE, rng.uniform(14, 60), rng.uniform(0.05, 0.5))
    first, second = colour(rng), colour(rng)
    share = mosaic.each(rng.random(mosaic.count))
    rgb = mixed(first, second, share) * (0.35 + 0.65 * np.clip(mosaic.edge / rng.uniform(2, 9), 0, 1))[..., None]
    rgb *= 1 + 0.08 * field(rng, 1.2)[..., None]
    return finished(np.asarray(rgb, np.float32), rng)


def _grid(rng: np.random.Generator) -> tuple[F32, F32]:
    """y and x over the picture, 0 to about 1, turned by a random angle."""
    y, x = np.mgrid[: SHAPE[0], : SHAPE[1]].astype(np.float32) / SHAPE[0]
    angle = rng.uniform(0, np.pi)
    return (np.asarray(y * np.cos(angle) - x * np.sin(angle), np.float32),
            np.asarray(x * np.cos(angle) + y * np.sin(angle), np.float32))
