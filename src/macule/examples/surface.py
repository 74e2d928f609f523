"""What the surface of a lesion shows: horn cysts, openings, scar, scale and crust."""

from __future__ import annotations

import numpy as np

from macule.examples.layers import Layers
from macule.examples.noise import blobs, blurred, displaced, fbm, mesh, smoothstep
from macule.examples.outline import Outline
from macule.examples.scene import Scene


def add_surface(layers: Layers, lesion: Outline, scene: Scene) -> None:
    for strength, add in (
        (scene.milia, _milia),
        (scene.openings, _openings),
        (scene.white_patch, _white_patch),
        (scene.scale, _scale),
        (scene.crust, _crust),
    ):
        if strength > 0:
            add(layers, lesion, scene, layers.frame.rng(add.__name__))


def _milia(layers: Layers, lesion: Outline, scene: Scene, rng: np.random.Generator) -> None:
    """Milia-like cysts: small bright round spots with a glow."""
    frame, unit = layers.frame, layers.frame.unit
    keep = 0.15 + 0.5 * scene.milia
    spots = blobs(rng, frame.shape, 27 * unit, (1.5 * unit, 5.0 * unit), keep, soft=1.8 * unit)
    spots = displaced(spots, rng, unit, 9 * unit)
    spots *= smoothstep(0.06, 0.2, lesion.depth)
    layers.scar += (0.3 + 0.4 * scene.milia) * (0.8 * spots + 0.5 * blurred(spots, 3 * unit))
    layers.keratin += 0.25 * spots
    layers.height += 1.5 * unit * spots


def _openings(layers: Layers, lesion: Outline, scene: Scene, rng: np.random.Generator) -> None:
    """Comedo-like openings and fissures: sharply bounded brown-black plugs in a cerebriform surface."""
    frame, unit = layers.frame, layers.frame.unit
    plugs = blobs(rng, frame.shape, 30 * unit, (2.2 * unit, 6.2 * unit), 0.15 + 0.45 * scene.openings, soft=1.4 * unit)
    plugs = displaced(plugs, rng, 2.2 * unit, 13 * unit)
    folds = displaced(mesh(rng, frame.shape, 34 * unit, 0.6, 1.9 * unit), rng, 6 * unit, 30 * unit)
    folds = blurred(folds, 1.1 * unit) * smoothstep(-0.4, 0.9, fbm(rng, frame.shape, 60 * unit, 2))
    place = smoothstep(0.04, 0.14, lesion.depth)
    layers.melanin += scene.openings * place * (1.25 * plugs + 0.7 * folds)
    layers.crust += 0.45 * scene.openings * place * plugs
    layers.height -= scene.openings * place * (3.0 * plugs + 2.5 * folds) * unit
    layers.keratin += 0.16 * scene.openings * place * np.clip(fbm(rng, frame.shape, 22 * unit, 4) + 0.4, 0, 1)


def _white_patch(layers: Layers, lesion: Outline, scene: Scene, rng: np.random.Generator) -> None:
    """The scar-like centre of a dermatofibroma, crossed by shiny white lines."""
    frame, unit = layers.frame, layers.frame.unit
    edge = lesion.depth + 0.09 * fbm(rng, frame.shape, lesion.radius * 0.5 + 4, 4)
    place = smoothstep(0.34, 0.72, edge)
    strands = mesh(rng, frame.shape, 17 * unit, 0.6, 1.7 * unit)
    strands = blurred(displaced(strands, rng, 3.5 * unit, 20 * unit), unit)
    mottled = np.clip(0.8 + 0.2 * fbm(rng, frame.shape, 12 * unit, 4, 0.7), 0.2, 1.2)
    layers.melanin *= 1 - 0.75 * scene.white_patch * place
    layers.scar += scene.white_patch * place * (0.38 * mottled + 0.30 * strands)
    layers.blood += 0.22 * scene.white_patch * place * (1 - strands)


def _scale(layers: Layers, lesion: Outline, scene: Scene, rng: np.random.Generator) -> None:
    """Red pseudo-network round yellow-white follicles, and loose white flakes (actinic keratosis)."""
    frame, unit = layers.frame, layers.frame.unit
    place = smoothstep(-0.05, 0.3, lesion.depth)
    follicles = blobs(rng, frame.shape, 19 * unit, (3.0 * unit, 6.0 * unit), 0.85, soft=3.0 * unit)
    follicles = displaced(follicles, rng, 2 * unit, 15 * unit)
    layers.blood += 0.5 * scene.scale * place * (0.9 - 1.5 * follicles)
    layers.keratin += 0.26 * scene.scale * place * follicles
    ragged = fbm(rng, frame.shape, 26 * unit, 5, 0.72) + 0.35 * fbm(rng, frame.shape, 90 * unit, 2)
    flakes = smoothstep(0.5, 1.7, ragged)
    rough = np.clip(0.65 + 0.4 * fbm(rng, frame.shape, 4 * unit, 2), 0, 1.3)
    layers.scar += 0.5 * scene.scale * place * blurred(flakes * rough, unit)
    layers.keratin += 0.2 * scene.scale * place * flakes
    layers.height += 3.0 * scene.scale * unit * place * flakes * rough
    layers.gloss += 0.8 * scene.scale * place * flakes


def _crust(layers: Layers, lesion: Outline, scene: Scene, rng: np.random.Generator) -> None:
    """A plug of horn and dried blood, yellow to black, in a raised pale wall."""
    frame, unit, radius = layers.frame, layers.frame.unit, lesion.radius
    ragged = lesion.depth + 0.11 * fbm(rng, frame.shape, radius * 0.4 + 4, 5, 0.6)
    plug = blurred(smoothstep(0.28, 0.48, ragged), unit)
    wall = smoothstep(0.0, 0.2, lesion.depth) * (1 - plug)
    lumps = fbm(rng, frame.shape, 30 * unit, 5, 0.68)
    blood = smoothstep(-0.7, 0.5, fbm(rng, frame.shape, radius * 0.45 + 4, 4, 0.6))
    cracks = mesh(rng, frame.shape, 26 * unit, 0.6, 1.5 * unit)
    cracks = blurred(displaced(cracks, rng, 5 * unit, 18 * unit), 0.8 * unit)
    layers.keratin += scene.crust * plug * np.clip(0.62 + 0.22 * lumps, 0, 0.95) * (1 - 0.6 * blood)
    layers.crust += scene.crust * plug * np.clip(0.95 * blood + 0.5 * cracks, 0, 0.95)
    layers.scar += scene.crust * (0.26 * wall + plug * 0.35 * smoothstep(0.9, 1.7, lumps))
    layers.blood += 0.45 * scene.crust * wall
    layers.height += scene.crust * unit * (6 * plug + plug * (3.5 * lumps - 4 * cracks) + 4 * wall)
    layers.gloss += 0.15 * scene.crust * plug
