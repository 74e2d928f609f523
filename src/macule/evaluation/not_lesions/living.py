"""What a phone sends of people and pets: faces, fur, hair, nails, plain skin, tattoos. For the second exam alone."""

from __future__ import annotations

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

#: Red, green and blue of pale to very dark skin in soft light.
_TONES: tuple[Colour, ...] = ((238, 205, 184), (224, 182, 154), (203, 155, 122), (172, 122, 88), (128, 84, 58),
                              (84, 55, 40))
#: Hues of fur and hair: red-brown to sand.
_BROWN = (0.03, 0.13)


def face(rng: np.random.Generator) -> Rgb:
    """A head before a blurred background: eyes, brows, nose, mouth, hair."""
    first, second = colour(rng, vivid=(0, 0.5)), colour(rng, vivid=(0, 0.5))
    rgb = mixed(first, second, np.asarray(0.5 + 0.4 * field(rng, 2.4), np.float32))
    tone, dark = _tone(rng), colour(rng, light=(0.05, 0.45), vivid=(0.1, 0.5), hue=_BROWN)
    x, y, size = rng.uniform(0.4, 0.6) * WIDTH, rng.uniform(0.45, 0.6) * HEIGHT, rng.uniform(0.26, 0.5) * HEIGHT
    _oval(rgb, (x, y - 0.25 * size), (0.88 * size, 1.05 * size), dark)
    _oval(rgb, (x, y), (0.72 * size, size), tone)
    for side in (-1, 1):
        eye = x + side * 0.3 * size, y - 0.15 * size
        _oval(rgb, eye, (0.14 * size, 0.07 * size), (242, 240, 236))
        _oval(rgb, eye, (0.06 * size, 0.06 * size), colour(rng, light=(0.1, 0.4), vivid=(0.1, 0.5)))
        _oval(rgb, (eye[0], eye[1] - 0.16 * size), (0.17 * size, 0.025 * size), dark)
        _oval(rgb, (x + side * 0.05 * size, y + 0.24 * size), (0.03 * size, 0.02 * size), _scaled(tone, 0.5))
    _oval(rgb, (x, y + 0.5 * size), (0.26 * size, 0.07 * size), (176, 78, 78))
    shade = 1 + 0.12 * np.linspace(-1, 1, WIDTH, dtype=np.float32)[None, :, None] * rng.choice([-1, 1])
    return finished(np.asarray(rgb * shade * (1 + 0.03 * field(rng, 1.5)[..., None]), np.float32), rng, blur=1.0)


def pet(rng: np.random.Generator) -> Rgb:
    """Fur: short hairs along a direction that turns slowly, in two or three colours; an eye or a nose at times."""
    ink = [colour(rng, light=(0.1, 0.85), vivid=(0, 0.5), hue=_BROWN) for _ in range(int(rng.integers(2, 4)))]
    rgb = sheet(_scaled(ink[0], 0.6))
    turn, patch = 1.2 * field(rng, 2.4) + rng.uniform(0, 2 * np.pi), field(rng, 2.2)
    rows, columns = rng.integers(0, HEIGHT, 5000), rng.integers(0, WIDTH, 5000)
    reach = rng.uniform(6, 22)
    for y, x in zip(rows.tolist(), columns.tolist(), strict=True):
        hue = ink[int(np.clip(patch[y, x] + 1, 0, len(ink) - 1))]
        end = int(x + reach * np.cos(turn[y, x])), int(y + reach * np.sin(turn[y, x]))
        cv2.line(rgb, (x, y), end, _scaled(hue, rng.uniform(0.6, 1.3)), 1, cv2.LINE_AA)
    if rng.random() < 0.6:
        eye = rng.uniform(0.2, 0.8) * WIDTH, rng.uniform(0.2, 0.8) * HEIGHT
        _oval(rgb, eye, (34, 30), colour(rng, light=(0.3, 0.6), vivid=(0.4, 0.9)))
        _oval(rgb, eye, (12, 27), (12, 12, 14))
        _oval(rgb, (eye[0] - 8, eye[1] - 10), (5, 5), (245, 245, 245))
    return finished(rgb, rng, blur=0.7)


