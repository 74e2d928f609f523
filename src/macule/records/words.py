"""What a person types into a record: trimmed, bounded, and free of characters that no keyboard writes."""

from __future__ import annotations

import re
from datetime import date
from enum import StrEnum
from typing import TypeVar

from macule.errors import RecordInvalid

V = TypeVar("V", bound=StrEnum)
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


def text(value: str | None, *, field: str, most: int, required: str | None = None) -> str | None:
    """The text as it is kept; None for an empty one.

    most: characters. required: what is said when there is none; None if it may be empty.
    Raises: RecordInvalid.
    """
    kept = "".join(letter for letter in (value or "").replace("\r\n", "\n") if letter.isprintable() or letter == "\n")
    kept = kept.strip()
    if len(kept) > most:
        raise invalid(field, f"{len(kept)} characters are too many: shorten it to {most}.")
    if not kept and required is not None:
        raise invalid(field, required)
    return kept or None


def choice(kind: type[V], value: str | None, *, field: str, missing: str) -> V:
    """The word of the vocabulary. missing: what is said when nothing was chosen. Raises: RecordInvalid."""
    if not value:
        raise invalid(field, missing)
    try:
        return kind(value)
    except ValueError:
        known = ", ".join(member.value for member in kind)
        raise invalid(field, f"{value[:40]!r} is not known: choose one of {known}.") from None


def day(value: str) -> date | None:
    """A day written as YYYY-MM-DD; None for everything else."""
    try:
        return date.fromisoformat(value) if _DAY.fullmatch(value) else None
    except ValueError:
        return None


def not_a_day(value: str) -> str:
    return f"{value[:20]!r} is not a date: write it as 2026-11-30."


def sentence(words: object) -> str:
    """A message of ours, or an error's, as it stands on a page: with a capital."""
    said = str(words)
    return said[:1].upper() + said[1:]


def invalid(field: str, message: str) -> RecordInvalid:
    return RecordInvalid(f"{field}: {message}", fields={field: message})
