"""Rows of a publisher's CSV, plain or gzipped, and what can be wrong with one."""

from __future__ import annotations

import csv
import difflib
import gzip
import io
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, ClassVar

from macule.errors import DatasetError

#: What reading a truncated or overwritten gzip file raises.
DAMAGE = (EOFError, gzip.BadGzipFile, zlib.error)


@dataclass(frozen=True, slots=True)
class Row:
    """A row of a table. file: its name. number: as a spreadsheet counts, the header being row 1; None: no table.

    columns: name -> place in `values`; one mapping serves a whole table.
    """

    file: str
    number: int | None
    values: Sequence[str]
    columns: Mapping[str, int]
    EMPTY: ClassVar[Row]

    @classmethod
    def of(cls, file: str, number: int | None, cells: Mapping[str, str]) -> Row:
        return cls(file, number, tuple(cells.values()), {name: place for place, name in enumerate(cells)})

    def __getitem__(self, column: str) -> str:
        return self.values[self.columns[column]]

    def get(self, column: str) -> str:
        """The cell without blanks around it; empty where the table has no such column."""
        place = self.columns.get(column)
        return "" if place is None else self.values[place].strip()


#: Stands for a row that an optional table does not have.
Row.EMPTY = Row("", None, (), {})


class Slim:
    """Cuts rows down to a few columns; equal cells of different rows are kept once."""

    def __init__(self, names: Sequence[str]) -> None:
        self._columns = {name: place for place, name in enumerate(names)}
        self._shared: dict[tuple[str, ...], tuple[str, ...]] = {}

    def __call__(self, row: Row) -> Row:
        values = tuple(row.get(name) for name in self._columns)
        return Row(row.file, row.number, self._shared.setdefault(values, values), self._columns)


def either(path: Path) -> Path | None:
    """`path`, or the same with .gz, or either spelt with other capitals; None if none is there."""
    for each in (path, path.with_name(path.name + ".gz")):
        if each.is_file():
            return each
    if not path.parent.is_dir():
        return None
    wanted = {path.name.casefold(), path.name.casefold() + ".gz"}
    return next((each for each in sorted(path.parent.iterdir()) if each.name.casefold() in wanted), None)


@contextmanager
def open_text(path: Path) -> Iterator[io.TextIOWrapper]:
    """A table as text; bytes that are not UTF-8 come as surrogates, so that only their rows are lost.

    Raises: DatasetError if it is UTF-16 or a damaged gzip.
    """
    with _binary(path) as stream:
        try:
            start: bytes = stream.peek(256)[:256]  # type: ignore[attr-defined]
        except DAMAGE as error:
            raise DatasetError(f"{path} is damaged ({error}): get the file again.") from error
        if start.startswith((b"\xff\xfe", b"\xfe\xff")) or b"\x00" in start:
            raise DatasetError(f"{path} row 1 is not UTF-8 (it looks like UTF-16): save the table as UTF-8 CSV.")
        yield io.TextIOWrapper(stream, encoding="utf-8-sig", errors="surrogateescape", newline="")


def header(path: Path, reader: Iterator[list[str]]) -> list[str]:
    """The first row. Raises: DatasetError if there is none."""
    try:
        return [name.strip() for name in next(reader, [])]
    except (csv.Error, *DAMAGE) as error:
        raise DatasetError(f"{path} row 1 is damaged ({error}): get the file again.") from error


def places(path: Path, names: Sequence[str], needed: set[str], *, row: int = 1) -> dict[str, int]:
    """Column name -> place.

    Raises: DatasetError naming each needed column that is absent, with its likely new name, or that stands twice.
    """
    if twice := sorted(name for name in needed if names.count(name) > 1):
        raise DatasetError(f"{path} row {row} has the column(s) {', '.join(twice)} twice: keep one of each.")
    if absent := sorted(needed - set(names)):
        shown = [_printable(name) for name in names]
        likely = [f"{name} (renamed to {close[0]}?)" if (close := difflib.get_close_matches(name, shown, 1, 0.5))
                  else name for name in absent]
        cells = " (its cells are parted by something else than was expected)" if len(shown) == 1 else ""
        raise DatasetError(f"{path} row {row} lacks the column(s) {', '.join(likely)}; "
                           f"it has {', '.join(shown) or 'none'}{cells}.")
    return {name: place for place, name in enumerate(names)}


def problem(names: Sequence[str], values: Sequence[str], path: Path) -> str | None:
    """Why a row cannot be used: torn, or not UTF-8; None if it can."""
    if len(values) > len(names):
        return f"the row has {len(values)} cells, more than the header's {len(names)}: get the file again."
    if len(values) < len(names):
        return f"the row ends before the column {names[len(values)]}: get the file again."
    if "".join(values).isascii():
        return None
    for name, value in zip(names, values, strict=True):
        try:
            value.encode()
        except UnicodeEncodeError as error:
            byte = ord(value[error.start]) & 0xFF
            return f"column {name} holds the byte 0x{byte:02x}, which is not UTF-8: save {path.name} as UTF-8."
    return None


def _binary(path: Path) -> BinaryIO:
    return gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb")  # type: ignore[return-value]


def _printable(name: str) -> str:
    return name.encode("utf-8", "backslashreplace").decode()
