"""Drawn shapes on a ground, and simple scenes: a horizon, houses, balls, trees."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from macule.evaluation.not_lesions.canvas import F32, HEIGHT, WIDTH, Colour, Rgb, colour, field, finished, mixed, sheet


def shapes(rng: np.random.Generator) -> Rgb:
    """One to fifteen discs, boxes, polygons, rings and lines, as a drawing program makes them."""
    rgb = sheet(colour(rng, light=(0.3, 1.0)))
    for _ in range(int(rng.integers(1, 16))):
        _SHAPES[rng.integers(len(_SHAPES))](rgb, rng)
    return finished(rgb, rng, grain=rng.uniform(0.5, 5))


def scene(rng: np.random.Generator) -> Rgb:
    """Sky over ground with blocks and shaded balls: cartoon of a photograph."""
    horizon = int(rng.uniform(0.3, 0.8) * HEIGHT)
    sky = np.clip(0.5 + 0.35 * field(rng, 2.0), 0, 1)
    rgb = mixed(colour(rng, light=(0.4, 0.9)), colour(rng, light=(0.6, 1.0)), np.asarray(sky, np.float32))
    ground = sheet(colour(rng, light=(0.15, 0.7)), (HEIGHT - horizon, WIDTH))
    rgb[horizon:] = ground * (1 + 0.15 * field(rng, 1.0)[horizon:, :, None])
    for _ in range(int(rng.integers(2, 9))):
        (_block, _ball)[rng.integers(2)](rgb, rng, horizon)
    return finished(rgb, rng, grain=rng.uniform(1, 6), blur=rng.uniform(0.6, 1.0))


def leaves(rng: np.random.Generator) -> Rgb:
    """Dead leaves: discs, boxes and polygons of every size over each other, textured and shaded, in few hues.

    Pictures with the statistics of photographs and no subject (Lee et al. 2001; Baradad et al. 2021).
    """
    rgb, grain = sheet(colour(rng)), [field(rng, slope) for slope in (0.6, 1.2, 1.8)]
    hues = [colour(rng) for _ in range(int(rng.integers(2, 6)))]
    sizes = np.sort(4 * rng.pareto(rng.uniform(0.9, 2.0), int(rng.integers(60, 350))) + 4)[::-1].clip(4, 160)
    for size in sizes if rng.random() < 0.5 else rng.permutation(sizes):
        _leaf(rgb, rng, float(size), hues[rng.integers(len(hues))], grain)
    grey = rng.random() < 0.3
    flat = np.asarray(rgb.mean(axis=2, keepdims=True).repeat(3, axis=2) if grey else rgb, np.float32)
    light = 1 + rng.uniform(0, 0.3) * grain[2][..., None]
    return finished(np.asarray(flat * light, np.float32), rng, grain=rng.uniform(1, 5), blur=rng.uniform(0.5, 1.3))


def _leaf(rgb: F32, rng: np.random.Generator, size: float, hue: Colour, grain: Sequence[F32]) -> None:
    mask = np.zeros((HEIGHT, WIDTH), np.uint8)
    centre, kind = _point(rng), rng.integers(3)
    if kind == 0:
        cv2.ellipse(mask, centre, (int(size), int(size * rng.uniform(0.4, 1))), rng.uniform(0, 180), 0, 360, 255, -1)
    else:
        corners = 4 if kind == 1 else int(rng.integers(3, 9))
        angles = np.sort(rng.uniform(0, 2 * np.pi, corners))
        reach = size * rng.uniform(0.6, 1.2, corners)
        points = np.stack([centre[0] + reach * np.cos(angles), centre[1] + reach * np.sin(angles)], axis=1)
        cv2.fillPoly(mask, [points.round().astype(np.int32)], 255)
    x, y, wide, high = cv2.boundingRect(mask)
    part = slice(y, y + high), slice(x, x + wide)
    rise = np.linspace(-1, 1, max(wide, 1), dtype=np.float32)[None]
    texture = rng.uniform(0, 0.3) * grain[int(rng.integers(len(grain)))][part]
    shade = rng.uniform(0.5, 1.3) * (1 + texture + rng.uniform(-0.4, 0.4) * rise)
    body = np.asarray(hue, np.float32) * shade[..., None]
    inside = mask[part] > 0
    rgb[part][inside] = body[inside]


def _block(rgb: F32, rng: np.random.Generator, horizon: int) -> None:
    left, wide, tall = rng.integers(0, WIDTH), rng.integers(20, 140), rng.integers(30, 220)
    foot, tint = horizon + int(rng.integers(0, 60)), colour(rng)
    cv2.rectangle(rgb, (int(left), int(foot - tall)), (int(left + wide), foot), tint, -1)
    glass = colour(rng)
    for y in range(int(foot - tall) + 8, foot - 10, 26):
        for x in range(int(left) + 6, int(left + wide) - 12, 22):
            cv2.rectangle(rgb, (x, y), (x + 10, y + 14), glass, -1)


def _ball(rgb: F32, rng: np.random.Generator, horizon: int) -> None:
    y, x = np.mgrid[:HEIGHT, :WIDTH].astype(np.float32)
    radius = rng.uniform(15, 90)
    away = np.hypot(x - rng.uniform(0, WIDTH), y - rng.uniform(horizon - 80, HEIGHT)) / radius
    shade = np.sqrt(np.clip(1 - away**2, 0, 1))
    texture = 1 + rng.uniform(0, 0.4) * field(rng, 1.4)
    body = np.asarray(colour(rng), np.float32) * ((0.25 + 0.75 * shade) * texture)[..., None]
    rgb[away < 1] = body[away < 1]


def _point(rng: np.random.Generator) -> tuple[int, int]:
    return int(rng.integers(0, WIDTH)), int(rng.integers(0, HEIGHT))


def _disc(rgb: F32, rng: np.random.Generator) -> None:
    cv2.circle(rgb, _point(rng), int(rng.integers(8, 110)), colour(rng), -1, cv2.LINE_AA)


def _ring(rgb: F32, rng: np.random.Generator) -> None:
    cv2.ellipse(rgb, _point(rng), (int(rng.integers(10, 120)), int(rng.integers(10, 90))), rng.uniform(0, 180), 0, 360,
                colour(rng), int(rng.integers(2, 18)), cv2.LINE_AA)


def _box(rgb: F32, rng: np.random.Generator) -> None:
    cv2.rectangle(rgb, _point(rng), _point(rng), colour(rng), -1)


def _polygon(rgb: F32, rng: np.random.Generator) -> None:
    corners = np.array([_point(rng) for _ in range(int(rng.integers(3, 8)))], np.int32)
    cv2.fillPoly(rgb, [corners], colour(rng), cv2.LINE_AA)


def _line(rgb: F32, rng: np.random.Generator) -> None:
    cv2.line(rgb, _point(rng), _point(rng), colour(rng), int(rng.integers(1, 14)), cv2.LINE_AA)


_SHAPES = (_disc, _ring, _box, _polygon, _line)
