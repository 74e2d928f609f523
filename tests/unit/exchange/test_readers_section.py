from __future__ import annotations

import math
from datetime import UTC, datetime

import pytest

from macule.evaluation.readers import service
from macule.examples.reader_study import Design, write_study
from macule.exchange import readers_page
from macule.exchange.blocks import Forest, Matrix, Note, Plot, Table
from macule.exchange.sections import readers


def study(folder, design, **changes):
    files = write_study(design, folder)
    if not changes.get("model", True):
        files[2] = None
    return service.measure(service.load(files=files[:1], truth=files[1], answers=files[2]), resamples=40)


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    return study(tmp_path_factory.mktemp("study"), Design(3, 60))


def blocks(found, kind):
    return [block for block in readers.section(found).blocks if isinstance(block, kind)]


def test_readers_stand_on_the_curve_joined_from_unaided_to_aided(measured):
    (plot,) = blocks(measured, Plot)
    by_label = {series.label: series for series in plot.series}
    unaided, aided = by_label["readers, unaided"], by_label["readers, aided"]
    assert len(unaided.x) == len(aided.x) == 3
    joined = by_label["one reader, unaided to aided"]
    assert (joined.x[0], joined.x[1]) == (unaided.x[0], aided.x[0]) and math.isnan(joined.x[2])
    first = next(each for each in measured["points"] if each["arm"] == "unaided")
    assert unaided.y[0] == first["sensitivity"]["value"]
    assert unaided.x[0] == pytest.approx(1 - first["specificity"]["value"])


def test_the_lead_says_what_the_test_found(measured):
    gain = measured["mrmc"]["aided_against_unaided"]["figures"]["auc"]
    lead = readers.section(measured).lead
    assert f"from {gain['means'][0]:.3f} to {gain['means'][1]:.3f}" in lead and "over readers and lesions" in lead


def test_gains_kappas_and_tables(measured):
    areas, _ = blocks(measured, Forest)
    assert [name for name, _, _ in areas.rows] == ["reader01", "reader02", "reader03", "all, over readers and lesions"]
    kappas = blocks(measured, Matrix)
    assert len(kappas) == 4 and kappas[0].cells[0][1] == kappas[0].cells[1][0] and kappas[0].cells[0][0] is None
    titles = [table.title for table in blocks(measured, Table)]
    assert titles[0] == "Readers and model" and "What readers did with the advice: class" in titles
    assert all(len(row) == len(table.head) for table in blocks(measured, Table) for row in table.rows)


def test_a_simulation_says_so_first(measured):
    note = blocks(measured, Note)[0]
    assert note.tone == "bad" and note.text.startswith("SIMULATED")


def test_few_pictures_are_muted_and_no_lead(tmp_path):
    found = study(tmp_path, Design(2, 20))
    assert "too few pictures" in readers.section(found).lead
    assert blocks(found, Table)[0].muted == (0, 1, 2, 3)
    assert all(faint for _, _, faint in blocks(found, Forest)[0].rows)


def test_without_a_model_nothing_is_said_of_one(tmp_path):
    found = study(tmp_path, Design(2, 40), model=False)
    assert any("No model was given" in note.text for note in blocks(found, Note))
    assert readers_page.report(found)["bundle"]["id"] == "Readers" and found["against_model"] == []


def test_one_reader_is_tested_alone(tmp_path):
    found = study(tmp_path, Design(1, 60))
    assert "for these readers alone" in readers.section(found).lead
    readers_page.write(found, tmp_path / "report", now=datetime(2026, 11, 21, tzinfo=UTC))
    assert "undefined" in (tmp_path / "report" / "index.html").read_text()
