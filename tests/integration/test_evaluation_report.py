"""`macule evaluate --report`: a folder that can be handed on, drawn from its own JSON."""

from __future__ import annotations

import csv
import json
from functools import partial

import miniature
import pytest

from macule.cli.app import run
from macule.evaluation import outliers, report, service
from macule.exchange import evaluation_folder

LABELS = {f"ISIC_{n:07}": label for n, label in enumerate(("NV", "NV", "MEL", "BCC", "NV", "MEL", "BKL", "NV") * 2)}


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return miniature.isic2018(tmp_path_factory.mktemp("data") / "ISIC2018", "Validation", LABELS,
                              paint=miniature.drawn(size=(320, 240)))


@pytest.fixture(scope="module")
def command(tiny_bundle, root):
    return ["evaluate", "--bundle", str(tiny_bundle.folder), "--dataset", "isic2018", "--root", str(root), "--split",
            "val", "--threads", "1"]


@pytest.fixture(scope="module")
def folder(command, tmp_path_factory):
    out = tmp_path_factory.mktemp("reports") / "isic2018"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(outliers, "measure", partial(outliers.measure, per_kind=1))
        assert run([*command, "--report", str(out), "--json", str(out) + ".json"]) == 0
    return out


@pytest.fixture(scope="module")
def measured(folder):
    def strict(constant):
        raise AssertionError(f"{constant} is no JSON")

    return json.loads((folder / evaluation_folder.JSON).read_text(encoding="utf-8"), parse_constant=strict)


def test_every_section_is_measured_or_says_that_it_was_not(folder, measured):
    page = (folder / evaluation_folder.PAGE).read_text(encoding="utf-8")
    assert {*report.ALWAYS, "outliers"} <= set(measured)
    for name in set(report.ON_DEMAND) - {"outliers"}:
        assert name not in measured
        title, how = evaluation_folder.ABSENT[name]
        assert title in page and how.split(" ")[1] in page
    assert "decision support for research" in page and "<script" not in page and "http://" not in page


def test_the_pages_are_drawn_from_the_json_alone(measured):
    again = evaluation_folder.sections(json.loads(json.dumps(measured)))
    assert [section.anchor for section in again] == list(report.ORDER)
    assert all(section.lead for section in again)


def test_every_number_says_where_it_comes_from(folder, measured, tiny_bundle):
    made = measured["provenance"]
    assert made["bundle"]["sha256"] == tiny_bundle.sha256 and len(made["exam"]["sha256"]) == 64
    assert made["run"]["command"].startswith("macule ") and str(folder.parent) not in json.dumps(measured)
    assert made["exam"]["sha256"][:12] in (folder / evaluation_folder.PAGE).read_text(encoding="utf-8")


def test_the_pdf_is_a_pdf_and_shows_no_picture(folder):
    content = (folder / evaluation_folder.PDF).read_bytes()
    assert content.startswith(b"%PDF-") and b"/Subtype /Image" not in content


def test_one_row_a_picture(folder, measured):
    with (folder / evaluation_folder.CSV).open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert sorted(row["image"] for row in rows) == sorted(LABELS)
    answered = [row for row in rows if row["usable"] == "true"]
    assert len(answered) == measured["pictures"]
    for row in answered:
        assert sum(float(row[code]) for code in measured["classes"]) <= 1 + 1e-5
        assert row["truth"] == LABELS[row["image"]].lower()


def test_the_json_option_holds_the_same_figures(folder, measured):
    alone = json.loads(folder.with_name(folder.name + ".json").read_text(encoding="utf-8"))
    assert alone["diagnosis"] == measured["diagnosis"] and alone["accuracy"] == measured["accuracy"]


@pytest.mark.parametrize(("options", "word"), [(("--also", "magic"), "magic"), (("--sample", "0"), "--sample is 0")])
def test_what_cannot_be_measured_is_told_before_any_work(command, root, capfd, options, word):
    assert run([*command, *options]) == 2
    assert word in capfd.readouterr().err


@pytest.mark.parametrize("place", ["nowhere/figures.json", "."])
def test_a_place_that_cannot_be_written_is_told_before_any_work(command, tmp_path, capfd, monkeypatch, place):
    monkeypatch.setattr(service, "examine", None)
    assert run([*command, "--json", str(tmp_path / place)]) == 2
    assert "--json" in capfd.readouterr().err


def test_a_picture_that_is_gone_is_counted_and_the_report_is_whole(tiny_bundle, tmp_path, monkeypatch, capfd):
    monkeypatch.setattr(outliers, "measure", partial(outliers.measure, per_kind=1))
    root = miniature.isic2018(tmp_path / "ISIC2018", "Test", LABELS, paint=miniature.drawn(size=(320, 240)))
    gone, *_ = sorted(root.rglob("*.jpg"))
    gone.unlink()
    out = tmp_path / "report"
    assert run(["evaluate", "--bundle", str(tiny_bundle.folder), "--dataset", "isic2018", "--root", str(root),
                "--split", "test", "--threads", "1", "--report", str(out)]) == 1
    assert "1 without a file" in capfd.readouterr().out
    found = json.loads((out / evaluation_folder.JSON).read_text())
    assert found["without_picture"] == 1 and found["pictures"] + found["refused"] == len(LABELS) - 1
    assert (out / evaluation_folder.MISTAKES).is_file() and (out / evaluation_folder.PDF).is_file()


def test_a_report_cannot_take_the_place_of_a_file(command, tmp_path, capfd):
    (tmp_path / "taken").write_text("mine")
    assert run([*command, "--report", str(tmp_path / "taken")]) == 2
    assert "--report" in capfd.readouterr().err and (tmp_path / "taken").read_text() == "mine"
