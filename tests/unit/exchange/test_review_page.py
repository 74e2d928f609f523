"""The review page: what it shows, that nothing leaves it, and that a name of a picture is never run."""

from __future__ import annotations

import re
from datetime import UTC, datetime

import pytest
from macule_testing import draw, encode

pytest.importorskip("pyarrow", reason="needs the data extra")

from macule.analysis.result import DISCLAIMER
from macule.data.clean import Finding, Looked
from macule.data.manifest import Row
from macule.data.review import Review
from macule.exchange import review as pages

NOW = datetime(2026, 11, 21, 9, 30, tzinfo=UTC)
EVIL = '</script><script>alert("x")</script>'


def looked(name, *findings, thumbnail=None):
    row = Row(dataset="ham10000", picture_id=name, group="ham10000:1", dx="mel", labels=("mel",), picture="a.jpg",
              sha256="0" * 64)
    return Looked(row, findings, thumbnail)


@pytest.fixture
def render(tmp_path):
    def call(pictures, samples=48):
        review = Review(samples=samples)
        for each in pictures:
            review.add(each)
        pages.write(tmp_path, review, name="new.parquet", digest="abc" * 20, now=NOW)
        assert [path.name for path in tmp_path.iterdir()] == ["index.html"]
        return (tmp_path / "index.html").read_text(encoding="utf-8")

    return call


def test_a_sheet_for_each_check_with_the_value_against_its_limit(render):
    poor = (Finding("sharpness", 0.2, 0.28), Finding("darkness", 31.0, 60.0))
    page = render([looked("ISIC_1", *poor, thumbnail=encode(draw(), "JPEG")), looked("ISIC_2", Finding("missing")),
                   looked("ISIC_3")])
    text = " ".join(re.sub(r"<[^>]+>", " ", page[page.index("<body"):]).split())
    assert "2 of 3 pictures wait for a second look" in text and DISCLAIMER in text
    assert page.index('id="missing"') < page.index('id="sharpness"') < page.index('id="darkness"')
    assert "0.2 at least 0.28" in text and "31 at least 60" in text and "mel; also dark" in text
    assert page.count("data:image/jpeg;base64,") == 2 and text.count("no picture to show") == 1
    assert "--value: 63.8%; --limit-at: 89.3%" in page


def test_only_the_most_doubtful_are_shown_and_the_rest_are_counted(render):
    page = render([looked(f"ISIC_{n}", Finding("grain", 3.0 + n, 2.8)) for n in range(5)], samples=2)
    assert "ISIC_0" in page and "ISIC_1" in page and "ISIC_2" not in page
    assert "3 more are not shown here; every one stands in review.csv" in page


def test_nothing_is_fetched_and_no_name_is_run(render):
    page = render([looked(EVIL, Finding("size", 100, 224)), looked("ISIC_2", Finding("size", 223, 224))])
    assert "alert(" in page and "<script>alert" not in page and page.count("<script>") == 1
    assert "default-src 'none'" in page
    assert all(link.startswith(("data:", "#")) for link in re.findall(r'(?:src|href)="([^"]*)"', page))
    assert "http" not in page.replace('http-equiv="Content-Security-Policy"', "") and "url(" not in page


def test_every_picture_can_be_decided_on_by_keyboard(render):
    page = render([looked("ISIC_1", Finding("size", 100, 224), Finding("glare", 0.4, 0.15))])
    assert page.count("<legend>Decision on ISIC_1</legend>") == 2 and page.count('type="radio"') == 6
    assert page.count(" checked") >= 2 and '"dataset,picture_id,sha256,reason,decision"' in page


def test_a_set_without_fault(render):
    page = render([looked("ISIC_1"), looked("ISIC_2")])
    assert "0 of 2 pictures" in page and "Every picture passed" in page and "<script>" not in page
