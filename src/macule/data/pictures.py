"""Pictures that lie in files of their own, or as members of one HDF5 or npz file.

A member is named by a path below its file: `train-image.hdf5/ISIC_0015670` (ISIC 2024) or
`dermamnist_224.npz/train/17` (DermaMNIST), so that a manifest needs one column for every layout.
"""

from __future__ import annotations

import functools
import shutil
import tempfile
import threading
import zipfile
from pathlib import Path
from typing import IO, Any

import cv2
import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from macule.errors import MissingExtra, UnreadableImage

SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".bmp"})
ARCHIVES = frozenset({".hdf5", ".h5", ".npz"})
# HDF5's library takes one caller at a time, and one thread is enough to unpack an array.
_LOCK = threading.Lock()


def read(picture: Path) -> bytes:
    """An encoded picture (JPEG, PNG, ...).

    Raises: UnreadableImage if it is not there or cannot be read.
    """
    archive = container(picture)
    try:
        return picture.read_bytes() if archive is None else _member(archive, picture.relative_to(archive).as_posix())
    except (OSError, LookupError, ValueError, zipfile.BadZipFile) as error:
        raise UnreadableImage(f"{picture} cannot be read ({error}): get the data set again.") from error


def container(picture: Path) -> Path | None:
    """The HDF5 or npz file that a picture is a member of; None for a file of its own, also below a folder of that name.

    A pulled manifest has such folders: its members were written as files.
    """
    return next((each for each in picture.parents if each.suffix.lower() in ARCHIVES and not each.is_dir()), None)


def _member(archive: Path, name: str) -> bytes:
    with _LOCK:
        if archive.suffix.lower() != ".npz":
            return _packed(hdf5(archive), name)
        part, number = name.split("/")
        pixels = array(archive, f"{part}_images")[int(number)]
    return _png(pixels)


def _packed(file: Any, name: str) -> bytes:
    """A member's bytes. h5py's own indexing takes three times as long, which 400,000 members make minutes of."""
    import h5py

    member = h5py.h5d.open(file.id, name.encode())
    if member.dtype.kind not in "Vu":  # texts have an encoding, and perhaps no fixed length
        return bytes(file[name][()])
    content = np.empty(member.shape, member.dtype)
    member.read(h5py.h5s.ALL, h5py.h5s.ALL, content)
    return content.tobytes()


def _png(rgb: NDArray[np.uint8]) -> bytes:
    done, encoded = cv2.imencode(".png", rgb[..., ::-1] if rgb.ndim == 3 else rgb)
    if not done:
        raise ValueError("it cannot be encoded")
    return encoded.tobytes()


def hdf5(path: Path) -> Any:
    """An open HDF5 file: dataset name -> encoded bytes.

    Raises: MissingExtra without h5py; OSError if it is not there or is damaged.
    """
    return _hdf5(path, path.stat().st_mtime_ns)


# The time is part of the key, so that a file that was got again is opened again.
@functools.lru_cache(maxsize=8)
def _hdf5(path: Path, _modified: int) -> Any:
    try:
        import h5py
    except ModuleNotFoundError as error:
        raise MissingExtra("h5py is not installed: pip install 'macule[data]'.") from error
    return h5py.File(path, "r")


def array(archive: Path, name: str) -> NDArray[Any]:
    """One array of an npz file, unpacked once into a nameless temporary file and mapped from there.

    DermaMNIST at 224 px takes 1.5 GB unpacked, which need not fit in memory.

    Raises: OSError, KeyError, ValueError or BadZipFile if the array is not there or is damaged.
    """
    return _array(archive, name, archive.stat().st_mtime_ns)


@functools.lru_cache(maxsize=6)
def _array(archive: Path, name: str, _modified: int) -> NDArray[Any]:
    with zipfile.ZipFile(archive) as members, members.open(f"{name}.npy") as packed, tempfile.TemporaryFile() as plain:
        shutil.copyfileobj(packed, plain, 1 << 20)
        plain.seek(0)
        shape, fortran, dtype = _npy_header(plain)
        return np.memmap(plain, dtype, "r", plain.tell(), shape, "F" if fortran else "C")


def shape(archive: Path, name: str) -> tuple[int, ...]:
    """Of one array of an npz file, without unpacking it. Raises: as `array`."""
    with zipfile.ZipFile(archive) as members, members.open(f"{name}.npy") as packed:
        return _npy_header(packed)[0]


def _npy_header(stream: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    version = npy.read_magic(stream)
    header = npy.read_array_header_1_0(stream) if version == (1, 0) else npy.read_array_header_2_0(stream)
    if header[2].hasobject:
        raise ValueError("it holds Python objects, which are not unpickled")
    return header
