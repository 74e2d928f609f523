"""Frames that a clinic's own folders and a failed shutter bring: X-rays, stained tissue, black frames, static. For the
second exam alone. And a lesion photographed off a screen, which is none of them: it does show a lesion.
"""

from __future__ import annotations

import cv2
import numpy as np

from macule.evaluation.not_lesions.canvas import HEIGHT, SHAPE, WIDTH, Rgb, colour, field, finished, mixed, sheet


def xray(rng: np.random.Generator) -> Rgb:
    """Grey: long bones or ribs, brighter at their rims, in a soft haze on black."""
    haze = np.clip(0.25 + 0.13 * field(rng, 2.4), 0, 1)
    bones = np.zeros(SHAPE, np.float32)
    if rng.random() < 0.5:
        for _ in range(int(rng.integers(1, 4))):
            above, below = ((int(rng.uniform(0, WIDTH)), y) for y in (-20, HEIGHT + 20))
            thick = int(rng.integers(25, 70))
            cv2.line(bones, above, below, 1.0, thick, cv2.LINE_AA)
            cv2.line(bones, above, below, 0.65, thick // 2, cv2.LINE_AA)
    else:
        for top in range(-40, HEIGHT, int(rng.integers(35, 60))):
            for side in (0, WIDTH):
                cv2.ellipse(bones, (side, top), (WIDTH // 2 - 20, 90), 0, 0, 360, 0.7, 11, cv2.LINE_AA)
        cv2.rectangle(bones, (WIDTH // 2 - 22, 0), (WIDTH // 2 + 22, HEIGHT), 0.9, -1)
    grey = 255 * np.clip(haze + 0.5 * cv2.GaussianBlur(bones, (0, 0), 2.5) * (1 + 0.1 * field(rng, 1.0)), 0, 1)
    return finished(np.asarray(np.repeat(grey[..., None], 3, axis=2), np.float32), rng, grain=rng.uniform(2, 7))


def tissue(rng: np.random.Generator) -> Rgb:
    """A stained section: pink fibres, purple nuclei, pale gaps."""
    pink = 232.0, rng.uniform(120, 175), rng.uniform(180, 210)
    purple = rng.uniform(80, 120), 50.0, rng.uniform(120, 160)
    warp = field(rng, 2.2) * rng.uniform(10, 40)
    y, x = np.mgrid[:HEIGHT, :WIDTH].astype(np.float32)
    fibres = 0.5 + 0.5 * np.sin((y * rng.uniform(0.2, 1) + x * 0.3 + warp) / rng.uniform(2, 6))
    rgb = mixed(pink, (244, 214, 226), np.asarray(0.7 * fibres + 0.2 * field(rng, 1.4), np.float32))
    for _ in range(int(rng.integers(120, 700))):
        size = rng.uniform(2.5, 7)
        place = int(rng.integers(WIDTH)), int(rng.integers(HEIGHT))
        axes = round(size), max(round(size * rng.uniform(0.4, 1)), 1)
        shade = rng.uniform(0.8, 1.3)
        tint = purple[0] * shade, purple[1] * shade, purple[2] * shade
        cv2.ellipse(rgb, place, axes, rng.uniform(0, 180), 0, 360, tint, -1, cv2.LINE_AA)
    gaps = np.clip(8 * (field(rng, 1.8) - rng.uniform(1, 1.8)), 0, 1)[..., None]
    return finished(np.asarray(rgb * (1 - gaps) + 242 * gaps, np.float32), rng, blur=0.9)


def black(rng: np.random.Generator) -> Rgb:
    """A finger on the lens or a shutter too fast: nearly black, a red glow or a bright rim at times."""
    glow = np.clip(0.5 * field(rng, 2.6) - rng.uniform(0, 0.8), 0, 1)
    rgb = sheet(colour(rng, light=(0, 0.07))) + glow[..., None] * np.array(colour(rng, light=(0.1, 0.4)), np.float32)
    if rng.random() < 0.4:
        rim = int(rng.integers(10, 80))
        part = slice(0, rim) if rng.random() < 0.5 else slice(-rim, None)
        rgb[:, part] += np.array(colour(rng, light=(0.3, 0.8)), np.float32)
    return finished(np.asarray(rgb, np.float32), rng, grain=rng.uniform(1, 9), blur=1.0)


def static(rng: np.random.Generator) -> Rgb:
    """A broken file or a screen without signal: blocks, shifted rows, salt and pepper."""
    block = int(rng.choice([4, 8, 16, 32]))
    rows, columns = HEIGHT // block + 1, WIDTH // block + 1
    tiles = rng.uniform(0, 255, (rows, columns, 3 if rng.random() < 0.6 else 1)).repeat(block, 0).repeat(block, 1)
    rgb = np.asarray(np.broadcast_to(tiles[:HEIGHT, :WIDTH], (*SHAPE, 3)), np.float32)
    base = mixed(colour(rng), colour(rng), np.asarray(0.5 + 0.4 * field(rng, 2.0), np.float32))
    rgb = np.where((field(rng, 1.5) > rng.uniform(-0.5, 1))[..., None], rgb, base)
    shifts = rng.normal(0, rng.uniform(0, 25), HEIGHT)
    rgb = np.stack([np.roll(row, int(shift), axis=0) for row, shift in zip(rgb, shifts, strict=True)])
    rgb[rng.random(SHAPE) < rng.uniform(0, 0.1)] = rng.choice([0, 255])
    return finished(np.asarray(rgb, np.float32), rng, grain=rng.uniform(0, 6), blur=rng.uniform(0, 0.8))


def off_a_screen(rgb: Rgb, rng: np.random.Generator) -> Rgb:
    """A picture as a camera takes it off a screen: the raster of the screen against that of the sensor (moire), a
    slight turn, a bluish cast, a pale reflection. What it shows stays what it is.
    """
    height, width = rgb.shape[:2]
    y, x = np.mgrid[:height, :width].astype(np.float32)
    pitch, angle = rng.uniform(1.8, 3.2), np.deg2rad(rng.uniform(1, 12))
    along, across = x * np.cos(angle) + y * np.sin(angle), y * np.cos(angle) - x * np.sin(angle)
    lanes = [0.5 + 0.5 * np.cos(2 * np.pi * (along / pitch + third / 3)) for third in range(3)]
    raster = np.stack(lanes, axis=2) * (0.75 + 0.25 * np.cos(2 * np.pi * across / pitch))[..., None]
    depth = rng.uniform(0.15, 0.45)
    seen = rgb * (1 - depth + 2 * depth * raster)
    turn = cv2.getRotationMatrix2D((width / 2, height / 2), rng.uniform(-6, 6), rng.uniform(1.05, 1.2))
    turned = cv2.warpAffine(np.asarray(seen, np.float32), turn, (width, height), borderMode=cv2.BORDER_REFLECT)
    cast = np.array([rng.uniform(0.88, 1.0), 1.0, rng.uniform(1.0, 1.14)], np.float32)
    glow = rng.uniform(0, 40) * np.exp(-(np.hypot(x / width - rng.random(), y / height - rng.random()) ** 2) / 0.05)
    return finished(np.asarray(turned * cast + glow[..., None], np.float32), rng, grain=rng.uniform(1, 5),
                    blur=rng.uniform(0.4, 0.9))
