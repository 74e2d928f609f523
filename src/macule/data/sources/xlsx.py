"""The first sheet of a spreadsheet as rows, by the standard library: the one that is read here has 200 plain rows.

Office Open XML, ECMA-376 part 1, 18.3 and 18.4. A package for it would be a dependency for one small file.
"""

from __future__ import annotations

import re
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree  # no entities are resolved, see `_parse`  # nosec B405

from macule.data.sources import tables
from macule.data.sources.tables import Row
from macule.errors import DatasetError

_NS = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"
#: A sheet of a public set is a few hundred kilobytes; this keeps a crafted one from filling the memory.
MAX_BYTES = 64 << 20


def table(path: Path, needed: set[str]) -> Iterator[Row]:
    """The rows below the header, which is the row that holds the most of the needed columns.

    Raises: DatasetError if the file is damaged, or its header lacks a column.
    """
    try:
        rows = list(_rows(path))
    except (zipfile.BadZipFile, LookupError, ValueError, EOFError, zlib.error, ElementTree.ParseError) as error:
        raise DatasetError(f"{path} is no readable spreadsheet ({error}): get the file again.") from error
    place = max(range(len(rows)), key=lambda place: len(needed & set(rows[place][1].values())), default=0)
    number, header = rows[place] if rows else (1, {})
    tables.places(path, list(header.values()), needed, row=number)
    for number, cells in rows[place + 1:]:
        yield Row.of(path.name, number, {name: cells.get(letter, "") for letter, name in header.items()})


def _rows(path: Path) -> Iterator[tuple[int, dict[str, str]]]:
    """(number, {column letter: text}) of every row that has a cell."""
    with zipfile.ZipFile(path) as package:
        shared = _shared(package)
        sheet = _parse(package, "xl/worksheets/sheet1.xml")
    for number, row in enumerate(sheet.iter(f"{_NS}row"), 1):
        yield int(row.get("r", number)), {_letters(cell): _text(cell, shared).strip() for cell in row.iter(f"{_NS}c")}


def _parse(package: zipfile.ZipFile, name: str) -> ElementTree.Element:
    if package.getinfo(name).file_size > MAX_BYTES:
        raise DatasetError(f"{name} in {package.filename} unpacks to more than {MAX_BYTES >> 20} MB: get it again.")
    # No entities are resolved; the size is capped.
    return ElementTree.fromstring(package.read(name))  # noqa: S314  # nosec B314


def _shared(package: zipfile.ZipFile) -> list[str]:
    if "xl/sharedStrings.xml" not in package.namelist():
        return []
    return ["".join(text.text or "" for text in item.iter(f"{_NS}t"))
            for item in _parse(package, "xl/sharedStrings.xml").iter(f"{_NS}si")]


def _text(cell: ElementTree.Element, shared: list[str]) -> str:
    if cell.get("t") == "inlineStr":
        return "".join(text.text or "" for text in cell.iter(f"{_NS}t"))
    value = cell.findtext(f"{_NS}v") or ""
    return shared[int(value)] if cell.get("t") == "s" else value


def _letters(cell: ElementTree.Element) -> str:
    return re.sub(r"\d", "", cell.get("r", ""))
