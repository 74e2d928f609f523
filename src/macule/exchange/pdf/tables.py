"""Tables on paper: columns as wide as they need, rows that stay whole, and the head again on every page."""

from __future__ import annotations

from dataclasses import dataclass, replace

from macule.exchange import shown
from macule.exchange.blocks import Table
from macule.exchange.pdf import sheet
from macule.exchange.pdf.sheet import BODY, INK, LINE, SOFT, Sheet, leading
from macule.exchange.shown import Shown

_GAP, _AIR = 3.0, 1.3
_SIZES = (8.0, 7.0, 6.0, 5.0)
#: A column of words is never made narrower than this, or a column of figures at the smallest letters.
_LEAST = 14.0
#: A table of so few rows stays on one page.
_WHOLE = 8


@dataclass(frozen=True)
class _Layout:
    """widths: of the columns. size: of the letters, in points. inline: whether intervals stand beside their figures
    and not below."""

    widths: tuple[float, ...]
    numeric: tuple[bool, ...]
    size: float
    counts: bool
    inline: bool

    def indent(self, column: int) -> float:
        """Figures end at the right of their column: words that follow them begin after a gap, others at the left."""
        return _GAP if self.numeric[column] or (column > 0 and self.numeric[column - 1]) else 0.0


def table(pdf: Sheet, block: Table, mark: str) -> None:
    """At the cursor. mark: stands before every figure."""
    rows = [[shown.cell(each, mark) for each in row] for row in block.rows]
    layout = _layout(pdf, block, rows)
    head = _head_height(pdf, block, layout)
    kept = rows if len(rows) <= _WHOLE else rows[:1]
    first = sum(_height(pdf, row, layout) for row in kept) if rows else 6.0
    pdf.room(leading(9) + 2 + head + first + 2)
    pdf.paragraph(block.title, style="B", size=9, after=1)
    _head(pdf, block, layout, head)
    for number, row in enumerate(rows):
        if pdf.room(_height(pdf, row, layout)):
            pdf.paragraph(f"{block.title}, continued", style="I", size=7.5, colour=SOFT, after=0.5)
            _head(pdf, block, layout, head)
        _row(pdf, row, layout, muted=number in block.muted)
    if not rows:
        pdf.paragraph("no rows", style="I", size=8, colour=SOFT)
    pdf.rule(pdf.get_y())
    pdf.set_y(pdf.get_y() + 1.5)
    if block.note:
        pdf.paragraph(block.note, size=7, colour=SOFT, after=0)
    pdf.set_y(pdf.get_y() + 4)


def _layout(pdf: Sheet, block: Table, rows: list[list[Shown]]) -> _Layout:
    """The largest letters with which the figures stay whole; columns of words share what is left."""
    numeric = tuple(shown.numeric(block, column) for column in range(len(block.head)))
    counts = not shown.counted(block)
    found = _Layout((), numeric, _SIZES[-1], counts, inline=False)
    words = [_longest_word(pdf, block, rows, column) for column in range(len(block.head))]
    for size, inline in ((_SIZES[0], True), *((size, False) for size in _SIZES)):
        found = _Layout((), numeric, size, counts, inline)
        natural = [_natural(pdf, block, rows, column, found) for column in range(len(block.head))]
        least = sum(width if number else min(width, 2 * _LEAST) for width, number in zip(natural, numeric, strict=True))
        found = replace(found, widths=_shared(natural, numeric, words))
        if least <= sheet.INNER:
            return found
    return found


def _natural(pdf: Sheet, block: Table, rows: list[list[Shown]], column: int, layout: _Layout) -> float:
    pdf.set_font(BODY, "B", layout.size)
    lines = [line for row in rows if column < len(row) for line in _said(row[column], layout)]
    # The head may break between words.
    words = block.head[column].split() or [""]
    return max(pdf.measured(each) for each in (*lines, *words)) + _GAP


def _longest_word(pdf: Sheet, block: Table, rows: list[list[Shown]], column: int) -> float:
    """What a column of words needs so that none is cut, at the largest letters; a hash may be."""
    pdf.set_font(BODY, "B", _SIZES[0])
    texts = [block.head[column], *(row[column].value for row in rows if column < len(row))]
    widths = [pdf.measured(word) for text in texts for word in text.split()]
    return min(max(widths, default=0.0), 2 * _LEAST) + _GAP


