"""Readers' CSVs: one row a reading, that is one reader's answer to one picture, without or with the model's advice."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from macule.data.sources.tables import Row
from macule.evaluation.readers import scales, sheet
from macule.evaluation.readers.scales import Scale
from macule.evaluation.readers.sheet import Problems
from macule.taxonomy import Diagnosis

COLUMNS = ("reader", "picture", "diagnosis", "confidence", "with_ai")
OPTIONAL = ("seconds", "experience", "note")
_OTHERS = {"image": "picture", "picture_id": "picture", "image_id": "picture", "dx": "diagnosis", "ai": "with_ai",
           "aided": "with_ai", "time": "seconds", "rater": "reader"}
_AIDED = {**dict.fromkeys(("yes", "y", "1", "true", "with", "aided"), True),
          **dict.fromkeys(("no", "n", "0", "false", "without", "unaided"), False)}
#: In the column `note` of every row that a simulation wrote.
SIMULATED = "SIMULATED"


@dataclass(frozen=True)
class Reading:
    """code: None where the reader said only benign or malignant. confidence: as written; None if the cell is empty.

    seconds: above 0, or None. file, row: where it stands.
    """

    reader: str
    picture: str
    code: Diagnosis | None
    suspicious: bool
    confidence: float | None
    aided: bool
    seconds: float | None
    experience: str
    simulated: bool
    file: str
    row: int


@dataclass(frozen=True)
class Readings:
    """detected: whether the scale was found from the numbers, not named."""

    rows: tuple[Reading, ...]
    scale: Scale
    detected: bool

    @property
    def simulated(self) -> bool:
        return any(reading.simulated for reading in self.rows)


def read(paths: Sequence[Path], *, scale: str = "auto", problems: Problems | None = None) -> Readings:
    """scale: auto, or one of `scales.SCALES`.

    problems: where wrong rows are collected; else they end the reading, all told together.

    Raises: InputNotFound, DatasetError, UsageError
    """
    found = Problems() if problems is None else problems
    given = [reading for path in paths for reading in _file(path, found)]
    values = [reading.confidence for reading in given if reading.confidence is not None]
    chosen = scales.detect(values) if scale == "auto" else scales.named(scale)
    _check_scale(given, chosen, found)
    _check_repeats(given, found)
    _check_names(given, found)
    if problems is None:
        found.check()
    return Readings(tuple(given), chosen, scale == "auto")


def _file(path: Path, problems: Problems) -> Iterable[Reading]:
    for row in sheet.rows(path, problems, needed=set(COLUMNS), others=_OTHERS):
        reading, reasons = _reading(row)
        for reason in reasons:
            problems.add(row.file, row.number, reason)
        if reading is not None:
            yield reading


def _reading(row: Row) -> tuple[Reading | None, list[str]]:
    """The reading, or every reason why the row is none."""
    reasons = [f"the cell {name} is empty: fill it in." for name in ("reader", "picture") if not row.get(name)]
    code, suspicious, aided = None, False, False
    try:
        code, suspicious = sheet.diagnosis(row.get("diagnosis"))
    except KeyError:
        reasons.append(f"the diagnosis {row.get('diagnosis')!r} is in no vocabulary: write a class code, one of its "
                       "names (docs/taxonomy.md), benign or malignant.")
    if row.get("with_ai").lower() in _AIDED:
        aided = _AIDED[row.get("with_ai").lower()]
    else:
        reasons.append(f"with_ai is {row.get('with_ai')!r}; yes or no is expected.")
    confidence, seconds = (_number(row, name, reasons) for name in ("confidence", "seconds"))
    if seconds is not None and seconds <= 0:
        reasons.append(f"seconds is {seconds:g}; more than 0 is expected, or nothing.")
    if reasons:
        return None, reasons
    return Reading(" ".join(row.get("reader").split()), sheet.name_of(row.get("picture")), code, suspicious, confidence,
                   aided, seconds, row.get("experience"), SIMULATED in row.get("note").upper(), row.file,
                   row.number or 0), []


def _number(row: Row, name: str, reasons: list[str]) -> float | None:
    try:
        return sheet.number(row.get(name))
    except ValueError:
        reasons.append(f"{name} is {row.get(name)!r}, which is no number.")
        return None


def _check_scale(readings: Iterable[Reading], scale: Scale, problems: Problems) -> None:
    for reading in readings:
        if reading.confidence is not None and not scale.holds(reading.confidence):
            problems.add(reading.file, reading.row, f"the confidence {reading.confidence:g} lies off the scale "
                                                    f"{scale.name}: correct it, or name the scale by --scale.")


def _check_repeats(readings: Iterable[Reading], problems: Problems) -> None:
    first: dict[tuple[str, str, bool], Reading] = {}
    for reading in readings:
        before = first.setdefault((reading.reader, reading.picture, reading.aided), reading)
        if before is not reading:
            word = "with" if reading.aided else "without"
            problems.add(reading.file, reading.row, f"{reading.reader} already read {reading.picture} {word} AI in "
                                                    f"{before.file} row {before.row}: keep one row.")


def _check_names(readings: Iterable[Reading], problems: Problems) -> None:
    spelt: dict[str, str] = {}
    told: set[str] = set()
    for reading in readings:
        before = spelt.setdefault(reading.reader.casefold(), reading.reader)
        if before != reading.reader and reading.reader not in told:
            told.add(reading.reader)
            problems.add(reading.file, reading.row, f"the reader {reading.reader!r} also stands as {before!r}: spell "
                                                    "the name one way.")
