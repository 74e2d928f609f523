from __future__ import annotations

import re
from datetime import UTC, datetime
from html.parser import HTMLParser

import pytest
import sample_report as sample

from macule.analysis.result import DISCLAIMER
from macule.exchange import evaluation_page, palette
from macule.exchange.blocks import Section, Table, Value

NOW = datetime(2026, 11, 21, 14, tzinfo=UTC)
VOID = {"meta", "img", "br", "link", "input"}


class Reader(HTMLParser):
    """Text, tags with their attributes, and whether every tag is closed."""

    def __init__(self, html):
        super().__init__()
        self.tags, self.open, self.broken, self.words = [], [], [], []
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        if not self.open or self.open.pop() != tag:
            self.broken.append(tag)

    def handle_data(self, data):
        self.words.append(data)

    @property
    def text(self):
        return re.sub(r"\s+", " ", " ".join(self.words))

    def all(self, tag):
        return [attrs for name, attrs in self.tags if name == tag]


@pytest.fixture(scope="module")
def write(tmp_path_factory):
    def written(report=sample.REPORT, sections=None):
        path = tmp_path_factory.mktemp("page") / "index.html"
        evaluation_page.write(report, sample.sections() if sections is None else sections, path, NOW)
        return path.read_text(encoding="utf-8")

    return written


@pytest.fixture(scope="module")
def html(write):
    return write()


def test_one_file_without_script_or_request(html):
    page = Reader(html)
    assert not page.broken and not page.open
    assert not page.all("script") and not page.all("link")
    assert all(image["src"].startswith("data:image/jpeg;base64,") for image in page.all("img"))
    assert "default-src 'none'" in html and "url(" not in html
    assert all(link["href"].startswith("#") for link in page.all("a"))


def test_hostile_text_is_text(html):
    assert "<script" not in html and "&lt;script&gt;" in html


def test_every_link_of_the_contents_leads_somewhere(html):
    page = Reader(html)
    anchors = {attrs["id"] for _, attrs in page.tags if "id" in attrs}
    assert {link["href"][1:] for link in page.all("a")} <= anchors
    assert len(page.all("a")) == 1 + 1 + 4 + 1  # to the figures, at a glance, four sections, not measured


def test_what_was_not_measured_stands_once_with_how_to(html):
    assert "Add --robustness to the command." in html and 'id="robustness"' not in html
    assert "2 parts of a full evaluation are blank" in Reader(html).text


def test_the_disclaimer_is_first_and_last(html):
    body = html[html.index("<body>"):]
    assert body.count(DISCLAIMER) == 2
    assert body.index(DISCLAIMER) < body.index("<main") < body.rindex(DISCLAIMER)


def test_headlines_have_their_interval_and_count(html):
    text = Reader(html).text
    for words in ("0.669", "95 % interval 0.629 to 0.709", "117 positive of 595", "Melanoma sensitivity", "0.520"):
        assert words in text


def test_nothing_undefined_becomes_a_number(html):
    text = Reader(html).text
    assert not re.search(r"\bnan\b", text, re.IGNORECASE) and "not measured" in text
    assert "Nothing to draw: no value is defined." in html


def test_charts_say_in_words_what_they_show(html):
    page = Reader(html)
    labels = [svg["aria-label"] for svg in page.all("svg") if svg.get("role") == "img"]
    assert "ROC, malignant. Above the diagonal throughout." in labels
    assert all(image["alt"] for image in page.all("img"))


@pytest.mark.parametrize(("leaky", "mark"), [(True, "LEAKY "), (None, "LEAK UNKNOWN ")])
def test_a_leak_is_marked_before_every_figure(write, leaky, mark):
    figure = Value(0.5, 0.4, 0.6, 10)
    table = Table("T", ("a", "b", "c"), (("row", figure, figure),))
    html = write(sample.REPORT | {"leaky": leaky}, [Section("one", "One", "It is 0.5.", (table, *sample.plots()[:1]))])
    marks = len(re.findall(f'<span class="leak">{mark}</span>', html))
    assert marks == 6 + 2 + 1 + 1  # headlines, cells, the lead, the chart
    assert f'role="note"><b>{mark.strip()}</b>' in html and f"<title>{mark}" in html


def test_no_mark_without_a_leak(html):
    assert "LEAKY" not in html and 'role="note"' not in html


def test_a_report_of_almost_nothing_is_still_a_page(write):
    html = write({"leaky": None, "pictures": 0}, [])
    assert Reader(html).text.count("not measured") == 6 and "No picture was answered" in html


def test_a_write_that_fails_leaves_the_old_page(tmp_path):
    path = tmp_path / "index.html"
    path.write_text("old")
    with pytest.raises(AttributeError):
        evaluation_page.write(sample.REPORT, [object()], path, NOW)
    assert path.read_text() == "old" and list(tmp_path.iterdir()) == [path]


def luminance(colour):
    digits = colour.lstrip("#")
    digits = "".join(2 * digit for digit in digits) if len(digits) == 3 else digits
    parts = [int(digits[place:place + 2], 16) / 255 for place in (0, 2, 4)]
    linear = [part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one, other):
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("colours", [palette.LIGHT, palette.DARK], ids=["light", "dark"])
def test_letters_on_every_shade_and_lines_on_the_ground_can_be_read(colours):
    assert min(contrast(ground, letters) for ground, letters in colours.shades) >= 4.5
    assert min(contrast(line, colours.shades[0][0]) for line in (*colours.series, colours.reference)) >= 4.0


def test_a_long_table_is_folded_and_a_short_one_is_not(write):
    tables = [Table(f"of {count} rows", ("a", "b"), tuple((f"r{n}", n) for n in range(count))) for count in (12, 13)]
    page = Reader(html := write(sections=[Section("one", "One", "", tuple(tables))]))
    assert len(page.all("details")) == 1 and not page.broken
    assert "<summary><b>of 13 rows</b> <span>13 rows</span></summary>" in html and "r12" in page.text
    assert "open" not in page.all("details")[0]


def test_headlines_say_over_which_classes_and_what_is_served(write):
    served = {"classes": 11, "balanced_accuracy": sample.figure(0.473), "sensitivity": {"mel": sample.figure(0.31)}}
    text = Reader(write(sample.REPORT | {"diagnosis": {"served": served}}, [])).text
    assert "over the 1 class of this set; as served, over all 11: 0.473 (0.433 to 0.513)" in text
    assert "melanoma ranked first of the 1 class of this set; as served, over all 11: 0.310" in text
    assert "as served" not in Reader(write(sections=[])).text


def test_a_headline_without_an_interval_has_no_rail(write):
    bare = {**sample.figure(0.7), "low": None, "high": None}
    railed, plain = (write(sample.REPORT | {"balanced_accuracy": each}, []).count('class="ruled"')
                     for each in (sample.figure(0.7), bare))
    assert plain == railed - 1
