from __future__ import annotations

import json
import os
from datetime import timedelta

import miniature_runs as drawn
import pytest

from macule.cli import table
from macule.cli.app import run
from macule.evaluation.runs import Start
from macule.training import record


@pytest.fixture
def work(tmp_path):
    folder = tmp_path / "work"
    drawn.make(folder / "resnet", skill=0.8)
    changed = drawn.RECIPE | {"engine": drawn.RECIPE["engine"] | {"batch": 64}}
    drawn.make(folder / "kfold" / "fold0", skill=0.9, leaky=True, recipe=changed,
               start=Start("vgg16", "scratch", False))
    return folder


@pytest.fixture
def macule(capfd, monkeypatch):
    """Runs a command. Returns: (exit status, standard output without its layout, standard error)."""
    monkeypatch.setattr(table, "_FILE_WIDTH", 250)  # paths of a test would fold the other columns

    def call(*arguments):
        status = run([str(argument) for argument in arguments])
        out, err = capfd.readouterr()
        return status, " ".join(out.split()), err

    return call


def test_the_runs_below_a_folder(macule, work):
    status, shown, _ = macule("runs", work)
    assert status == 0
    for words in ("LEAKY kfold/fold0 two-phase finished 2026-11-21 08:30 3 h 12 min 7811 SCRATCH 20261121 LEAKY 0.900",
                  "resnet two-phase finished 2026-11-21 08:30 3 h 12 min 7811 pretrained 20261121 0.800 0.930 0.900",
                  "(0.770 to 0.830)"):
        assert words in shown


def test_work_is_the_folder_by_default(macule, work, monkeypatch):
    monkeypatch.chdir(work.parent)
    assert "resnet" in macule("runs")[1] == macule("runs", "list", "work")[1]


def test_as_json(macule, work, tmp_path):
    assert macule("runs", work, "--json", tmp_path / "runs.json")[0] == 0
    leaky, clean = json.loads((tmp_path / "runs.json").read_text())
    assert (clean["name"], clean["status"], clean["seconds"]) == ("two-phase", "finished", 11520.0)
    assert clean["leaky"] is False
    assert clean["metrics"][0]["balanced_accuracy"] == {"value": 0.8, "low": 0.77, "high": 0.83, "n": 1202}
    assert leaky["leaky"] is True and leaky["start"] == {"backbone": "vgg16", "weights": "scratch", "pretrained": False}


def test_a_damaged_run_has_a_row_and_the_others_are_listed(macule, work, tmp_path):
    (work / "broken").mkdir()
    (work / "broken" / "run.json").write_text('{"format": 1,')
    status, shown, error = macule("runs", work, "--json", tmp_path / "runs.json")
    assert status == 1 and "broken error cannot be read" in shown and "resnet" in shown
    assert "run.json is damaged" in error and "delete the folder and train again" in error
    first = json.loads((tmp_path / "runs.json").read_text())[0]
    assert first["error"]["code"] == "run_damaged" and first["folder"].endswith("broken")


def test_a_run_that_was_cut_off_is_told_from_one_that_runs(macule, work):
    record.start(work / "on", drawn.facts(), now=drawn.BEGAN)
    assert " running 2026" in macule("runs", work)[1]
    old = (drawn.BEGAN - timedelta(days=400)).timestamp()
    os.utime(work / "on" / "run.json", (old, old))
    shown = macule("runs", work)[1]
    assert "running? 2026" in shown and "quiet" in shown


@pytest.mark.parametrize(("made", "said"), [(False, "there is no folder"), (True, "holds no runs (no run.json in it")])
def test_no_runs(macule, tmp_path, made, said):
    if made:
        (tmp_path / "none").mkdir()
    status, shown, error = macule("runs", tmp_path / "none")
    assert status == 1 and not shown and said in error and "macule train --work" in error


def test_compared(macule, work, tmp_path):
    status, shown, error = macule("runs", "compare", work / "resnet", work / "kfold" / "fold0", "--page",
                                  tmp_path / "compared.html")
    assert status == 0
    for words in ("balanced accuracy 0.800 (0.770 to 0.830) LEAKY 0.900 (0.870 to 0.930)", "engine.batch 32 64",
                  "leaky no yes"):
        assert words in shown
    assert "engine.precision" not in shown and "Some of the runs are LEAKY" in error
    assert "2 runs side by side" in (tmp_path / "compared.html").read_text(encoding="utf-8")


def test_what_cannot_be_compared(macule, work, tmp_path):
    status, _, error = macule("runs", "compare", work / "resnet")
    assert status == 2 and "1 run given; from 2 to 8" in error
    status, _, error = macule("runs", "compare", work / "resnet", tmp_path)
    assert status == 1 and "is no run" in error
    status, _, error = macule("runs", "compare", work / "resnet", work / "resnet", "--page", work)
    assert status == 2 and "is a folder" in error


def test_the_page_of_a_run(macule, work, tmp_path):
    status, shown, _ = macule("runs", "page", work / "resnet")
    assert status == 0 and shown == f"The page: {work / 'resnet' / 'index.html'}"
    assert "A drawn recipe in two phases" in (work / "resnet" / "index.html").read_text(encoding="utf-8")
    assert macule("runs", "page", work / "resnet", "--out", tmp_path / "x.html")[0] == 0
    assert (tmp_path / "x.html").is_file()
    status, _, error = macule("runs", "page", work / "resnet", "--out", work / "resnet" / "run.json")
    assert status == 2 and "is also read" in error and json.loads((work / "resnet" / "run.json").read_text())


def test_help_names_the_verbs(macule):
    shown = macule("runs", "--help")[1]
    assert "compare" in shown and "page" in shown and macule("runs", "page", "--help")[0] == 0
