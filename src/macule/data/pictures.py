"""Pictures that lie in files of their own, or as members of one HDF5 or npz file.

A member is named by a path below its file: `train-image.hdf5/ISIC_0015670` (ISIC 2024) or
`dermamnist_224.npz/train/17` (DermaMNIST), so that a manifest needs one column for every layout.
"""

from __future__ import annotations

import functools
import threading
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from macule.errors import MissingExtra, UnreadableImage

SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".bmp"})
ARCHIVES = frozenset({".hdf5", ".h5", ".npz"})
# HDF5's library takes one caller at a time.
_LOCK = threading.Lock()


def read(picture: Path) -> bytes:
    """An encoded picture (JPEG, PNG, ...).

    Raises: UnreadableImage if it is not there or cannot be read.
    """
    archive = container(picture)
    try:
        return picture.read_bytes() if archive is None else _member(archive, picture.relative_to(archive).as_posix())
    except (OSError, KeyError, IndexError, ValueError) as error:
        raise UnreadableImage(f"{picture} cannot be read ({error}): get the data set again.") from error


def container(picture: Path) -> Path | None:
    """The HDF5 or npz file that a picture is a member of; None for a file of its own."""
    return next((parent for parent in picture.parents if parent.suffix.lower() in ARCHIVES), None)


def _member(archive: Path, name: str) -> bytes:
    if archive.suffix.lower() == ".npz":
        part, number = name.split("/")
        pixels = npz(archive)[f"{part}_images"][int(number)]
        return _png(pixels)
    with _LOCK:
        return bytes(hdf5(archive)[name][()])


def _png(rgb: NDArray[np.uint8]) -> bytes:
    done, encoded = cv2.imencode(".png", rgb[..., ::-1] if rgb.ndim == 3 else rgb)
    if not done:
        raise ValueError("it cannot be encoded")
    return encoded.tobytes()


@functools.lru_cache(maxsize=8)
def hdf5(path: Path) -> Any:
    """An open HDF5 file: dataset name -> encoded bytes.

    Raises: MissingExtra without h5py.
    """
    try:
        import h5py
    except ModuleNotFoundError as error:
        raise MissingExtra("h5py is not installed: pip install 'macule[data]'.") from error
    return h5py.File(path, "r")


@functools.lru_cache(maxsize=2)
def npz(path: Path) -> dict[str, NDArray[Any]]:
    """All arrays of an npz file, decompressed once."""
    with np.load(path) as archive:
        return {name: archive[name] for name in archive.files}
