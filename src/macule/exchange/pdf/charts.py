"""Plots, forests and matrices on paper, from the same geometry as the page's. Lengths in millimetres."""

from __future__ import annotations

from dataclasses import dataclass

from macule.exchange import palette, plots
from macule.exchange.blocks import Matrix
from macule.exchange.chart import Point
from macule.exchange.palette import LIGHT
from macule.exchange.pdf import sheet
from macule.exchange.pdf.sheet import BODY, INK, LINE, SOFT, Sheet, leading
from macule.exchange.plots import Drawing, ForestDrawing, ForestRow, Key, MatrixCell

PAPER, GRID = "#fbfdfc", "#e3ebe9"
_SMALL = 7.0
_PLOT, _SQUARE = 46.0, 62.0
_LANE = 0.42, 0.33  # where the lane of a forest begins, and how wide it is, in shares of the width
_ROW_HEADS = 26.0
_CELL = 14.0


@dataclass(frozen=True)
class Box:
    """left, top, width, height."""

    x: float
    y: float
    w: float
    h: float

    def at(self, place: Point) -> Point:
        """place: in percent."""
        return self.x + self.w * place[0] / 100, self.y + self.h * place[1] / 100


def plot_height(pdf: Sheet, d: Drawing, width: float) -> float:
    """Of the whole chart with its title, legend and axes."""
    words = 0.0 if d.empty else leading(_SMALL) * (2 + len(_note(pdf, d.plot.note, width)))
    return _title(pdf, d.plot.title, width) + _legend(pdf, d.keys, 0, 0, width, draw=False) + _area(d) + words + 9


def plot(pdf: Sheet, d: Drawing, x: float, y: float, width: float) -> None:
    """Its upper left corner is at x, y."""
    y += _title(pdf, d.plot.title, width, at=(x, y))
    if d.empty:
        pdf.set_font(BODY, "I", _SMALL + 1)
        pdf.ink(SOFT)
        pdf.write_at(x, y + 8, d.empty)
        return
    y += _legend(pdf, d.keys, x, y, width) + leading(_SMALL)
    pdf.set_font(BODY, "", _SMALL)
    pdf.ink(SOFT)
    pdf.write_at(x, y - leading(_SMALL) / 2, pdf.fitted(d.plot.y.label, width))
    box = Box(x + 11, y + 1.5, width - 15, _area(d))
    _ground(pdf, box, d)
    _lines(pdf, box, d)
    pdf.set_font(BODY, "", _SMALL)
    pdf.ink(SOFT)
    pdf.write_at(box.x, box.y + box.h + 6.5, pdf.fitted(d.plot.x.label, box.w), width=box.w, align="C")
    _remark(pdf, d.plot.note, x, box.y + box.h + 10, width)


def forest(pdf: Sheet, d: ForestDrawing) -> None:
    """At the cursor, over the whole width; a row stays on one page."""
    heights = [_forest_height(pdf, row) for row in d.rows]
    pdf.room(_title(pdf, d.forest.title, sheet.INNER) + sum(heights[:4]) + 10)
    y = pdf.get_y()
    pdf.set_y(y + _title(pdf, d.forest.title, sheet.INNER, at=(sheet.MARGIN, y)))
    if not d.rows:
        pdf.paragraph("no rows", style="I", size=8, colour=SOFT, after=4)
        return
    for row, height in zip(d.rows, heights, strict=True):
        if pdf.room(height + 8):
            _scale(pdf, d, pdf.get_y())
            pdf.set_y(pdf.get_y() + 7)
        _forest_row(pdf, d, row, height)
    _scale(pdf, d, pdf.get_y())
    pdf.set_y(pdf.get_y() + 9)
    _note_here(pdf, d.forest.note)


