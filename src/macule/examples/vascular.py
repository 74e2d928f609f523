"""Vessels: the branching ones, and the blood lakes of a haemangioma."""

from __future__ import annotations

import numpy as np

from macule.examples.layers import Layers
from macule.examples.noise import F32, Frame, blobs, blurred, displaced, fbm, smoothstep
from macule.examples.outline import Outline
from macule.examples.scene import Scene
from macule.examples.strokes import Points, coverage, ribbon


def add_vascular(layers: Layers, lesion: Outline, scene: Scene) -> None:
    if scene.vessels > 0:
        _arborising(layers, lesion, scene, layers.frame.rng("vessels"))
    if scene.lacunae > 0:
        _lacunae(layers, lesion, scene, layers.frame.rng("lacunae"))


def _arborising(layers: Layers, lesion: Outline, scene: Scene, rng: np.random.Generator) -> None:
    """Thick bright-red stems that enter from the rim and branch, like a tree, into fine twigs in sharp focus."""
    frame, unit = layers.frame, layers.frame.unit
    total = np.zeros(frame.shape, np.float32)
    for bearing in rng.uniform(0, 2 * np.pi) + np.arange(2 + round(4 * scene.vessels)) * 2.4:
        away = lesion.radius * rng.uniform(0.75, 1.1)
        root = np.array(lesion.centre) + away * np.array([np.cos(bearing), np.sin(bearing)])
        inwards, width = bearing + np.pi + rng.normal(0, 0.5), rng.uniform(2.2, 3.6) * unit
        tree = _tree(frame, rng, root, bearing=inwards, width=width, reach=lesion.radius)
        total = np.maximum(total, tree)
    place = smoothstep(-0.25, 0.15, lesion.depth)
    uneven = np.clip(0.9 + 0.25 * fbm(rng, frame.shape, 25 * unit, 3), 0.2, 1.5)
    layers.blood += (
        (0.55 + 0.95 * scene.vessels) * place * uneven * (blurred(total, 0.5 * unit) + 0.25 * blurred(total, 5 * unit))
    )


def _tree(frame: Frame, rng: np.random.Generator, root: Points, *, bearing: float, width: float, reach: float) -> F32:
    """One vessel tree, 0-1. Each branch is a walk whose bearing drifts; a child is thinner and shorter."""
    canvas = np.zeros(frame.shape, np.uint8)
    waiting = [(root, bearing, width, reach * 1.2)]
    while waiting:
        start, heading, thick, length = waiting.pop()
        steps = max(int(length / (3 * frame.unit)), 2)
        turns = (
            heading + np.cumsum(rng.normal(0, 0.16, steps)) + 0.35 * np.sin(np.arange(steps) * rng.uniform(0.2, 0.5))
        )
        path = start + np.cumsum(3 * frame.unit * np.stack([np.cos(turns), np.sin(turns)], 1), 0)
        ribbon(canvas, path, thick, tip=0.6)
        if thick > 0.75 * frame.unit:
            for _ in range(int(rng.integers(2, 4))):
                at = int(rng.integers(steps // 4, steps))
                child = turns[at] + rng.choice([-1, 1]) * rng.uniform(0.45, 1.1)
                waiting.append(
                    (path[at], float(child), thick * rng.uniform(0.5, 0.72), length * rng.uniform(0.4, 0.65))
                )
    return coverage(canvas)


def _lacunae(layers: Layers, lesion: Outline, scene: Scene, rng: np.random.Generator) -> None:
    """Well-bounded red to purple lakes, parted by paler septa; the darker a lake, the bluer."""
    frame, unit = layers.frame, layers.frame.unit
    lake = np.zeros(frame.shape, np.float32)
    for spacing, size, keep in ((15, (4.0, 7.5), 0.85), (27, (8.0, 14.0), 0.5)):
        pools = blobs(rng, frame.shape, spacing * unit, (size[0] * unit, size[1] * unit), keep, soft=2.2 * unit)
        lake = np.maximum(lake, displaced(pools, rng, 2.0 * unit, 17 * unit))
    lake = blurred(lake, 1.3 * unit)
    depth = np.clip(0.95 + 0.35 * fbm(rng, frame.shape, 40 * unit, 3), 0.4, 1.5)
    clot = smoothstep(0.9, 1.9, fbm(rng, frame.shape, 45 * unit, 3))
    place = lesion.within(7 * unit)
    grain = np.clip(1 + 0.13 * fbm(rng, frame.shape, 14 * unit, 4), 0.4, 1.6)
    layers.blood += scene.lacunae * place * (0.8 + 1.5 * lake * depth * grain)
    layers.melanin += scene.lacunae * place * lake * (0.10 + 0.75 * clot)
    layers.veil += scene.lacunae * place * lake * (0.07 * depth + 0.22 * clot)
    layers.scar += scene.lacunae * 0.05 * place * (1 - lake)
    layers.height += 3.5 * unit * place * lake
    layers.gloss += 0.6 * place
