"""Pairs of pictures that show one photograph, as `macule data audit` writes them (pairs.csv)."""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from macule.data.splits import components
from macule.errors import DatasetError

COLUMNS = ("first_dataset", "first_picture", "first_group", "second_dataset", "second_picture", "second_group")


@dataclass(frozen=True)
class Links:
    """component: picture (`dataset:id`) or lesion (a group) -> what it is linked to, however indirectly.

    A photograph that stands under two lesion ids makes one lesion of them, so all their pictures belong together.
    pairs: how many were read. sha256: of the file; None without one.
    """

    component: Mapping[str, str] = field(default_factory=dict)
    pairs: int = 0
    sha256: str | None = None

    def of(self, picture: str, group: str) -> str | None:
        """What a picture belongs to by the links; None if it is in none."""
        return self.component.get(group) or self.component.get(picture)


NONE = Links()


def read(path: Path | None) -> Links:
    """path: None for no links.

    Raises: DatasetError if the file is missing or lacks a column or a cell.
    """
    if path is None:
        return NONE
    if not path.is_file():
        raise DatasetError(f"{path} is no file: make it with macule data audit, or correct the path.")
    content = path.read_bytes()
    edges = list(_edges(path, content.decode("utf-8-sig", errors="replace")))
    joined = components({name for edge in edges for name in edge}, edges)
    # The two pictures of a pair, and each with its lesion: three edges a pair.
    return Links(joined, len(edges) // 3, hashlib.sha256(content).hexdigest())


def _edges(path: Path, text: str) -> Iterator[tuple[str, str]]:
    reader = csv.DictReader(text.splitlines())
    if absent := [name for name in COLUMNS if name not in (reader.fieldnames or ())]:
        raise DatasetError(f"{path} row 1 lacks the column(s) {', '.join(absent)}: make it with macule data audit.")
    for number, row in enumerate(reader, 2):
        if empty := [name for name in COLUMNS if not row[name]]:
            raise DatasetError(f"{path} row {number}: column {empty[0]} is empty; a value is expected: "
                               "make it with macule data audit.")
        first, second = (f"{row[f'{which}_dataset']}:{row[f'{which}_picture']}" for which in ("first", "second"))
        yield from ((first, second), (first, row["first_group"]), (second, row["second_group"]))
