"""The CSVs of a reader study as people's spreadsheets write them, and all that is wrong with them, told at once."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePath

from macule.data import pictures
from macule.data.sources import tables
from macule.data.sources.tables import Row
from macule.errors import DatasetError, InputNotFound
from macule.spreadsheet import restored
from macule.taxonomy import TABLE, Diagnosis, Malignancy, resolve

#: So many wrong rows are told one by one.
SHOWN = 40
_DELIMITERS = ",;\t"
_BY_NAME = {entry.name.lower(): code for code, entry in TABLE.items()}
_WORDS = {word.value: word is not Malignancy.BENIGN for word in Malignancy}


@dataclass
class Problems:
    """Rows that cannot be used, collected over all files, so that a person mends them in one go."""

    found: list[str] = field(default_factory=list)

    def add(self, file: str, row: int | None, sentence: str) -> None:
        self.found.append(f"{file} row {row}: {sentence}" if row else f"{file}: {sentence}")

    def check(self) -> None:
        """Raises: DatasetError that lists them, if there are any."""
        if not self.found:
            return
        rest = f"\n  and {len(self.found) - SHOWN} more" if len(self.found) > SHOWN else ""
        lines = "".join(f"\n  {line}" for line in self.found[:SHOWN])
        raise DatasetError(f"{len(self.found)} row(s) of the reader study cannot be used; correct them:{lines}{rest}")


def rows(path: Path, problems: Problems, *, needed: set[str], others: dict[str, str]) -> Iterator[Row]:
    """The rows of a CSV in UTF-8, with or without a byte order mark, parted by comma, semicolon or tab.

    Column names are compared in lower case with _ for blanks. others: other names of columns, {theirs: ours}.

    Raises: InputNotFound; DatasetError if the header lacks a column, or the file is no UTF-8 text or has no rows.
    """
    if not path.is_file():
        raise InputNotFound(f"{path} is not a file: give a CSV.")
    with tables.open_text(path) as text:
        first = text.readline()
        delimiter = max(_DELIMITERS, key=first.count)
        header = [_column(name, others) for name in next(csv.reader([first], delimiter=delimiter), [])]
        places = tables.places(path, header, needed)
        count = 0
        for number, values in _numbered(path, csv.reader(text, delimiter=delimiter, strict=True), problems):
            count += 1
            if reason := _problem(header, values, path, delimiter):
                problems.add(path.name, number, reason)
            else:
                yield Row(path.name, number, [restored(value) for value in values], places)
    if not count:
        raise DatasetError(f"{path}: the table has no rows below its header: give the whole file.")


def _column(name: str, others: dict[str, str]) -> str:
    plain = "_".join(name.strip().lower().replace("-", " ").split())
    return others.get(plain, plain)


def _numbered(path: Path, reader: Iterator[list[str]], problems: Problems) -> Iterator[tuple[int, list[str]]]:
    number = 1
    while True:
        number += 1
        try:
            values = next(reader, None)
        except csv.Error as error:
            problems.add(path.name, number, f"the row is damaged ({error}): look for a stray quotation mark.")
            continue
        if values is None:
            return
        if any(value.strip() for value in values):  # spreadsheets end in lines of delimiters
            yield number, values


def _problem(header: Sequence[str], values: list[str], path: Path, delimiter: str) -> str | None:
    if delimiter == "," and len(values) > len(header):
        return (f"the row has {len(values)} cells, more than the header's {len(header)}: a decimal comma? "
                "Write a point, or part the cells by semicolons.")
    return tables.problem(header, values, path)


def name_of(picture: str) -> str:
    """A picture's id: its file name without folder and ending, so that ids and paths name the same picture."""
    path = PurePath(picture.strip().replace("\\", "/"))
    return path.stem if path.suffix.lower() in pictures.SUFFIXES else path.name


def number(text: str) -> float | None:
    """A number with a decimal point or comma; a final % is passed over. None for an empty cell.

    Raises: ValueError
    """
    cell = text.strip().removesuffix("%").strip()
    if not cell:
        return None
    value = float(cell.replace(",", ".") if cell.count(",") == 1 and "." not in cell else cell)
    if not math.isfinite(value):
        raise ValueError(text)
    return value


def diagnosis(text: str) -> tuple[Diagnosis | None, bool]:
    """(class, whether malignant or indeterminate); the class is None where only that much is said.

    Raises: KeyError for a word of no vocabulary.
    """
    word = text.strip().lower()
    if word in _WORDS:
        return None, _WORDS[word]
    code = _BY_NAME[word] if word in _BY_NAME else resolve(word)
    return code, code.suspicious
