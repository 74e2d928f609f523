"""Random fields: fractal noise, cells, blobs. All float32, vectorised, from a given generator."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

F32: TypeAlias = NDArray[np.float32]
Shape: TypeAlias = tuple[int, int]  # height, width


@dataclass(frozen=True)
class Frame:
    """The sheet that is drawn on."""

    height: int
    width: int
    seed: int

    @property
    def shape(self) -> Shape:
        return self.height, self.width

    @property
    def unit(self) -> float:
        """Pixels for one pixel of a 600 x 450 picture."""
        return min(self.height, self.width) / 450

    def rng(self, name: str) -> np.random.Generator:
        """A generator of its own for each part: adding hair leaves the lesion as it was."""
        return np.random.default_rng([self.seed, zlib.crc32(name.encode())])

    def grid(self) -> tuple[F32, F32]:
        """x and y of each pixel, each of shape (H, W)."""
        y, x = np.mgrid[: self.height, : self.width].astype(np.float32)
        return x, y

    def empty(self) -> F32:
        return np.zeros(self.shape, np.float32)


@dataclass(frozen=True)
class Cells:
    """A jittered hexagonal mosaic. near: distance to the cell's seed, edge: to the cell's border, both px (H, W)."""

    near: F32
    edge: F32
    labels: NDArray[np.int32]

    def each(self, values: NDArray[np.float64]) -> F32:
        """One value a cell, spread over its pixels; values: shape (count,)."""
        return values.astype(np.float32)[self.labels]

    @property
    def count(self) -> int:
        return int(self.labels.max()) + 1


def smoothstep(low: float | F32, high: float | F32, value: F32) -> F32:
    """0 below low, 1 above high, smooth between; low > high falls instead."""
    t = np.clip((value - low) / (high - low), 0.0, 1.0)
    out: F32 = (t * t * (3.0 - 2.0 * t)).astype(np.float32)
    return out


def blurred(field: F32, sigma: float) -> F32:
    if sigma < 0.15:
        return field
    out: F32 = cv2.GaussianBlur(field, (0, 0), sigma, borderType=cv2.BORDER_REFLECT).astype(np.float32)
    return out


def fbm(rng: np.random.Generator, shape: Shape, scale: float, octaves: int = 4, gain: float = 0.55) -> F32:
    """Fractal noise with mean 0 and standard deviation 1; scale: size in px of its largest features."""
    height, width = shape
    total = np.zeros(shape, np.float32)
    for octave in range(octaves):
        step = max(scale / 2**octave / 2, 1.4)
        coarse = rng.standard_normal((int(height / step) + 4, int(width / step) + 4), dtype=np.float32)
        coarse = cv2.GaussianBlur(coarse, (5, 5), 0.95) * 3.2  # round grains: a bare grid shows its axes
        size = (int(np.ceil(coarse.shape[1] * step)), int(np.ceil(coarse.shape[0] * step)))
        total += gain**octave * cv2.resize(coarse, size, interpolation=cv2.INTER_LINEAR)[:height, :width]
    out: F32 = ((total - total.mean()) / max(float(total.std()), 1e-6)).astype(np.float32)
    return out


def displaced(field: F32, rng: np.random.Generator, amount: float, scale: float) -> F32:
    """The field, its pixels moved by noise of `amount` px: straight edges become organic ones."""
    height, width = field.shape[:2]
    x = np.arange(width, dtype=np.float32) + amount * fbm(rng, (height, width), scale, 3)
    y = np.arange(height, dtype=np.float32)[:, None] + amount * fbm(rng, (height, width), scale, 3)
    out: F32 = cv2.remap(field, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT).astype(np.float32)
    return out


def cells(rng: np.random.Generator, shape: Shape, spacing: float, jitter: float = 0.35) -> Cells:
    """Voronoi cells about `spacing` px apart; jitter in units of the spacing."""
    height, width = shape
    rows, columns = int(height / (spacing * 0.866)) + 2, int(width / spacing) + 2
    row, column = np.mgrid[:rows, :columns].astype(np.float64)
    x = (column + 0.5 * (row % 2)) * spacing + rng.normal(0, jitter * spacing * 0.6, row.shape)
    y = row * spacing * 0.866 + rng.normal(0, jitter * spacing * 0.6, row.shape)
    inside = (x >= 0) & (x < width) & (y >= 0) & (y < height)
    background = np.ones(shape, np.uint8)
    background[y[inside].astype(int), x[inside].astype(int)] = 0
    near, labels = cv2.distanceTransformWithLabels(background, cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL)
    border = np.zeros(shape, bool)
    border[:, 1:] |= labels[:, 1:] != labels[:, :-1]
    border[1:] |= labels[1:] != labels[:-1]
    edge = cv2.distanceTransform((~border).astype(np.uint8), cv2.DIST_L2, 5)
    return Cells(near.astype(np.float32), edge.astype(np.float32), labels.astype(np.int32))


def mesh(rng: np.random.Generator, shape: Shape, spacing: float, jitter: float, width: float | F32) -> F32:
    """The lines between cells, 0-1, about `width` px to each side."""
    out: F32 = np.exp(-((cells(rng, shape, spacing, jitter).edge / width) ** 2)).astype(np.float32)
    return out


def blobs(
    rng: np.random.Generator, shape: Shape, spacing: float, radius: tuple[float, float], keep: float, *, soft: float
) -> F32:
    """Separate round spots, 0-1: one a cell with probability `keep`, radii (px) drawn evenly from `radius`."""
    mosaic = cells(rng, shape, spacing)
    size = mosaic.each(rng.uniform(*radius, mosaic.count))
    kept = mosaic.each((rng.random(mosaic.count) < keep).astype(np.float64))
    return smoothstep(size + soft, size - soft, mosaic.near) * kept
