"""What a report is made of: plain blocks that know nothing of HTML or PDF. Sections give them, both writers draw them.

Numbers come as they are (NaN or None is shown as "not measured"); the writers round them and set their intervals.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Tone = Literal["plain", "good", "warning", "bad"]


@dataclass(frozen=True)
class Value:
    """A measured figure. low, high: its 95 % interval. n: of how many; positives: of these, where two-class.

    note: stands after it ("n < 30"). percent: whether it is shown as one.
    """

    value: float | None
    low: float | None = None
    high: float | None = None
    n: int | None = None
    positives: int | None = None
    note: str = ""
    percent: bool = False


Cell = str | int | Value | None


@dataclass(frozen=True)
class Prose:
    """A paragraph."""

    text: str


@dataclass(frozen=True)
class Note:
    """A remark that must not be missed."""

    text: str
    tone: Tone = "warning"


@dataclass(frozen=True)
class Table:
    """rows: as wide as `head`; a Value is set right with its interval in small. muted: numbers of rows that are shown
    but not to be relied on (too few pictures)."""

    title: str
    head: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    note: str = ""
    muted: tuple[int, ...] = ()


@dataclass(frozen=True)
class Axis:
    """low, high: None finds them from the data. log: both must then be above 0."""

    label: str
    low: float | None = None
    high: float | None = None
    log: bool = False
    percent: bool = False


@dataclass(frozen=True)
class Series:
    """kind: `line` through the points, `dots`, or `steps`. band: lower and upper y of each point, drawn as a tint.

    style: its place in the order of colours; -1 is the quiet grey of a reference (a baseline, chance).
    """

    label: str
    x: tuple[float, ...]
    y: tuple[float, ...]
    kind: Literal["line", "dots", "steps"] = "line"
    band: tuple[tuple[float, float], ...] = ()
    style: int = 0


@dataclass(frozen=True)
class Plot:
    """words: what it shows, for those who do not see it. diagonal: a dashed line from corner to corner."""

    title: str
    words: str
    x: Axis
    y: Axis
    series: tuple[Series, ...]
    diagonal: bool = False
    note: str = ""


@dataclass(frozen=True)
class Forest:
    """Figures under each other on one scale, with their intervals. rows: (name, figure, shown faint).

    reference: a line down the whole plot (the overall figure).
    """

    title: str
    words: str
    x: Axis
    rows: tuple[tuple[str, Value, bool], ...]
    reference: float | None = None
    note: str = ""


@dataclass(frozen=True)
class Matrix:
    """Counts or shares by row and column, shaded. by_row: shade each row by its own sum (a confusion matrix)."""

    title: str
    words: str
    row_title: str
    column_title: str
    rows: tuple[str, ...]
    columns: tuple[str, ...]
    cells: tuple[tuple[float | None, ...], ...]
    by_row: bool = False
    decimals: int = 0
    note: str = ""


@dataclass(frozen=True)
class Shot:
    """A picture of the gallery. jpeg: its bytes. lines: said under it."""

    jpeg: bytes
    alt: str
    lines: tuple[str, ...] = ()
    tone: Tone = "plain"


@dataclass(frozen=True)
class Gallery:
    """Pictures side by side. They are the user's: they stay in the page on the user's disk."""

    title: str
    shots: tuple[Shot, ...]
    note: str = ""


Block = Prose | Note | Table | Plot | Forest | Matrix | Gallery


@dataclass(frozen=True)
class Section:
    """anchor: its id in the page. lead: one or two sentences that say what was found, in words and numbers."""

    anchor: str
    title: str
    lead: str
    blocks: tuple[Block, ...] = ()
    measured: bool = True


def not_measured(anchor: str, title: str, how: str) -> Section:
    """A section that is blank in this report. how: the option or command that measures it."""
    return Section(anchor, title, f"Not measured. {how}", measured=False)
