"""The table that may come with a batch: which file is whose picture. Spellings are those of the data-set readers."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from macule.analysis import patient as vocabulary
from macule.errors import InvalidMetadata, RecordInvalid
from macule.records.archives import plain

COLUMNS = ("file", "pseudonym", "lesion", "birth_year", "sex", "site", "modality")
MAX_ROWS = 5000
MAX_BYTES = 2_000_000


@dataclass(frozen=True)
class Subject:
    """Whose picture a file is. lesion: its label; empty for a spot of the picture's own.

    fresh: a new patient must be made for it; one of that pseudonym that is there already is somebody else.
    lesion_id: set once patient and lesion are there.
    """

    pseudonym: str
    lesion: str = ""
    birth_year: int | None = None
    sex: str | None = None
    site: str | None = None
    modality: str | None = None
    fresh: bool = False
    lesion_id: str | None = None

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


class Table:
    """Rows by file name; a name without its folder finds its row too where only one row ends in it."""

    def __init__(self, rows: Mapping[str, Subject | InvalidMetadata]) -> None:
        self._rows = dict(rows)
        bases: dict[str, list[str]] = {}
        for name in self._rows:
            bases.setdefault(name.rpartition("/")[2], []).append(name)
        self._bases = {base: names[0] for base, names in bases.items() if len(names) == 1}
        self._used: set[str] = set()

    def of(self, name: str) -> Subject | None:
        """None where no row names the file. Raises: InvalidMetadata for a row that is wrong."""
        key = _key(name)
        key = key if key in self._rows else self._bases.get(key.rpartition("/")[2], "")
        if key not in self._rows:
            return None
        self._used.add(key)
        found = self._rows[key]
        if isinstance(found, InvalidMetadata):
            raise found
        return found

    def unused(self) -> list[str]:
        """Names that no file had."""
        return [name for name in self._rows if name not in self._used]


def read(content: bytes) -> Table:
    """content: CSV in UTF-8, with commas or semicolons. Raises: RecordInvalid for what is no such table."""
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise _wrong(f"it is not UTF-8 text (byte {error.start}): save it as CSV UTF-8.") from None
    first = text.partition("\n")[0]
    reader = csv.reader(io.StringIO(text), delimiter=";" if first.count(";") > first.count(",") else ",")
    try:
        head, *rows = [[cell.strip() for cell in row] for row in reader if any(cell.strip() for cell in row)]
    except (csv.Error, ValueError) as error:
        raise _wrong(f"it cannot be read ({error}): give one line of column names and one line a file.") from None
    return Table(dict(_rows([name.lower() for name in head], rows)))


def _rows(head: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[tuple[str, Subject | InvalidMetadata]]:
    unknown = sorted(set(head) - set(COLUMNS))
    if unknown or len(set(head)) != len(head) or not {"file", "pseudonym"} <= set(head):
        raise _wrong(f"its columns are {', '.join(head)[:120]!r}; give file and pseudonym, and any of "
                     f"{', '.join(COLUMNS[2:])}.")
    if len(rows) > MAX_ROWS:
        raise _wrong(f"it has {len(rows)} rows; at most {MAX_ROWS} are read.")
    seen: set[str] = set()
    for row in rows:
        cells = dict(zip(head, row, strict=False))
        key = _key(cells.get("file", ""))
        if key in seen:
            raise _wrong(f"it names {key[:80]!r} twice: give each file one row.")
        seen.add(key)
        try:
            yield key, _subject(cells)
        except InvalidMetadata as fault:
            yield key, fault


def _subject(cells: Mapping[str, str]) -> Subject:
    told = vocabulary.Patient.parse(sex=cells.get("sex"), site=cells.get("site"), modality=cells.get("modality"))
    year = cells.get("birth_year", "")
    if year and not (year.isdecimal() and len(year) == 4):
        raise InvalidMetadata(f"birth_year is {year[:20]!r}; give four digits, or leave it out.")
    return Subject(
        pseudonym=cells.get("pseudonym", ""), lesion=cells.get("lesion", ""), birth_year=int(year) if year else None,
        sex=told.sex.value if told.sex else None, site=told.site.value if told.site else None,
        modality=told.modality.value if told.modality else None,
    )


def _key(name: str) -> str:
    return plain(name).lower()


def _wrong(why: str) -> RecordInvalid:
    return RecordInvalid(f"the table cannot be used: {why}", fields={"files": f"The table cannot be used: {why}"})
