"""Pairs of pictures that show one photograph, as `macule data audit` writes them (pairs.csv)."""

from __future__ import annotations

import codecs
import csv
import hashlib
import io
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from macule.data.splits import components
from macule.errors import DatasetError
from macule.spreadsheet import restored

COLUMNS = ("first_dataset", "first_picture", "first_group", "second_dataset", "second_picture", "second_group")

#: The two pictures of a pair, then the lesion of each.
Ends = tuple[str, str, str, str]


@dataclass(frozen=True)
class Links:
    """component: picture (`dataset:id`) or lesion (a group) -> what it is linked to, however indirectly.

    A photograph that stands under two lesion ids makes one lesion of them, so all their pictures belong together.
    ends: the pairs that were read. path, sha256: of the file; None without one.
    """

    component: Mapping[str, str] = field(default_factory=dict)
    ends: Sequence[Ends] = ()
    sha256: str | None = None
    path: Path | None = None

    @property
    def pairs(self) -> int:
        return len(self.ends)

    def of(self, picture: str, group: str) -> str | None:
        """What a picture belongs to by the links; None if it is in none."""
        return self.component.get(group) or self.component.get(picture)

    def concerns(self, names: Collection[str]) -> int:
        """How many of the pairs name one of these pictures (`dataset:id`) or groups."""
        known = frozenset(names)
        return sum(not known.isdisjoint(ends) for ends in self.ends)


NONE = Links()


def read(path: Path | None) -> Links:
    """path: None for no links.

    Raises: DatasetError if the file is missing, is no UTF-8 or no CSV, or lacks a column or a cell.
    """
    if path is None:
        return NONE
    if not path.is_file():
        raise DatasetError(f"{path} is no file: make it with macule data audit, or correct the path.")
    content = path.read_bytes()
    ends = list(_ends(path, _decoded(path, content)))
    edges = [edge for one, other, lesion, its in ends for edge in ((one, other), (one, lesion), (other, its))]
    joined = components({name for edge in edges for name in edge}, edges)
    return Links(joined, ends, hashlib.sha256(content).hexdigest(), path)


def _decoded(path: Path, content: bytes) -> str:
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise DatasetError(f"{path} is UTF-16 text; UTF-8 is expected: save it as CSV UTF-8.")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        # The place counts from behind a mark at the beginning, which `object` lacks as well.
        line = error.object[:error.start].count(b"\n") + 1
        raise DatasetError(f"{path} line {line} is no UTF-8 text: save it as CSV UTF-8.") from error


def _ends(path: Path, text: str) -> Iterator[Ends]:
    # Strict: a quote that is never closed would swallow the pairs behind it.
    reader = csv.DictReader(io.StringIO(text, newline=""), strict=True)
    try:
        if absent := [name for name in COLUMNS if name not in (reader.fieldnames or ())]:
            raise DatasetError(f"{path} row 1 lacks the column(s) {', '.join(absent)}: make it with macule data audit.")
        for number, row in enumerate(reader, 2):
            yield _pair(path, number, row)
    except csv.Error as error:
        raise DatasetError(f"{path} line {reader.reader.line_num} is no CSV ({error}): make it with macule data audit."
                           ) from error


def _pair(path: Path, number: int, row: Mapping[str, str | None]) -> Ends:
    cells = {name: restored(row[name] or "") for name in COLUMNS}
    if empty := [name for name, cell in cells.items() if not cell]:
        raise DatasetError(f"{path} row {number}: column {empty[0]} is empty; a value is expected: "
                           "make it with macule data audit.")
    first, second = (f"{cells[f'{which}_dataset']}:{cells[f'{which}_picture']}" for which in ("first", "second"))
    return first, second, cells["first_group"], cells["second_group"]
