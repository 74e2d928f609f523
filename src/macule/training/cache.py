"""Decoded pictures in one memory-mapped file, so that the loader never starves the network."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from rich.progress import track

from macule.analysis import image
from macule.data.record import Record


def build(records: Sequence[Record], folder: Path, *, side: int, workers: int = 2) -> NDArray[np.uint8]:
    """Every record's picture squashed to side x side, decoded as serving decodes it.

    Returns: uint8, shape (N, side, side, 3), sRGB, memory-mapped, in the order of `records`. A file of the same
    pictures is used again.
    """
    folder.mkdir(parents=True, exist_ok=True)
    key = hashlib.sha256(json.dumps([side, *(str(r.picture) for r in records)]).encode()).hexdigest()[:16]
    path = folder / f"pictures-{side}-{key}.npy"
    if not path.exists():
        _write(records, path, side=side, workers=workers)
    cached: NDArray[np.uint8] = np.load(path, mmap_mode="r")
    return cached


def _write(records: Sequence[Record], path: Path, *, side: int, workers: int) -> None:
    partial = path.with_suffix(".partial.npy")
    pictures = np.lib.format.open_memmap(partial, mode="w+", dtype=np.uint8, shape=(len(records), side, side, 3))

    def put(index: int) -> None:
        rgb = image.decode(records[index].read()).rgb
        pictures[index] = cv2.resize(rgb, (side, side), interpolation=cv2.INTER_AREA)

    with ThreadPoolExecutor(workers) as pool:
        for _ in track(pool.map(put, range(len(records))), total=len(records), description="decoding"):
            pass
    pictures.flush()
    partial.rename(path)  # a power cut leaves a .partial, never a half-filled cache
