"""The report of an evaluation on paper: vector charts from the same blocks as the page, text that can be searched.

Galleries are left out: the pictures are the user's, and stay in the page on the user's disk.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

from macule.exchange import frame as frames
from macule.exchange import plots, shown
from macule.exchange.blocks import Block, Forest, Gallery, Matrix, Note, Plot, Prose, Section, Table, Tone
from macule.exchange.frame import Frame, Headline
from macule.exchange.shown import Shown

if TYPE_CHECKING:
    from macule.exchange.pdf.sheet import Sheet

_SHORT = 12  # digits of a hash in the running head
#: Height of a row of facts.
_FACT = 15.0
_BAND, _ON_BAND, _SOFT_BAND = "#0c2e33", "#f2f8f7", "#b5cbcb"
_TONES: Mapping[Tone, tuple[str, str]] = {
    "plain": ("#e8efee", "#455a5c"), "good": ("#e9f4ec", "#1c6238"), "warning": ("#fbf2e0", "#7a4a00"),
    "bad": ("#fbebea", "#a01d2c"),
}


def write(report: Mapping[str, Any], sections: Sequence[Section], out: Path, now: datetime) -> None:
    """An A4 PDF with contents and an outline.

    report: of `macule evaluate`. sections: in their order; those not measured are listed at the end.
    Raises: OSError; what stood at `out` is then still there.
    """
    from macule.exchange.pdf.sheet import Sheet

    frame = frames.of(report, sections, now)
    title = f"{frame.mark}{frame.bundle} on {frame.title}: an evaluation"
    pdf = Sheet(title=title, head=(f"{frame.bundle} {frame.sha256[:_SHORT]}  ·  {frame.title}", _warning(frame)),
                foot=f"macule {frame.version}, {frame.written}", mark=frame.mark, now=now)
    _cover(pdf, frame)
    for number, section in enumerate(frame.sections, 1):
        _section(pdf, f"{number:02d}", section, frame.mark)
    if frame.blank:
        _blank(pdf, frame)
    _end(pdf, frame)
    _put(bytes(pdf.output()), out)


def _put(content: bytes, out: Path) -> None:
    partial = out.with_name(out.name + ".partial")
    try:
        partial.write_bytes(content)
        partial.replace(out)
    finally:
        partial.unlink(missing_ok=True)


def _warning(frame: Frame) -> str:
    """The first two sentences of the disclaimer: what it is and what it is not."""
    return ". ".join(frame.disclaimer.split(". ")[:2]).split(" and does")[0] + "."


def _cover(pdf: Sheet, frame: Frame) -> None:
    from macule.exchange.pdf import sheet

    pdf.add_page()
    _band(pdf, frame)
    for note in frame.warnings:
        _note(pdf, note, frame.mark.strip())
    _headlines(pdf, frame.headlines)
    pdf.paragraph("Contents", font=sheet.DISPLAY, style="B", size=14, after=1)
    pdf.insert_toc_placeholder(_contents, pages=1, allow_extra_pages=True)  # goes on on a new page


def _band(pdf: Sheet, frame: Frame) -> None:
    from macule.exchange.pdf import sheet

    pdf.set_font(sheet.DISPLAY, "B", 26)
    lines = pdf.wrapped(f"{frame.bundle} on {frame.title}", sheet.INNER)
    pdf.set_font(sheet.BODY, "", 8)
    small = pdf.wrapped(frame.disclaimer, sheet.INNER)
    rows = [frame.glance[start:start + 4] for start in range(0, len(frame.glance), 4)]
    height = 20 + sheet.leading(26) * len(lines) + _FACT * len(rows) + 10 + sheet.leading(8) * len(small)
    pdf.fill(_BAND)
    pdf.rect(0, 0, sheet.WIDTH, height, style="F")
    pdf.set_y(14)
    pdf.paragraph("EVALUATION REPORT", style="B", size=7.5, colour=_SOFT_BAND, after=1)
    pdf.paragraph(f"{frame.mark}{frame.bundle} on {frame.title}", font=sheet.DISPLAY, style="B", size=26,
                  colour=_ON_BAND, after=3)
    for row in rows:
        y = pdf.get_y()
        for place, (name, text) in enumerate(row):
            width = sheet.INNER / 4 - 2
            pdf.set_font(sheet.BODY, "", 7)
            pdf.ink(_SOFT_BAND)
            pdf.write_at(sheet.MARGIN + place * sheet.INNER / 4, y + 2, pdf.fitted(name, width))
            pdf.set_font(sheet.DISPLAY, "B", 11)
            pdf.ink(_ON_BAND)
            for number, line in enumerate(pdf.wrapped(text, width)[:2]):
                pdf.write_at(sheet.MARGIN + place * sheet.INNER / 4, y + 6.3 + 4.2 * number, line)
        pdf.set_y(y + _FACT)
    pdf.set_y(pdf.get_y() + 1)
    pdf.paragraph(frame.disclaimer, size=8, colour=_SOFT_BAND)
    pdf.set_y(height + 5)


def _headlines(pdf: Sheet, headlines: Sequence[Headline]) -> None:
    """Three in a row, each with its interval on a rail."""
    from macule.exchange.pdf import charts, sheet

    width, top = sheet.INNER / 3, pdf.get_y()
    pdf.set_font(sheet.BODY, "", 7.5)
    hints = [[line for text in (each.hint, each.figure.count) for line in pdf.wrapped(text, width - 9) if text]
             for each in headlines]
    rise = 27.0 + 3.3 * max((len(lines) for lines in hints), default=2)
    for place, each in enumerate(headlines):
        x, y, figure = sheet.MARGIN + place % 3 * width, top + place // 3 * rise, each.figure
        pdf.ink(sheet.INK)
        pdf.set_font(sheet.BODY, "B", 8.5)
        pdf.write_at(x, y + 2, each.name)
        _big(pdf, figure, x, y + 9)
        if figure.at is not None and figure.interval:
            charts.rail(pdf, x, y + 16, width - 9, (figure.low, figure.at, figure.high))
        pdf.ink(sheet.SOFT)
        pdf.set_font(sheet.BODY, "", 7.5)
        if figure.interval:
            pdf.write_at(x, y + 20, f"95 % interval {figure.interval[1:-1]}")
        for number, line in enumerate(hints[place]):
            pdf.write_at(x, y + 23.5 + 3.3 * number, line)
    pdf.set_y(top + rise * ((len(headlines) + 2) // 3) + 3)


def _big(pdf: Sheet, figure: Shown, x: float, y: float) -> None:
    from macule.exchange.pdf import sheet

    if figure.mark:
        pdf.ink(sheet.BAD)
        pdf.set_font(sheet.BODY, "B", 8)
        pdf.write_at(x, y, figure.mark.strip())
        x += pdf.get_string_width(figure.mark.strip()) + 2
    pdf.ink(sheet.SOFT if figure.missing else sheet.INK)
    pdf.set_font(sheet.DISPLAY, "I" if figure.missing else "B", 13 if figure.missing else 25)
    pdf.write_at(x, y, figure.value)


def _contents(pdf: Any, outline: Sequence[Any]) -> None:
    """pdf: a Sheet; fpdf2 calls this once the pages are known."""
    from macule.exchange.pdf import sheet

    for number, entry in enumerate(outline, 1):
        y = pdf.get_y() + 3
        pdf.ink(sheet.INK)
        pdf.set_font(sheet.BODY, "", 9)
        pdf.write_at(sheet.MARGIN, y, f"{number:02d}   {entry.name}")
        pdf.write_at(sheet.MARGIN, y, str(entry.page_number), width=sheet.INNER, align="R")
        pdf.link(sheet.MARGIN, y - 2.5, sheet.INNER, 5, pdf.add_link(page=entry.page_number))
        pdf.rule(y + 2.8)
        pdf.set_y(y + 3)


def _section(pdf: Sheet, number: str, section: Section, mark: str) -> None:
    _title(pdf, number, section.title, f"{mark}{section.lead}" if section.lead else "")
    # Neighbouring plots stand side by side.
    for plotted, group in groupby(section.blocks, key=lambda block: isinstance(block, Plot)):
        if plotted:
            _plots(pdf, [block for block in group if isinstance(block, Plot)], mark)
        else:
            for block in group:
                _block(pdf, block, mark)
    pdf.set_y(pdf.get_y() + 4)


def _title(pdf: Sheet, number: str, title: str, lead: str) -> None:
    from macule.exchange.pdf import sheet
    from macule.exchange.pdf.latin import latin

    pdf.set_font(sheet.DISPLAY, "", 11.5)
    pdf.room(60 + sheet.leading(11.5) * len(pdf.wrapped(lead, sheet.INNER)))
    if pdf.get_y() > sheet.TOP + 1:
        pdf.set_y(pdf.get_y() + 4)
    pdf.rule(pdf.get_y(), sheet.INK, 0.7)
    pdf.set_y(pdf.get_y() + 3)
    pdf.start_section(latin(title))
    y = pdf.get_y()
    pdf.paragraph(number, font=sheet.DISPLAY, size=11, colour=sheet.SOFT, after=0)
    pdf.set_y(y - 1.2)
    pdf.paragraph(title, font=sheet.DISPLAY, style="B", size=18, x=sheet.MARGIN + 8, width=sheet.INNER - 8, after=1)
    if lead:
        pdf.paragraph(lead, font=sheet.DISPLAY, size=11.5, after=3)


def _block(pdf: Sheet, block: Block, mark: str) -> None:
    from macule.exchange.pdf import charts, sheet, tables

    match block:
        case Prose():
            pdf.paragraph(block.text, after=3)
        case Note():
            _note(pdf, block)
        case Table():
            tables.table(pdf, block, mark)
        case Forest():
            charts.forest(pdf, plots.forest(replace(block, title=f"{mark}{block.title}"), mark))
        case Matrix():
            charts.matrix(pdf, replace(block, title=f"{mark}{block.title}"))
        case Gallery():
            pdf.paragraph(f"{block.title}: {len(block.shots)} pictures are shown in the page (index.html) and left out "
                          "here, because they are the user's.", style="I", size=8.5, colour=sheet.SOFT, after=3)
        case Plot():
            _plots(pdf, [block], mark)


def _plots(pdf: Sheet, blocks: Sequence[Plot], mark: str) -> None:
    from macule.exchange.pdf import charts, sheet

    width = (sheet.INNER - 8) / 2
    drawn = [plots.plot(replace(block, title=f"{mark}{block.title}")) for block in blocks]
    for start in range(0, len(drawn), 2):
        pair = drawn[start:start + 2]
        height = max(charts.plot_height(pdf, each, width) for each in pair)
        pdf.room(height)
        y = pdf.get_y()
        for place, each in enumerate(pair):
            charts.plot(pdf, each, sheet.MARGIN + place * (width + 8), y, width)
        pdf.set_y(y + height + 3)


def _note(pdf: Sheet, note: Note, word: str = "") -> None:
    from macule.exchange.pdf import sheet

    ground, colour = _TONES[note.tone]
    text = note.text if word or not shown.TONES[note.tone] else f"{shown.TONES[note.tone]}: {note.text}"
    pdf.set_font(sheet.BODY, "", 9)
    lines = pdf.wrapped(text, sheet.INNER - 8)
    height = sheet.leading(9) * len(lines) + (7 if word else 0) + 4
    pdf.room(height)
    y = pdf.get_y()
    pdf.fill(ground)
    pdf.rect(sheet.MARGIN, y, sheet.INNER, height, style="F")
    pdf.fill(colour)
    pdf.rect(sheet.MARGIN, y, 1.2, height, style="F")
    pdf.set_y(y + 2)
    if word:
        pdf.paragraph(word, font=sheet.DISPLAY, style="B", size=15, colour=colour, x=sheet.MARGIN + 5, after=0)
    pdf.paragraph(text, x=sheet.MARGIN + 5, width=sheet.INNER - 8, after=0)
    pdf.set_y(y + height + 3)


def _blank(pdf: Sheet, frame: Frame) -> None:
    from macule.exchange.pdf import tables

    count = len(frame.blank)
    _title(pdf, "-", "Not measured", f"{count} part{'' if count == 1 else 's'} of a full evaluation "
           f"{'is' if count == 1 else 'are'} blank in this report.")
    tables.table(pdf, Table("What is missing, and how to measure it", ("Part", "How"), frame.blank), frame.mark)


def _end(pdf: Sheet, frame: Frame) -> None:
    from macule.exchange.pdf import sheet

    pdf.room(30)
    pdf.rule(pdf.get_y(), sheet.INK, 0.4)
    pdf.set_y(pdf.get_y() + 3)
    pdf.paragraph(frame.disclaimer, size=8, colour=sheet.SOFT)
    pdf.paragraph(f"Written {frame.written} by macule {frame.version} with the bundle {frame.bundle}"
                  f"{f', SHA-256 {frame.sha256}' if frame.sha256 else ''}. Every figure stands in report.json beside "
                  "this file.", size=8, colour=sheet.SOFT)