def _shared(natural: list[float], numeric: tuple[bool, ...], words: list[float]) -> tuple[float, ...]:
    """Columns of figures as they are, columns of words by their needs; too wide a table is pressed together.

    words: what each column needs at least, if it is one of words.
    """
    total = sum(natural)
    if total <= sheet.INNER:
        # What is left over goes to the words, or to all where there are none.
        grows = [width if not number or all(numeric) else 0.0 for width, number in zip(natural, numeric, strict=True)]
        spare = (sheet.INNER - total) / max(sum(grows), 1e-9)
        return tuple(width + spare * grow for width, grow in zip(natural, grows, strict=True))
    least = [width if number else word for width, number, word in zip(natural, numeric, words, strict=True)]
    left = sheet.INNER - sum(least)
    if left < 0 or all(numeric):
        return tuple(width * sheet.INNER / sum(least) for width in least)
    # Long texts get more, though not in proportion: they may well break.
    needs = [0.0 if number else max(width - word, 0.0) ** 0.75
             for width, number, word in zip(natural, numeric, words, strict=True)]
    return tuple(width + left * need / max(sum(needs), 1e-9) for width, need in zip(least, needs, strict=True))


def _said(cell: Shown, layout: _Layout) -> list[str]:
    """A figure, and beside or below it, then smaller, its interval, its remark and of how many."""
    count = cell.count if layout.counts else ""
    if layout.inline:
        return [" ".join(part for part in (f"{cell.mark}{cell.value}", cell.interval, cell.note, count) if part)]
    below = " ".join(part for part in (cell.interval, cell.note) if part)
    return [line for line in (f"{cell.mark}{cell.value}", below, count) if line]


def _lines(pdf: Sheet, cell: Shown, width: float, layout: _Layout) -> list[tuple[str, float]]:
    """Text and size of each line."""
    found = []
    for number, text in enumerate(_said(cell, layout)):
        size = layout.size if number == 0 else layout.size - 1
        pdf.set_font(BODY, "B", size)  # the widest that it may be written in
        found += [(line, size) for line in pdf.wrapped(text, width - _GAP)]
    return found


def _height(pdf: Sheet, row: list[Shown], layout: _Layout) -> float:
    return max((sum(leading(size) for _, size in _lines(pdf, cell, width, layout))
                for cell, width in zip(row, layout.widths, strict=False)), default=4.0) + 2 * _AIR


def _row(pdf: Sheet, row: list[Shown], layout: _Layout, *, muted: bool) -> None:
    y, x, height = pdf.get_y(), sheet.MARGIN, _height(pdf, row, layout)
    pdf.stroke(LINE, 0.15)
    pdf.line(sheet.MARGIN, y, sheet.MARGIN + sheet.INNER, y)
    for column, (cell, width) in enumerate(zip(row, layout.widths, strict=False)):
        top = y + _AIR
        for line, size in _lines(pdf, cell, width, layout):
            bold = column == 0 and not muted and size == layout.size
            pdf.set_font(BODY, "I" if cell.missing else "B" if bold else "", size)
            pdf.ink(SOFT if muted or cell.missing or size < layout.size else sheet.BAD if cell.mark else INK)
            pdf.write_at(x + layout.indent(column), top + leading(size) / 2, line,
                         width=width - _GAP, align="R" if layout.numeric[column] else "L")
            top += leading(size)
        x += width
    pdf.set_y(y + height)


def _head_height(pdf: Sheet, block: Table, layout: _Layout) -> float:
    pdf.set_font(BODY, "B", layout.size - 0.5)
    lines = max((len(pdf.wrapped(name, width - _GAP)) for name, width in zip(block.head, layout.widths, strict=True)),
                default=1)
    return lines * leading(layout.size) + _AIR


def _head(pdf: Sheet, block: Table, layout: _Layout, height: float) -> None:
    y, x = pdf.get_y(), sheet.MARGIN
    pdf.ink(SOFT)
    for column, (name, width) in enumerate(zip(block.head, layout.widths, strict=True)):
        pdf.set_font(BODY, "B", layout.size - 0.5)
        lines = pdf.wrapped(name, width - _GAP)
        for place, line in enumerate(lines):
            bottom = y + height - leading(layout.size) * (len(lines) - place - 0.4)
            pdf.write_at(x + layout.indent(column), bottom, line, width=width - _GAP,
                         align="R" if layout.numeric[column] else "L")
        x += width
    pdf.set_y(y + height)
    pdf.rule(pdf.get_y(), SOFT, 0.3)
