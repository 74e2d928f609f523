"""One kind of corruption: what it is called, what it is, who described it, and how it is painted."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, TypeAlias

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

Rgb: TypeAlias = NDArray[np.uint8]  # (H, W, 3), sRGB
#: Picture, strength 1 to 5 and chance in; a new picture of the same shape out. The given one is not written to.
Painter: TypeAlias = Callable[[Rgb, int, Generator], Rgb]

#: The side, in px, for which lengths are given: MedMNIST-C's largest pictures and what most networks read.
NOMINAL_SIDE = 224

MEDMNIST_C = "MedMNIST-C, dermamnist (Di Salvo et al. 2024)"


class Family(StrEnum):
    FILE = "file"
    NOISE = "noise"
    BLUR = "blur"
    LIGHT = "light"
    INSTRUMENT = "instrument"
    SKIN = "on the skin"


@dataclass(frozen=True)
class Kind:
    """name: stable, in reports and options. words: one line for people. source: where the kind was described."""

    name: str
    words: str
    family: Family
    source: str
    paint: Painter = field(repr=False)


def unit(rgb: Rgb) -> float:
    """How many of this picture's pixels stand for one at NOMINAL_SIDE, so that strengths do not depend on its size."""
    return float(min(rgb.shape[:2]) / NOMINAL_SIDE)


def to_bytes(values: NDArray[np.floating[Any]]) -> Rgb:
    """Grey levels 0 to 255, rounded and clipped."""
    return np.asarray(np.clip(np.rint(values), 0, 255), dtype=np.uint8)
