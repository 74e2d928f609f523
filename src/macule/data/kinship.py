"""Which pictures belong together: one photograph, one lesion, one patient, by whatever the tables, bytes and links say.

Splits keep kin on one side; the leak guard looks for kin on two. Both read the same columns, so they cannot disagree.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum, StrEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from macule.data import projection, splits
from macule.data.links import NONE, Links
from macule.data.record import Record

#: Ids that the ISIC archive gives out once for all of its data sets: MILK10k and ISIC 2018 share lesions IL_..., ISIC
#: 2019 repeats those of HAM10000, BCN20000 and MSK, ISIC 2020 and 2024 share patients IP_... .
ARCHIVE_PICTURE = re.compile(r"(ISIC_\d{7})(_downsampled)?")
ARCHIVE_LESION = re.compile(r"(HAM|BCN|MSK\d|IL)_\d{7}")
ARCHIVE_PATIENT = re.compile(r"IP_\d{7}")

#: Sets of one's own: two of them may both hold a picture `1`, so that only its bytes tell whether it is the same.
OWN = frozenset({"folder", "csv"})

#: What `of_table` reads.
COLUMNS = ("dataset", "picture_id", "sha256", "labels", "lesion_id", "patient_id", "group")


class Kind(StrEnum):
    """How two pictures belong together, the surest first."""

    PICTURE = "same picture"
    LINK = "near duplicate"
    LESION = "same lesion"
    PATIENT = "same patient"


class Key(Enum):
    """A column of values that kin share, and what sharing one means."""

    SHA256 = ("sha256", Kind.PICTURE)
    ARCHIVE_ID = ("archive id", Kind.PICTURE)
    LINKED = ("linked", Kind.LINK)
    # The publisher's list of duplicates: a group that is no lesion.
    DUPLICATE = ("duplicate group", Kind.LINK)
    LESION = ("lesion", Kind.LESION)
    GROUP = ("group", Kind.LESION)
    PATIENT = ("patient", Kind.PATIENT)

    @property
    def kind(self) -> Kind:
        return self.value[1]


@dataclass(frozen=True)
class Kin:
    """N pictures as columns. names: `dataset:id`. labels: their classes as one word (`mel`; see projection.name).

    keys: column -> N values, None where nothing is known.
    """

    names: Sequence[str]
    labels: Sequence[str]
    keys: Mapping[Key, Sequence[str | None]]

    def __len__(self) -> int:
        return len(self.names)

    def take(self, places: Sequence[int]) -> Kin:
        """Some of the pictures, by position."""
        return Kin([self.names[i] for i in places], [self.labels[i] for i in places],
                   {key: [values[i] for i in places] for key, values in self.keys.items()})

    def components(self, kinds: Collection[Kind] = frozenset(Kind)) -> NDArray[np.int64]:
        """Each picture's component by sharing of these kinds. Returns: int64, shape (N,): its first picture."""
        return splits.connect([codes(self.keys[key]) for key in self.keys if key.kind in kinds], len(self))


@dataclass(frozen=True)
class About:
    """One picture's publisher's ids."""

    dataset: str
    picture_id: str
    group: str
    lesion_id: str | None = None
    patient_id: str | None = None
    sha256: str | None = None
    labels: str = "unknown"


def of(rows: Iterable[About], links: Links = NONE, *, archive: bool = True) -> Kin:
    """Pictures as columns. archive: whether an id of the ISIC archive means the same in every data set."""
    names: list[str] = []
    labels: list[str] = []
    keys: dict[Key, list[str | None]] = {key: [] for key in Key}
    for row in rows:
        name = f"{row.dataset}:{row.picture_id}"
        names.append(name)
        labels.append(row.labels)
        for key, value in _keys(row, links.of(name, row.group), archive).items():
            keys[key].append(value)
    return Kin(names, labels, keys)


def _keys(row: About, linked: str | None, archive: bool) -> dict[Key, str | None]:
    prefix = f"{row.dataset}:"
    archived = ARCHIVE_PICTURE.fullmatch(row.picture_id) if archive else None

    def shared(name: str | None, known: re.Pattern[str]) -> str | None:
        # Any other id only counts within its data set.
        return name if name is None or (archive and known.fullmatch(name)) else prefix + name

    alone = row.group == prefix + row.picture_id
    nameless = alone and row.dataset in OWN and row.sha256 is not None
    return {
        Key.SHA256: row.sha256,
        Key.ARCHIVE_ID: archived[1] if archived else None,
        Key.LINKED: linked,
        Key.DUPLICATE: None if alone or row.lesion_id is not None else row.group,
        Key.LESION: shared(row.lesion_id, ARCHIVE_LESION),
        Key.GROUP: None if nameless else shared(row.group.removeprefix(prefix), ARCHIVE_LESION),
        Key.PATIENT: shared(row.patient_id, ARCHIVE_PATIENT),
    }


def of_records(records: Iterable[Record], links: Links = NONE, *, sha256: Mapping[str, str] | None = None,
               archive: bool = True) -> Kin:
    """sha256: `dataset:id` -> hash of the picture's bytes, where it is known."""
    hashes = sha256 or {}
    return of((About(r.dataset, r.picture_id, r.group, r.lesion_id, r.patient_id,
                     hashes.get(f"{r.dataset}:{r.picture_id}"), projection.name(r.labels)) for r in records), links,
              archive=archive)


def of_table(table: Any, links: Links = NONE) -> Kin:
    """table: pyarrow.Table with at least COLUMNS."""
    columns = (table.column(name).to_pylist() for name in COLUMNS)
    return of((About(dataset, picture, group, lesion, patient, sha256, projection.name(labels or ()))
               for dataset, picture, sha256, labels, lesion, patient, group in zip(*columns, strict=True)), links)


def codes(values: Sequence[str | None]) -> NDArray[np.int64]:
    """Equal values as equal numbers from 0 on; -1 for None. Returns: int64, shape (N,)."""
    numbers: dict[str, int] = {}
    found = (-1 if value is None else numbers.setdefault(value, len(numbers)) for value in values)
    return np.fromiter(found, np.int64, len(values))


def join(parts: Sequence[Kin]) -> Kin:
    """Several as one, in their order."""
    return Kin([name for part in parts for name in part.names], [label for part in parts for label in part.labels],
               {key: [value for part in parts for value in part.keys[key]] for key in Key})
