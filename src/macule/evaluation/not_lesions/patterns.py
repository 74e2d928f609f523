"""Pictures that mean nothing, from many small random programs: what a gate learns from beside the plainer drawings.

After Baradad et al. 2021 and 2022: what a network sees in noise depends on how many kinds of structure the noise has.
"""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np

from macule.evaluation.not_lesions.canvas import (
    F32,
    HEIGHT,
    SHAPE,
    WIDTH,
    Colour,
    Rgb,
    colour,
    field,
    finished,
    mixed,
    sheet,
)

#: Functions that a random program is made of.
_STEPS: tuple[Callable[[F32], F32], ...] = (
    np.sin, np.tanh, np.abs, lambda v: np.exp(-v * v), lambda v: np.cos(3 * v), lambda v: v - np.floor(v))


def program(rng: np.random.Generator) -> Rgb:
    """A small random network from place to colour, as compositional pattern networks draw (Stanley 2007)."""
    y, x = np.mgrid[-1:1:HEIGHT * 1j, -1.3:1.3:WIDTH * 1j].astype(np.float32)
    scale = rng.uniform(0.8, 7)
    values = np.stack([x, y, np.hypot(x, y), np.ones_like(x), 0.4 * field(rng, rng.uniform(1.2, 2.4))]).reshape(5, -1)
    values *= np.array([scale, scale, scale, 1, 1], np.float32)[:, None]
    for _ in range(int(rng.integers(2, 5))):
        weights = rng.normal(0, 1.2 / np.sqrt(len(values)), (8, len(values))).astype(np.float32)
        raised = weights @ values
        values = np.stack([_STEPS[rng.integers(len(_STEPS))](row) for row in raised]).astype(np.float32)
    out = rng.normal(0, 1, (3, len(values))).astype(np.float32) @ values
    out = (out - out.mean(axis=1, keepdims=True)) / (out.std(axis=1, keepdims=True) + 1e-6)
    if rng.random() < 0.5:  # of one hue, as most things are
        rgb = mixed(colour(rng), colour(rng), np.asarray(0.5 + 0.25 * out[0].reshape(SHAPE), np.float32))
    else:
        rgb = np.asarray(sheet(colour(rng)) + rng.uniform(25, 70) * out.T.reshape(*SHAPE, 3), np.float32)
    return finished(rgb, rng, grain=rng.uniform(0.5, 6))


def layers(rng: np.random.Generator) -> Rgb:
    """Noise, grown from coarse to fine by random filters with a bend between, as an untrained generator does."""
    values = rng.standard_normal((5, 7, 6)).astype(np.float32)
    while values.shape[0] < HEIGHT:
        size = min(values.shape[1] * 2, WIDTH), min(values.shape[0] * 2, HEIGHT)
        values = np.asarray(cv2.resize(values, size, interpolation=cv2.INTER_LINEAR), np.float32)
        values = values + rng.uniform(0, 0.6) * rng.standard_normal(values.shape).astype(np.float32)
        kernel = rng.normal(0, 1, (3, 3)).astype(np.float32)
        values = np.asarray(cv2.filter2D(values, -1, kernel, borderType=cv2.BORDER_REFLECT), np.float32)
        values = values @ rng.normal(0, 0.5, (6, 6)).astype(np.float32)
        values = np.maximum(values, rng.uniform(0, 0.4) * values)
        values = (values - values.mean(axis=(0, 1))) / (values.std(axis=(0, 1)) + 1e-6)
    drift = rng.normal(0, 1, (6, 3)) * (1 if rng.random() < 0.5 else np.ones((1, 3)) * 0.3)
    rgb = sheet(colour(rng, light=(0.2, 0.8))) + rng.uniform(12, 40) * (values @ drift.astype(np.float32))
    return finished(np.asarray(rgb, np.float32), rng, blur=rng.uniform(0.3, 1.2))


def strokes(rng: np.random.Generator) -> Rgb:
    """Hundreds of bent strokes, thick or thin, along a flow or in all directions, of a few colours."""
    inks = [colour(rng) for _ in range(int(rng.integers(1, 6)))]
    rgb, flow = sheet(colour(rng)), field(rng, 2.3) * rng.uniform(0, 2)
    thick, reach, wild = int(rng.integers(1, 7)), rng.uniform(4, 60), rng.random() < 0.4
    for _ in range(int(rng.integers(40, 1500) / thick**0.5)):
        x, y = rng.uniform(0, WIDTH - 1), rng.uniform(0, HEIGHT - 1)
        angle = rng.uniform(0, 2 * np.pi) if wild else flow[int(y), int(x)] + rng.normal(0, 0.15)
        bend, steps = rng.normal(0, 0.25), np.arange(6)
        along = angle + bend * steps
        points = np.stack([x + reach / 5 * np.cumsum(np.cos(along)), y + reach / 5 * np.cumsum(np.sin(along))], axis=1)
        ink, light = inks[rng.integers(len(inks))], rng.uniform(0.6, 1.3)
        cv2.polylines(rgb, [points.astype(np.int32)], False, (ink[0] * light, ink[1] * light, ink[2] * light), thick,
                      cv2.LINE_AA)
    return finished(np.asarray(rgb * (1 + 0.1 * field(rng, 2.0)[..., None]), np.float32), rng)


