"""What every reader works with: a table's rows, a folder's pictures, and what to do with a row that is wrong."""

from __future__ import annotations

import csv
import difflib
import gzip
import io
import os
import zlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, ClassVar

from macule.data import pictures
from macule.errors import DatasetError, MaculeError

#: Endings of names that are outlines and the like, not pictures of lesions.
DERIVED = ("_superpixels", "_segmentation", "_lesion", "_mask")


@dataclass(frozen=True)
class Row:
    """A row of a table. file: its name. number: as a spreadsheet counts, the header being row 1."""

    file: str
    number: int
    cells: dict[str, str]
    EMPTY: ClassVar[Row]

    def __getitem__(self, column: str) -> str:
        return self.cells[column]

    def get(self, column: str) -> str:
        """The cell without blanks around it; empty where the table has no such column."""
        return self.cells.get(column, "").strip()

    @property
    def where(self) -> str:
        return f"{self.file} row {self.number}"


#: Stands for a row that an optional table does not have.
Row.EMPTY = Row("", 0, {})


@dataclass(frozen=True)
class Reject:
    """A row, or a picture that no row lists (row None), that was left out. reason: the whole sentence."""

    dataset: str
    file: str
    row: int | None
    picture_id: str
    reason: str


@dataclass
class Reading:
    """One reading of a data set's folder.

    root: the folder that the set was unzipped in; a file for a set that is one (npz, CSV).
    part: train, val, test or all, of those that the publisher made.
    keep_going: whether a bad row is set aside in `rejects`; else it ends the reading.
    tables_allowed: whether records without a picture are made where not one picture of the set is here.
    options: what only one reader understands (the column mapping of a CSV).
    """

    dataset: str
    root: Path
    part: str = "all"
    keep_going: bool = False
    tables_allowed: bool = False
    options: dict[str, str] = field(default_factory=dict)
    rejects: list[Reject] = field(default_factory=list)
    galleries: list[Gallery] = field(default_factory=list)
    _seen: dict[str, tuple[str, int]] = field(default_factory=dict)

    @contextmanager
    def record(self, row: Row, picture_id: str) -> Iterator[None]:
        """Where a row becomes a record: an error in here names the row and loses only it. An id may come once.

        Raises: DatasetError unless keep_going.
        """
        with self.at(row, picture_id):
            if not picture_id:
                raise DatasetError("the picture's id is empty.")
            if picture_id in self._seen:
                file, number = self._seen[picture_id]
                raise DatasetError(f"the picture {picture_id} already stands in {file} row {number}: keep one row.")
            self._seen[picture_id] = (row.file, row.number)
            yield

    @contextmanager
    def at(self, row: Row, picture_id: str = "") -> Iterator[None]:
        """Where one row is looked at: an error in here names the row, and loses only that row.

        Raises: DatasetError unless keep_going.
        """
        try:
            yield
        except MaculeError as error:
            self.refuse(row.file, row.number, picture_id, str(error), error)

    def refuse(self, file: str, row: int | None, picture_id: str, reason: str, cause: Exception | None = None) -> None:
        """Raises: DatasetError unless keep_going."""
        where = f"{file} row {row}" if row is not None else file
        sentence = f"{where}: {reason}"
        if not self.keep_going:
            raise DatasetError(sentence) from cause
        self.rejects.append(Reject(self.dataset, file, row, picture_id, reason))

    def table(self, path: Path, needed: set[str]) -> Iterator[Row]:
        """The rows of a CSV, plain or gzipped (`path` or `path`.gz). A torn or undecodable row is refused.

        Raises: DatasetError if the table is absent or lacks a column.
        """
        path = self.there(path)
        with _binary(path) as stream:
            text = io.TextIOWrapper(stream, encoding="utf-8-sig", errors="surrogateescape", newline="")
            reader = csv.DictReader(text, restval=None)
            _check_header(path, _header(path, reader), needed)
            for number, cells in enumerate(_rows(path, reader), 2):
                row = Row(path.name, number, {k: v or "" for k, v in cells.items() if isinstance(v, str | None) and k})
                with self.at(row):
                    _check_cells(cells, path)
                    yield row

    def lookup(self, path: Path, key: str, needed: set[str], *, required: bool = False) -> dict[str, Row]:
        """A table's rows by their key column; empty if the table is not there and not required.

        Raises: DatasetError also if a key comes twice, unless keep_going.
        """
        if not required and _either(path) is None:
            return {}
        found: dict[str, Row] = {}
        for row in self.table(path, {key, *needed}):
            with self.at(row, row.get(key)):
                if first := found.get(row.get(key)):
                    raise DatasetError(f"{key} {row.get(key)!r} already stands in row {first.number}: keep one row.")
                found[row.get(key)] = row
        return found

    def subsets(self, parts: Mapping[str, str], table: str) -> list[tuple[str, str]]:
        """(our word, the publisher's) of the parts that are wanted; for `all`, of those whose table is there.

        table: path of a part's table below the root, with {} or {0} for the publisher's word.

        Raises: DatasetError if none is there.
        """
        if self.part != "all":
            return [(self.part, parts[self.part])]
        found = [(ours, theirs) for ours, theirs in parts.items() if _either(self.root / table.format(theirs))]
        if not found:
            expected = self.root / table.format(next(iter(parts.values())))
            raise DatasetError(f"{expected} is missing, and so is every other part of {self.dataset}: "
                               f"unzip it there unchanged, or correct the folder ({self.root}).")
        return found

    def there(self, path: Path) -> Path:
        """`path`, or the same with .gz if that is what is there.

        Raises: DatasetError
        """
        if found := _either(path):
            return found
        raise DatasetError(
            f"{path} is missing: unzip {self.dataset} there unchanged, or correct the folder ({self.root})."
        )

    def gallery(self, folders: Iterable[Path], *, skip: tuple[str, ...] = DERIVED) -> Gallery:
        """The pictures directly in these folders, by their name without ending.

        skip: endings of names that are no pictures of lesions (masks, superpixels).
        """
        gallery = Gallery(self)
        for folder in folders:
            gallery.add(folder, skip)
        self.galleries.append(gallery)
        return gallery

    def nested_gallery(self, folder: Path) -> Gallery:
        """The pictures one folder deeper: one folder a lesion or patient."""
        return self.gallery(sorted(path for path in folder.iterdir() if path.is_dir()) if folder.is_dir() else [])

    def masks(self, folders: Iterable[Path], ending: str) -> dict[str, Path]:
        """Lesion outlines by the id of their picture: the name before `ending`."""
        return {path.stem.removesuffix(ending): path for folder in folders if folder.is_dir()
                for path in sorted(folder.iterdir()) if path.stem.endswith(ending) and path.suffix in pictures.SUFFIXES}

    def finish(self) -> None:
        """Refuse every picture that no row listed."""
        for gallery in self.galleries:
            for name, path in gallery.unlisted():
                self.refuse(path.parent.name + "/" + path.name, None, name,
                            "this picture is in no row of the tables: remove it, or get the tables again.")


