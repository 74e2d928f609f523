"""How figures are written in a card's tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from macule.data import guard

MISSING = "not measured"


def cell(figure: Mapping[str, Any] | None) -> str:
    """A figure of a report with its interval."""
    if figure is None or figure["value"] is None:
        return MISSING
    if figure["low"] is None:
        return f"{figure['value']:.3f}"
    return f"{figure['value']:.3f} ({figure['low']:.3f}-{figure['high']:.3f})"


def marked(exam: Mapping[str, Any], *cells: str) -> tuple[str, ...]:
    """With the mark of a leaking exam before each."""
    # Cards of other versions may hold reports that do not say.
    return tuple(guard.mark(exam.get("leaky", False)) + each for each in cells)


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Its lines; one that says so where there is no row."""
    if not rows:
        return [f"{header[0]}: {MISSING}."]
    return ["| " + " | ".join(header) + " |", "|" + " --- |" * len(header),
            *("| " + " | ".join(row) + " |" for row in rows)]


def within(found: Any, path: Sequence[str]) -> Any:
    """What stands under keys within keys; None where one is missing."""
    for key in path:
        found = found.get(key) if isinstance(found, Mapping) else None
    return found
