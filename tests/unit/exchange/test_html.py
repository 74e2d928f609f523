from __future__ import annotations

from datetime import UTC, datetime
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from macule_testing import encode

from macule.analysis.pipeline import Analyzer
from macule.analysis.result import DISCLAIMER
from macule.errors import UnreadableImage, UsageError
from macule.exchange.html import Report

NOW = datetime(2026, 11, 21, 9, 30, tzinfo=UTC)
EVIL = '<script>alert("x")</script>\udcff.png'


class Sources(HTMLParser):
    """Every `src` and `href` of a page, and its tags."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.tags: set[str] = set()
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.links += [value or "" for name, value in attrs if name in ("src", "href")]


@pytest.fixture
def folder(analyzer: Analyzer, picture: Path, tmp_path: Path) -> Path:
    folder = tmp_path / "report"
    with Report(folder, bundle=analyzer.bundle.identity, now=NOW) as report:
        report.add(EVIL, analyzer.analyze(picture))
        report.add("small.png", analyzer.analyze(encode(np.zeros((1, 1, 3), np.uint8))))
        report.add("text.jpg", UnreadableImage("text.jpg is <b>not</b> a picture"))
    return folder


def test_the_page_shows_every_input(folder: Path, analyzer: Analyzer) -> None:
    page = (folder / "index.html").read_text(encoding="utf-8")
    for words in ("Medium risk", "Not judged", "Not read", "unreadable_image", DISCLAIMER, "2026-11-21 09:30"):
        assert words in page
    assert analyzer.bundle.sha256 in page


def test_the_page_needs_nothing_from_elsewhere(folder: Path) -> None:
    page = Sources((folder / "index.html").read_text(encoding="utf-8"))
    assert len(page.links) == 3  # picture and heatmap of the first, picture of the second
    assert all((folder / link).is_file() for link in page.links)


def test_names_and_messages_are_escaped(folder: Path) -> None:
    text = (folder / "index.html").read_text(encoding="utf-8")
    page = Sources(text)
    assert "script" not in page.tags and "b" not in page.tags
    assert "&lt;script&gt;" in text


def test_a_failure_leaves_the_old_page(folder: Path, analyzer: Analyzer) -> None:
    before = (folder / "index.html").read_bytes()
    with pytest.raises(RuntimeError), Report(folder, bundle=analyzer.bundle.identity):
        raise RuntimeError
    assert (folder / "index.html").read_bytes() == before


def test_a_folder_that_cannot_be_made_is_wrong_usage(analyzer: Analyzer, picture: Path) -> None:
    with pytest.raises(UsageError, match=r"mole\.png"), Report(picture, bundle=analyzer.bundle.identity):
        pass
