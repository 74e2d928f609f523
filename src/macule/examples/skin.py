"""Skin without a lesion: mottling, furrows, pores, freckles."""

from __future__ import annotations

import cv2
import numpy as np

from macule.examples.layers import Layers
from macule.examples.noise import F32, Frame, blobs, blurred, displaced, fbm, mesh, smoothstep
from macule.examples.scene import Scene
from macule.examples.strokes import SUBPIXEL, coverage, fixed


def add_skin(layers: Layers, scene: Scene) -> None:
    frame = layers.frame
    _mottle(layers, scene, frame.rng("skin"))
    _furrows(layers, scene, frame.rng("furrows"))
    _pores(layers, scene, frame.rng("pores"))
    if not scene.clinical:
        _vellus(layers, scene, frame.rng("vellus"))
    if scene.freckles > 0:
        layers.melanin += scene.freckles * _freckles(frame, frame.rng("freckles"))


def _mottle(layers: Layers, scene: Scene, rng: np.random.Generator) -> None:
    """Uneven melanin and blood from the hand-wide to the pixel-wide."""
    shape, unit = layers.frame.shape, layers.frame.unit
    amount = (0.35 + scene.texture) * (0.6 if scene.clinical else 1.0)
    dark = 1 + 0.25 * max(scene.tone - 3, 0)  # more melanin, so more of it to vary
    layers.melanin += amount * dark * 0.055 * fbm(rng, shape, 150 * unit, 3)
    layers.melanin += amount * dark * 0.045 * fbm(rng, shape, 16 * unit, 4, 0.7)
    layers.blood += amount * 0.07 * fbm(rng, shape, 90 * unit, 4)
    layers.blood += amount * 0.075 * fbm(rng, shape, 13 * unit, 4, 0.7)
    # Thin superficial vessels: the zero line of a noise field, faint and broken.
    line = np.exp(-((fbm(rng, shape, 60 * unit, 4) / 0.06) ** 2))
    layers.blood += amount * 0.16 * line * smoothstep(0.2, 1.2, fbm(rng, shape, 70 * unit, 2))


def _furrows(layers: Layers, scene: Scene, rng: np.random.Generator) -> None:
    """The criss-cross of skin markings: deep and coarse to a phone, flattened by the gel to a dermatoscope."""
    frame = layers.frame
    coarse, fine = (12.0, 5.5) if scene.clinical else (30.0, 12.0)
    for spacing, depth in ((coarse, 1.0), (fine, 0.55)):
        groove = _grooves(frame, rng, spacing * frame.unit)
        groove *= np.clip(0.7 + 0.5 * fbm(rng, frame.shape, 120 * frame.unit, 3), 0.1, 1.6)
        layers.height -= scene.texture * depth * groove * 2.2
        # The floor of a furrow is paler on dark skin and redder on fair skin.
        layers.melanin -= scene.texture * depth * groove * (0.045 + 0.03 * max(scene.tone - 2, 0))
        layers.blood += scene.texture * depth * groove * 0.04
    layers.height += scene.texture * 0.5 * fbm(rng, frame.shape, 9 * frame.unit, 3, 0.7)
    layers.gloss += 0.5 + 0.5 * smoothstep(-0.5, 1.5, fbm(rng, frame.shape, 80 * frame.unit, 3))


def _grooves(frame: Frame, rng: np.random.Generator, spacing: float) -> F32:
    line = mesh(rng, frame.shape, spacing, 0.55, 0.11 * spacing + 0.5)
    return blurred(displaced(line, rng, 0.14 * spacing, spacing * 1.5), 0.6 * frame.unit)


def _pores(layers: Layers, scene: Scene, rng: np.random.Generator) -> None:
    """Follicles: a pale halo round a small dot; on dark skin they are the bright dots of its natural network."""
    frame, unit = layers.frame, layers.frame.unit
    strength = scene.texture * (0.5 + 0.28 * max(scene.tone - 2, 0))
    state = rng.bit_generator.state
    halo = blobs(rng, frame.shape, 24 * unit, (1.5 * unit, 4.5 * unit), 0.45, soft=2.8 * unit)
    rng.bit_generator.state = state  # the same follicles again, smaller
    dot = blobs(rng, frame.shape, 24 * unit, (0.3 * unit, 1.1 * unit), 0.45, soft=0.9 * unit)
    layers.melanin += strength * (0.16 * dot - 0.11 * halo)
    layers.height -= scene.texture * 1.2 * dot


def _vellus(layers: Layers, scene: Scene, rng: np.random.Generator) -> None:
    """Fine unpigmented hair, pressed flat by the contact plate: short pale threads, barely seen."""
    frame = layers.frame
    canvas = np.zeros(frame.shape, np.uint8)
    for _ in range(round(60 * scene.texture)):
        bearing = rng.uniform(0, 2 * np.pi) + np.cumsum(rng.normal(0, 0.09, 12) + rng.normal(0, 0.05))
        stride = rng.uniform(2.5, 8) * frame.unit
        path = rng.uniform(0, 1, 2) * (frame.width, frame.height)
        path = path + np.cumsum(stride * np.stack([np.cos(bearing), np.sin(bearing)], 1), 0)
        cv2.polylines(
            canvas, [fixed(path)], False, (rng.uniform(40, 200) * min(frame.unit, 1.0),), 1, cv2.LINE_AA, SUBPIXEL
        )
    threads = blurred(coverage(canvas), 0.5 * frame.unit)
    layers.vellus += 0.34 * threads


def _freckles(frame: Frame, rng: np.random.Generator) -> F32:
    """Flat light-brown spots of several sizes."""
    unit, total = frame.unit, frame.empty()
    for spacing, size, keep in ((60, (4.0, 11.0), 0.4), (110, (12.0, 26.0), 0.35)):
        spots = blobs(rng, frame.shape, spacing * unit, (size[0] * unit, size[1] * unit), keep, soft=4.5 * unit)
        total += 0.3 * displaced(spots, rng, 4 * unit, 18 * unit)
    total *= np.clip(1 + 0.35 * fbm(rng, frame.shape, 12 * unit, 3), 0.2, 2.0)
    return total
