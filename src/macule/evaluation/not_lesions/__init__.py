"""Pictures that show no lesion, drawn by a seed: what a model of lesions should refuse to judge.

No picture from elsewhere is in the repository. The kind `photos` reads those that come with scikit-image and
scikit-learn, where they are installed.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping

import cv2
import numpy as np
from numpy.typing import NDArray

from macule.errors import UsageError
from macule.evaluation.not_lesions import frames, living, pages, patterns, photos, shapes, skin, textures, things

Rgb = NDArray[np.uint8]
Draw = Callable[[np.random.Generator], Rgb]

#: What a gate may learn from (`macule refit`). Real skin beside lesions is cut from training pictures; see training.
LEARNABLE: Mapping[str, Draw] = {
    "noise": textures.noise,
    "gradients": textures.gradient,
    "stripes": textures.stripes,
    "paper": textures.paper,
    "shapes": shapes.shapes,
    "screenshots": pages.screenshot,
    "scenes": shapes.scene,
    "leaves": shapes.leaves,
    "programs": patterns.program,
    "layers": patterns.layers,
    "strokes": patterns.strokes,
    "spectra": patterns.spectrum,
    "hides": patterns.hide,
}
#: Kinds from generators that it never learns from: the first exam, which stays as it is so that figures of different
#: gates compare. It sees the like of some of them, see `outliers.LIKE`.
HELD_OUT: Mapping[str, Draw] = {
    "text": pages.text,
    "codes": pages.code,
    "fabric": textures.fabric,
    "cells": textures.cells,
    "skin": skin.plain,
    "photos": photos.photo,
}
#: The second exam: what else a phone sends. No gate learns from these generators either.
SENT: Mapping[str, Draw] = {
    "faces": living.face,
    "pets": living.pet,
    "hair": living.hair,
    "nails": living.nails,
    "bare": living.bare,
    "tattoos": living.tattoo,
    "food": things.food,
    "walls": things.wall,
    "clothing": things.clothing,
    "documents": things.document,
    "chats": things.chat,
    "xrays": frames.xray,
    "tissue": frames.tissue,
    "black": frames.black,
    "static": frames.static,
}
KINDS: Mapping[str, Draw] = {**LEARNABLE, **HELD_OUT, **SENT}


def kinds() -> tuple[str, ...]:
    """The kinds that can be made here: `photos` needs scikit-image or scikit-learn."""
    return tuple(kind for kind in KINDS if kind != "photos" or photos.available())


def generate(kind: str, n: int, seed: int) -> list[Rgb]:
    """`n` pictures of a kind; the same kind, number and seed give the same arrays.

    Returns: uint8, each of shape (H, W, 3), sRGB, short side 256 px or more.
    Raises: UsageError for an unknown kind; MissingExtra for `photos` where no package has any.
    """
    if kind not in KINDS:
        raise UsageError(f"there is no kind {kind!r} of pictures without a lesion; use one of {', '.join(KINDS)}.")
    if n < 0 or seed < 0:
        raise UsageError(f"{n} pictures with the seed {seed}: give 0 or more of both.")
    word = zlib.crc32(kind.encode())
    return [KINDS[kind](np.random.default_rng([seed, word, place])) for place in range(n)]


def encoded(rgb: Rgb, quality: int = 92) -> bytes:
    """A JPEG file's bytes, as a camera would hand them over."""
    _, content = cv2.imencode(".jpg", cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, quality])
    return content.tobytes()
