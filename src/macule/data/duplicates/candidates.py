"""Pairs worth looking at: pictures whose strongest local features find each other in an inverted index.

Each feature asks for its nearest features in all other pictures and gives the pictures that they belong to a vote, the
more the closer they are. The number of the index's cells grows with the square root of what it holds, so a question
costs about that root too, and the whole search grows as n^1.5 rather than n^2 (benchmarks/duplicates.py measures it).
Features are matched, not whole pictures, so crops and turned pictures are found like others; a mirrored picture's
features follow from its own by a permutation and are asked a second time.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from macule.data.duplicates.features import MIRROR, root
from macule.data.duplicates.store import Store
from macule.errors import MissingExtra

#: Features of each picture that are indexed and asked for, strongest first.
STRONGEST = 128
NEIGHBOURS = 10
#: Cells of the index that each question looks into.
PROBES = 4
#: Squared distance of two unit RootSIFT vectors below which they show one thing, however many others do too.
SURELY_SAME = 0.05
#: A candidate's least sum of votes, and how many candidates a picture may have in each of the two orientations.
LEAST_VOTES = 0.35
KEEP = 10
#: Below this, every feature is compared with every other: an index needs thousands to learn its cells from.
EXACT_BELOW = 60_000
_TRAINING = 150_000
_BLOCK = 512


@dataclass(frozen=True, order=True)
class Candidate:
    """Positions of the two pictures, first < second; mirrored: whether one is the other in a mirror."""

    first: int
    second: int
    mirrored: bool


def candidates(store: Store, *, threads: int, tick: Callable[[], None]) -> list[Candidate]:
    """All candidate pairs, sorted. `tick` is called once a picture and orientation.

    Raises: MissingExtra without faiss.
    """
    faiss = _faiss(threads)
    index, owner = _index(faiss, store)
    found: set[Candidate] = set()
    for flip in (False, True):
        for start, votes in _votes(index, owner, store, flip):
            for place, others in enumerate(votes):
                found.update(_candidate(start + place, other, flip) for other in others)
                tick()
    return sorted(found)


def _candidate(one: int, other: int, flip: bool) -> Candidate:
    return Candidate(min(one, other), max(one, other), flip)


def _faiss(threads: int) -> Any:
    try:
        import faiss
    except ModuleNotFoundError as error:
        raise MissingExtra("faiss is not installed: pip install 'macule[data]'.") from error
    faiss.omp_set_num_threads(threads)
    return faiss


def _index(faiss: Any, store: Store) -> tuple[Any, NDArray[np.int32]]:
    """The index of all strongest features, and which picture each belongs to."""
    counts = [min(len(store[place].points), STRONGEST) for place in range(len(store))]
    owner = np.repeat(np.arange(len(store), dtype=np.int32), counts)
    index = _empty(faiss, len(owner))
    if not index.is_trained:
        index.train(_sample(store, sum(counts)))
        index.nprobe = PROBES
    for start in range(0, len(store), _BLOCK):
        index.add(root(_strongest(store, start)[0]))
    return index, owner


def _empty(faiss: Any, count: int) -> Any:
    if count < EXACT_BELOW:
        return faiss.IndexFlatL2(128)
    cells = 2 ** round(math.log2(1.25 * math.sqrt(count)))
    # 32 codes of 4 bits: 16 bytes a feature in place of 512, compared in registers (Andre et al., PAMI 2021).
    return faiss.index_factory(128, f"IVF{cells},PQ32x4fs")


def _sample(store: Store, total: int) -> NDArray[np.float32]:
    """About _TRAINING features, evenly spread over the pictures."""
    step = max(1, round(total / _TRAINING))
    blocks = (_strongest(store, start)[0][::step] for start in range(0, len(store), _BLOCK))
    return root(np.concatenate(list(blocks)))


def _strongest(store: Store, start: int) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """The strongest features of a block of pictures, and how many each has."""
    rows = [store[place].descriptors[:STRONGEST] for place in range(start, min(start + _BLOCK, len(store)))]
    return np.concatenate(rows), np.array([len(row) for row in rows])


def _votes(index: Any, owner: NDArray[np.int32], store: Store, flip: bool) -> Iterator[tuple[int, list[list[int]]]]:
    """Block by block, for each picture the pictures with the most votes."""
    for start in range(0, len(store), _BLOCK):
        descriptors, counts = _strongest(store, start)
        query = root(descriptors[:, MIRROR] if flip else descriptors)
        asking = np.repeat(np.arange(len(counts)), counts)
        distance, near = index.search(query, NEIGHBOURS) if len(query) else (np.zeros((0, 1)), np.zeros((0, 1), int))
        # The furthest neighbour tells how crowded the place is: a feature that all hairs share gives no vote. Where all
        # neighbours are copies of one picture, though, being close is not being common.
        furthest = np.where(near >= 0, distance, 0).max(axis=1, keepdims=True, initial=0)
        weight = np.clip(1 - distance / np.maximum(furthest, SURELY_SAME), 0, 1)
        voted = owner[np.maximum(near, 0)]
        weight[(near < 0) | (voted == asking[:, None] + start)] = 0
        best: list[list[int]] = [[] for _ in counts]
        for one, other in _most_voted(np.broadcast_to(asking[:, None], voted.shape), voted, weight):
            if len(best[one]) < KEEP:
                best[one].append(other)
        yield start, best


def _most_voted(asking: NDArray[np.int64], voted: NDArray[np.int32],
                weight: NDArray[Any]) -> Iterator[tuple[int, int]]:
    """(who asks, who is voted for) with at least LEAST_VOTES, most votes first. All three: shape (questions, votes)."""
    counts = weight > 0
    pair = asking[counts] * 2**32 + voted[counts]
    keys, inverse = np.unique(pair, return_inverse=True)
    sums = np.bincount(inverse, weights=weight[counts], minlength=len(keys))
    for place in np.lexsort((keys, -sums)):
        if sums[place] < LEAST_VOTES:
            return
        yield divmod(int(keys[place]), 2**32)
