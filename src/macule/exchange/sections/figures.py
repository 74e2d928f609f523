"""What the sections share: a figure of the report as a value, in words, or as a curve."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from macule.exchange.blocks import Series, Value
from macule.exchange.shown import Unruled

#: Below this many pictures a figure is shown, but nothing is said by it.
ENOUGH = 30
Figure = Mapping[str, Any]


def value(found: Figure, *, percent: bool = False, counted: bool = True, ruled: bool = True) -> Value:
    """counted: whether its n is said here, and not once for the whole table. ruled: whether its scale is 0 to 1."""
    n, positives = (found["n"], found.get("positives")) if counted else (None, None)
    kind = Value if ruled else Unruled
    return kind(found["value"], found["low"], found["high"], n, positives, percent=percent)


def share(found: Figure) -> str:
    """`87.1 % (82.0 to 91.2 %)`."""
    if found["value"] is None:
        return "not measured"
    low, high = (None if found[end] is None else f"{100 * found[end]:.1f}" for end in ("low", "high"))
    return f"{100 * found['value']:.1f} % ({'no interval' if low in (None, high) else f'{low} to {high} %'})"


def number(found: Figure) -> str:
    """`0.871 (0.820 to 0.912)`."""
    if found["value"] is None:
        return "not measured"
    low, high = (None if found[end] is None else f"{found[end]:.3f}" for end in ("low", "high"))
    said = f"{found['value']:.3f} ({'no interval' if low in (None, high) else f'{low} to {high}'})"
    return said.replace("-", "−")


def curve(label: str, found: Mapping[str, Sequence[float | None]], *, style: int = 0) -> Series:
    """x, y, low, high of the same length, without the points that are not defined; no band if a bound is missing."""
    rows = [row for row in zip(found["x"], found["y"], found["low"], found["high"], strict=True) if row[1] is not None]
    band = tuple((low, high) for _, _, low, high in rows if low is not None and high is not None)
    return Series(label, tuple(float(row[0] or 0) for row in rows), tuple(float(row[1] or 0) for row in rows), "line",
                  band if len(band) == len(rows) else (), style)