def matrix(pdf: Sheet, block: Matrix) -> None:
    """At the cursor; all of it on one page."""
    cells = plots.matrix(block)
    width = min(_CELL, (sheet.INNER - _ROW_HEADS) / max(len(block.columns), 1))
    side = min(width, 9.0)
    pdf.set_font(BODY, "B", _SMALL)
    upright = any(pdf.measured(name) > width - 1 for name in block.columns)
    head = min(28.0, max((pdf.measured(name) for name in block.columns), default=0) + 2) if upright else 5.0
    pdf.room(_title(pdf, block.title, sheet.INNER) + 5 + head + side * len(cells) + 4)
    y = pdf.get_y()
    y += _title(pdf, block.title, sheet.INNER, at=(sheet.MARGIN, y))
    if not cells or not block.columns:
        pdf.set_y(y)
        pdf.paragraph("Nothing to draw: there is no row or no column.", size=8, colour=SOFT, style="I")
        return
    left = sheet.MARGIN + _ROW_HEADS
    pdf.set_font(BODY, "", _SMALL)
    pdf.ink(SOFT)
    pdf.write_at(left, y + 2, pdf.fitted(block.column_title, sheet.INNER - _ROW_HEADS))
    pdf.write_at(sheet.MARGIN, y + 2, pdf.fitted(block.row_title, _ROW_HEADS - 2), width=_ROW_HEADS - 2, align="R")
    _column_heads(pdf, block.columns, Box(left, y + 5, width, head), upright=upright)
    for number, row in enumerate(cells):
        top = y + 5 + head + number * side
        pdf.set_font(BODY, "B", _SMALL)
        pdf.ink(INK)
        pdf.write_at(sheet.MARGIN, top + side / 2, pdf.fitted(block.rows[number], _ROW_HEADS - 2),
                     width=_ROW_HEADS - 2, align="R")
        for place, cell in enumerate(row):
            _matrix_cell(pdf, cell, Box(left + place * width, top, width, side))
    pdf.set_y(y + 5 + head + side * len(cells) + 3)
    _note_here(pdf, block.note)


def rail(pdf: Sheet, x: float, y: float, width: float, places: tuple[float, float, float]) -> None:
    """A figure and its interval on a line from 0 to 1. places: low, figure, high, as shares."""
    low, at, high = (x + width * share for share in places)
    pdf.stroke(LINE, 0.5)
    pdf.line(x, y, x + width, y)
    pdf.stroke("#8bb0b3", 1.1)
    pdf.line(low, y, high, y)
    pdf.fill(sheet.ACCENT)
    pdf.stroke("#ffffff", 0.3)
    pdf.circle(at, y, 1.15, style="DF")


def _area(d: Drawing) -> float:
    return 14.0 if d.empty else _SQUARE if d.plot.diagonal else _PLOT


def _title(pdf: Sheet, text: str, width: float, *, at: Point | None = None) -> float:
    """Drawn if `at` says where. Returns: its height."""
    pdf.set_font(BODY, "B", 9)
    lines = pdf.wrapped(text, width)
    if at:
        pdf.ink(INK)
        for number, line in enumerate(lines):
            pdf.write_at(at[0], at[1] + leading(9) * (number + 0.5), line)
    return leading(9) * len(lines) + 1.5


def _legend(pdf: Sheet, keys: tuple[Key, ...], x: float, y: float, width: float, *, draw: bool = True) -> float:
    """Returns: its height."""
    pdf.set_font(BODY, "", _SMALL)
    right, row = 0.0, 0
    for key in keys:
        words = pdf.fitted(key.label, width - 10)
        needed = pdf.measured(words) + 12
        if right and right + needed - 4 > width:
            right, row = 0.0, row + 1
        if draw:
            _swatch(pdf, key, x + right, y + leading(_SMALL) * (row + 0.5))
            pdf.set_font(BODY, "", _SMALL)
            pdf.ink(SOFT)
            pdf.write_at(x + right + 8, y + leading(_SMALL) * (row + 0.5), words)
        right += needed
    return leading(_SMALL) * (row + 1) + 1 if keys else 0.0


