"""A4 sheets: fonts, colours, running head and foot, and text that breaks where it must. Lengths in millimetres."""

from __future__ import annotations

from datetime import datetime

from fpdf import FPDF
from fpdf.enums import XPos, YPos

from macule.exchange.pdf.latin import latin

WIDTH, HEIGHT, MARGIN, TOP, FOOT = 210.0, 297.0, 17.0, 22.0, 16.0
INNER = WIDTH - 2 * MARGIN
BOTTOM = HEIGHT - FOOT - 3
BODY, DISPLAY = "Helvetica", "Times"
INK, SOFT, LINE, ACCENT, BAD = "#10201f", "#455a5c", "#cfdad8", "#0a5a62", "#a01d2c"
#: Points to millimetres, with the air between lines.
_LEADING = 0.3528 * 1.3


class Sheet(FPDF):
    """head: left and right words of the running head; mark: stands before them, in red."""

    def __init__(self, *, title: str, head: tuple[str, str], foot: str, mark: str, now: datetime) -> None:
        super().__init__(format="A4")
        self._head, self._foot, self._mark = head, foot, mark
        self._widths: dict[tuple[str, str, float, str], float] = {}
        self.set_margins(MARGIN, TOP, MARGIN)
        self.set_auto_page_break(auto=False)
        self.c_margin = 0.0
        self.set_title(self.letters(title))
        self.set_creator("macule")
        self.set_lang("en")
        self.set_creation_date(now)
        self.alias_nb_pages()

    def letters(self, text: str) -> str:
        """The text in letters that this sheet's fonts have."""
        return latin(text)

    def normalize_text(self, text: str) -> str:
        """Whatever is written passes here: no letter can break the document."""
        return str(super().normalize_text(self.letters(text)))

    def measured(self, text: str) -> float:
        """Width in the font that is set. The same words are measured many times before a table is laid out."""
        key = (self.font_family, self.font_style, self.font_size_pt, text)
        if key not in self._widths:
            self._widths[key] = self.get_string_width(text)
        return self._widths[key]

    def header(self) -> None:
        if self.page_no() == 1:
            return
        left, right = self._head
        self.ink(SOFT)
        self.set_font(BODY, "", 7)
        self.set_xy(MARGIN, 11)
        if self._mark:
            self.ink(BAD)
            self.set_font(BODY, "B", 7)
            self.cell(self.get_string_width(self._mark) + 1, 4, self.letters(self._mark))
            self.ink(SOFT)
            self.set_font(BODY, "", 7)
        self.cell(INNER / 2, 4, self.fitted(left, INNER / 2))
        self.set_xy(MARGIN + INNER / 2, 11)
        self.cell(INNER / 2, 4, self.letters(right), align="R")
        self.rule(16)
        self.set_y(TOP)

    def footer(self) -> None:
        self.ink(SOFT)
        self.set_font(BODY, "", 7)
        self.set_xy(MARGIN, HEIGHT - FOOT + 3)
        self.cell(INNER / 2, 4, self.letters(self._foot))
        self.cell(INNER / 2, 4, f"{self.page_no()} of {{nb}}", align="R")

    def ink(self, colour: str) -> None:
        self.set_text_color(*rgb(colour))

    def stroke(self, colour: str, width: float, dash: str = "") -> None:
        """dash: of a stylesheet, in points."""
        self.set_draw_color(*rgb(colour))
        self.set_line_width(width)
        lengths = [float(each) * 0.25 for each in dash.split()]
        if lengths:
            self.set_dash_pattern(dash=lengths[0], gap=lengths[1])
        else:
            self.set_dash_pattern()

    def fill(self, colour: str) -> None:
        self.set_fill_color(*rgb(colour))

    def rule(self, y: float, colour: str = LINE, width: float = 0.2) -> None:
        self.stroke(colour, width)
        self.line(MARGIN, y, MARGIN + INNER, y)

    def room(self, height: float) -> bool:
        """A new page if so much does not fit on this one. Returns: whether there is a new one."""
        if self.get_y() + height <= BOTTOM or self.get_y() <= TOP + 0.1:
            return False
        self.add_page()
        return True

    def wrapped(self, text: str, width: float) -> list[str]:
        """Lines in the font that is set; a word that is too long is cut."""
        lines, line = [], ""
        for word in self.letters(text).split(" "):
            joined = f"{line} {word}" if line else word
            if self.measured(joined) <= width:
                line = joined
                continue
            if line:
                lines.append(line)
            *whole, line = self._cut(word, width)
            lines.extend(whole)
        return [*lines, line]

    def _cut(self, word: str, width: float) -> list[str]:
        parts, part = [], ""
        for letter in word:
            if part and self.measured(part + letter) > width:
                parts.append(part)
                part = ""
            part += letter
        return [*parts, part]

    def fitted(self, text: str, width: float) -> str:
        """One line; what does not fit ends in dots."""
        words = self.letters(text)
        if self.measured(words) <= width:
            return words
        while words and self.measured(words + "...") > width:
            words = words[:-1]
        return words.rstrip() + "..."

    def write_at(self, x: float, y: float, text: str, *, width: float = 0.0, align: str = "L") -> None:
        """One line with its middle at y. width: that it is set right or centred in, from x."""
        if not text:
            return
        height = leading(self.font_size_pt)
        self.set_xy(x, y - height / 2)
        self.cell(width or None, height, self.letters(text), align=align)

    def paragraph(self, text: str, *, font: str = BODY, style: str = "", size: float = 9.0, colour: str = INK,
                  width: float = INNER, x: float = MARGIN, after: float = 2.0) -> None:
        """Breaks over pages between lines; leaves the cursor below it."""
        self.set_font(font, style, size)
        lines = self.wrapped(text, width)
        height = leading(size)
        for line in lines:
            self.room(height)
            self.set_font(font, style, size)
            self.ink(colour)
            self.set_x(x)
            self.cell(width, height, line, new_x=XPos.LMARGIN, new_y=YPos.NEXT)
        self.set_y(self.get_y() + after)


def leading(size: float) -> float:
    """Height of a line of letters of so many points."""
    return size * _LEADING


def rgb(colour: str) -> tuple[int, int, int]:
    """#rrggbb or #rgb."""
    digits = colour.lstrip("#")
    digits = "".join(2 * digit for digit in digits) if len(digits) == 3 else digits
    return int(digits[:2], 16), int(digits[2:4], 16), int(digits[4:], 16)
