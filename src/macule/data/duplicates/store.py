"""Features of many pictures on disk, in chunks: memory stays bounded, and a stopped search goes on where it was."""

from __future__ import annotations

import bisect
import functools
import hashlib
import json
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from macule.data.duplicates import features
from macule.data.duplicates.features import Features
from macule.data.engine import Engine
from macule.errors import MaculeError

#: Pictures of a chunk, on average and at most.
CHUNK, LARGEST_CHUNK = 256, 1024
#: Part of every chunk's name; raise it when `features` changes.
VERSION = 1


@dataclass(frozen=True)
class Store:
    """Features by position, mapped from disk. starts: the first position of each chunk.

    unreadable: positions of pictures that could not be read, and why.
    """

    chunks: tuple[Path, ...]
    starts: tuple[int, ...]
    count: int
    unreadable: dict[int, str]

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, position: int) -> Features:
        number = bisect.bisect_right(self.starts, position) - 1
        chunk, place = _open(self.chunks[number]), position - self.starts[number]
        start, end = chunk.offsets[place:place + 2]
        return Features(np.array(chunk.points[start:end]), np.array(chunk.descriptors[start:end]))


@dataclass(frozen=True)
class _Chunk:
    """offsets: where each picture's rows begin, and the last one's end. failed: place -> reason."""

    offsets: list[int]
    points: NDArray[np.float32]
    descriptors: NDArray[np.uint8]
    failed: dict[int, str]


def build(pictures: Sequence[Path], folder: Path, *, engine: Engine, tick: Callable[[], None]) -> Store:
    """Read every picture that is not in `folder` yet. About 50 kB a picture."""
    folder.mkdir(parents=True, exist_ok=True)
    parts = list(_parts(pictures))
    paths = [folder / f"{_key(part)}.json" for part in parts]
    missing = [(part, path) for part, path in zip(parts, paths, strict=True) if not path.exists()]
    for part, path in zip(parts, paths, strict=True):
        if path.exists():
            for _ in part:
                tick()
    answers = engine.map(_extract, (picture for part, _ in missing for picture in part))
    for part, path in missing:
        _write(path, [_ticked(answers, tick) for _ in part])
    starts = tuple(accumulate((len(part) for part in parts[:-1]), initial=0))
    failed = {start + place: why for start, path in zip(starts, paths, strict=False)
              for place, why in _open(path).failed.items()}
    return Store(tuple(paths), starts, len(pictures), failed)


def _parts(pictures: Sequence[Path]) -> Iterator[list[Path]]:
    """Chunks that end where a picture's name says so: one picture more or less changes one chunk, not all after it."""
    part: list[Path] = []
    for picture in pictures:
        part.append(picture)
        if zlib.crc32(str(picture).encode(errors="surrogateescape")) % CHUNK == 0 or len(part) == LARGEST_CHUNK:
            yield part
            part = []
    if part:
        yield part


def _ticked(answers: Iterator[Features | str], tick: Callable[[], None]) -> Features | str:
    answer = next(answers)
    tick()
    return answer


def _extract(picture: Path) -> Features | str:
    """Features, or why there are none: one damaged file does not end a search of 400,000."""
    try:
        return features.extract(picture)
    except (MaculeError, cv2.error) as error:
        return str(error)


def _key(part: Sequence[Path]) -> str:
    """Changed files are other pictures: their size and time are part of the name."""
    digest = hashlib.sha256(f"{VERSION} {features.SHORT_SIDE} {features.KEYPOINTS} {features.CONTRAST}".encode())
    for picture in part:
        digest.update(f"{picture}\0{_stamp(picture)}\0".encode(errors="surrogateescape"))
    return digest.hexdigest()[:24]


def _stamp(picture: Path) -> str:
    for path in (picture, *picture.parents):  # a member of an archive changes with it
        try:
            found = path.stat()
        except (FileNotFoundError, NotADirectoryError):
            continue
        return f"{found.st_size} {found.st_mtime_ns}"
    return "absent"


def _write(path: Path, answers: list[Features | str]) -> None:
    found = [features.NOTHING if isinstance(answer, str) else answer for answer in answers]
    np.save(_points(path), np.concatenate([each.points for each in found]))
    np.save(_descriptors(path), np.concatenate([each.descriptors for each in found]))
    about = {
        "offsets": np.cumsum([0, *(len(each.points) for each in found)]).tolist(),
        "failed": {place: answer for place, answer in enumerate(answers) if isinstance(answer, str)},
    }
    # The last of the three: a power cut before this leaves a chunk that is read again.
    partial = path.with_suffix(".partial")
    partial.write_text(json.dumps(about), encoding="utf-8")
    partial.rename(path)


def _points(path: Path) -> Path:
    return path.with_suffix(".points.npy")


def _descriptors(path: Path) -> Path:
    return path.with_suffix(".descriptors.npy")


# Each holds two open files, of which many systems allow a process 1,024.
@functools.lru_cache(maxsize=200)
def _open(path: Path) -> _Chunk:
    about = json.loads(path.read_text(encoding="utf-8"))
    return _Chunk(about["offsets"], np.load(_points(path), mmap_mode="r"), np.load(_descriptors(path), mmap_mode="r"),
                  {int(place): reason for place, reason in about["failed"].items()})
