"""What a phone sends of a room: food, walls, clothing, forms, its own screen. For the second exam alone."""

from __future__ import annotations

import cv2
import numpy as np

from macule.evaluation.not_lesions.canvas import F32, HEIGHT, SHAPE, WIDTH, Rgb, colour, field, finished, mixed, sheet

_MIDDLE = np.array([WIDTH / 2, HEIGHT / 2])


def food(rng: np.random.Generator) -> Rgb:
    """A plate from above: round bits, noodles, sauce."""
    rgb = sheet(colour(rng, light=(0.2, 0.8), vivid=(0.1, 0.6))) * (1 + 0.1 * field(rng, 1.1)[..., None])
    middle, radius = (WIDTH // 2, HEIGHT // 2), int(rng.uniform(110, 190))
    cv2.circle(rgb, middle, radius, (225, 225, 222), -1, cv2.LINE_AA)
    cv2.circle(rgb, middle, int(0.8 * radius), (240, 240, 238), -1, cv2.LINE_AA)
    warm = np.clip(1.2 * field(rng, 2.2) - 0.3, 0, 1) * (np.hypot(*_from(middle)) < 0.7 * radius)
    sauce = sheet(colour(rng, light=(0.25, 0.6), vivid=(0.5, 1), hue=(0, 0.3)))
    rgb = np.asarray(rgb * (1 - warm[..., None]) + sauce * warm[..., None], np.float32)
    for _ in range(int(rng.integers(0, 30))):
        _noodle(rgb, rng, 0.6 * radius)
    for _ in range(int(rng.integers(3, 40))):
        _bite(rgb, rng, 0.65 * radius)
    return finished(np.asarray(rgb * (1 + 0.06 * field(rng, 1.0)[..., None]), np.float32), rng, blur=0.9)


def wall(rng: np.random.Generator) -> Rgb:
    """Bricks or tiles with joints, or rough plaster; a crack or a switch at times."""
    kind = rng.integers(3)
    if kind == 2:
        rough = field(rng, 0.9) + 0.7 * field(rng, 1.6)
        slope = np.gradient(cv2.GaussianBlur(rough, (0, 0), 1.2), axis=1) * rng.uniform(0.3, 0.9)
        rgb = sheet(colour(rng, light=(0.55, 0.9), vivid=(0, 0.4), hue=(0, 0.2))) * (1 + slope)[..., None]
    else:
        rgb = _bricks(rng, offset=kind == 0)
    if rng.random() < 0.3:
        left, top = int(rng.integers(40, 280)), int(rng.integers(40, 180))
        cv2.rectangle(rgb, (left, top), (left + 80, top + 80), (238, 238, 232), -1)
        cv2.rectangle(rgb, (left + 24, top + 14), (left + 56, top + 66), (214, 214, 208), 2)
    return finished(np.asarray(rgb * (1 + 0.05 * field(rng, 2.2)[..., None]), np.float32), rng, grain=rng.uniform(1, 5))


def clothing(rng: np.random.Generator) -> Rgb:
    """Knitwear, denim or a chequered shirt, in folds; buttons at times."""
    y, x = np.mgrid[:HEIGHT, :WIDTH].astype(np.float32)
    folds = field(rng, 2.4)
    x, y = x + 7 * folds, y + 7 * np.roll(folds, 60, axis=1)
    step = rng.uniform(7, 18)
    weave = (_knit, _denim, _plaid)[rng.integers(3)](x, y, step, rng)
    rgb = weave * (1 + rng.uniform(0.08, 0.25) * folds)[..., None]
    if rng.random() < 0.4:
        for top in range(int(rng.integers(20, 80)), HEIGHT, 110):
            cv2.circle(rgb, (WIDTH // 2, top), 13, colour(rng), -1, cv2.LINE_AA)
            for dx, dy in ((-4, -4), (4, -4), (-4, 4), (4, 4)):
                cv2.circle(rgb, (WIDTH // 2 + dx, top + dy), 2, (30, 30, 30), -1, cv2.LINE_AA)
    return finished(np.asarray(rgb, np.float32), rng)


def document(rng: np.random.Generator) -> Rgb:
    """A form on a desk: rules, a table, printed words, handwriting, a stamp; taken at an angle."""
    page = np.full((HEIGHT, WIDTH, 3), 244, np.uint8)
    for y in range(24, HEIGHT - 10, 22):
        if rng.random() < 0.3:
            cv2.line(page, (20, y), (WIDTH - 20, y), (120, 120, 130), 1)
        elif rng.random() < 0.6:
            word = " ".join("".join(rng.choice(list("abcdeghilmnoprstu"), rng.integers(2, 9))) for _ in range(6))
            size = rng.uniform(0.8, 1.1)
            cv2.putText(page, word, (20, y), cv2.FONT_HERSHEY_PLAIN, size, (40, 40, 44), 1, cv2.LINE_AA)
        else:
            x = np.arange(30, rng.integers(120, 360), 3)
            ink = y - 5 + 6 * np.sin(x / 3.1) * np.sin(x / 17 + y) + 2 * np.sin(x / 1.7)
            cv2.polylines(page, [np.stack([x, ink], axis=1).astype(np.int32)], False, (40, 50, 140), 1, cv2.LINE_AA)
    if rng.random() < 0.5:
        cv2.circle(page, (int(rng.integers(60, 340)), int(rng.integers(60, 240))), 38, (60, 60, 190), 3, cv2.LINE_AA)
    desk = colour(rng, light=(0.15, 0.6), vivid=(0.1, 0.6))
    corners = np.array([[0, 0], [WIDTH, 0], [WIDTH, HEIGHT], [0, HEIGHT]], np.float32)
    moved = np.asarray(corners + rng.uniform(-45, 45, (4, 2)), np.float32)
    seen = cv2.warpPerspective(page, cv2.getPerspectiveTransform(corners, moved), (WIDTH, HEIGHT), borderValue=desk)
    return finished(np.asarray(seen * (1 + 0.07 * field(rng, 2.3)[..., None]), np.float32), rng)


def chat(rng: np.random.Generator) -> Rgb:
    """A phone's own screen: bubbles with words, round pictures, a bar above and keys below."""
    dark = rng.random() < 0.4
    rgb = sheet(colour(rng, light=(0.05, 0.15) if dark else (0.9, 1.0), vivid=(0, 0.4))).astype(np.uint8)
    cv2.rectangle(rgb, (0, 0), (WIDTH, 24), colour(rng, light=(0.3, 0.6)), -1)
    y = 34
    while y < 220:
        tall, wide, mine = int(rng.integers(24, 56)), int(rng.integers(90, 260)), rng.random() < 0.5
        left = WIDTH - wide - 12 if mine else 40
        cv2.rectangle(rgb, (left, y), (left + wide, y + tall), colour(rng, light=(0.6, 0.9)), -1)
        for line in range(y + 15, y + tall - 2, 14):
            word = "".join(rng.choice(list("adehilnorstu  "), wide // 9))
            cv2.putText(rgb, word, (left + 6, line), cv2.FONT_HERSHEY_SIMPLEX, 0.36, (20, 20, 24), 1, cv2.LINE_AA)
        if not mine:
            cv2.circle(rgb, (20, y + 14), 12, colour(rng), -1, cv2.LINE_AA)
        y += tall + int(rng.integers(6, 20))
    for row in range(3):
        for key in range(10):
            cv2.rectangle(rgb, (4 + 40 * key, 224 + 26 * row), (38 + 40 * key, 245 + 26 * row), (205, 208, 214), -1)
    return finished(rgb.astype(np.float32), rng, grain=rng.uniform(0, 1), blur=0.4)


def _from(middle: tuple[int, int]) -> tuple[F32, F32]:
    y, x = np.mgrid[:HEIGHT, :WIDTH].astype(np.float32)
    return x - middle[0], y - middle[1]


def _noodle(rgb: F32, rng: np.random.Generator, reach: float) -> None:
    turn = np.cumsum(rng.normal(0, 0.5, 24)) + rng.uniform(0, 6)
    steps = np.cumsum(np.stack([np.cos(turn), np.sin(turn)], axis=1) * 7, axis=0)
    start = rng.normal(0, reach / 2.5, 2) + _MIDDLE
    tint = 235 * rng.uniform(0.85, 1.05), 208 * rng.uniform(0.85, 1.0), 140 * rng.uniform(0.7, 1.0)
    cv2.polylines(rgb, [(start + steps).astype(np.int32)], False, tint, 5, cv2.LINE_AA)


def _bite(rgb: F32, rng: np.random.Generator, reach: float) -> None:
    x, y = (rng.normal(0, reach / 2, 2) + _MIDDLE).astype(int).tolist()
    size, tint = int(rng.integers(5, 26)), colour(rng, light=(0.25, 0.65), vivid=(0.4, 1), hue=(0, 0.35))
    cv2.ellipse(rgb, (x + 2, y + 3), (size, size), 0, 0, 360, (70, 60, 50), -1, cv2.LINE_AA)
    axes = size, int(size * rng.uniform(0.5, 1))
    cv2.ellipse(rgb, (x, y), axes, rng.uniform(0, 180), 0, 360, tint, -1, cv2.LINE_AA)
    cv2.circle(rgb, (x - size // 3, y - size // 3), max(size // 5, 1), (250, 248, 240), -1, cv2.LINE_AA)


def _bricks(rng: np.random.Generator, *, offset: bool) -> F32:
    rgb = sheet(colour(rng, light=(0.6, 0.9), vivid=(0, 0.2)))
    tall, wide, joint = int(rng.integers(26, 70)), int(rng.integers(50, 130)), int(rng.integers(2, 7))
    tint = np.array(colour(rng, light=(0.3, 0.8), vivid=(0.1, 0.6), hue=(0, 0.2)))
    for row, top in enumerate(range(0, HEIGHT, tall)):
        for left in range(-(wide // 2) * (offset and row % 2), WIDTH, wide):
            red, green, blue = (tint * rng.uniform(0.8, 1.15)).tolist()
            cv2.rectangle(rgb, (left, top), (left + wide - joint, top + tall - joint), (red, green, blue), -1)
    return np.asarray(rgb * (1 + 0.08 * field(rng, 0.8)[..., None]), np.float32)


def _knit(x: F32, y: F32, step: float, rng: np.random.Generator) -> F32:
    leg = np.abs((x / step) % 1 - 0.5) * 2
    stitch = np.abs(((y + leg * step) / step) % 1 - 0.5) * 2
    light = 0.55 + 0.45 * np.sqrt(stitch) * (0.5 + 0.5 * leg)
    return np.asarray(sheet(colour(rng, light=(0.25, 0.8), vivid=(0, 0.7))) * light[..., None], np.float32)


def _denim(x: F32, y: F32, step: float, rng: np.random.Generator) -> F32:
    twill = np.sin(2 * np.pi * (x + y) / (step / 2))
    return np.asarray(sheet((58, 82, 126)) * (1 + 0.25 * twill + 0.15 * field(rng, 0.4))[..., None], np.float32)


def _plaid(x: F32, y: F32, step: float, rng: np.random.Generator) -> F32:
    across = np.asarray(((x / (3 * step)) % 1 < 0.5) * 0.5 + ((y / (3 * step)) % 1 < 0.5) * 0.5, np.float32)
    thread = 1 + 0.06 * np.sin(2 * np.pi * x / 3) * np.sin(2 * np.pi * y / 3)
    return np.asarray(mixed(colour(rng), colour(rng), across) * thread.reshape(SHAPE)[..., None], np.float32)
