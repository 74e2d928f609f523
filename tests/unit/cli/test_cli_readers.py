from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path

import miniature
import pytest
from macule_testing import draw

from macule.cli.app import run
from macule.data import membership, sources
from macule.examples.reader_study import DESIGNS, write_study

EXAMPLE = Path(__file__).parents[3] / "examples" / "readers"


def paint(path):
    miniature.save(path, draw(seed=sum(path.stem.encode())))


@pytest.fixture
def example():
    return [str(EXAMPLE / "readers.csv"), "--truth", str(EXAMPLE / "truth.csv"),
            "--predictions", str(EXAMPLE / "predictions.csv"), "--resamples", "50"]


def test_the_committed_example_is_what_the_command_writes(tmp_path):
    assert run(["readers", "--example", "20x100", "--to", str(tmp_path)]) == 0
    for path in tmp_path.iterdir():
        assert path.read_bytes() == (EXAMPLE / path.name).read_bytes()
        assert path.stat().st_size < 200_000


def test_figures_page_and_json(example, tmp_path, capfd):
    assert run(["readers", *example, "--json", str(tmp_path / "r.json"), "--report", str(tmp_path / "report")]) == 0
    shown = " ".join(capfd.readouterr().out.split())
    assert "SIMULATED 20 readers, 100 pictures" in shown and "Fleiss' kappa among aided readers" in shown
    report = json.loads((tmp_path / "r.json").read_text())
    assert report == json.loads((tmp_path / "report" / "report.json").read_text())
    gain = report["readers"]["mrmc"]["aided_against_unaided"]["figures"]["auc"]["random_readers"]
    assert gain["low"] < gain["difference"] < gain["high"] and 0 < gain["p"] < 0.05
    page = (tmp_path / "report" / "index.html").read_text()
    assert "SIMULATED" in page and "<script" not in page and "https://" not in page


@pytest.mark.parametrize(("options", "sentence"), [
    (["readers"], "no file is given"),
    (["readers", "--example", "3x3", "--to", "x"], "one of 5x500, 20x100"),
    (["readers", "--example", "5x500"], "needs --to"),
    (["readers", "--power"], "belong to --example"),
])
def test_wrong_usage(options, sentence, capfd):
    assert run(options) == 2
    assert sentence in capfd.readouterr().err


def test_wrong_options_of_a_study(example, capfd):
    assert run(["readers", *example, "--scale", "1-7"]) == 2
    assert "one of auto, 0-1" in capfd.readouterr().err
    assert run(["readers", *example, "--confidence-of", "life"]) == 2
    assert "one of diagnosis, malignancy" in capfd.readouterr().err
    assert run(["readers", *example, "--json", example[0]]) == 2


def test_wrong_rows_are_told_and_nothing_is_written(tmp_path, capfd):
    _, truth, _ = write_study(DESIGNS["20x100"], tmp_path)
    bad = tmp_path / "bad.csv"
    bad.write_text("reader,picture,diagnosis,confidence,with_ai\nAnn,sim0001,mole,50,no\nAnn,sim9999,nv,50,no\n")
    assert run(["readers", str(bad), "--truth", str(truth), "--json", str(tmp_path / "r.json")]) == 1
    told = capfd.readouterr().err
    assert "bad.csv row 2: the diagnosis 'mole'" in told and "bad.csv row 3: the truth does not name" in told
    assert not (tmp_path / "r.json").exists()


def test_a_bundle_judges_what_was_read_and_a_leak_is_refused(tiny_bundle, tmp_path, capfd):
    rows = [miniature.ham_row(str(n), str(n), dx) for n, dx in enumerate(("nv", "mel", "nv", "bcc"))]
    root = miniature.ham10000(tmp_path / "HAM10000", rows, paint=paint)
    records = sources.load("ham10000", root)
    folder = shutil.copytree(tiny_bundle.folder, tmp_path / "tiny")
    membership.write(folder / membership.FILE, {"train": records[:1], "calibration": [], "test": records[1:]})

    def ask(read, *options):
        with (tmp_path / "r.csv").open("w", newline="") as stream:
            csv.writer(stream).writerows([("reader", "picture", "diagnosis", "confidence", "with_ai"),
                                          *(("Ann", record.picture_id, "mel", 70, "no") for record in read)])
        return run(["readers", str(tmp_path / "r.csv"), "--dataset", "ham10000", "--root", str(root), "--bundle",
                    str(folder), "--resamples", "20", "--json", str(tmp_path / "r.json"), *options])

    assert ask(records) == 1
    assert "fitted on 1 of the lesions that were read" in capfd.readouterr().err
    assert ask(records, "--allow-leak") == 0
    assert "LEAKY" in capfd.readouterr().out and json.loads((tmp_path / "r.json").read_text())["leaky"] is True
    assert ask(records[1:]) == 0
    report = json.loads((tmp_path / "r.json").read_text())
    assert report["leaky"] is False and report["bundle"]["id"] == "tiny"
    assert report["readers"]["model"]["answered"] == 3 and report["readers"]["design"]["positives"] == 2


def test_power_finds_nothing_where_nothing_is(monkeypatch, tmp_path, capfd):
    from macule.cli import readers
    from macule.evaluation.readers import power

    monkeypatch.setattr(readers, "STUDIES", 20)
    monkeypatch.setattr(power, "TRUSTS", (0.0, 0.4))
    assert run(["readers", "--example", "20x100", "--power", "--json", str(tmp_path / "p.json")]) == 0
    none, much = json.loads((tmp_path / "p.json").read_text())["rows"]
    assert none["found"] < 0.3 < much["found"] and none["difference"] == 0
    assert "20x100: 20 simulated studies a row" in " ".join(capfd.readouterr().out.split())