def spectrum(rng: np.random.Generator) -> Rgb:
    """Noise of two spectra, drawn out along any direction, cut into levels at times; often of skin's own colours."""
    angle, stretch = rng.uniform(0, 180), rng.uniform(1, 6)
    turn = np.asarray(cv2.getRotationMatrix2D((WIDTH / 2, HEIGHT / 2), angle, 1.0), np.float64)
    turn[:, 0] /= stretch
    drawn = cv2.warpAffine(field(rng, rng.uniform(0.4, 2.2)), turn, (WIDTH, HEIGHT), borderMode=cv2.BORDER_REFLECT)
    share = drawn + rng.uniform(0, 1.2) * field(rng, rng.uniform(0.5, 2.2))
    if rng.random() < 0.4:
        share = np.round(share * rng.uniform(0.5, 2)) / 2
    first, second = (_skin(rng), _skin(rng)) if rng.random() < 0.5 else (colour(rng), colour(rng))
    rgb = mixed(first, second, np.asarray(0.5 + rng.uniform(0.1, 0.4) * share, np.float32))
    return finished(rgb, rng, grain=rng.uniform(0, 6), blur=rng.uniform(0, 1.5))


def hide(rng: np.random.Generator) -> Rgb:
    """Skin's colours without a single spot: lines that cross, dots, freckles, a few hairs, light from one side."""
    y, x = np.mgrid[:HEIGHT, :WIDTH].astype(np.float32)
    light = 1 + rng.uniform(0.01, 0.06) * field(rng, rng.uniform(0.5, 2.2))
    for _ in range(int(rng.integers(0, 4))):
        angle, step = rng.uniform(0, np.pi), rng.uniform(4, 24)
        wave = np.sin(2 * np.pi * (x * np.cos(angle) + y * np.sin(angle) + rng.uniform(2, 8) * field(rng, 2.0)) / step)
        light -= rng.uniform(0.01, 0.06) * np.clip(wave - 0.6, 0, 1) * 2.5
    dots = cv2.GaussianBlur((rng.random(SHAPE) < rng.uniform(0, 0.004)).astype(np.float32), (0, 0), rng.uniform(1, 3))
    light -= rng.uniform(-2, 4) * dots
    slope = np.asarray(x / WIDTH - 0.5, np.float32) * np.cos(rng.uniform(0, 6)) + (y / HEIGHT - 0.5) * 0.5
    rgb = sheet(_skin(rng)) * (light + rng.uniform(0, 0.4) * slope)[..., None]
    red = rng.uniform(0, 7) * field(rng, rng.uniform(1.4, 2.4))[..., None] * np.array([1, -1, -0.7], np.float32)
    rgb = np.asarray(rgb + red, np.float32)
    for _ in range(int(rng.integers(1, 40)) if rng.random() < 0.5 else 0):
        _single(rgb, rng)
    if rng.random() < 0.5:
        rgb *= 1 - _blotches(rng)[..., None] * np.array([0.5, 0.8, 1.0], np.float32)
    if rng.random() < 0.3:
        away = np.hypot(x - WIDTH / 2, y - HEIGHT / 2) / HEIGHT
        rgb *= np.clip(1.4 - rng.uniform(0.5, 1.3) * away, 0.02, 1)[..., None]
    return finished(rgb, rng, grain=rng.uniform(0.5, 5), blur=rng.uniform(0.4, 1.6))


def _blotches(rng: np.random.Generator) -> F32:
    """How much darker many small freckles make the skin; float32, SHAPE."""
    dark = np.zeros(SHAPE, np.float32)
    for _ in range(int(rng.integers(4, 70))):
        place, size = (int(rng.integers(WIDTH)), int(rng.integers(HEIGHT))), float(rng.uniform(1.5, 8))
        axes = round(size), max(round(size * rng.uniform(0.5, 1)), 1)
        cv2.ellipse(dark, place, axes, rng.uniform(0, 180), 0, 360, float(rng.uniform(0.1, 0.5)), -1)
    return np.asarray(cv2.GaussianBlur(dark, (0, 0), rng.uniform(1, 3)), np.float32)


def _single(rgb: F32, rng: np.random.Generator) -> None:
    """One hair."""
    steps = np.arange(12)
    along = rng.uniform(0, 2 * np.pi) + rng.normal(0, 0.08) * steps
    place = rng.uniform(0, 1, 2) * np.array([WIDTH, HEIGHT])
    points = place + np.cumsum(np.stack([np.cos(along), np.sin(along)], axis=1), axis=0) * rng.uniform(4, 16)
    dark = rng.uniform(20, 110)
    thick = int(rng.integers(1, 3))
    cv2.polylines(rgb, [points.astype(np.int32)], False, (dark, dark * 0.8, dark * 0.65), thick, cv2.LINE_AA)


def _skin(rng: np.random.Generator) -> Colour:
    """A colour such as skin has under some lamp: light falls with depth of the tone, red above green above blue."""
    depth = rng.uniform(0, 1)
    base = np.array([232, 196, 172]) * (1 - depth) + np.array([78, 50, 36]) * depth
    red, green, blue = np.clip(base * rng.uniform(0.82, 1.12, 3), 0, 255).tolist()
    return red, green, blue
