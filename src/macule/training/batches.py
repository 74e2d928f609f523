"""Batches, made ahead on threads of their own while the network works."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from macule.analysis import patient as patients
from macule.analysis.batch import cores
from macule.data.record import Record
from macule.training import augment
from macule.training.labels import Allowed
from macule.training.recipe import Recipe
from macule.training.sampling import Indices

AHEAD = 3  # batches in waiting


@dataclass(frozen=True)
class TrainingSet:
    """pictures: uint8, (N, S, S, 3). records: the same N, in the same order. allowed: bool, (N, C), see labels.py."""

    pictures: NDArray[np.uint8]
    records: Sequence[Record]
    allowed: Allowed


@dataclass(frozen=True)
class Batch:
    """images: uint8, (n, size, size, 3). patient: float32, (n, 13). allowed: bool, (n, C). indices: into the set.

    mixing: how the pictures are mixed with each other, if at all.
    """

    images: Tensor
    patient: Tensor
    allowed: Tensor
    indices: Indices
    mixing: augment.Mixing | None


@dataclass(frozen=True)
class Wanted:
    """One batch to make, the whole of a step's pictures or a part that is summed with others.

    offset: how many of the step's pictures stand before it. part: this process's place and the number of processes;
    each makes its own rows.
    """

    step: int
    size: int
    indices: Indices
    offset: int = 0
    part: tuple[int, int] = (0, 1)


def make(data: TrainingSet, recipe: Recipe, wanted: Wanted) -> Batch:
    """Seeded by step and row, so that a resumed run, and one on more machines, sees what any other would have seen;
    only what is mixed with what depends on how the rows are shared out."""
    place, processes = wanted.part
    rows = range(place, len(wanted.indices), processes)
    images, about = [], []
    for row in rows:
        rng = np.random.default_rng((recipe.seed, wanted.step, wanted.offset + row))
        index = wanted.indices[row]
        images.append(augment.picture(data.pictures[index], recipe.augment, size=wanted.size, rng=rng))
        known = augment.forget(data.records[index].patient, field=recipe.patient.field_dropout,
                               everything=recipe.patient.all_dropout, rng=rng)
        about.append(patients.encode(known))
    mine = wanted.indices[place::processes]
    seed = (recipe.seed, wanted.step, wanted.offset, place, 1)
    mixing = augment.mixing(len(mine), recipe.augment, np.random.default_rng(seed))
    return Batch(torch.from_numpy(np.stack(images)), torch.from_numpy(np.stack(about)),
                 torch.from_numpy(data.allowed[mine]), mine, mixing)


def prefetched(data: TrainingSet, recipe: Recipe, wanted: Iterator[Wanted]) -> Iterator[tuple[Wanted, Batch]]:
    """The batches of `wanted`, in order; it is read at most AHEAD batches before they are taken."""
    waiting: list[tuple[Wanted, Future[Batch]]] = []
    # One thread makes about a thousand pictures a second, more than processors learn from, but not than a GPU does.
    with ThreadPoolExecutor(max(1, min(AHEAD, cores() // 4))) as pool:
        try:
            for each in wanted:
                waiting.append((each, pool.submit(make, data, recipe, each)))
                if len(waiting) > AHEAD:
                    first, batch = waiting.pop(0)
                    yield first, batch.result()
            for first, batch in waiting:
                yield first, batch.result()
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


class Normalise:
    """uint8, (n, S, S, 3) -> float32, (n, 3, S, S), as the backbone's weights expect; on the device of the images."""

    def __init__(self, mean: Sequence[float], std: Sequence[float], *, channels_last: bool = True) -> None:
        """mean, std: per channel, of values 0 to 1. channels_last: how the result lies in memory."""
        self._channels_last = channels_last
        self._scale = 1 / (255 * torch.tensor(std, dtype=torch.float32))
        self._shift = torch.tensor(mean, dtype=torch.float32) / torch.tensor(std, dtype=torch.float32)

    def __call__(self, images: Tensor) -> Tensor:
        scale, shift = self._scale.to(images.device), self._shift.to(images.device)
        # (n, H, W, 3) seen as (n, 3, H, W) is channels_last already.
        seen = (images.float() * scale - shift).permute(0, 3, 1, 2)
        return seen if self._channels_last else seen.contiguous()