def hair(rng: np.random.Generator) -> Rgb:
    """Hair alone: fibres that run along one way, waved, with a band of light across."""
    y, x = np.mgrid[:HEIGHT, :WIDTH].astype(np.float32)
    if rng.random() < 0.5:
        x, y = y, x
    along = x + rng.uniform(10, 50) * np.sin(y / rng.uniform(30, 120)) + 8 * field(rng, 2.4)
    fibre = np.convolve(rng.standard_normal(900), np.ones(2) / 2, "same").astype(np.float32)
    strand = cv2.GaussianBlur(rng.standard_normal((1, 900)).astype(np.float32), (0, 0), 7)[0] * 3
    place = np.clip(along + 200, 0, 899).astype(int)
    light = 1 + 0.22 * fibre[place] + 0.22 * strand[place] + rng.uniform(0.2, 0.8) * np.exp(-((y / 160 - 1) ** 2) / 0.1)
    rgb = sheet(colour(rng, light=(0.1, 0.7), vivid=(0.05, 0.5), hue=_BROWN)) * light[..., None]
    return finished(np.asarray(rgb, np.float32), rng, grain=rng.uniform(1, 5))


def nails(rng: np.random.Generator) -> Rgb:
    """Finger tips with their nails, bare or varnished, on a table."""
    rgb = sheet(colour(rng, light=(0.3, 0.9), vivid=(0, 0.5))) * (1 + 0.06 * field(rng, 1.2)[..., None])
    tone = _tone(rng)
    varnish = colour(rng, vivid=(0.5, 1)) if rng.random() < 0.5 else (226, 172, 164)
    count = int(rng.integers(1, 5))
    wide = WIDTH / (count + 0.6)
    for finger in range(count):
        x, top = (finger + 0.8) * wide, rng.uniform(30, 110)
        half = 0.42 * wide if count > 1 else 0.25 * wide
        cv2.rectangle(rgb, (int(x - half), int(top + half)), (int(x + half), HEIGHT), _scaled(tone, 0.93), -1)
        _oval(rgb, (x, top + half), (half, half), tone)
        _oval(rgb, (x, top + 0.9 * half), (0.62 * half, 0.8 * half), varnish)
        _oval(rgb, (x, top + 1.5 * half), (0.4 * half, 0.2 * half), _mean(varnish, (250, 240, 235)))
        for fold in range(3):
            y = int(top + 3.2 * half + 7 * fold)
            cv2.line(rgb, (int(x - 0.6 * half), y), (int(x + 0.6 * half), y), _scaled(tone, 0.75), 1, cv2.LINE_AA)
    return finished(np.asarray(rgb * (1 + 0.05 * field(rng, 1.8)[..., None]), np.float32), rng, blur=1.2)


def bare(rng: np.random.Generator) -> Rgb:
    """Skin without anything on it: mottled, furrowed, with pores, a shadow, a vein or a scar at times."""
    return finished(_bare(rng), rng, grain=rng.uniform(1, 5), blur=rng.uniform(0.6, 1.1))


def tattoo(rng: np.random.Generator) -> Rgb:
    """Skin under drawn signs: stars, bands, waves or letters, black, blue or in colour."""
    rgb, ink = _bare(rng), np.full((*SHAPE, 3), 255, np.uint8)
    for _ in range(int(rng.integers(1, 5))):
        hue = colour(rng, light=(0.2, 0.5), vivid=(0.5, 1)) if rng.random() < 0.4 else (38.0, 46.0, 56.0)
        _SIGNS[rng.integers(len(_SIGNS))](ink, rng, hue)
    soft = cv2.GaussianBlur(ink, (0, 0), rng.uniform(0.7, 1.8)) / np.float32(255)
    depth = rng.uniform(0.6, 0.95)
    return finished(np.asarray(rgb * (1 - depth + depth * soft), np.float32), rng)


