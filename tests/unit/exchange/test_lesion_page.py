"""The page of one lesion."""

from __future__ import annotations

from datetime import UTC, datetime
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from macule_testing import draw, encode

from macule.analysis.lesion import LesionResult
from macule.analysis.patient import Modality
from macule.analysis.pipeline import Analyzer
from macule.analysis.result import DISCLAIMER
from macule.errors import UsageError
from macule.exchange.lesion_page import LesionReport, marks

NOW = datetime(2026, 11, 21, 9, 30, tzinfo=UTC)
EVIL = '<script>alert("x")</script>\udcff.png'
DARK, PALE = (encode(draw(spot=spot)) for spot in ((20, 10, 5), (160, 120, 100)))
SMALL = encode(np.zeros((1, 1, 3), np.uint8))


class Page(HTMLParser):
    """Every `src` and `href` of a page, and its tags."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.tags: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.links += [value or "" for name, value in attrs if name in ("src", "href")]


def written(analyzer: Analyzer, result: LesionResult, folder: Path) -> str:
    with LesionReport(folder, bundle=analyzer.bundle, now=NOW) as report:
        report.add_lesion(result)
    return (folder / "index.html").read_text(encoding="utf-8")


@pytest.fixture
def result(analyzer: Analyzer) -> LesionResult:
    kinds = [Modality.DERMOSCOPIC, Modality.CLINICAL, None, None]
    return analyzer.analyze_lesion([DARK, PALE, SMALL, b"text"], modalities=kinds,
                                   names=["in/dark.png", EVIL, "small.png", "text.jpg"])


def test_the_page_shows_the_answer_and_every_picture(analyzer: Analyzer, result: LesionResult, tmp_path: Path) -> None:
    text = written(analyzer, result, tmp_path / "page")
    for words in ("One lesion, 4 pictures", "2 pictures together", "2 left out", "dermoscopic", "clinical", "dark.png",
                  "Left out: not judged", "Left out: not read", "same first diagnosis", DISCLAIMER, "2026-11-21 09:30",
                  "1 view a picture", analyzer.bundle.sha256):
        assert words in text
    page = Page(text)
    assert len(page.links) == 5  # picture and heatmap of two, the picture of the one that was refused
    assert all((tmp_path / "page" / link).is_file() for link in page.links)
    assert "script" not in page.tags and "&lt;script&gt;" in text


def test_the_scale_has_each_picture_and_all_together(result: LesionResult) -> None:
    assert result.answer is not None
    alone = [each.malignant for each in result.alone]
    assert [(mark.name, mark.at) for mark in marks(result)] == [
        ("Picture 1", alone[0]), ("Picture 2", alone[1]), ("Together", result.answer.malignant)]


def test_one_picture_has_nothing_to_agree_with(analyzer: Analyzer, tmp_path: Path) -> None:
    text = written(analyzer, analyzer.analyze_lesion([DARK]), tmp_path)
    assert "One lesion, 1 picture<" in text and "nothing to compare it with" in text


def test_without_an_answer_the_page_says_so(analyzer: Analyzer, tmp_path: Path) -> None:
    text = written(analyzer, analyzer.analyze_lesion([SMALL, b"text"]), tmp_path)
    assert "None of the pictures could be judged" in text and "Ranked diagnoses" not in text


def test_many_pictures_get_no_columns_of_their_own(analyzer: Analyzer, tmp_path: Path) -> None:
    sources = [encode(draw(width=300, height=230, seed=seed)) for seed in range(5)]
    assert "<thead>" in written(analyzer, analyzer.analyze_lesion(sources[:2]), tmp_path)
    assert "<thead>" not in written(analyzer, analyzer.analyze_lesion(sources), tmp_path)


def test_a_folder_that_cannot_be_made_is_wrong_usage(analyzer: Analyzer, picture: Path) -> None:
    with pytest.raises(UsageError, match=r"mole\.png"), LesionReport(picture, bundle=analyzer.bundle):
        pass
