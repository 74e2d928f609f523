"""Lesion-disjoint splits over several data sets at once.

Lesions that stand in two sets under different ids (see macule.data.duplicates) are merged first, so a split can never
part them; a component that touches an outside exam is kept out of training altogether.
"""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from macule.data.record import Record


def components(groups: Iterable[str], links: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Each group's component: the alphabetically first group that it is linked to, however indirectly."""
    parent = {group: group for group in groups}

    def root(group: str) -> str:
        while parent[group] != group:
            parent[group] = parent[parent[group]]
            group = parent[group]
        return group

    for one, other in links:
        if one in parent and other in parent:
            low, high = sorted((root(one), root(other)))
            parent[high] = low
    return {group: root(group) for group in parent}


def connect(columns: Sequence[NDArray[np.int64]], rows: int) -> NDArray[np.int64]:
    """Each row's component, where rows that share a value in any column belong together, however indirectly.

    columns: int64, shape (rows,); -1 where nothing is known. Returns: int64, shape (rows,): the component's first row.
    The lowest row's number spreads and chains are cut short in each round (Shiloach & Vishkin 1982): 400,000 rows take
    a few rounds, where a union-find in Python would walk each of them.
    """
    root = np.arange(rows)
    known = [(np.flatnonzero(column >= 0), column[column >= 0]) for column in columns]
    while True:
        before = root.copy()
        for places, values in known:
            lowest = np.full(values.max(initial=-1) + 1, rows)
            np.minimum.at(lowest, values, root[places])
            np.minimum.at(root, root[places], lowest[values])
            while not np.array_equal(above := root[root], root):
                root = above
        if np.array_equal(root, before):
            return root


def split(records: Sequence[Record], component: Mapping[str, str], *, shares: Mapping[str, float],
          seed: int) -> dict[str, list[Record]]:
    """Records by part, whole components at a time, stratified by diagnosis and data sets.

    shares: part -> share of the components; they sum to 1. The first part takes what rounding leaves.
    """
    members: dict[str, list[Record]] = defaultdict(list)
    for record in records:
        members[component[record.group]].append(record)
    strata: dict[tuple[str, ...], list[str]] = defaultdict(list)
    for name in sorted(members):
        strata[_stratum(members[name])].append(name)
    parts: dict[str, list[Record]] = {part: [] for part in shares}
    for stratum in sorted(strata):
        rng = random.Random(f"{seed}{stratum}")  # noqa: S311 (a split is no secret)  # nosec B311
        for part, names in _deal(strata[stratum], shares, rng).items():
            parts[part] += [record for name in names for record in members[name]]
    return parts


def _stratum(records: Sequence[Record]) -> tuple[str, ...]:
    (label, _), *_ = Counter(record.diagnosis for record in records).most_common(1)
    return (label.value, *sorted({record.dataset for record in records}))


def _deal(names: list[str], shares: Mapping[str, float], rng: random.Random) -> dict[str, list[str]]:
    rng.shuffle(names)
    first, *others = shares
    dealt, start = {}, 0
    for part in others:
        # A random rounding keeps small strata from always falling to the first part.
        count = int(len(names) * shares[part] + rng.random())
        dealt[part] = names[start:start + count]
        start += count
    dealt[first] = names[start:]
    return dealt
