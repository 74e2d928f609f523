"""From a publisher's cells to macule's words. Every function raises DatasetError with the value and what was expected."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from typing import TypeVar

from macule.analysis.patient import Modality, Patient, Site
from macule.data import vocabulary
from macule.data.sources.reading import Row
from macule.data.vocabulary import Confirmation, SkinTone, ToneScale
from macule.errors import DatasetError, InvalidMetadata
from macule.taxonomy import PROJECTIONS, Diagnosis, resolve

_T = TypeVar("_T")

#: What publishers write where they do not know.
UNKNOWN = frozenset({"", "unknown", "nan", "n a", "none", "null", "not reported"})

# Publishers call actinic keratosis either, so a bare "benign" or "malignant" leaves it possible.
MALIGNANT = frozenset({*PROJECTIONS["binary"]["malignant"], Diagnosis.AKIEC})
BENIGN = frozenset({*PROJECTIONS["binary"]["benign"], Diagnosis.AKIEC})


def known(text: str) -> str | None:
    """The cell, or None if it says that nothing is known."""
    return None if vocabulary.folded(text) in UNKNOWN else text.strip()


def need(row: Row, column: str) -> str:
    """A cell that may not be empty."""
    if not (value := row.get(column)):
        raise DatasetError(f"column {column} is empty; a value is expected.")
    return value


def choice(row: Row, column: str, words: Mapping[str, _T]) -> _T:
    """What a cell's word stands for."""
    if (value := row.get(column)) not in words:
        raise DatasetError(f"column {column} is {value!r}; one of {', '.join(words)} is expected.")
    return words[value]


def diagnosis(label: str, aliases: Mapping[str, Diagnosis] | None = None) -> Diagnosis:
    """aliases: folded spellings that only this publisher uses."""
    if aliases and (key := vocabulary.folded(label)) in aliases:
        return aliases[key]
    try:
        return resolve(label)
    except KeyError:
        raise DatasetError(f"the label {label!r} is in no vocabulary of macule.taxonomy: add the alias there, "
                           "or correct the cell.") from None


def one_hot(row: Row, classes: Iterable[str]) -> str:
    """The one class column that is marked."""
    marked = [column for column in classes if is_one(row, column)]
    if len(marked) != 1:
        raise DatasetError(f"{len(marked)} classes are marked; exactly one is expected.")
    return marked[0]


def is_one(row: Row, column: str) -> bool:
    value = row.get(column)
    try:
        number = float(value) if value else 0.0
    except ValueError:
        number = -1.0
    if number not in (0.0, 1.0):
        raise DatasetError(f"column {column} is {value!r}; 0 or 1 is expected.")
    return number == 1.0


def patient(*, age: str = "", sex: str = "", site: str = "", modality: Modality | None) -> Patient:
    """A patient from cells; unknown is None."""
    try:
        parsed = Patient.parse(age=known(age), sex=known(sex))
    except InvalidMetadata as error:
        raise DatasetError(str(error)) from error
    return Patient(parsed.age, parsed.sex, body_site(site), modality)


def body_site(text: str) -> Site | None:
    if known(text) is None:
        return None
    try:
        return vocabulary.site(text)
    except KeyError:
        words = [*vocabulary.SITE_ALIASES, *vocabulary.UNMAPPED_SITES]
        near = difflib.get_close_matches(vocabulary.folded(text), words, 3, 0.5)
        hint = f"did you mean {' or '.join(near)}?" if near else f"known: {', '.join(sorted(words))}."
        raise DatasetError(f"site is {text!r}, which macule.data.vocabulary does not know: {hint}") from None


def confirmation(text: str) -> Confirmation | None:
    key = vocabulary.folded(text)
    if key in UNKNOWN:
        return None
    if key not in vocabulary.CONFIRMATION_ALIASES:
        names = ", ".join(sorted(vocabulary.CONFIRMATION_ALIASES))
        raise DatasetError(f"the confirmation is {text!r}; one of {names} is expected.")
    return vocabulary.CONFIRMATION_ALIASES[key]


def tone(text: str, scale: ToneScale) -> SkinTone | None:
    """-1 is how Fitzpatrick17k writes that it does not know."""
    if known(text) is None:
        return None
    try:
        value = float(text)
        return None if value == -1 else SkinTone(scale, value)
    except ValueError as error:
        raise DatasetError(f"skin tone is {text!r} ({error}); a number on the {scale} scale is expected.") from error
