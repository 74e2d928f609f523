"""How figures are worded on a page: the same in HTML and PDF. What is undefined is "not measured", never a number."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TypeGuard

from macule.exchange.blocks import Cell, Table, Value

MISSING = "not measured"
#: What stands before a note, so that its colour is not all that says how it is meant.
TONES = {"plain": "", "good": "Good", "warning": "Mind", "bad": "Warning"}
#: Heads of columns that say of how many, so that the cells need not.
_COUNTS = frozenset({"n", "pictures", "positives", "lesions", "count", "patients", "cases"})


@dataclass(frozen=True)
class Unruled(Value):
    """A figure whose best is not 1 and whose worst is not 0: on a rail from 0 to 1 its place would mislead."""


@dataclass(frozen=True)
class Shown:
    """A figure in words. value: MISSING where it is undefined. interval: empty where there is none. mark: stands before
    a value of a leaking exam. at, low, high: shares of a rail from 0 to 1, None where the value has no place on it."""

    value: str
    interval: str = ""
    count: str = ""
    note: str = ""
    mark: str = ""
    at: float | None = None
    low: float = 0.0
    high: float = 0.0

    @property
    def missing(self) -> bool:
        return self.value == MISSING

    @property
    def text(self) -> str:
        """In one line."""
        return " ".join(part for part in (f"{self.mark}{self.value}", self.interval, self.note) if part)


def given(value: float | None) -> TypeGuard[float]:
    return value is not None and math.isfinite(value)


def tidy(text: str) -> str:
    """A number and its unit stay on one line."""
    return text.replace(" %", "\u00a0%")


def number(value: float, *, percent: bool = False) -> str:
    """Three decimals of a share, fewer of larger numbers."""
    if percent:
        return tidy(f"{_signed(100 * value, 1)} %")
    size = abs(value)
    return _signed(value, 3 if size < 10 else 2 if size < 100 else 1 if size < 1000 else 0)


def figure(value: Value, mark: str = "") -> Shown:
    """mark: `macule.data.guard.mark` of the report."""
    count = _count(value)
    if not given(value.value):
        return Shown(MISSING, "", count, value.note)
    interval = ""
    if given(value.low) and given(value.high):
        # The unit is said once.
        low, high = (number(end, percent=value.percent).removesuffix("\u00a0%") for end in (value.low, value.high))
        # One without width is no interval: it would say that nothing could be otherwise.
        interval = f"({low} to {high})" if low != high else ""
    at, low_at, high_at = _places(value)
    return Shown(number(value.value, percent=value.percent), interval, count, value.note, mark, at, low_at, high_at)


def cell(value: Cell, mark: str = "") -> Shown:
    """Any cell of a table; a word or a count is shown as it is."""
    if isinstance(value, Value):
        return figure(value, mark)
    if value is None:
        return Shown(MISSING)
    return Shown(f"{value:,}" if isinstance(value, int) else value)


def counted(table: Table) -> bool:
    """Whether a column says of how many the figures are, so that the cells need not repeat it."""
    return any(name.strip().lower() in _COUNTS or name.lower().startswith("n ") for name in table.head)


def numeric(table: Table, column: int) -> bool:
    """Whether a column is set right: all its cells are figures, counts or blank, and at least one is."""
    cells = [row[column] for row in table.rows if column < len(row)]
    return all(not isinstance(each, str) for each in cells) and any(each is not None for each in cells)


def _count(value: Value) -> str:
    if value.n is None:
        return ""
    return f"n = {value.n:,}" if value.positives is None else f"{value.positives:,} positive of {value.n:,}"


def _places(value: Value) -> tuple[float | None, float, float]:
    if value.value is None or isinstance(value, Unruled) or not 0 <= value.value <= 1:
        return None, 0.0, 0.0
    low = value.low if given(value.low) else value.value
    high = value.high if given(value.high) else value.value
    return value.value, min(max(low, 0.0), 1.0), min(max(high, 0.0), 1.0)


def _signed(value: float, decimals: int) -> str:
    text = f"{value:,.{decimals}f}"
    # No negative nothing, and a minus as wide as a plus.
    return text.lstrip("-") if not text.strip("-0.,") else text.replace("-", "−")
