"""Blocks as geometry, drawn by both writers: HTML puts it into inline SVG, PDF onto paper.

Places are percent of the plot from its upper left corner, as in macule.exchange.chart.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from macule.exchange import chart, shown
from macule.exchange.blocks import Axis, Forest, Matrix, Plot, Series, Value
from macule.exchange.chart import Point, Scale, Tick

#: So far outside its frame a line is followed: enough that it leaves it in the right direction.
_FAR = 400.0
EMPTY = "Nothing to draw: no value is defined."
#: Steps of shade of a matrix; the last is the darkest.
SHADES = 10
#: A dot that stands alone is drawn as one even in a line.
_LONELY = 1


@dataclass(frozen=True)
class Stroke:
    """points: at least two places. style: see blocks.Series."""

    points: tuple[Point, ...]
    style: int


@dataclass(frozen=True)
class Spot:
    left: float
    top: float
    style: int
    title: str


@dataclass(frozen=True)
class Key:
    """kind: `line` or `dots`. band: whether a tint belongs to it."""

    label: str
    style: int
    kind: str
    band: bool


@dataclass(frozen=True)
class Drawing:
    """A Plot. areas: closed tints. empty: why nothing is drawn; else empty text."""

    plot: Plot
    x: tuple[Tick, ...] = ()
    y: tuple[Tick, ...] = ()
    strokes: tuple[Stroke, ...] = ()
    areas: tuple[Stroke, ...] = ()
    spots: tuple[Spot, ...] = ()
    keys: tuple[Key, ...] = ()
    empty: str = ""


@dataclass(frozen=True)
class ForestRow:
    """at: place of the figure, None where it is undefined; low, high: of its interval."""

    name: str
    figure: shown.Shown
    faint: bool
    at: float | None
    low: float
    high: float


@dataclass(frozen=True)
class ForestDrawing:
    """reference: place of the line down the whole plot."""

    forest: Forest
    x: tuple[Tick, ...]
    rows: tuple[ForestRow, ...]
    reference: float | None


@dataclass(frozen=True)
class MatrixCell:
    """shade: 0 to SHADES - 1; None where the cell is blank. own: on the diagonal of a square matrix."""

    text: str
    share: str
    shade: int | None
    own: bool


def plot(block: Plot) -> Drawing:
    """Points that are undefined, or not above 0 on a logarithmic axis, break their line."""
    parts = {place: list(_parts(series, block)) for place, series in enumerate(block.series)}
    drawn = [(block.series[place], part) for place, group in parts.items() for part in group]
    if not drawn:
        return Drawing(block, empty=EMPTY)
    frame = _Frame(_scale(block.x, [x for _, part in drawn for x, _, _ in part]),
                   _scale(block.y, [y for _, part in drawn for _, y, band in part for y in (y, *(band or ()))]))
    strokes = [Stroke(frame.line(part, series), series.style) for series, part in drawn
               if series.kind != "dots" and len(part) > _LONELY]
    return Drawing(
        block, frame.x_ticks(block.x), frame.y_ticks(block.y), tuple(strokes),
        areas=tuple(Stroke(frame.area(part, series), series.style) for series, part in drawn
                    if len(part) > _LONELY and all(band for _, _, band in part)),
        spots=tuple(spot for series, part in drawn if series.kind == "dots" or len(part) == _LONELY
                    for spot in frame.spots(part, series, block)),
        keys=tuple(Key(series.label, series.style, "dots" if series.kind == "dots" else "line", bool(series.band))
                   for place, series in enumerate(block.series) if parts[place]),
    )


def forest(block: Forest, mark: str = "") -> ForestDrawing:
    ends = [end for _, value, _ in block.rows if shown.given(value.value)
            for end in (value.value, value.low, value.high) if shown.given(end)]
    reference = block.reference if shown.given(block.reference) else None
    scale = _scale(block.x, [*ends, *([] if reference is None else [reference])])
    return ForestDrawing(
        block, _ticks(scale, block.x), tuple(_forest_row(scale, *row, mark) for row in block.rows),
        None if reference is None else _kept(scale.at(reference)),
    )


def matrix(block: Matrix) -> list[list[MatrixCell]]:
    """Each row shaded by its own sum, or all by the largest cell."""
    most = max((cell for row in block.cells for cell in row if shown.given(cell)), default=0.0)
    square = block.rows == block.columns
    found = []
    for number, row in enumerate(block.cells):
        whole = sum(cell for cell in row if shown.given(cell)) if block.by_row else most
        found.append([_matrix_cell(cell, whole, block, own=square and number == place)
                      for place, cell in enumerate(row)])
    return found


def _matrix_cell(cell: float | None, whole: float, block: Matrix, *, own: bool) -> MatrixCell:
    if not shown.given(cell):
        return MatrixCell("", "", None, own)
    share = min(max(cell / whole, 0.0), 1.0) if whole > 0 else 0.0
    # A single picture must not look like none.
    shade = 0 if share == 0 else max(1, min(SHADES - 1, round(share * (SHADES - 1))))
    return MatrixCell(f"{cell:,.{block.decimals}f}", f"{share:.0%}" if block.by_row and whole > 0 else "", shade, own)


@dataclass(frozen=True)
class _Frame:
    x: Scale
    y: Scale

    def at(self, x: float, y: float) -> Point:
        return _kept(self.x.at(x)), _kept(100 - self.y.at(y))

    def line(self, part: Sequence[_Known], series: Series) -> tuple[Point, ...]:
        points = [(x, y) for x, y, _ in part]
        thin = points if series.kind == "steps" else chart.thinned(points)
        return tuple(self.at(x, y) for x, y in (_stepped(thin) if series.kind == "steps" else thin))

    def area(self, part: Sequence[_Known], series: Series) -> tuple[Point, ...]:
        above = [(x, band[1]) for x, _, band in part if band]
        below = [(x, band[0]) for x, _, band in part if band]
        if series.kind == "steps":
            above, below = list(_stepped(above)), list(_stepped(below))
        return tuple(self.at(x, y) for x, y in (*above, *reversed(below)))

    def spots(self, part: Sequence[_Known], series: Series, block: Plot) -> Iterator[Spot]:
        for x, y, _ in part:
            left, top = self.at(x, y)
            if -0.5 <= left <= 100.5 and -0.5 <= top <= 100.5:
                title = (f"{series.label}: {block.x.label} {shown.number(x, percent=block.x.percent)}, {block.y.label} "
                         f"{shown.number(y, percent=block.y.percent)}")
                yield Spot(left, top, series.style, title)

    def x_ticks(self, axis: Axis) -> tuple[Tick, ...]:
        return _ticks(self.x, axis)

    def y_ticks(self, axis: Axis) -> tuple[Tick, ...]:
        return tuple(Tick(round(100 - tick.at, 2), tick.label) for tick in _ticks(self.y, axis))


#: x, y and the band of a point, all defined.
_Known = tuple[float, float, tuple[float, float] | None]


def _parts(series: Series, block: Plot) -> Iterator[list[_Known]]:
    """The series cut where a point is undefined; none that is empty."""
    part: list[_Known] = []
    for place, (x, y) in enumerate(zip(series.x, series.y, strict=False)):
        if _drawable(x, block.x) and _drawable(y, block.y):
            part.append((x, y, _band(series, place, block.y)))
        elif part:
            yield part
            part = []
    if part:
        yield part


def _band(series: Series, place: int, axis: Axis) -> tuple[float, float] | None:
    band = series.band[place] if place < len(series.band) else None
    return band if band and all(_drawable(end, axis) for end in band) else None


def _drawable(value: float | None, axis: Axis) -> bool:
    return shown.given(value) and (value > 0 or not axis.log)


def _stepped(points: Sequence[Point]) -> Iterator[Point]:
    """Level from each point to the next, then up or down."""
    for (x, y), (after, _) in pairwise(points):
        yield x, y
        yield after, y
    yield from points[-1:]


def _scale(axis: Axis, values: Sequence[float]) -> Scale:
    low, high = (end if shown.given(end) and (end > 0 or not axis.log) else None for end in (axis.low, axis.high))
    if axis.log:
        found = Scale.decades([*values, *(end for end in (low, high) if end is not None)], most=6)
    else:
        found = Scale.round_([*values, *(end for end in (low, high) if end is not None)], least=low, most=high)
    low, high = found.low if low is None else low, found.high if high is None else high
    if high - low < 1e-12:
        return found
    return Scale(low, high, log=axis.log)


def _ticks(scale: Scale, axis: Axis) -> tuple[Tick, ...]:
    return tuple(Tick(round(scale.at(value), 2), _label(value, axis)) for value in scale.ticks())


def _label(value: float, axis: Axis) -> str:
    if axis.percent:
        return f"{chart.number(100 * value)} %".replace("-", "−")
    if axis.log and value < 0.001:
        return chart.power(value)
    for size, unit in ((1e6, "M"), (1e3, "k")):
        if abs(value) >= max(size, 1e4):  # what is longer runs into its neighbour on a phone
            return f"{chart.number(value / size)}{unit}".replace("-", "−")
    return chart.number(value).replace("-", "−")


def _forest_row(scale: Scale, name: str, value: Value, faint: bool, mark: str) -> ForestRow:
    figure = shown.figure(value, mark)
    if "n = " in name:  # said already
        figure = replace(figure, count="")
    if not shown.given(value.value) or (scale.log and value.value <= 0):
        return ForestRow(name, figure, True, None, 0.0, 0.0)
    at = _edged(scale.at(value.value))
    low = _edged(scale.at(value.low)) if shown.given(value.low) else at
    high = _edged(scale.at(value.high)) if shown.given(value.high) else at
    return ForestRow(name, figure, faint, at, min(low, high), max(low, high))


def _kept(place: float) -> float:
    return round(min(max(place, -_FAR), 100 + _FAR), 2)


def _edged(place: float) -> float:
    """Within the rail: what lies outside stands at its end."""
    return round(min(max(place, 0.0), 100.0), 2)
