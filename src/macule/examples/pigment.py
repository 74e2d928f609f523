"""Pigmented structures of a lesion: its ground colour, network, globules, streaks, veil and nests."""

from __future__ import annotations

import cv2
import numpy as np

from macule.examples.layers import Layers
from macule.examples.noise import blobs, blurred, displaced, fbm, mesh, smoothstep
from macule.examples.outline import Outline
from macule.examples.scene import Scene
from macule.examples.strokes import coverage, ribbon


def add_pigment(layers: Layers, lesion: Outline, scene: Scene) -> None:
    _ground(layers, lesion, scene, layers.frame.rng("ground"))
    for strength, add in (
        (scene.network, _network),
        (scene.globules, _globules),
        (scene.streaks, _streaks),
        (scene.veil, _veil),
        (scene.nests, _nests),
    ):
        if strength > 0:
            add(layers, lesion, scene, layers.frame.rng(add.__name__))


def _ground(layers: Layers, lesion: Outline, scene: Scene, rng: np.random.Generator) -> None:
    """Melanin thick in the middle and thin at the rim, in patches of several browns, with a reddened surround."""
    shape, unit, radius = layers.frame.shape, layers.frame.unit, lesion.radius
    patches = fbm(rng, shape, radius * 0.75 + 4, 4, 0.6)
    blotches = smoothstep(0.35, 1.3, fbm(rng, shape, radius * 0.5 + 4, 4, 0.5) + 0.7 * lesion.dark)
    grain = fbm(rng, shape, 7 * unit, 3, 0.75)
    level = 0.40 + 0.65 * lesion.dark + scene.variegation * (0.30 * patches + 0.95 * blotches) + 0.10 * grain
    layers.melanin += scene.pigment * lesion.alpha * np.clip(level, 0.12, 2.2)
    patchy = np.clip(1 + 0.45 * fbm(rng, shape, radius * 0.6 + 4, 4), 0.1, 2.2)
    layers.blood += scene.redness * patchy * (0.75 * lesion.alpha + 0.25 * lesion.within(0.4 * radius + 6))
    layers.height += 2.5 * lesion.alpha * unit + 0.6 * lesion.alpha * grain


def _network(layers: Layers, lesion: Outline, scene: Scene, rng: np.random.Generator) -> None:
    """A honeycomb of brown lines round paler holes, strongest between centre and rim, coarse where irregular."""
    frame, unit = layers.frame, layers.frame.unit
    odd = scene.irregularity
    width = (1.45 + 0.7 * odd) * unit
    width = width * np.clip(1 + (0.15 + 0.5 * odd) * fbm(rng, frame.shape, 40 * unit, 3), 0.45, 2.2)
    sharp = mesh(rng, frame.shape, (8.5 + 3.0 * odd) * unit, 0.3 + 0.35 * odd, width)
    lines = blurred(displaced(sharp, rng, (1.5 + 1.6 * odd) * unit, 13 * unit), unit)
    uneven = fbm(rng, frame.shape, lesion.radius * 0.5 + 4, 3)
    patchy = np.clip(0.9 + (0.25 + 0.6 * odd) * uneven, 0, 1.8)
    ground = np.maximum(layers.melanin, 0)  # holes let the skin through, but are no lighter than it
    place = lesion.alpha * smoothstep(1.15, 0.45, lesion.depth) * patchy
    layers.melanin += scene.network * place * (0.75 * scene.pigment * lines - 0.6 * ground * (1 - lines))


def _globules(layers: Layers, lesion: Outline, scene: Scene, rng: np.random.Generator) -> None:
    """Round brown clods, some touching (cobblestones), each with its own depth of colour."""
    frame, unit = layers.frame, layers.frame.unit
    clods = np.zeros(frame.shape, np.float32)
    for spacing, size, keep in ((11, (2.0, 4.6), 0.75), (21, (3.5, 7.5), 0.35)):
        spots = blobs(rng, frame.shape, spacing * unit, (size[0] * unit, size[1] * unit), keep, soft=1.6 * unit)
        clods = np.maximum(clods, displaced(spots, rng, 1.4 * unit, 11 * unit))
    depth = np.clip(0.8 + 0.5 * fbm(rng, frame.shape, 26 * unit, 2), 0.1, 1.8)
    place = smoothstep(0.0, 0.14, lesion.depth) * smoothstep(1.2, 0.2, lesion.depth * 0.75)
    layers.melanin += scene.globules * scene.pigment * place * (0.85 * depth * clods - 0.12)


