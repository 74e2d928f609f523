"""Pages and screens: lines of text, windows with buttons, square codes."""

from __future__ import annotations

import cv2
import numpy as np

from macule.evaluation.not_lesions.canvas import HEIGHT, WIDTH, Rgb, colour, field, finished, sheet

_LETTERS = np.array(list("abcdefghijklmnopqrstuvwxyzeeeaaotinsr0123456789"))
_FONTS = (cv2.FONT_HERSHEY_SIMPLEX, cv2.FONT_HERSHEY_COMPLEX, cv2.FONT_HERSHEY_TRIPLEX, cv2.FONT_HERSHEY_DUPLEX)


def text(rng: np.random.Generator) -> Rgb:
    """A page of words, photographed: uneven light, a slight turn, dark on light or the reverse."""
    pale, dark = colour(rng, light=(0.8, 1.0), vivid=(0, 0.4)), colour(rng, light=(0.0, 0.35))
    ground, ink = (pale, dark) if rng.random() < 0.8 else (dark, pale)
    rgb = sheet(ground).astype(np.uint8)
    _lines(rgb, rng, ink, area=(12, 8, WIDTH, HEIGHT), scale=rng.uniform(0.35, 1.4))
    turn = cv2.getRotationMatrix2D((WIDTH / 2, HEIGHT / 2), rng.uniform(-20, 20), rng.uniform(1.0, 1.6))
    rgb = np.asarray(cv2.warpAffine(rgb, turn, (WIDTH, HEIGHT), borderValue=ground), np.float32)
    return finished(rgb * (1 + 0.06 * field(rng, 2.2)[..., None]), rng)


def screenshot(rng: np.random.Generator) -> Rgb:
    """Windows, bars, buttons and icons on a desktop of one colour."""
    rgb = sheet(colour(rng))
    for _ in range(int(rng.integers(1, 4))):
        left, top = int(rng.integers(0, WIDTH // 2)), int(rng.integers(0, HEIGHT // 2))
        right, foot = left + int(rng.integers(100, 300)), top + int(rng.integers(80, 220))
        cv2.rectangle(rgb, (left, top), (right, foot), colour(rng, light=(0.85, 1), vivid=(0, 0.3)), -1)
        cv2.rectangle(rgb, (left, top), (right, top + 16), colour(rng, light=(0.2, 0.7)), -1)
        for x in range(left + 10, right - 30, 42):
            cv2.rectangle(rgb, (x, foot - 22), (x + 30, foot - 8), colour(rng), int(rng.choice([-1, 1])))
        # Bars in the place of words: written text is a kind of its own.
        for y in range(top + 26, foot - 30, 12):
            cv2.line(rgb, (left + 8, y), (int(rng.integers(left + 20, right - 6)), y), colour(rng, light=(0, 0.5)), 3)
    return finished(rgb, rng, grain=rng.uniform(0.5, 3), blur=rng.uniform(0.4, 0.8))


def code(rng: np.random.Generator) -> Rgb:
    """A square code with its three corner marks, or a bar code, on a ground."""
    cells = int(rng.integers(17, 42))
    bits = (rng.random((cells, cells)) < 0.5).astype(np.float32)
    if rng.random() < 0.3:
        bits[:] = bits[0]
    else:
        for y, x in ((0, 0), (0, cells - 7), (cells - 7, 0)):
            bits[y:y + 7, x:x + 7] = 1
            bits[y + 1:y + 6, x + 1:x + 6] = 0
            bits[y + 2:y + 5, x + 2:x + 5] = 1
    side = int(rng.integers(150, HEIGHT))
    black = cv2.resize(bits, (side, side), interpolation=cv2.INTER_NEAREST)[..., None]
    rgb = sheet(colour(rng, light=(0.7, 1.0)))
    top, left = int(rng.integers(0, HEIGHT - side + 1)), int(rng.integers(0, WIDTH - side + 1))
    place = rgb[top:top + side, left:left + side]
    place[:] = place * (1 - black) + np.array(colour(rng, light=(0, 0.3)), np.float32) * black
    return finished(rgb * (1 + 0.05 * field(rng, 2.2)[..., None]), rng)


def _lines(rgb: Rgb, rng: np.random.Generator, ink: tuple[float, float, float], *, area: tuple[int, int, int, int],
           scale: float) -> None:
    left, top, right, foot = area
    font, thick = _FONTS[rng.integers(len(_FONTS))], 1 + int(scale > 0.8)
    for y in range(top + int(22 * scale), foot, max(int(32 * scale), 9)):
        words = ["".join(rng.choice(_LETTERS, rng.integers(1, 11))) for _ in range(int((right - left) / (60 * scale)))]
        cv2.putText(rgb, " ".join(words), (left, y), font, scale, ink, thick, cv2.LINE_AA)
