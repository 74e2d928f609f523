"""Scenes to start from. The names say what is drawn; a drawing has no diagnosis."""

from __future__ import annotations

from enum import StrEnum

from macule.errors import UsageError
from macule.examples.scene import Scene


class Kind(StrEnum):
    PLAIN = "plain"
    NAEVUS = "naevus"
    GLOBULAR_NAEVUS = "globular-naevus"
    IRREGULAR = "irregular-pigmented"  # the melanoma-like one
    ARBORISING = "arborising-vessels"  # basal-cell-like
    STUCK_ON = "stuck-on-keratosis"  # seborrhoeic-like
    LACUNAE = "red-lacunae"  # haemangioma-like
    WHITE_CENTRE = "white-centre"  # dermatofibroma-like
    SCALY = "scaly-patch"  # actinic-keratosis-like
    CRUSTED = "crusted-nodule"  # squamous-cell-like


PRESETS: dict[Kind, Scene] = {
    Kind.PLAIN: Scene(radius=0.0, texture=0.3),
    Kind.NAEVUS: Scene(
        radius=0.27, pigment=1.45, network=0.75, irregularity=0.12, softness=0.75, variegation=0.2, redness=0.25
    ),
    Kind.GLOBULAR_NAEVUS: Scene(
        radius=0.25, pigment=1.5, globules=0.85, irregularity=0.15, softness=0.45, variegation=0.25, redness=0.3
    ),
    Kind.IRREGULAR: Scene(
        radius=0.31,
        elongation=1.35,
        irregularity=0.75,
        asymmetry=0.8,
        softness=0.35,
        pigment=2.0,
        redness=0.45,
        variegation=0.85,
        network=0.5,
        globules=0.35,
        streaks=0.8,
        veil=0.6,
    ),
    Kind.ARBORISING: Scene(
        radius=0.32,
        irregularity=0.3,
        softness=0.7,
        pigment=0.12,
        redness=0.5,
        variegation=0.4,
        vessels=0.8,
        nests=0.5,
    ),
    Kind.STUCK_ON: Scene(
        radius=0.33,
        irregularity=0.25,
        softness=0.02,
        pigment=1.35,
        redness=0.25,
        variegation=0.45,
        milia=0.7,
        openings=0.7,
    ),
    Kind.LACUNAE: Scene(radius=0.19, irregularity=0.2, softness=0.15, pigment=0.05, redness=0.35, lacunae=0.9),
    Kind.WHITE_CENTRE: Scene(
        radius=0.29, irregularity=0.15, softness=0.95, pigment=0.85, redness=0.35, network=0.6, white_patch=0.85
    ),
    Kind.SCALY: Scene(
        radius=0.36, elongation=1.3, irregularity=0.5, softness=0.9, pigment=0.22, redness=0.75, scale=0.7, freckles=0.6
    ),
    Kind.CRUSTED: Scene(
        radius=0.27, irregularity=0.35, softness=0.25, pigment=0.15, redness=0.9, crust=0.9, scale=0.3, vessels=0.25
    ),
}


def preset(kind: Kind | str) -> Scene:
    """A scene to draw or to vary with `dataclasses.replace`.

    Raises: UsageError, when there is no such kind.
    """
    try:
        return PRESETS[Kind(kind)]
    except ValueError:
        raise UsageError(f"there is no example {kind!r}; use one of {', '.join(Kind)}.") from None