def _swatch(pdf: Sheet, key: Key, x: float, y: float) -> None:
    colour = LIGHT.of(key.style)
    if key.band:
        with pdf.local_context(fill_opacity=0.16):
            pdf.fill(colour)
            pdf.rect(x, y - 1.2, 7, 2.4, style="F")
    if key.kind == "dots":
        _dot(pdf, x + 3.5, y, colour)
        return
    pdf.stroke(colour, 0.5, _dash(key.style))
    pdf.line(x, y, x + 7, y)
    pdf.set_dash_pattern()


def _ground(pdf: Sheet, box: Box, d: Drawing) -> None:
    pdf.fill(PAPER)
    pdf.rect(box.x, box.y, box.w, box.h, style="F")
    pdf.set_font(BODY, "", _SMALL)
    pdf.ink(SOFT)
    for tick in d.y:
        _, y = box.at((0, tick.at))
        pdf.stroke(GRID, 0.2)
        pdf.line(box.x, y, box.x + box.w, y)
        pdf.write_at(box.x - 11, y, tick.label, width=10, align="R")
    for tick in d.x:
        x, _ = box.at((tick.at, 0))
        pdf.stroke(GRID, 0.2)
        pdf.line(x, box.y, x, box.y + box.h)
        pdf.write_at(x - 8, box.y + box.h + 2.5, tick.label, width=16, align="C")
    pdf.stroke(SOFT, 0.25)
    pdf.line(box.x, box.y + box.h, box.x + box.w, box.y + box.h)


def _lines(pdf: Sheet, box: Box, d: Drawing) -> None:
    with pdf.rect_clip(box.x, box.y, box.w, box.h):
        for area in d.areas:
            with pdf.local_context(fill_opacity=0.16):
                pdf.fill(LIGHT.of(area.style))
                pdf.polygon([box.at(point) for point in area.points], style="F")
        if d.plot.diagonal:
            pdf.stroke("#8a9b9b", 0.25, "4 4")
            pdf.line(box.x, box.y + box.h, box.x + box.w, box.y)
        for stroke in d.strokes:
            pdf.stroke(LIGHT.of(stroke.style), 0.35 if stroke.style < 0 else 0.55, _dash(stroke.style))
            pdf.polyline([box.at(point) for point in stroke.points])
        pdf.set_dash_pattern()
    for spot in d.spots:
        _dot(pdf, *box.at((spot.left, spot.top)), LIGHT.of(spot.style))


def _dot(pdf: Sheet, x: float, y: float, colour: str) -> None:
    pdf.fill(colour)
    pdf.stroke("#ffffff", 0.25)
    pdf.circle(x, y, 0.95, style="DF")


def _dash(style: int) -> str:
    return "3 3" if style < 0 else palette.DASHES[style % len(palette.DASHES)]


def _lane(y: float, height: float) -> Box:
    return Box(sheet.MARGIN + _LANE[0] * sheet.INNER, y, _LANE[1] * sheet.INNER, height)


def _forest_words(pdf: Sheet, row: ForestRow) -> list[str]:
    pdf.set_font(BODY, "", 8)
    name = f"{row.name}  ({row.figure.count})" if row.figure.count else row.name
    return pdf.wrapped(name, _LANE[0] * sheet.INNER - 4)


def _forest_height(pdf: Sheet, row: ForestRow) -> float:
    return max(5.6, leading(8) * len(_forest_words(pdf, row)) + 1.4)


