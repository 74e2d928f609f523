"""Dealing components into parts so that each part gets its share of every stratum.

After Sechidis, Tsoumakas & Vlahavas (2011), On the stratification of multi-label data: the rarest stratum is dealt
first, since the common ones can still make good what it upsets.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray


def deal(components: NDArray[np.int64], strata: NDArray[np.int64], shares: Mapping[str, float], *,
         seed: int) -> NDArray[np.int64]:
    """The part of each row; rows of one component get one part.

    components, strata: int64, shape (N,): what must stay together, and what should be spread (diagnosis and data set).
    A component of several strata is dealt with its rarest, and counts towards all.
    shares: part -> share of the rows; they sum to 1. Returns: int64, shape (N,): positions in `shares`.
    """
    _, rows = np.unique(components, return_inverse=True)
    holdings = _Holdings(rows, strata)
    table = _Table(np.bincount(strata), list(shares.values()))
    rng = random.Random(seed)  # noqa: S311 (a split is no secret)  # nosec B311
    homes = [-1] * holdings.count
    for stratum in holdings.rarest_first():
        todo = [each for each in holdings.holders(stratum) if homes[each] < 0]
        rng.shuffle(todo)
        # The largest first, while there is room for them everywhere.
        todo.sort(key=holdings.size, reverse=True)
        for done, component in enumerate(todo):
            cells = holdings.of(component)
            home = table.choose(stratum, cells, left=len(todo) - done)
            table.add(home, cells)
            homes[component] = home
    return np.array(homes, np.int64)[rows]


class _Holdings:
    """Which component holds how many rows of which stratum: a sparse matrix, by component and by stratum."""

    def __init__(self, rows: NDArray[np.int64], strata: NDArray[np.int64]) -> None:
        self.count = int(rows.max(initial=-1)) + 1
        width = int(strata.max(initial=-1)) + 1
        cells, counts = np.unique(rows * width + strata, return_counts=True)
        self._component, self._stratum = cells // width, cells % width
        self._starts = np.searchsorted(self._component, np.arange(self.count + 1)).tolist()
        self._cells = list(zip(self._stratum.tolist(), counts.tolist(), strict=True))
        self._sizes = np.bincount(rows, minlength=self.count).tolist()

    def rarest_first(self) -> list[int]:
        """Strata by the number of components that hold them."""
        return [int(each) for each in np.argsort(np.bincount(self._stratum), kind="stable")]

    def holders(self, stratum: int) -> list[int]:
        return [int(each) for each in self._component[self._stratum == stratum]]

    def of(self, component: int) -> list[tuple[int, int]]:
        """(stratum, rows) of a component."""
        return self._cells[self._starts[component]:self._starts[component + 1]]

    def size(self, component: int) -> int:
        return int(self._sizes[component])


class _Table:
    """How many rows of each stratum each part has, and should have."""

    def __init__(self, totals: NDArray[np.int64], shares: Sequence[float]) -> None:
        self._wanted = [[float(total) * share for share in shares] for total in totals]
        self._have = [[0.0] * len(shares) for _ in totals]
        self._all = [0.0] * len(shares)
        self._shares = shares
        self._parts = range(len(shares))

    def choose(self, stratum: int, cells: Sequence[tuple[int, int]], *, left: int) -> int:
        """The part that a component would leave the emptiest, its own half counted (Sainte-Laguë).

        cells: (stratum, rows) of the component. A rare stratum fills in larger steps, so that it decides; the others
        are heard. left: components still to be dealt with `stratum`. When only as many are left as parts have none of
        it, those come first, so that a small class stands in every part if it can.
        """
        choices: Sequence[int] = self._parts
        if left <= len(self._parts):
            empty = [part for part in self._parts if not self._have[stratum][part]]
            choices = empty if left <= len(empty) else self._parts
        return min(choices, key=lambda part: (self._filled(part, cells), self._all[part] / self._shares[part]))

    def _filled(self, part: int, cells: Sequence[tuple[int, int]]) -> float:
        return sum((self._have[each][part] + rows / 2) / self._wanted[each][part] for each, rows in cells)

    def add(self, part: int, cells: Sequence[tuple[int, int]]) -> None:
        for stratum, rows in cells:
            self._have[stratum][part] += rows
            self._all[part] += rows
