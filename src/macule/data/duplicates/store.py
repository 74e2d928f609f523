"""Features of many pictures on disk, in chunks: memory stays bounded, and a stopped search goes on where it was."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from macule.data.duplicates import features
from macule.data.duplicates.features import Features
from macule.data.engine import Engine
from macule.errors import MaculeError

CHUNK = 256
#: Part of every chunk's name; raise it when `features` changes.
VERSION = 1


@dataclass(frozen=True)
class Store:
    """Features by position. unreadable: positions of pictures that could not be read, and why."""

    chunks: tuple[Path, ...]
    count: int
    unreadable: dict[int, str]

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, position: int) -> Features:
        chunk = _open(self.chunks[position // CHUNK])
        start, end = chunk.offsets[position % CHUNK:position % CHUNK + 2]
        return Features(np.asarray(chunk.points[start:end]), np.asarray(chunk.descriptors[start:end]))


@dataclass(frozen=True)
class _Chunk:
    offsets: NDArray[np.int64]
    points: NDArray[np.float32]
    descriptors: NDArray[np.uint8]


def build(pictures: Sequence[Path], folder: Path, *, engine: Engine, tick: Callable[[], None]) -> Store:
    """Read every picture that is not in `folder` yet. About 50 kB a picture."""
    folder.mkdir(parents=True, exist_ok=True)
    parts = [pictures[start:start + CHUNK] for start in range(0, len(pictures), CHUNK)]
    paths = [folder / f"{_key(part)}.npz" for part in parts]
    missing = [(part, path) for part, path in zip(parts, paths, strict=True) if not path.exists()]
    for part, path in zip(parts, paths, strict=True):
        if path.exists():
            for _ in part:
                tick()
    answers = engine.map(_extract, (picture for part, _ in missing for picture in part))
    for part, path in missing:
        _write(path, [_ticked(answers, tick) for _ in part])
    return Store(tuple(paths), len(pictures), dict(_failures(paths)))


def _ticked(answers: Iterator[Features | str], tick: Callable[[], None]) -> Features | str:
    answer = next(answers)
    tick()
    return answer


def _extract(picture: Path) -> Features | str:
    """Features, or why there are none: one damaged file does not end a search of 400,000."""
    try:
        return features.extract(picture)
    except MaculeError as error:
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
    failed = [(place, answer) for place, answer in enumerate(answers) if isinstance(answer, str)]
    partial = path.with_suffix(".partial.npz")
    with partial.open("wb") as stream:
        np.savez(stream, offsets=np.cumsum([0, *(len(each.points) for each in found)]),
                 points=np.concatenate([each.points for each in found]),
                 descriptors=np.concatenate([each.descriptors for each in found]),
                 failed=np.array([place for place, _ in failed], np.int64),
                 reasons=np.array([reason for _, reason in failed], np.str_))
    partial.rename(path)  # a power cut leaves a .partial, never half a chunk


def _failures(paths: Sequence[Path]) -> Iterator[tuple[int, str]]:
    for number, path in enumerate(paths):
        with np.load(path) as chunk:
            for place, reason in zip(chunk["failed"], chunk["reasons"], strict=True):
                yield number * CHUNK + int(place), str(reason)


@functools.lru_cache(maxsize=32)  # about 13 MB each
def _open(path: Path) -> _Chunk:
    with np.load(path) as chunk:
        return _Chunk(chunk["offsets"], chunk["points"], chunk["descriptors"])
