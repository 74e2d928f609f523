"""Decoded and prepared pictures in one memory-mapped file, so that the loader never starves the network."""

from __future__ import annotations

import errno
import hashlib
import json
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.progress import track

from macule import __version__
from macule.analysis import image, preprocess
from macule.data.record import Record
from macule.errors import OutOfSpace, UnreadableImage

#: Pixels a side: the short side of the resized copies of HAM10000 that the first bundle was trained on.
SIDE = 256


@dataclass(frozen=True)
class Form:
    """side: pixels a side of what is kept. arms: how pictures are prepared. serving_size: of the bundle, from which
    follows how large a picture the arms see."""

    side: int = SIDE
    arms: tuple[str, ...] = ()
    serving_size: int = SIDE

    @property
    def key(self) -> list[Any]:
        # A new macule may prepare otherwise.
        prepared = [preprocess.VERSION, __version__, preprocess.working_side(self.serving_size), *self.arms]
        return [self.side, preprocess.decoding_side(self.serving_size), prepared if self.arms else []]


def build(records: Sequence[Record], folder: Path, *, form: Form | None = None, workers: int = 2) -> NDArray[np.uint8]:
    """Every record's picture prepared by the arms and squashed, decoded as serving decodes it.

    Returns: uint8, shape (N, form.side, form.side, 3), sRGB, memory-mapped, in the order of `records`. A file of the
    same pictures is used again.
    Raises: UnreadableImage naming the picture; OutOfSpace.
    """
    form = form or Form()
    folder.mkdir(parents=True, exist_ok=True)
    key = hashlib.sha256(json.dumps([form.key, *map(_stamp, records)]).encode()).hexdigest()[:16]
    path = folder / f"pictures-{form.side}-{key}.npy"
    if not path.exists():
        _write(records, path, form=form, workers=workers)
    cached: NDArray[np.uint8] = np.load(path, mmap_mode="r")
    return cached


def _stamp(record: Record) -> list[str | int]:
    """A picture that was got again under its old name is another picture."""
    path = Path(str(record.picture))
    file = next((place for place in (path, *path.parents) if place.is_file()), path)  # a member of a file has no time
    about = file.stat() if file.is_file() else None
    return [str(path), about.st_size, about.st_mtime_ns] if about else [str(path)]


def _write(records: Sequence[Record], path: Path, *, form: Form, workers: int) -> None:
    partial = path.with_suffix(".partial.npy")
    pictures = _reserve(partial, (len(records), form.side, form.side, 3))

    def put(index: int) -> None:
        pictures[index] = preprocess.squash(_prepared(records[index], form), form.side)

    with ThreadPoolExecutor(workers) as pool:
        for _ in track(pool.map(put, range(len(records))), total=len(records), description="decoding"):
            pass
    pictures.flush()
    partial.rename(path)  # a power cut leaves a .partial, never a half-filled cache


def _prepared(record: Record, form: Form) -> NDArray[np.uint8]:
    rgb = decoded(record, short_side=preprocess.decoding_side(form.serving_size))
    return preprocess.clean(rgb, arms=form.arms, short_side=preprocess.working_side(form.serving_size))


def check(records: Sequence[Record], *, workers: int = 2) -> None:
    """Decode every picture once, so that one which cannot be read is told before hours of training, not after.

    Raises: UnreadableImage naming it.
    """
    with ThreadPoolExecutor(workers) as pool:
        found = pool.map(lambda record: decoded(record, short_side=SIDE).shape, records)
        for _ in track(found, total=len(records), description="checking"):
            pass


def decoded(record: Record, *, short_side: int) -> NDArray[np.uint8]:
    """uint8, shape (H, W, 3), sRGB. Raises: UnreadableImage naming the picture."""
    try:
        return image.decode(record.read(), short_side=short_side).rgb
    except UnreadableImage as error:
        raise UnreadableImage(f"{record.dataset} {record.picture_id}: {error}; get the picture again, or set the row "
                              "aside by a reason in the manifest.") from error


def _reserve(path: Path, shape: tuple[int, ...]) -> np.memmap[Any, np.dtype[np.uint8]]:
    """The file at its full size: a disk that is too small is told now, not by a crash on a page that has no place.

    Raises: OutOfSpace.
    """
    pictures: np.memmap[Any, np.dtype[np.uint8]] = np.lib.format.open_memmap(
        path, mode="w+", dtype=np.uint8, shape=shape)
    try:
        if hasattr(os, "posix_fallocate"):
            with path.open("r+b") as stream:
                os.posix_fallocate(stream.fileno(), 0, path.stat().st_size)
    except OSError as error:
        path.unlink(missing_ok=True)
        if error.errno == errno.ENOSPC:
            raise OutOfSpace(f"{path.parent} has no room for {np.prod(shape) / 1e9:.1f} GB of decoded pictures: free "
                             "some, or give another --work folder.") from error
        raise
    return pictures
