"""What every reader works with: a table's rows, a folder's pictures, and what to do with a row that is wrong."""

from __future__ import annotations

import csv
import difflib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from macule.data import pictures
from macule.data.sources import tables
from macule.data.sources.gallery import Gallery
from macule.data.sources.tables import Row
from macule.errors import DatasetError, InputError

__all__ = ["DERIVED", "Gallery", "Reading", "Reject", "Row"]

#: Endings of names that are outlines and the like, not pictures of lesions.
DERIVED = ("_superpixels", "_segmentation", "_lesion", "_mask")


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
    tables_only: whether a record is made of every row, with the pictures that are here.
    options: what only one reader understands (the column mapping of a CSV, the task of ISIC 2018).
    """

    dataset: str
    root: Path
    part: str = "all"
    keep_going: bool = False
    tables_allowed: bool = False
    tables_only: bool = False
    options: dict[str, str] = field(default_factory=dict)
    rejects: list[Reject] = field(default_factory=list)
    galleries: list[Gallery] = field(default_factory=list)
    _empty: list[Path] = field(default_factory=list)
    _seen: dict[str, tuple[str, int | None]] = field(default_factory=dict)
    _row: Row = Row.EMPTY

    @contextmanager
    def record(self, row: Row, picture_id: str) -> Iterator[None]:
        """Where a row becomes a record: an error in here names the row and loses only it.

        Raises: DatasetError unless keep_going.
        """
        self._claim(picture_id)
        self._row = row
        with self.at(row, picture_id):
            yield

    def admit(self, picture_id: str) -> bool:
        """Whether the record that a row has just become is the first of its id; a second one is refused.

        Raises: DatasetError unless keep_going.
        """
        if picture_id not in self._seen:
            self._seen[picture_id] = (self._row.file, self._row.number)
            return True
        file, number = self._seen[picture_id]
        where = file if number is None else f"{file} row {number}"
        self.refuse(self._row.file, self._row.number, picture_id,
                    f"the picture {picture_id} already stands in {where}: keep one row.")
        return False

    @contextmanager
    def at(self, row: Row, picture_id: str = "") -> Iterator[None]:
        """Where one row is looked at: an error in here names the row, and loses only that row.

        Raises: DatasetError unless keep_going.
        """
        try:
            yield
        except InputError as error:
            self.refuse(row.file, row.number, picture_id, str(error), error)

    def refuse(self, file: str, row: int | None, picture_id: str, reason: str, cause: Exception | None = None) -> None:
        """Raises: DatasetError unless keep_going."""
        where = f"{file} row {row}" if row is not None else file
        if not self.keep_going:
            raise DatasetError(f"{where}: {reason}") from cause
        self.rejects.append(Reject(self.dataset, file, row, picture_id, reason))

    def table(self, path: Path, needed: set[str], *, header: Sequence[str] = (), delimiter: str = ",") -> Iterator[Row]:
        """The rows of a CSV, plain or gzipped (`path` or `path`.gz). A torn or undecodable row is refused.

        header: the columns of a table whose publisher gave it none.

        Raises: DatasetError if the table is absent or lacks a column.
        """
        path = self.there(path)
        with tables.open_text(path) as text:
            # Strict, or one stray quotation mark swallows the rest of the file into a cell.
            reader = csv.reader(text, delimiter=delimiter, strict=True)
            names = header or tables.header(path, reader)
            columns = tables.places(path, names, needed)
            filled = False
            for number, values in self._numbered(path, reader, 1 if header else 2):
                filled = filled or any(values)
                if reason := tables.problem(names, values, path):
                    for value in values:
                        self._claim(value)
                    self.refuse(path.name, number, "", reason)
                elif any(values):
                    yield Row(path.name, number, values, columns)
        if not filled:
            self._empty.append(path)

    def _numbered(self, path: Path, reader: Iterator[list[str]], number: int) -> Iterator[tuple[int, list[str]]]:
        while True:
            try:
                values = next(reader, None)
            except csv.Error as error:
                self.refuse(path.name, number, "", f"the row is damaged ({error}): get the file again.", error)
                values = []
            except tables.DAMAGE as error:
                self.refuse(path.name, number, "", f"the file breaks off here ({error}): get it again.", error)
                return
            if values is None:
                return
            if values:  # a blank line is counted, and is no row
                yield number, values
            number += 1

    def lookup(self, path: Path, key: str, needed: set[str], *, required: bool = False,
               keep: Sequence[str] = ()) -> dict[str, Row]:
        """A table's rows by their key column; empty if the table is not there and not required.

        keep: the columns to hold in memory, of a table with hundreds of thousands of rows; empty for all.

        Raises: DatasetError also if a key comes twice, unless keep_going.
        """
        if not required and tables.either(path) is None:
            return {}
        found: dict[str, Row] = {}
        slim = tables.Slim(keep) if keep else None
        for row in self.table(path, {key, *needed}):
            with self.at(row, row.get(key)):
                if first := found.get(row.get(key)):
                    raise DatasetError(f"{key} {row.get(key)!r} already stands in row {first.number}: keep one row.")
                found[row.get(key)] = slim(row) if slim else row
        return found

    def subsets(self, parts: Mapping[str, str], table: str) -> list[tuple[str, str]]:
        """(our word, the publisher's) of the parts that are wanted; for `all`, of those whose table is there.

        table: path of a part's table below the root, with {} or {0} for the publisher's word.

        Raises: DatasetError if none is there.
        """
        if self.part != "all":
            return [(self.part, parts[self.part])]
        found = [(ours, theirs) for ours, theirs in parts.items() if tables.either(self.root / table.format(theirs))]
        if not found:
            expected = self.root / table.format(next(iter(parts.values())))
            raise DatasetError(f"{expected} is missing, and so is every other part of {self.dataset}: "
                               f"unzip it there unchanged, or correct the folder ({self.root}).")
        return found

    def first(self, *names: str) -> Path:
        """The first of these tables below the root that is there. Raises: DatasetError naming the first if none is."""
        return next((found for name in names if (found := tables.either(self.root / name))), self.root / names[0])

    def home(self, marker: str, *folders: str) -> Path:
        """The root, or that folder in it which the publisher's archive wraps everything in.

        marker: what shows the right one, a path below it.
        """
        homes = [self.root, *(self.root / name for name in folders)]
        return next((home for home in homes if (home / marker).exists()), self.root)

    def there(self, path: Path) -> Path:
        """`path`, or the same with .gz if that is what is there.

        Raises: DatasetError
        """
        if found := tables.either(path):
            return found
        names = [each.name for each in path.parent.iterdir()] if path.parent.is_dir() else []
        near = difflib.get_close_matches(path.name, names, 1, 0.8)
        hint = f" (renamed to {near[0]}?)" if near else ""
        raise DatasetError(f"{path} is missing{hint}: unzip {self.dataset} there unchanged, "
                           f"or correct the folder ({self.root}).")

    def gallery(self, folders: Iterable[Path], *, skip: tuple[str, ...] = DERIVED) -> Gallery:
        """The pictures directly in these folders, by their name without ending.

        skip: endings of names that are no pictures of lesions (masks, superpixels).
        """
        gallery = self.empty_gallery()
        for folder in folders:
            gallery.add(folder, skip)
        return gallery

    def nested_gallery(self, folder: Path) -> Gallery:
        """The pictures one folder deeper: one folder a lesion or patient."""
        return self.gallery(sorted(path for path in folder.iterdir() if path.is_dir()) if folder.is_dir() else [folder])

    def empty_gallery(self) -> Gallery:
        gallery = Gallery(self)
        self.galleries.append(gallery)
        return gallery

    def masks(self, folders: Iterable[Path], ending: str) -> dict[str, Path]:
        """Lesion outlines by the id of their picture: the name before `ending`."""
        return {path.stem.removesuffix(ending): path for folder in folders if folder.is_dir()
                for path in sorted(folder.iterdir()) if path.stem.endswith(ending) and path.suffix in pictures.SUFFIXES}

    def check_rows(self) -> None:
        """Raises: DatasetError if no row became a record or a reject, and that is not for the part that is wanted."""
        if self._seen or self.rejects:
            return
        if self._empty:
            raise DatasetError(f"{self._empty[0]}: the table has no rows below its header: get the file again.")
        if self.part == "all":
            raise DatasetError(f"{self.root}: the table has no rows: get the data set again.")

    def finish(self) -> None:
        """Refuse every picture that no row listed."""
        for gallery in self.galleries:
            for name, path in gallery.unlisted():
                self.refuse(path.parent.name + "/" + path.name, None, name,
                            "this picture is in no row of the tables: remove it, or get the tables again.")

    def _claim(self, name: str) -> None:
        for gallery in self.galleries:
            gallery.claim(name)
