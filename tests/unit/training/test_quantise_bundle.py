"""A bundle of a drawn network over a drawn HAM10000, quantised and fitted anew."""

from __future__ import annotations

import importlib
import json
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

pytest.importorskip("torch", reason="needs the training extra")
pytest.importorskip("sklearn", reason="needs the training extra")

import inverted_blocks
import miniature
from macule_testing import draw

from macule.analysis import bundle as bundles
from macule.analysis.pipeline import Analyzer
from macule.cli.app import run as command
from macule.data import membership, sources
from macule.errors import DatasetError, TooFewPictures, UsageError
from macule.training import fit, presence, quantise, refit
from macule.training.quantise import run as running

NOW = datetime(2026, 11, 21, tzinfo=UTC)
LABELS = ("nv", "mel", "bkl", "nv")


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    root = tmp_path_factory.mktemp("data")
    seeds = iter(range(60))

    def paint(path):
        seed = next(seeds)
        miniature.save(path, draw(width=320, height=240, spot=(40 + 2 * seed, 50, 40 + seed), seed=seed))

    rows = [miniature.ham_row(f"{n:04}", f"{n:05}", LABELS[n % 4], age=30 + n) for n in range(60)]
    miniature.ham10000(root / "HAM10000", rows, paint=paint)
    return root


@pytest.fixture
def bundle(data, tmp_path):
    folder = inverted_blocks.bundle(tmp_path / "default")
    records = sources.load("ham10000", data / "HAM10000")
    parts = {"train": records[:34], "calibration": records[34:56], "test": records[56:]}
    membership.write(folder / membership.FILE, parts, sha256={})
    return bundles.load(folder)


@pytest.fixture(autouse=True)
def _small(monkeypatch):
    monkeypatch.setattr(fit, "MIN_POSITIVES", 2)
    monkeypatch.setattr(fit, "GATE_DIRECTIONS", 2)
    monkeypatch.setattr(presence, "PER_KIND", 2)
    monkeypatch.setattr(presence, "CORNERS", 8)


def make(bundle, data, out, **asked):
    how = quantise.Run(pictures=32, refitted=refit.Refit(threads=1, log=lambda _line: None), **asked)
    return quantise.quantise(bundle, data, out, now=NOW, how=how)


def test_a_whole_bundle_that_answers(bundle, data, tmp_path, monkeypatch, capfd):
    monkeypatch.setattr(presence, "LEAST_PICTURES", 20)
    before, folder = bundle.sha256, tmp_path / "made"
    assert command(["quantise", str(bundle.folder), "--data", str(data), "--out", str(folder), "--pictures", "32",
                    "--threads", "1"]) == 0
    said = capfd.readouterr().out
    assert "22 pictures of the calibration part" in said and "lite in" in said
    made, content = bundles.load(folder), json.loads((folder / "bundle.json").read_text())
    assert made.id == "lite" and made.sha256 in said and bundles.load(bundle.folder).sha256 == before
    assert made.gate.presence is not None and made.conformal is not None and content["metrics"] == {}
    assert content["calibration"]["n"] == content["thresholds"]["n"] == 22 and not made.card
    told = content["provenance"]["quantised"]
    assert told["of"] == before and told["of_id"] == "tiny" and told["pictures"] == 32 and told["method"] == "entropy"
    assert content["provenance"]["note"] == "drawn by tests"
    assert (folder / membership.FILE).read_bytes() == (bundle.folder / membership.FILE).read_bytes()
    assert made.gate.mean.shape == (inverted_blocks.WIDE,)
    record = sources.load("ham10000", data / "HAM10000")[57]
    assert Analyzer(made).analyze(record.read()).assessment is not None
    assert command(["quantise", str(folder), "--data", str(data), "--out", str(tmp_path / "twice")]) == 2
    assert "quantised already" in capfd.readouterr().err


def test_the_phone_s_size_and_views(bundle, data, tmp_path):
    made = bundles.load(make(bundle, data, tmp_path / "phone", name="phone", size=27, views=2))
    assert (made.id, made.created) == ("phone", "2026-11-21")
    assert (made.preprocessing.size, made.preprocessing.views) == (27, 2)
    record = sources.load("ham10000", data / "HAM10000")[58]
    assert Analyzer(made).embedding(record.read()).shape == (inverted_blocks.WIDE,)


def test_what_is_refused_before_any_work(bundle, data, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("mine")
    for out, asked, error, words in (
        (bundle.folder, {}, UsageError, "is the bundle itself"),
        (tmp_path, {}, UsageError, "holds other files"),
        (tmp_path / "file", {}, UsageError, "is a file"),
        (tmp_path / "out", {"views": 3}, UsageError, "views is 3"),
        (tmp_path / "out", {"views": 0}, UsageError, "views is 0"),
        (tmp_path / "out", {"size": 0}, UsageError, "size is 0"),
        (tmp_path / "out", {"pairs": tmp_path / "none.csv"}, DatasetError, "none.csv"),
    ):
        with pytest.raises(error, match=words):
            make(bundle, data, out, **asked)
    with pytest.raises(DatasetError, match="HAM10000"):
        make(bundle, tmp_path / "nowhere", tmp_path / "out")
    monkeypatch.setattr(running, "LEAST_PICTURES", 35)
    with pytest.raises(TooFewPictures, match="34 pictures of the training part"):
        make(bundle, data, tmp_path / "out")
    assert not (tmp_path / "out").exists() and (tmp_path / "file").read_text() == "mine"


def test_a_gate_of_the_network_before_does_not_stay(bundle, data, tmp_path, monkeypatch):
    monkeypatch.setattr(fit, "GATE_DIRECTIONS", 64)
    with pytest.raises(TooFewPictures, match="gate of the new network"):
        make(bundle, data, tmp_path / "lite")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["default"]


@pytest.mark.parametrize(("given", "words"), [
    (["default"], "1 bundles are named; 2 are needed without --ways"),
    (["default", "lite", "--ways"], "2 bundles are named; 1 is needed with --ways"),
    (["default", "lite", "--views", "0"], "--views"),
])
def test_the_benchmark_says_what_it_was_not_given(given, words, monkeypatch, capsys):
    monkeypatch.syspath_prepend(Path(__file__).parents[3] / "benchmarks")
    monkeypatch.setattr(sys, "argv", ["quantise.py", "--data", "data", *given])
    with pytest.raises(SystemExit):
        importlib.import_module("quantise").arguments()
    assert words in capsys.readouterr().err