class Gallery:
    """Pictures of one folder layout; remembers which were asked for."""

    def __init__(self, reading: Reading) -> None:
        self._reading = reading
        self._paths: dict[str, Path] = {}
        self._asked: set[str] = set()

    def __len__(self) -> int:
        return len(self._paths)

    def add(self, folder: Path, skip: tuple[str, ...]) -> None:
        if not folder.is_dir():
            return
        for name in sorted(os.listdir(folder)):
            stem, suffix = os.path.splitext(name)  # noqa: PTH122 (400,000 Path objects take seconds)
            if suffix.lower() not in pictures.SUFFIXES or stem.lower().endswith(skip) or name.startswith("."):
                continue
            if stem in self._paths:
                self._reading.refuse(f"{folder.name}/{name}", None, stem,
                                     f"the same picture id also stands at {self._paths[stem]}: keep one.")
            else:
                self._paths[stem] = folder / name

    def find(self, name: str) -> Path | None:
        """The picture of an id; None if no picture of the whole set is here and tables alone are allowed.

        Raises: DatasetError if it is listed but absent.
        """
        if name in self._paths:
            self._asked.add(name)
            return self._paths[name]
        if not self._paths and self._reading.tables_allowed:
            return None
        raise DatasetError(f"the picture {name} is listed but is not under {self._reading.root}: "
                           "get the data set's pictures again, whole.")

    def claim(self, name: str) -> None:
        """This picture belongs to a row that is not wanted now (another part)."""
        self._asked.add(name)

    def unlisted(self) -> Iterator[tuple[str, Path]]:
        return ((name, path) for name, path in self._paths.items() if name not in self._asked)


def _either(path: Path) -> Path | None:
    """`path`, or the same with .gz, whichever is there."""
    return next((each for each in (path, path.with_name(path.name + ".gz")) if each.is_file()), None)


def _binary(path: Path) -> BinaryIO:
    return gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb")  # type: ignore[return-value]


def _rows(path: Path, reader: csv.DictReader[str]) -> Iterator[dict[str, str | None]]:
    try:
        yield from reader  # type: ignore[misc]
    except (csv.Error, EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise DatasetError(f"{path} breaks off or is damaged ({error}): get the file again.") from error


def _header(path: Path, reader: csv.DictReader[str]) -> list[str]:
    try:
        return list(reader.fieldnames or ())
    except (csv.Error, EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise DatasetError(f"{path} is damaged ({error}): get the file again.") from error


def _check_header(path: Path, names: list[str], needed: set[str]) -> None:
    absent = sorted(needed - set(names))
    if not absent:
        return
    if any("\x00" in name for name in names):
        raise DatasetError(f"{path} is not UTF-8 (it looks like UTF-16): save it as UTF-8 CSV.")
    likely = [f"{name} (renamed to {close[0]}?)" if (close := difflib.get_close_matches(name, names, 1, 0.5)) else name
              for name in absent]
    raise DatasetError(f"{path} row 1 lacks the column(s) {', '.join(likely)}; it has {', '.join(names) or 'none'}.")


def _check_cells(cells: dict[str, str | None], path: Path) -> None:
    if None in cells:
        raise DatasetError("the row has more cells than the header: get the file again.")
    if missing := [name for name, value in cells.items() if value is None]:
        raise DatasetError(f"the row ends before the column {missing[0]}: get the file again.")
    for name, value in cells.items():
        try:
            (value or "").encode()
        except UnicodeEncodeError as error:
            byte = ord((value or "")[error.start]) & 0xFF
            raise DatasetError(f"column {name} holds the byte 0x{byte:02x}, which is not UTF-8: "
                               f"save {path.name} as UTF-8.") from None