def _forest_row(pdf: Sheet, d: ForestDrawing, row: ForestRow, height: float) -> None:
    y = pdf.get_y()
    middle, box = y + height / 2, _lane(y, height)
    words = _forest_words(pdf, row)
    pdf.ink(SOFT if row.faint else INK)
    for number, line in enumerate(words):
        pdf.write_at(sheet.MARGIN, middle + leading(8) * (number + 0.5 - len(words) / 2), line)
    for tick in d.x:
        _upright(pdf, box, tick.at, GRID, "")
    if d.reference is not None:
        _upright(pdf, box, d.reference, LIGHT.of(1), "4 3")
    if row.at is not None:
        colour = LIGHT.reference if row.faint else LIGHT.of(0)
        pdf.stroke(colour, 0.3 if row.faint else 0.6, "2 3" if row.faint else "")
        pdf.line(box.at((row.low, 0))[0], middle, box.at((row.high, 0))[0], middle)
        pdf.set_dash_pattern()
        pdf.fill("#ffffff" if row.faint else colour)
        pdf.stroke(colour if row.faint else "#ffffff", 0.3)
        pdf.circle(box.at((row.at, 0))[0], middle, 1.15, style="DF")
    pdf.set_font(BODY, "", 8)
    pdf.ink(SOFT if row.faint else INK)
    right = box.x + box.w + 4
    pdf.write_at(right, middle, pdf.fitted(row.figure.text, sheet.WIDTH - sheet.MARGIN - right),
                 width=sheet.WIDTH - sheet.MARGIN - right, align="R")
    pdf.set_y(y + height)


def _upright(pdf: Sheet, box: Box, place: float, colour: str, dash: str) -> None:
    x, _ = box.at((place, 0))
    pdf.stroke(colour, 0.2 if not dash else 0.3, dash)
    pdf.line(x, box.y, x, box.y + box.h)
    pdf.set_dash_pattern()


def _scale(pdf: Sheet, d: ForestDrawing, y: float) -> None:
    box = _lane(y, 0)
    pdf.set_font(BODY, "", _SMALL)
    pdf.ink(SOFT)
    for tick in d.x:
        pdf.write_at(box.at((tick.at, 0))[0] - 8, y + 1.8, tick.label, width=16, align="C")
    pdf.write_at(box.x, y + 5, pdf.fitted(d.forest.x.label, box.w), width=box.w, align="C")


def _column_heads(pdf: Sheet, names: tuple[str, ...], first: Box, *, upright: bool) -> None:
    pdf.set_font(BODY, "B", _SMALL)
    pdf.ink(INK)
    for place, name in enumerate(names):
        x = first.x + place * first.w
        if not upright:
            pdf.write_at(x, first.y + first.h / 2, name, width=first.w, align="C")
            continue
        foot = first.y + first.h - 1
        with pdf.rotation(90, x + first.w / 2, foot):
            pdf.write_at(x + first.w / 2, foot, pdf.fitted(name, first.h - 1))


def _matrix_cell(pdf: Sheet, cell: MatrixCell, box: Box) -> None:
    pdf.stroke("#ffffff", 0.5)
    ground, letters = LIGHT.shades[cell.shade] if cell.shade is not None else ("#f1f4f3", SOFT)
    pdf.fill(ground)
    pdf.rect(box.x, box.y, box.w, box.h, style="DF")
    if cell.own:
        pdf.stroke(INK, 0.35)
        pdf.rect(box.x + 0.5, box.y + 0.5, box.w - 1, box.h - 1)
    pdf.ink(letters)
    pdf.set_font(BODY, "", _SMALL + 0.5)
    middle = box.y + box.h / 2
    pdf.write_at(box.x, middle - (1.4 if cell.share else 0), cell.text or "-", width=box.w, align="C")
    if cell.share:
        pdf.set_font(BODY, "", 5.5)
        pdf.write_at(box.x, middle + 1.9, cell.share, width=box.w, align="C")


def _note(pdf: Sheet, text: str, width: float) -> list[str]:
    pdf.set_font(BODY, "", _SMALL)
    return pdf.wrapped(text, width) if text else []


def _remark(pdf: Sheet, text: str, x: float, y: float, width: float) -> None:
    lines = _note(pdf, text, width)
    pdf.ink(SOFT)
    for number, line in enumerate(lines):
        pdf.write_at(x, y + leading(_SMALL) * (number + 0.5), line)


def _note_here(pdf: Sheet, text: str) -> None:
    if text:
        pdf.paragraph(text, size=_SMALL, colour=SOFT, after=1)
    pdf.set_y(pdf.get_y() + 4)

