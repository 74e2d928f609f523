"""From pictures to pairs: equal files, then equal photographs."""

from __future__ import annotations

import functools
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from macule.analysis.batch import cores
from macule.data.duplicates import candidates, confirm, features, store
from macule.data.duplicates.confirm import Agreement
from macule.data.duplicates.features import Features
from macule.data.engine import Engine

#: Told what is done and how often `tick` will come; gives `tick`.
Progress = Callable[[str, int], Callable[[], None]]


@dataclass(frozen=True)
class Pair:
    """Positions of two pictures that show one photograph or one lesion, first < second.

    agreement: None for files that are equal byte by byte.
    """

    first: int
    second: int
    agreement: Agreement | None

    @property
    def kind(self) -> str:
        return "exact" if self.agreement is None else "near"


def exact(digests: Sequence[str | None]) -> list[Pair]:
    """Pairs of equal files. Of many equal files each is paired with the first, so that the list stays short."""
    first: dict[str, int] = {}
    return [Pair(start, place, None) for place, digest in enumerate(digests)
            if digest is not None and (start := first.setdefault(digest, place)) != place]


@dataclass(frozen=True)
class Found:
    """pairs: near duplicates, sorted. candidates: how many pairs were compared. unreadable: position -> reason."""

    pairs: list[Pair]
    candidates: int
    unreadable: Mapping[int, str]


def search(pictures: Sequence[Path], work: Path, *, engine: Engine, threads: int | None = None,
           progress: Progress = lambda _title, _count: lambda: None) -> Found:
    """All near duplicates among the pictures. `work` keeps features, so that a stopped search goes on.

    Raises: MissingExtra without faiss.
    """
    kept = store.build(pictures, work, engine=engine, tick=progress("reading pictures", len(pictures)))
    ask = progress("looking for candidates", 2 * len(pictures))
    proposed = candidates.candidates(kept, threads=threads or cores(), tick=ask)
    tick = progress("comparing candidates", len(proposed))
    tasks = (Task(pictures[one.first], pictures[one.second], kept[one.first], kept[one.second], one.mirrored)
             for one in proposed)
    pairs = []
    for one, agreement in zip(proposed, engine.map(compare, tasks), strict=True):
        if agreement is not None:
            pairs.append(Pair(one.first, one.second, agreement))
        tick()
    return Found(_best(pairs), len(proposed), kept.unreadable)


@dataclass(frozen=True)
class Task:
    """One candidate pair, with all that comparing it needs."""

    first: Path
    second: Path
    here: Features
    there: Features
    flip: bool


def compare(task: Task) -> Agreement | None:
    """The agreement of one candidate pair; None if it is not one photograph."""
    here = features.mirrored(task.here) if task.flip else task.here
    if (transform := confirm.fit(here, task.there)) is None:
        return None
    found = confirm.agreement(_grey(task.first), _grey(task.second), transform, flip=task.flip)
    return found if confirm.accepted(found) else None


@functools.lru_cache(maxsize=256)
def _grey(picture: Path) -> NDArray[np.uint8]:
    return features.grey(picture)


def _best(pairs: Sequence[Pair]) -> list[Pair]:
    """A symmetric lesion may match its mirror image too; the better reading stays."""
    by_place: dict[tuple[int, int], list[Pair]] = defaultdict(list)
    for pair in pairs:
        by_place[pair.first, pair.second].append(pair)
    return [max(same, key=_inliers) for _, same in sorted(by_place.items())]


def _inliers(pair: Pair) -> int:
    return pair.agreement.inliers if pair.agreement else 0
