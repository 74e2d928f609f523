"""From a publisher's cells to macule's words.

Every function raises DatasetError with the value and what was expected.
"""

from __future__ import annotations

import difflib
import functools
from collections.abc import Collection, Iterable, Mapping
from typing import TypeVar

from macule.analysis.patient import MODALITY_ALIASES, SITE_ALIASES, Modality, Patient, Site
from macule.data import vocabulary
from macule.data.sources.reading import Row
from macule.data.vocabulary import Confirmation, SkinTone, ToneScale
from macule.errors import DatasetError, InvalidMetadata
from macule.taxonomy import PROJECTIONS, Diagnosis, resolve

_T = TypeVar("_T")

#: What publishers write where they do not know.
UNKNOWN = frozenset({"", "unknown", "nan", "na", "n a", "none", "null", "not reported"})

# Publishers call actinic keratosis either, so a bare "benign" or "malignant" leaves it possible.
MALIGNANT = frozenset({*PROJECTIONS["binary"]["malignant"], Diagnosis.AKIEC})
BENIGN = frozenset({*PROJECTIONS["binary"]["benign"], Diagnosis.AKIEC})
#: Neither a growth nor a cancer, by the publisher's word: an inflammation, or what only the rest class can hold.
NON_NEOPLASTIC = frozenset({Diagnosis.INF, Diagnosis.BEN_OTH})

TRUTH = {"true": True, "yes": True, "1": True, "1.0": True, "false": False, "no": False, "0": False, "0.0": False}
LICENCES = {"cc 0": "CC0 1.0", "cc by": "CC BY 4.0", "cc by nc": "CC BY-NC 4.0"}


def known(text: str) -> str | None:
    """The cell, or None if it says that nothing is known."""
    text = text.strip()
    return None if not text or vocabulary.folded(text) in UNKNOWN else text


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


def yes(row: Row, column: str) -> bool | None:
    """None where the cell says that nothing is known."""
    if known(row.get(column)) is None:
        return None
    key = row.get(column).lower()
    if key not in TRUTH:
        raise DatasetError(f"column {column} is {row.get(column)!r}; true or false is expected.")
    return TRUTH[key]


def malignant(labels: Collection[Diagnosis]) -> bool | None:
    """What the labels imply where the publisher has no word of its own; None if they are of both kinds, or none."""
    kinds = {label.suspicious for label in labels}
    return kinds.pop() if len(kinds) == 1 else None


def disease(label: str, table: Mapping[str, Diagnosis | None], lumped: frozenset[Diagnosis]) -> frozenset[Diagnosis]:
    """The classes of a disease by its reader's own table; those of the publisher's coarse group where it names none."""
    key = vocabulary.folded(label)
    if key not in table:
        near = difflib.get_close_matches(key, table, 1, 0.8)
        hint = f"did you mean {near[0]!r}?" if near else "correct the cell, or add the label to the reader's table."
        raise DatasetError(f"the label {label!r} is none of the {len(table)} that the publisher lists: {hint}")
    code = table[key]
    return lumped if code is None else frozenset({code})


# The same few thousand combinations come back in every large set, as shared objects.
@functools.lru_cache(maxsize=16_384)
def patient(*, age: str = "", sex: str = "", site: str = "", modality: Modality | None) -> Patient:
    """A patient from cells; unknown is None."""
    try:
        parsed = Patient.parse(age=known(age), sex=known(sex))
    except InvalidMetadata as error:
        raise DatasetError(str(error)) from error
    return Patient(parsed.age, parsed.sex, body_site(site), modality)


def modality(text: str) -> Modality | None:
    if known(text) is None:
        return None
    key = " ".join(text.lower().replace("-", " ").split())
    if key not in MODALITY_ALIASES:
        raise DatasetError(f"the modality is {text!r}; one of {', '.join(sorted(MODALITY_ALIASES))} is expected.")
    return MODALITY_ALIASES[key]


@functools.lru_cache(maxsize=256)
def licence(text: str) -> str | None:
    """The archive's short names in full; any other as it stands."""
    return None if known(text) is None else LICENCES.get(vocabulary.folded(text), text.strip())


def body_site(text: str) -> Site | None:
    if known(text) is None:
        return None
    try:
        return vocabulary.site(text)
    except KeyError:
        words = [*SITE_ALIASES, *vocabulary.UNMAPPED_SITES]
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


ROMAN = {"i": 1, "ii": 2, "iii": 3, "iv": 4, "v": 5, "vi": 6}


def tone(text: str, scale: ToneScale) -> SkinTone | None:
    """-1 is how Fitzpatrick17k writes that it does not know; Fitzpatrick's types may be Roman."""
    if known(text) is None:
        return None
    try:
        value = float(ROMAN.get(text.strip().lower(), text) if scale is ToneScale.FITZPATRICK else text)
        return None if value == -1 else SkinTone(scale, value)
    except ValueError as error:
        raise DatasetError(f"skin tone is {text!r} ({error}); a number on the {scale} scale is expected.") from error
