"""Charts as plain geometry, for templates that draw them as inline SVG (templates/_chart.html).

Places are shares of the plot from its upper left corner, in percent, so that a chart fits whatever width the page has
while its letters keep their size.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Self

#: A place on the two axes, in their units.
Point = tuple[float, float]
#: More points than this cannot be told apart on a page.
MOST_POINTS = 800


@dataclass(frozen=True)
class Scale:
    """One axis. low < high; on a logarithmic one both are above 0. step: between its ticks; None finds one."""

    low: float
    high: float
    log: bool = False
    step: float | None = None

    @classmethod
    def round_(cls, values: Iterable[float], *, least: float | None = None, most: float | None = None) -> Self:
        """From tick to tick round the values, and not beyond `least` and `most`."""
        found = [value for value in values if math.isfinite(value)] or [0.0, 1.0]
        low, high = min(found), max(found)
        if high - low < 1e-9:
            low, high = low - max(abs(low) / 10, 0.05), high + max(abs(high) / 10, 0.05)
        step = nice(high - low)
        low, high = math.floor(low / step + 1e-9) * step, math.ceil(high / step - 1e-9) * step
        return cls(low if least is None else max(low, least), high if most is None else min(high, most), step=step)

    @classmethod
    def decades(cls, values: Iterable[float], *, most: int = 3) -> Self:
        """Logarithmic, at most so many decades below the largest: a rate that ends at 0 would fill the chart."""
        found = [value for value in values if value > 0] or [0.1, 1.0]
        low, high = max(min(found), max(found) / 10**most), max(found)
        if high / low < 1.02:  # a constant rate runs through the middle
            low, high = low / 1.02, high * 1.02
        return cls(_below(low), _above(high), log=True)

    def at(self, value: float) -> float:
        """0 at `low`, 100 at `high`; beyond these outside."""
        if self.log:
            tiny = self.low / 1e3
            return 100 * math.log(max(value, tiny) / self.low) / math.log(self.high / self.low)
        return 100 * (value - self.low) / (self.high - self.low)

    def ticks(self) -> list[float]:
        if self.log:
            return _log_ticks(self.low, self.high)
        step = self.step or nice(self.high - self.low, 6)
        first, last = math.ceil(self.low / step - 1e-9), math.floor(self.high / step + 1e-9)
        return [number * step for number in range(first, last + 1)]


@dataclass(frozen=True)
class Tick:
    at: float
    label: str


@dataclass(frozen=True)
class Line:
    """A drawn line. path: of an SVG, in a box of 1000 by 1000. style: class names in the template."""

    path: str
    style: str


@dataclass(frozen=True)
class Dot:
    left: float
    top: float
    title: str
    style: str


@dataclass(frozen=True)
class Band:
    """A phase of the run, behind the lines."""

    left: float
    width: float
    label: str


@dataclass(frozen=True)
class Key:
    """What a line stands for, in the words of the legend."""

    label: str
    style: str


@dataclass(frozen=True)
class Chart:
    """words: what the chart shows, for those who do not see it. marked: place of the best look. empty: why nothing is
    drawn; empty text where something is."""

    anchor: str
    title: str
    unit: str
    words: str
    x: tuple[Tick, ...]
    y: tuple[Tick, ...]
    lines: tuple[Line, ...] = ()
    dots: tuple[Dot, ...] = ()
    bands: tuple[Band, ...] = ()
    keys: tuple[Key, ...] = ()
    marked: float | None = None
    empty: str = ""


@dataclass(frozen=True)
class Frame:
    """The two axes of one chart."""

    x: Scale
    y: Scale

    def line(self, points: Sequence[Point], style: str) -> Line:
        places = [f"{10 * self.x.at(x):.1f} {1000 - 10 * self.y.at(y):.1f}" for x, y in thinned(points)]
        return Line("M" + "L".join(places) if places else "", style)

    def dot(self, point: Point, title: str, style: str) -> Dot:
        return Dot(round(self.x.at(point[0]), 2), round(100 - self.y.at(point[1]), 2), title, style)

    def x_ticks(self) -> tuple[Tick, ...]:
        return tuple(Tick(round(self.x.at(value), 2), number(value)) for value in self.x.ticks())

    def y_ticks(self) -> tuple[Tick, ...]:
        return tuple(Tick(round(100 - self.y.at(value), 2), power(value) if self.y.log else number(value))
                     for value in self.y.ticks())


def nice(span: float, count: int = 5) -> float:
    """The step of 1, 2 or 5 times a power of ten that parts `span` into about `count`."""
    raw = span / count
    size = 10.0 ** math.floor(math.log10(raw))
    return next(step * size for step in (1, 2, 5, 10) if step * size >= raw * 0.999)


def number(value: float) -> str:
    """A tick's label, without the noise of its binary fraction."""
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{round(value, 10):g}"


def power(value: float) -> str:
    """0.0003 as 3 × 10⁻⁴."""
    exponent = math.floor(math.log10(value) + 1e-9)
    factor = f"{value / 10.0**exponent:.2g}"
    raised = "10" + str(exponent).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))
    return raised if factor == "1" else f"{factor}×{raised}"


def smoothed(values: Sequence[float], *, span: float) -> list[float]:
    """Exponential moving average over about `span` values, without the pull of its start (Kingma & Ba 2015, 3)."""
    keep = 1 - 2 / (span + 1)
    total, weight, found = 0.0, 0.0, []
    for value in values:
        total, weight = keep * total + (1 - keep) * value, keep * weight + 1 - keep
        found.append(total / weight)
    return found


def thinned(points: Sequence[Point], most: int = MOST_POINTS) -> Sequence[Point]:
    """Of many points the lowest and the highest of each stretch, so that a spike stays where it was."""
    if len(points) <= most:
        return points
    kept: list[Point] = []
    for part in range(most // 2):
        here = points[part * len(points) // (most // 2):(part + 1) * len(points) // (most // 2)]
        ends = {min(here, key=lambda point: point[1]), max(here, key=lambda point: point[1])}
        kept.extend(sorted(ends))
    return kept


def _below(value: float) -> float:
    """The next of 1, 2 and 5 times a power of ten that is not above."""
    size = 10.0 ** math.floor(math.log10(value) + 1e-9)
    return max(step * size for step in (1, 2, 5) if step * size <= value * 1.0001)


def _above(value: float) -> float:
    size = 10.0 ** math.floor(math.log10(value) + 1e-9)
    return min(step * size for step in (1, 2, 5, 10) if step * size >= value * 0.9999)


def _log_ticks(low: float, high: float) -> list[float]:
    """Powers of ten; where there are fewer than three of them, 2 and 5 times these too."""
    exponents = range(math.floor(math.log10(low) + 1e-9), math.floor(math.log10(high) + 1e-9) + 1)
    steps = (1,) if math.log10(high / low) >= 2 else (1, 2, 5)
    return [step * 10.0**exponent for exponent in exponents for step in steps
            if low * 0.999 <= step * 10.0**exponent <= high * 1.001]
