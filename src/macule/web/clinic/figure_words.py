"""How the dashboard says its numbers, and the points of its small charts. Nothing here counts anything."""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace

from macule.records.figures import Estimate, Share

SPACE = "\N{NO-BREAK SPACE}"
#: Shades of a confusion table, from none to most of a row. figures.css holds their colours.
SHADES = 5
CHECKS = {
    "size": "Too little detail", "sharpness": "Out of focus", "darkness": "Too dark", "brightness": "Too bright",
    "glare": "Reflections", "grain": "No texture of skin", "lesion": "No spot found",
    "familiar": "Not a spot on the skin",
    "unreadable_image": "File could not be read", "unsupported_image": "Kind of file not supported",
    "image_too_large": "Picture too large", "missing_extra": "Kind of file needs an extra part",
}
REASONS = {
    "morphology": "What the reader saw", "history": "History or change", "artefact": "Hair, ink or light misled it",
    "out_of_scope": "A disease that it does not know", "poor_picture": "Poor picture", "other": "Other",
}


def number(count: int) -> str:
    """12 345: digits in threes, held together."""
    return f"{count:,}".replace(",", "\N{NARROW NO-BREAK SPACE}")


def percent(value: float | None) -> str:
    """A measured share: 0 and 100 are said where nothing else was seen; the interval tells how sure that is."""
    if value is None:
        return "Too few"
    digits = 1 if 0 < value < 0.1 else 0
    return f"{100 * value:.{digits}f}{SPACE}%"


def between(found: Share | Estimate, *, share: bool = True) -> str:
    """The 95 % interval; empty where there is none."""
    if found.low is None or found.high is None:
        return ""
    if share:
        digits = 1 if 0 < (found.value or 0) < 0.1 else 0
        return f"{100 * found.low:.{digits}f} to {100 * found.high:.{digits}f}{SPACE}%"
    return f"{found.low:.2f} to {found.high:.2f}"


def duration(seconds: float | None) -> str:
    """In the unit that a person would use."""
    if seconds is None:
        return "Too few"
    for limit, size, unit in ((90, 1, "s"), (90 * 60, 60, "min"), (48 * 3600, 3600, "h")):
        if seconds < limit:
            return _rounded(seconds / size, unit)
    return _rounded(seconds / 86400, "days")


def _rounded(amount: float, unit: str) -> str:
    return f"{amount:.1f}{SPACE}{unit}" if amount < 10 else f"{amount:.0f}{SPACE}{unit}"


def age(days: Sequence[int], place: int) -> str:
    """Words for an age band between the limits `days`."""
    if place == 0:
        return f"Under {days[0]} day" + ("s" if days[0] > 1 else "")
    if place == len(days):
        return f"Over {days[-1]} days"
    return f"{days[place - 1]} to {days[place]} days"


def shade(count: int, of: int) -> int:
    """0 to SHADES: how much of its row a cell holds."""
    return 0 if not count or not of else min(SHADES, 1 + int(SHADES * count / of))


def line(values: Sequence[int], *, width: int = 300, height: int = 60) -> SimpleNamespace:
    """A chart's points. stroke: of the line; area: the same closed at the bottom; last: x, y of the newest."""
    top = max(values, default=0) or 1
    step = width / max(1, len(values) - 1)
    points = [(round(place * step, 1), round(height - 4 - value / top * (height - 8), 1))
              for place, value in enumerate(values)]
    stroke = " ".join(f"{x},{y}" for x, y in points)
    return SimpleNamespace(stroke=stroke, area=f"0,{height} {stroke} {points[-1][0] if points else 0},{height}",
                           last=points[-1] if points else (0, height), top=max(values, default=0))
