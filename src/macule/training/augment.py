"""What a picture may look like on another day: turned, nearer, brighter, in other light.

Dermatoscopic pictures have no upright, so any rotation and mirror image is as likely as the picture itself.
"""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from macule.analysis.patient import Patient

ZOOM = (0.75, 1.15)  # share of the picture's side that is shown; above 1, the border is mirrored
SHIFT = 0.08
STRETCH = 0.15
BRIGHTNESS, CONTRAST, CAST, SATURATION = 0.15, 0.2, 0.06, 0.25
BLUR_CHANCE, JPEG_CHANCE = 0.1, 0.1


def picture(rgb: NDArray[np.uint8], *, size: int, rng: Generator) -> NDArray[np.uint8]:
    """rgb: uint8, (S, S, 3). Returns: uint8, (size, size, 3)."""
    turned = cv2.warpAffine(rgb, _transform(rgb.shape[0], size, rng), (size, size), flags=cv2.INTER_LINEAR,
                            borderMode=cv2.BORDER_REFLECT_101)
    coloured = _colour(turned.astype(np.float32), rng)
    return _degrade(np.clip(coloured, 0, 255).astype(np.uint8), rng)


def _transform(side: int, size: int, rng: Generator) -> NDArray[np.float64]:
    """A similarity with a slight stretch, about the picture's centre, from (side, side) to (size, size)."""
    angle = rng.uniform(0, 2 * np.pi)
    scale = size / side / rng.uniform(*ZOOM)
    stretch = np.exp(rng.uniform(-STRETCH, STRETCH))
    flip = rng.choice((-1.0, 1.0))
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    linear = turn @ np.diag((flip * scale * stretch, scale / stretch))
    centre = np.array([side, side]) / 2 * (1 + rng.uniform(-SHIFT, SHIFT, 2))
    return np.hstack([linear, (np.array([size, size]) / 2 - linear @ centre)[:, None]])


def _colour(rgb: NDArray[np.float32], rng: Generator) -> NDArray[np.float32]:
    mean = rgb.mean()
    grey = rgb.mean(axis=2, keepdims=True)
    rgb = grey + (rgb - grey) * np.float32(1 + rng.uniform(-SATURATION, SATURATION))
    gain = (1 + rng.uniform(-BRIGHTNESS, BRIGHTNESS)) * (1 + rng.uniform(-CAST, CAST, 3))
    contrast = 1 + rng.uniform(-CONTRAST, CONTRAST)
    return np.asarray(((rgb - mean) * np.float32(contrast) + mean) * gain.astype(np.float32))


def _degrade(rgb: NDArray[np.uint8], rng: Generator) -> NDArray[np.uint8]:
    if rng.random() < BLUR_CHANCE:
        rgb = np.asarray(cv2.GaussianBlur(rgb, (0, 0), rng.uniform(0.5, 1.5)), np.uint8)
    if rng.random() < JPEG_CHANCE:
        _, data = cv2.imencode(".jpg", rgb, [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(40, 90))])
        rgb = np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), np.uint8)
    return rgb


def forget(patient: Patient, *, field: float, everything: float, rng: Generator) -> Patient:
    """The patient with fields hidden at random, so that the network never needs any of them."""
    if rng.random() < everything:
        return Patient()
    hidden = {name: None for name in ("age", "sex", "site", "modality") if rng.random() < field}
    return replace(patient, **hidden)