def _bare(rng: np.random.Generator) -> F32:
    tone = _tone(rng)
    furrows = np.minimum(np.abs(field(rng, rng.uniform(0.7, 1.2))), np.abs(field(rng, rng.uniform(0.7, 1.2))))
    light = 0.93 + 0.05 * field(rng, 1.8) + rng.uniform(0.05, 0.16) * np.minimum(furrows, 0.8)
    pores = cv2.GaussianBlur((rng.random(SHAPE) < 0.003).astype(np.float32), (0, 0), 1.4) * 8
    light -= rng.uniform(0, 0.25) * pores
    if rng.random() < 0.6:  # a shadow, soft or hard
        edge = np.linspace(-1, 1, WIDTH, dtype=np.float32)[None] + 0.2 * field(rng, 2.4) + rng.uniform(-0.7, 0.7)
        light *= 1 - rng.uniform(0.1, 0.4) / (1 + np.exp(-edge * rng.uniform(3, 20)))
    rgb = sheet(tone) * light[..., None] + 2 * field(rng, 2.0)[..., None] * np.array([1, -1, -0.6], np.float32)
    if rng.random() < 0.5:  # a vein, or the pale line of a scar
        line = np.zeros(SHAPE, np.float32)
        _wave(line, rng, 1.0, int(rng.integers(3, 14)))
        soft = cv2.GaussianBlur(line, (0, 0), rng.uniform(2, 6))[..., None]
        rgb += soft * (np.array([-26, -8, 4], np.float32) if rng.random() < 0.6 else np.array([16, 16, 18], np.float32))
    return np.asarray(rgb, np.float32)


def _wave(rgb: F32 | Rgb, rng: np.random.Generator, ink: Colour | float, thick: int | None = None) -> None:
    x = np.linspace(-20, WIDTH + 20, 60)
    y = rng.uniform(40, HEIGHT - 40) + rng.uniform(5, 60) * np.sin(x / rng.uniform(20, 90) + rng.uniform(0, 6))
    points = np.stack([x, y + rng.uniform(-0.5, 0.5) * (x - WIDTH / 2)], axis=1).round().astype(np.int32)
    cv2.polylines(rgb, [points], False, ink, thick or int(rng.integers(2, 12)), cv2.LINE_AA)


def _star(rgb: Rgb, rng: np.random.Generator, ink: Colour) -> None:
    points, reach = int(rng.integers(4, 9)), rng.uniform(25, 110)
    angles = np.arange(2 * points) * np.pi / points + rng.uniform(0, 1)
    radius = reach * np.where(np.arange(2 * points) % 2, rng.uniform(0.3, 0.8), 1)
    centre = rng.uniform(0.2, 0.8, 2) * (WIDTH, HEIGHT)
    outline = (centre + np.stack([np.cos(angles), np.sin(angles)], axis=1) * radius[:, None]).round().astype(np.int32)
    if rng.random() < 0.5:
        cv2.fillPoly(rgb, [outline], ink, cv2.LINE_AA)
    else:
        cv2.polylines(rgb, [outline], True, ink, int(rng.integers(2, 8)), cv2.LINE_AA)


def _letters(rgb: Rgb, rng: np.random.Generator, ink: Colour) -> None:
    word = "".join(rng.choice(list("ABELMORSTU"), int(rng.integers(3, 7))))
    place = int(rng.uniform(0, 0.4) * WIDTH), int(rng.uniform(0.3, 0.9) * HEIGHT)
    cv2.putText(rgb, word, place, cv2.FONT_HERSHEY_SCRIPT_COMPLEX, rng.uniform(1.5, 3.5), ink, 4, cv2.LINE_AA)


def _oval(rgb: F32, centre: tuple[float, float], axes: tuple[float, float], ink: Colour) -> None:
    x, y = round(centre[0]), round(centre[1])
    cv2.ellipse(rgb, (x, y), (max(round(axes[0]), 1), max(round(axes[1]), 1)), 0, 0, 360, ink, -1, cv2.LINE_AA)


def _tone(rng: np.random.Generator) -> Colour:
    first = int(rng.integers(len(_TONES)))
    return _mean(_TONES[first], _TONES[min(first + 1, len(_TONES) - 1)], rng.random())


def _mean(first: Colour, second: Colour, share: float = 0.5) -> Colour:
    red, green, blue = (float(a + (b - a) * share) for a, b in zip(first, second, strict=True))
    return red, green, blue


def _scaled(tint: Colour, by: float) -> Colour:
    return tint[0] * by, tint[1] * by, tint[2] * by


_SIGNS = (_wave, _star, _letters)
