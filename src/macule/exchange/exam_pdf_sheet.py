"""The paper that an exam is printed on: embedded letters, a letterhead, the disclaimer on every page, and tags.

Tags give a screen reader headings, paragraphs, described pictures and their order. What fpdf2 cannot say is the inner
structure of tables and lists: each row is a paragraph of its own. So this is tagged PDF, but not PDF/UA.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from importlib.resources import files
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from macule.exchange.pdf import sheet
from macule.exchange.pdf.sheet import ACCENT, INK, INNER, LINE, MARGIN, SOFT, Sheet, leading

#: Source Sans Pro and Source Serif Pro (Adobe, SIL Open Font License 1.1), each a package: Latin, Greek and Cyrillic.
SANS, SERIF = "font_source_sans_pro", "font_source_serif_pro"
TEXT, DISPLAY = "sans", "serif"
#: Stands for letters that the fonts lack: emoji, Arabic, Chinese.
UNPRINTABLE = "[…]"
#: Millimetres of the foot, with the disclaimer in it.
FOOT = 25.0
BOTTOM = sheet.HEIGHT - FOOT - 3
_JPEG = 88


def _font(package: str, name: str) -> Path:
    return Path(str(files(package))) / "files" / f"{name}.ttf"


class Paper(Sheet):
    """clinic: stands on top of each page. kind: what the paper is. page: wording of `{page} of {pages}`."""

    def __init__(self, *, title: str, language: str, clinic: str, kind: str, page: str, disclaimer: str, mark: str,
                 now: datetime) -> None:
        """mark: left of the page number. disclaimer: in the foot of every page. now: the document's date."""
        super().__init__(title=title, head=("", ""), foot=mark, mark="", now=now)
        for family, style, package, name in ((TEXT, "", SANS, "SourceSansPro-Regular"),
                                             (TEXT, "B", SANS, "SourceSansPro-Semibold"),
                                             (DISPLAY, "B", SERIF, "SourceSerifPro-Semibold")):
            self.add_font(family, style, _font(package, name))
        self.set_font(TEXT, "", 10)
        self.set_title(title)
        self.set_lang(language)
        self.viewer_preferences = _preferences()
        self._clinic, self._kind, self._page, self._disclaimer = clinic, kind, page, disclaimer
        self.unprintable = False  # whether any letter had to be left out

    # ---- letters

    def letters(self, text: str) -> str:
        """Composed, without control and direction signs; what the font lacks becomes one `[…]` a run."""
        found: list[str] = []
        for letter in unicodedata.normalize("NFC", text):
            shown = self._letter(letter)
            if shown == UNPRINTABLE and (self._tail(found) == UNPRINTABLE):
                continue
            found.append(shown)
        return "".join(found)

    def _letter(self, letter: str) -> str:
        if letter in "\t\n\r\u2028\u2029":
            return " "
        if unicodedata.category(letter) in ("Cc", "Cf", "Cs", "Co", "Cn") or "\ufe00" <= letter <= "\ufe0f":
            return ""
        if not hasattr(self, "unprintable") or self._has(letter):
            return letter
        plain = "".join(each for each in unicodedata.normalize("NFKD", letter) if not unicodedata.combining(each))
        if plain and all(self._has(each) for each in plain):
            return plain
        if unicodedata.combining(letter):
            return ""
        self.unprintable = True
        return UNPRINTABLE

    def _has(self, letter: str) -> bool:
        return ord(letter) in getattr(self.current_font, "cmap", ())

    @staticmethod
    def _tail(found: list[str]) -> str:
        """What was written last, blanks aside."""
        return next((each for each in reversed(found) if each.strip()), "")

    # ---- tags

    @contextmanager
    def tag(self, kind: str, *, alt: str | None = None) -> Iterator[None]:
        """What is drawn in the block is one element of the document: `P`, `H1`, `H2`, `Figure`.

        fpdf2 offers this to its own pictures only, hence its inner methods; a block must not leave its page.
        """
        number = self.struct_builder.next_mcid_for_page(self.page)
        self._add_marked_content(struct_type=f"/{kind}", mcid=number, alt_text=alt)
        self._out(f"/{kind} <</MCID {number}>> BDC")
        yield
        self._out("EMC")

    @contextmanager
    def artifact(self) -> Iterator[None]:
        """Decoration and running heads: a screen reader passes over them."""
        self._out("/Artifact BMC")
        yield
        self._out("EMC")

    # ---- head and foot

    def header(self) -> None:
        with self.artifact():
            self.set_font(DISPLAY, "B", 13)
            self.ink(ACCENT)
            self.write_at(MARGIN, 14.5, self.fitted(self._clinic, INNER * 0.6))
            self.set_font(TEXT, "", 9)
            self.ink(SOFT)
            self.write_at(MARGIN + INNER * 0.6, 14.8, self.fitted(self._kind, INNER * 0.4), width=INNER * 0.4,
                          align="R")
            self.rule(19.5, ACCENT, 0.5)
        self.set_y(26)

    def footer(self) -> None:
        with self.artifact():
            self.rule(sheet.HEIGHT - FOOT, LINE, 0.2)
            self.set_y(sheet.HEIGHT - FOOT + 2)
            self.body(self._disclaimer, size=8, colour=SOFT, tag=None)
            self.set_font(TEXT, "", 8)
            self.ink(SOFT)
            y = sheet.HEIGHT - 8
            self.write_at(MARGIN, y, self.fitted(self._foot, INNER * 0.75))
            # Set left: how many pages there will be is not known yet, and `{nb}` is wider than a figure.
            shown = self.measured(self._page.format(page=self.page_no(), pages=9))
            self.write_at(MARGIN + INNER - shown, y, self._page.format(page=self.page_no(), pages="{nb}"))

    # ---- text

    def body(self, text: str, *, x: float = MARGIN, width: float = INNER, size: float = 10.0, style: str = "",
             colour: str = INK, font: str = TEXT, after: float = 0.0, tag: str | None = "P") -> float:
        """A paragraph at the cursor that stays on its page; line breaks in it are kept. Returns: where it ends."""
        self.set_font(font, style, size)
        lines = self.lines(text, width)
        self.ink(colour)
        y, height = self.get_y(), leading(size)
        with self.tag(tag) if tag else _nothing():
            for line in lines:
                self.write_at(x, y + height / 2, line)
                y += height
        self.set_y(y + after)
        return y + after

    def height(self, text: str, width: float, size: float, style: str = "", font: str = TEXT) -> float:
        """Of the paragraph that `body` would draw."""
        self.set_font(font, style, size)
        return len(self.lines(text, width)) * leading(size)

    def lines(self, text: str, width: float) -> list[str]:
        """In the font that is set."""
        return [line for part in text.splitlines() or [""] for line in self.wrapped(part, width)]

    def flow(self, text: str, *, x: float = MARGIN, width: float = INNER, size: float = 10.0, style: str = "",
             colour: str = INK, after: float = 0.0) -> None:
        """As `body`, but going on on the next page where it must."""
        self.set_font(TEXT, style, size)
        lines = self.lines(text, width)
        while lines:
            self.space(leading(size))
            fits = max(1, int((BOTTOM - self.get_y()) / leading(size)))
            self.body("\n".join(lines[:fits]), x=x, width=width + 0.01, size=size, style=style, colour=colour)
            lines = lines[fits:]
        self.set_y(self.get_y() + after)

    def space(self, height: float) -> bool:
        """A new page if so much does not fit on this one. Returns: whether there is a new one."""
        if self.get_y() + height <= BOTTOM:
            return False
        self.add_page()
        return True

    # ---- figures

    def photo(self, rgb: NDArray[np.uint8], x: float, y: float, *, box: tuple[float, float], alt: str) -> float:
        """Fitted into the box, at its upper left corner. box: width, height. Returns: the height that it takes."""
        rows, columns = rgb.shape[0], rgb.shape[1]
        scale = min(box[0] / columns, box[1] / rows)
        buffer = BytesIO()
        Image.fromarray(rgb).save(buffer, "JPEG", quality=_JPEG, subsampling=0)
        with self.tag("Figure", alt=self.letters(alt)):
            self.image(buffer, x, y, columns * scale, rows * scale)
        return float(rows * scale)


def _preferences() -> Any:
    from fpdf.prefs import ViewerPreferences

    return ViewerPreferences(display_doc_title=True)


@contextmanager
def _nothing() -> Iterator[None]:
    yield