def _streaks(layers: Layers, lesion: Outline, scene: Scene, rng: np.random.Generator) -> None:
    """Radial projections at the rim, in a few sectors of it, tapering outwards and some ending in a bulb."""
    frame, unit = layers.frame, layers.frame.unit
    canvas = np.zeros(frame.shape, np.uint8)
    rim = cv2.findContours(lesion.mask.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)[0]
    points = max(rim, key=len)[:, 0].astype(np.float64) if rim else np.zeros((0, 2))
    sectors = rng.uniform(0, 2 * np.pi, 3)
    for start in points[:: max(int(5 * unit), 1)]:
        out = start - np.array(lesion.centre)
        bearing = np.arctan2(out[1], out[0])
        if np.cos(bearing - sectors).max() < 0.86 or rng.random() > 0.25 + 0.35 * scene.streaks:
            continue
        bearing += rng.normal(0, 0.3)
        length = lesion.radius * rng.uniform(0.03, 0.24)
        along = length * np.linspace(-0.7, 1, 6)[:, None] * np.array([np.cos(bearing), np.sin(bearing)])
        ribbon(canvas, start + along, rng.uniform(1.6, 5.2) * unit)
    soft = displaced(coverage(canvas), rng, 2.8 * unit, 14 * unit)
    depth = np.clip(0.8 + 0.5 * fbm(rng, frame.shape, 30 * unit, 3), 0.1, 1.5)
    depth *= (0.85 - 0.42 * lesion.alpha) * blurred(soft, 1.5 * unit)
    layers.melanin += scene.streaks * scene.pigment * depth


def _veil(layers: Layers, lesion: Outline, scene: Scene, rng: np.random.Generator) -> None:
    """A structureless blue-grey patch under a ground-glass haze, off the centre."""
    shape, unit, radius = layers.frame.shape, layers.frame.unit, lesion.radius
    cloud = fbm(rng, shape, radius * 0.7 + 4, 4, 0.5) * 0.55 + 1.6 * (lesion.dark - 0.5)
    place = smoothstep(-0.25, 0.75, cloud) * smoothstep(0.08, 0.38, lesion.depth)
    haze = np.clip(0.75 + 0.25 * fbm(rng, shape, 15 * unit, 4, 0.7), 0.2, 1.2)
    layers.veil += 0.62 * scene.veil * place * haze
    layers.scar += 0.20 * scene.veil * place * smoothstep(0.2, 1.6, fbm(rng, shape, radius * 0.35 + 4, 4))


def _nests(layers: Layers, lesion: Outline, scene: Scene, rng: np.random.Generator) -> None:
    """Blue-grey ovoid nests and dots, as in pigmented basal cell carcinoma."""
    frame, unit = layers.frame, layers.frame.unit
    place = smoothstep(0.0, 0.2, lesion.depth)
    for spacing, size, keep in ((62, (9.0, 19.0), 0.4), (24, (2.0, 4.5), 0.3)):
        spots = blobs(
            rng, frame.shape, spacing * unit, (size[0] * unit, size[1] * unit), keep, soft=0.35 * size[1] * unit
        )
        spots = displaced(spots, rng, 0.3 * size[1] * unit, 1.6 * size[1] * unit) * place
        mottled = np.clip(0.8 + 0.3 * fbm(rng, frame.shape, 9 * unit, 3), 0.2, 1.2)
        layers.veil += 0.7 * scene.nests * spots * mottled
        layers.melanin += 0.5 * scene.nests * spots * mottled
