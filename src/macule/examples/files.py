"""The example pictures that the project ships."""

from __future__ import annotations

import struct
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from macule.examples.drawing import draw
from macule.examples.presets import Kind, preset
from macule.examples.scene import Scene

DESCRIPTION = "synthetic picture drawn by macule"
QUALITY, LARGEST_BYTES = 88, 80_000
FIRST = 8000  # seed of the first picture: of eight sets, the one with the outlines that looked most natural

PINK = (1.22, 1.08, 1.22)  # the cast and the bright exposure of a dermatoscope with white diodes
COOL = (1.08, 1.10, 1.28)
WARM = (1.14, 1.04, 0.93)

PICTURES: dict[str, Scene] = {
    "naevus-skin-3": replace(preset(Kind.NAEVUS), cast=PINK),
    "naevus-globular-skin-6-vignette": replace(preset(Kind.GLOBULAR_NAEVUS), tone=6, vignette=0.75, exposure=1.25),
    "naevus-skin-4-phone": replace(
        preset(Kind.NAEVUS),
        tone=4,
        modality="clinical",
        radius=0.13,
        softness=0.3,
        network=0.0,
        texture=0.9,
        cast=WARM,
        freckles=0.3,
    ),
    "irregular-pigmented-skin-2-hair-ruler": replace(preset(Kind.IRREGULAR), tone=2, hair=0.5, ruler=1.0, cast=PINK),
    "irregular-pigmented-skin-5-vignette": replace(
        preset(Kind.IRREGULAR), tone=5, vignette=0.85, veil=0.8, radius=0.27, exposure=1.05
    ),
    "arborising-vessels-skin-1": replace(preset(Kind.ARBORISING), tone=1, cast=PINK),
    "stuck-on-keratosis-skin-3-bubbles": replace(preset(Kind.STUCK_ON), bubbles=0.6, hair=0.1, vignette=0.4),
    "red-lacunae-skin-2-glare": replace(preset(Kind.LACUNAE), tone=2, glare=0.25),
    "white-centre-skin-5": replace(preset(Kind.WHITE_CENTRE), tone=5, exposure=1.05, hair=0.12),
    "scaly-patch-skin-1-ink": replace(preset(Kind.SCALY), tone=1, ink=0.8),
    "crusted-nodule-skin-2-phone": replace(
        preset(Kind.CRUSTED), tone=2, modality="clinical", radius=0.2, texture=0.9, cast=WARM
    ),
    # The three that a quality check has to refuse.
    "plain-skin-5": replace(preset(Kind.PLAIN), tone=5),
    "too-dark-skin-4": replace(preset(Kind.NAEVUS), tone=4, exposure=0.06, noise=0.015),
    "blurred-skin-2": replace(preset(Kind.GLOBULAR_NAEVUS), tone=2, blur=6.5, noise=0.003, cast=COOL),
}


def write_examples(folder: Path, *, seed: int = 0) -> list[Path]:
    """Draws PICTURES into the folder, which is made when missing; pictures of the same name are replaced.

    Returns: the files, in the order of PICTURES: 600 x 450 JPEG, at most 80 kB each, EXIF that says "synthetic".
    Raises: OSError, when the folder cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for place, (name, scene) in enumerate(PICTURES.items()):
        path = folder / f"{name}.jpg"
        path.write_bytes(encode(draw(scene, seed=FIRST + 1000 * seed + place)))
        paths.append(path)
    return paths


def encode(rgb: NDArray[np.uint8]) -> bytes:
    """A JPEG that says it is synthetic, of quality 88 or, where that is over 80 kB, the next lower by fours."""
    for quality in range(QUALITY, 40, -4):
        data = cv2.imencode(".jpg", rgb[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])[1].tobytes()
        if len(data) + len(_exif()) <= LARGEST_BYTES:
            break
    return data[:2] + _exif() + data[2:]  # EXIF stands right after the start marker


def _exif() -> bytes:
    """An APP1 segment whose one entry is ImageDescription (0x010E, ASCII): EXIF 2.32, little-endian TIFF."""
    text = DESCRIPTION.encode("ascii") + b"\0"
    entries = struct.pack("<HHHIII", 1, 0x010E, 2, len(text), 26, 0)  # the text follows at byte 26
    body = b"Exif\0\0" + b"II*\0" + struct.pack("<I", 8) + entries + text
    return b"\xff\xe1" + struct.pack(">H", len(body) + 2) + body
