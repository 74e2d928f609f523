"""A decoded picture -> what the network reads. THE one function: training evaluates with it and serving uses it.

Its settings travel in the bundle, so a network never meets pictures prepared in another way than it was tested with.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from macule.analysis import arms as arms_
from macule.analysis.arms import Frame
from macule.analysis.image import DECODED_SHORT_SIDE

#: 2 brought `arms`; settings of version 1, which have none, are still read.
VERSION = 2
RESIZES = ("squash",)
VIEW_COUNTS = (1, 2, 4, 8)
#: Arms see a picture of this short side, or of the network's size if that is more: they cost the same whatever the
#: camera, and training, which keeps small copies, sees what serving sees.
WORKING_SIDE = 256


@dataclass(frozen=True)
class Preprocessing:
    """size: pixels a side of the square input. mean, std: per channel R, G, B, of values 0 to 1.
    resize: `squash` shows the whole picture, whatever its shape, in the square.
    views: how many turned and mirrored copies are averaged: 1, 2, 4 or 8.
    arms: how the picture is cleaned beforehand, in this order (see `macule.analysis.arms`).

    Raises: ValueError if a setting is out of range or of an unknown version, or an arm is unknown.
    """

    size: int
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    resize: str = "squash"
    views: int = 1
    arms: tuple[str, ...] = ()
    version: int = VERSION

    def __post_init__(self) -> None:
        _require(self.version == VERSION, f"version is {self.version!r}; this macule knows {VERSION}")
        _require(_is_int(self.size) and 16 <= self.size <= 2048, f"size is {self.size!r}; 16 to 2048 is needed")
        _require(self.resize in RESIZES, f"resize is {self.resize!r}; one of {RESIZES} is needed")
        _require(_is_int(self.views) and self.views in VIEW_COUNTS, f"views is {self.views!r}, not in {VIEW_COUNTS}")
        _check_arms(self.arms)
        _require(_is_triple(self.mean), f"mean is {self.mean!r}; three finite numbers are needed")
        _require(_is_triple(self.std) and min(self.std) > 0, f"std is {self.std!r}; three numbers above 0 are needed")

    @classmethod
    def from_dict(cls, settings: dict[str, Any]) -> Preprocessing:
        """Raises: ValueError naming a missing, unknown or impossible setting."""
        if settings.get("version") == 1 and "arms" not in settings:
            settings = {**settings, "version": VERSION, "arms": []}
        known = {field.name for field in fields(cls)}
        if set(settings) != known:
            raise ValueError(f"preprocessing has the keys {sorted(settings)}; exactly {sorted(known)} are needed")
        given: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in settings.items()}
        return cls(**given)

    def to_dict(self) -> dict[str, Any]:
        return {**asdict(self), "mean": list(self.mean), "std": list(self.std), "arms": list(self.arms)}


def apply(rgb: NDArray[np.uint8], spec: Preprocessing) -> NDArray[np.float32]:
    """Clean, resize and normalise one picture.

    rgb: uint8, shape (H, W, 3), sRGB.
    Returns: float32, shape (3, S, S), C-contiguous.
    """
    return apply_framed(rgb, spec)[0]


def apply_framed(rgb: NDArray[np.uint8], spec: Preprocessing) -> tuple[NDArray[np.float32], Frame]:
    """As `apply`, with the part of the picture that the tensor shows."""
    cleaned, frame = _clean_framed(rgb, spec.arms, working_side(spec.size))
    std = np.asarray(spec.std, dtype=np.float32)
    scale, shift = 1 / (np.float32(255) * std), np.asarray(spec.mean, dtype=np.float32) / std
    normalised = squash(cleaned, spec.size).astype(np.float32) * scale - shift
    return np.ascontiguousarray(normalised.transpose(2, 0, 1)), frame


def prepare(rgb: NDArray[np.uint8], spec: Preprocessing) -> NDArray[np.uint8]:
    """What `apply` normalises: the picture shrunk, cleaned and squashed; uint8, shape (size, size, 3)."""
    return squash(clean(rgb, arms=spec.arms, short_side=working_side(spec.size)), spec.size)


def clean(rgb: NDArray[np.uint8], *, arms: Sequence[str], short_side: int) -> NDArray[np.uint8]:
    """The picture shrunk to `short_side`, never enlarged, and run through the arms; as it is if there are none.

    rgb: uint8, shape (H, W, 3), sRGB. short_side: `working_side` of the size at which the network will serve.
    Returns: uint8, shape (h, w, 3).
    Raises: ValueError naming an unknown arm and the known ones.
    """
    return _clean_framed(rgb, arms, short_side)[0]


def decoding_side(size: int) -> int:
    """The short side to decode at for a network of `size` px: at least twice that, so that the exact resize decides."""
    return max(DECODED_SHORT_SIDE, 2 * size)


def working_side(size: int) -> int:
    """The short side at which arms see a picture that a network of `size` px is served."""
    return max(WORKING_SIDE, size)


def _clean_framed(rgb: NDArray[np.uint8], names: Sequence[str], short_side: int) -> tuple[NDArray[np.uint8], Frame]:
    return arms_.apply_framed(_shrink(rgb, short_side), names) if names else (rgb, arms_.WHOLE)


def _shrink(rgb: NDArray[np.uint8], short_side: int) -> NDArray[np.uint8]:
    scale = short_side / min(rgb.shape[:2])
    if scale >= 1:
        return rgb
    height, width = (max(round(side * scale), 1) for side in rgb.shape[:2])
    return np.asarray(cv2.resize(rgb, (width, height), interpolation=cv2.INTER_AREA), dtype=np.uint8)


def squash(rgb: NDArray[np.uint8], size: int) -> NDArray[np.uint8]:
    """The whole picture, whatever its shape, in a square of `size` px; uint8, shape (size, size, 3)."""
    # Averaging over areas is the only one of OpenCV's filters that does not alias when it shrinks.
    method = cv2.INTER_AREA if min(rgb.shape[:2]) >= size else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(rgb, (size, size), interpolation=method), dtype=np.uint8)


def make_views(tensor: NDArray[np.float32], count: int) -> NDArray[np.float32]:
    """Turned and mirrored copies, the untouched one first: a skin lesion has no upright position.

    tensor: float32, shape (3, S, S). Returns: float32, shape (count, 3, S, S).
    """
    return np.stack([_view(tensor, number) for number in range(count)])


def unview(maps: NDArray[np.float32], number: int) -> NDArray[np.float32]:
    """Turn maps computed on view `number` back to the position of the picture. Shape (..., S, S), kept."""
    turns, mirrored = _MEMBERS[number]
    upright = np.rot90(maps, -turns, axes=(-2, -1))
    return upright[..., ::-1] if mirrored else upright


#: The dihedral group of the square as (quarter turns, mirrored first), so that 1, 2 and 4 views are subgroups too:
#: nothing; + mirror; + half turn of both; + quarter turns of all.
_MEMBERS = ((0, False), (0, True), (2, False), (2, True), (1, False), (1, True), (3, False), (3, True))


def _view(tensor: NDArray[np.float32], number: int) -> NDArray[np.float32]:
    turns, mirrored = _MEMBERS[number]
    return np.rot90(tensor[..., ::-1] if mirrored else tensor, turns, axes=(-2, -1))


def _check_arms(names: tuple[str, ...]) -> None:
    known = isinstance(names, tuple) and all(isinstance(name, str) for name in names)
    _require(known, f"arms is {names!r}; a list of names is needed")
    try:
        arms_.find(names)
    except ValueError as error:
        raise ValueError(f"preprocessing: {error}") from error


def _is_int(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_triple(values: object) -> bool:
    return (
        isinstance(values, tuple)
        and len(values) == 3
        and all(isinstance(v, int | float) and not isinstance(v, bool) and math.isfinite(v) for v in values)
    )


def _require(holds: bool, complaint: str) -> None:
    if not holds:
        raise ValueError(f"preprocessing: {complaint}")
