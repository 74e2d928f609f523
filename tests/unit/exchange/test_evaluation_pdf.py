from __future__ import annotations

import re
import zlib
from datetime import UTC, datetime

import pytest
import sample_report as sample

pytest.importorskip("fpdf", reason="fpdf2 is not installed")

from macule.exchange import evaluation_pdf
from macule.exchange.blocks import Section, Table, Value
from macule.exchange.pdf.latin import latin

NOW = datetime(2026, 11, 21, 14, tzinfo=UTC)


def pages(path):
    """The text of each page, drawn strings joined by line feeds."""
    content = path.read_bytes()
    assert content.startswith(b"%PDF-") and content.rstrip().endswith(b"%%EOF")
    found = []
    for stream in re.findall(rb"stream\r?\n(.*?)\r?\nendstream", content, re.DOTALL):
        try:
            drawn = zlib.decompress(stream)
        except zlib.error:
            continue
        strings = re.findall(rb"\(((?:\\.|[^\\)])*)\) ?Tj", drawn)
        if strings:
            found.append("\n".join(re.sub(r"\\(.)", r"\1", each.decode("latin-1")) for each in strings))
    return found


@pytest.fixture(scope="module")
def sheets(tmp_path_factory):
    path = tmp_path_factory.mktemp("pdf") / "report.pdf"
    evaluation_pdf.write(sample.REPORT, sample.sections(), path, NOW)
    return path, pages(path)


def test_every_page_says_what_it_is_and_where_it_belongs(sheets):
    _, texts = sheets
    assert len(texts) > 5
    for number, text in enumerate(texts[1:], 2):
        assert "lite 3fa9c1d23fa9" in text and "It is not a medical device." in text
        assert f"{number} of \n{len(texts)}" in text
    assert texts[0].replace("\n", " ").count("does not replace an examination") == 1
    assert "does not replace an examination" in texts[-1].replace("\n", " ")


def test_contents_and_outline_name_every_section(sheets):
    path, texts = sheets
    for name in ("Diagnosis", "Fairness", "Odds and ends", "A bare section", "Not measured"):
        assert name in texts[0]
        assert any(name in text for text in texts[1:])
    assert b"/Outlines" in path.read_bytes()


def test_figures_stand_as_text_with_their_intervals(sheets):
    text = "\n".join(sheets[1])
    for words in ("0.669", "95 % interval 0.629 to 0.709", "0.912 (0.886 to 0.938)", "ROC, malignant", "akiec",
                  "Sensitivity for melanoma, by group", "not measured"):
        assert words in text
    assert not re.search(r"\bnan\b", text, re.IGNORECASE)


def test_a_long_table_repeats_its_head(sheets):
    _, texts = sheets
    with_rows = [text for text in texts if re.search(r"^row \d+$", text, re.MULTILINE)]
    assert len(with_rows) >= 2
    assert all("figure" in text.split("\n") for text in with_rows)
    rows = [line for text in texts for line in text.split("\n") if re.fullmatch(r"row \d+", line)]
    assert rows == [f"row {number}" for number in range(70)]


def test_pictures_are_left_out_and_it_says_so(sheets):
    path, texts = sheets
    assert b"/Subtype /Image" not in path.read_bytes()
    assert "3 pictures are shown in the page" in " ".join(texts).replace("\n", " ")


def test_a_leak_is_marked_on_every_page_and_before_every_figure(tmp_path):
    figure = Value(0.5, 0.4, 0.6, 10)
    table = Table("T", ("a", "n", "b", "c"), (("row", 10, figure, figure),))
    path = tmp_path / "report.pdf"
    evaluation_pdf.write(sample.REPORT | {"leaky": True}, [Section("one", "One", "It is 0.5.", (table,))], path, NOW)
    cover, page = pages(path)
    assert cover.count("LEAKY") == 6 + 2  # headlines, title and banner
    assert page.split("\n")[0].startswith("LEAKY") and page.count("LEAKY 0.500") == 2 and "LEAKY It is 0.5." in page


def test_the_same_report_gives_the_same_file(tmp_path):
    for name in ("a.pdf", "b.pdf"):
        evaluation_pdf.write(sample.REPORT, sample.sections()[:1], tmp_path / name, NOW)
    assert (tmp_path / "a.pdf").read_bytes() == (tmp_path / "b.pdf").read_bytes()


def test_a_report_of_almost_nothing_is_still_a_file(tmp_path):
    evaluation_pdf.write({"leaky": None, "pictures": 0}, [], tmp_path / "report.pdf", NOW)
    assert "No picture was answered" in " ".join(pages(tmp_path / "report.pdf"))


@pytest.mark.parametrize(("text", "plain"), [
    ("0.5 – 0.7 — “so” ‘it’ is…", '0.5 - 0.7 - "so" \'it\' is...'), ("κ ≥ 0.8, −1", "kappa >= 0.8, -1"),
    ("2×10⁻⁴ and 10⁻¹²", "2×10^-4 and 10^-12"), ("m²", "m²"), ("naïve Łódź", "naïve ?ódz"), ("例\ud800", "??"),
    ("a\nb\tc", "a b c"), ("plain", "plain"),
])
def test_letters_that_the_fonts_lack_become_their_nearest(text, plain):
    assert latin(text) == plain


def test_a_short_table_stays_on_one_page(tmp_path):
    """Eight rows, after more and more text: wherever they fall, no page holds only some of them."""
    for lines in range(20, 60, 8):
        table = Table("Short", ("a", "b"), tuple((f"kept {n}", Value(0.5, 0.4, 0.6, 10)) for n in range(8)))
        blocks = (Table("Long", ("x", "y"), tuple((f"r{n}", n) for n in range(lines))), table)
        evaluation_pdf.write(sample.REPORT, [Section("one", "One", "", blocks)], tmp_path / "report.pdf", NOW)
        counts = [len(re.findall(r"^kept \d$", text, re.MULTILINE)) for text in pages(tmp_path / "report.pdf")]
        assert sorted(counts)[-1] == 8 == sum(counts), lines


def test_a_long_hint_breaks_into_lines(tmp_path):
    served = {"classes": 11, "balanced_accuracy": sample.figure(0.473), "sensitivity": {}}
    evaluation_pdf.write(sample.REPORT | {"diagnosis": {"served": served}}, [], tmp_path / "report.pdf", NOW)
    lines = pages(tmp_path / "report.pdf")[0].split("\n")
    assert any(line.startswith("mean sensitivity over the 1 class") and "0.513" not in line for line in lines)
    assert "as served, over all 11: 0.473 (0.433 to 0.513)" in " ".join(lines)
