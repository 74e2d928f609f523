"""A report page: a folder with `index.html` and its pictures, to be opened, printed or sent on without a server.

The pictures lie beside the page and load as they come into view, so that a folder of a thousand still opens.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from macule import __version__
from macule.analysis.explain import overlay, to_jpeg
from macule.analysis.result import DISCLAIMER, BundleId, Result
from macule.errors import MaculeError, UsageError

PAGE = "index.html"
PICTURES = "pictures"


@dataclass(frozen=True)
class Sheet:
    """One input on the page. picture, heatmap: paths relative to the page."""

    number: int
    image: str
    kind: str
    result: Result | None = None
    error: MaculeError | None = None
    picture: str | None = None
    heatmap: str | None = None


class Report:
    """Takes answers one at a time; their pictures go to disk at once, the page is written at the end."""

    def __init__(self, folder: Path, *, bundle: BundleId, now: datetime | None = None) -> None:
        """now: what the page calls the time of writing."""
        self._folder, self._bundle, self._now = folder, bundle, now
        self._sheets: list[Sheet] = []

    def __enter__(self) -> Self:
        make_folder(self._folder)
        return self

    def add(self, image: str, answer: Result | MaculeError) -> None:
        number = len(self._sheets) + 1
        if isinstance(answer, MaculeError):
            self._sheets.append(Sheet(number, shown(image), "error", error=answer))
        else:
            self._sheets.append(self._lay_out(number, shown(image), answer))

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            page = render(self._sheets, bundle=self._bundle, now=self._now or datetime.now(UTC))
            temporary = self._folder / f".{PAGE}"
            temporary.write_text(page, encoding="utf-8")
            temporary.replace(self._folder / PAGE)

    def _lay_out(self, number: int, image: str, result: Result) -> Sheet:
        answer, rgb = result.assessment, result.thumbnail
        kind = "refused" if answer is None else answer.risk.value
        if rgb is None:
            return Sheet(number, image, kind, result)
        picture = write_picture(self._folder, f"{number:05d}.jpg", rgb)
        if answer is None:
            return Sheet(number, image, kind, replace(result, thumbnail=None), picture=picture)
        heatmap = write_picture(self._folder, f"{number:05d}-heat.jpg", overlay(rgb, answer.heatmap))
        # The page needs no more pixels: let a thousand pictures' thumbnails go.
        return Sheet(number, image, kind, replace(result, thumbnail=None), picture=picture, heatmap=heatmap)


def make_folder(folder: Path) -> None:
    """A report's folder and that of its pictures. Raises: UsageError."""
    try:
        (folder / PICTURES).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        message = f"the report folder {folder} cannot be made ({error.strerror}): name another."
        raise UsageError(message) from error


def write_picture(folder: Path, name: str, rgb: NDArray[np.uint8]) -> str:
    """rgb: uint8, shape (H, W, 3). Returns: the path relative to the page."""
    (folder / PICTURES / name).write_bytes(to_jpeg(rgb))
    return f"{PICTURES}/{name}"


def render(sheets: list[Sheet], *, bundle: BundleId, now: datetime) -> str:
    """The page's HTML; every name and message is escaped."""
    # Jinja takes 60 ms to import, which only those who want a page should pay.
    from jinja2 import Environment, PackageLoader, StrictUndefined

    loader = PackageLoader("macule.exchange", "templates")
    pages = Environment(loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    return pages.get_template("report.html").render(
        sheets=sheets,
        counts=Counter(sheet.kind for sheet in sheets),
        bundle=bundle,
        views=next((sheet.result.views for sheet in sheets if sheet.result), None),
        now=now,
        version=__version__,
        disclaimer=DISCLAIMER,
    )


def shown(name: str) -> str:
    """A file name that is not text (lone surrogates) in a form that UTF-8 can hold."""
    return name.encode("utf-8", "backslashreplace").decode("utf-8")
