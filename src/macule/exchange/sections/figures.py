"""What the sections share: a figure of the report as a value, in words, or as a curve."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from macule.exchange.blocks import Series, Value

#: Below this many pictures a figure is shown, but nothing is said by it.
ENOUGH = 30
Figure = Mapping[str, Any]


def value(found: Figure, *, percent: bool = False, counted: bool = True) -> Value:
    """counted: whether of how many is said here, and not once for the whole table."""
    n, positives = (found["n"], found.get("positives")) if counted else (None, None)
    return Value(found["value"], found["low"], found["high"], n, positives, percent=percent)


def share(found: Figure) -> str:
    """`87.1 % (82.0 to 91.2 %)`."""
    if found["value"] is None:
        return "not measured"
    if found["low"] is None:
        return f"{100 * found['value']:.1f} % (no interval)"
    return f"{100 * found['value']:.1f} % ({100 * found['low']:.1f} to {100 * found['high']:.1f} %)"


def number(found: Figure) -> str:
    """`0.871 (0.820 to 0.912)`."""
    if found["value"] is None:
        return "not measured"
    if found["low"] is None:
        return f"{found['value']:.3f} (no interval)"
    return f"{found['value']:.3f} ({found['low']:.3f} to {found['high']:.3f})".replace("-", "−")


def curve(label: str, found: Mapping[str, Sequence[float | None]], *, style: int = 0) -> Series:
    """x, y, low, high of the same length, without the points that are not defined; no band if a bound is missing."""
    rows = [row for row in zip(found["x"], found["y"], found["low"], found["high"], strict=True) if row[1] is not None]
    band = tuple((low, high) for _, _, low, high in rows if low is not None and high is not None)
    return Series(label, tuple(float(row[0] or 0) for row in rows), tuple(float(row[1] or 0) for row in rows), "line",
                  band if len(band) == len(rows) else (), style)
