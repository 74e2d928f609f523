"""Cross-validation: every picture is told once, by its own fold's network; what is done is not done again."""

from __future__ import annotations

import csv
import json
import shutil
from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("torch", reason="needs the training extra")

from macule.analysis import bundle as bundles
from macule.cli.app import run
from macule.data import membership
from macule.data.guard import MARK
from macule.errors import DatasetError, UsageError
from macule.evaluation import out_of_fold
from macule.training import build, bundling, fit, kfold, loop
from macule.training.build import Source
from macule.training.from_split import Chosen
from macule.training.kfold import CODES, cross_validate, spread
from macule.training.search.written import as_toml

pytestmark = [pytest.mark.training, pytest.mark.timeout(900)]

TEMPERATURES = (0.5, 1.0, 2.0)


@pytest.fixture
def pictures(built):
    """Every picture that can be scored, with its record."""
    parts = built.parts
    return {f"{record.dataset}:{record.picture_id}": record
            for record in (*parts.train, *parts.calibration, *parts.test)}


@pytest.fixture
def runs(built, pictures, tmp_path):
    """Three runs that have ended, each with a third of the pictures; the right class gets 2 of the logit."""
    rng = np.random.default_rng(0)
    folders = []
    for number, names in enumerate(np.array_split(sorted(pictures), 3)):
        folder = tmp_path / f"fold{number}"
        shutil.copytree(built.out, folder / "bundle")
        shutil.copy(built.run / "run.json", folder)
        told = json.loads((folder / "bundle" / "bundle.json").read_text())
        told["calibration"]["temperature"] = TEMPERATURES[number]
        (folder / "bundle" / "bundle.json").write_text(json.dumps(told))
        logits = rng.normal(size=(len(names), len(CODES)))
        logits[range(len(names)), [CODES.index(pictures[name].diagnosis) for name in names]] += 2
        np.savez(folder / bundling.PREDICTIONS, test=names, test_logits=logits)
        folders.append(folder)
    return folders


@pytest.fixture
def source(built, tmp_path):
    (tmp_path / "work").mkdir()
    return Source(built.root, tmp_path / "work")


@pytest.fixture
def recipe(built):
    return built.recipe.changed({"split.search": False, "exams": []})


@pytest.fixture
def validated(recipe, runs, source, monkeypatch):
    asked = []

    def made(recipe, source, out, *, again, refitted, log, show):
        asked.append((source.fold, out, again, refitted))
        log("one line\nand another")
        return runs[source.fold.number]

    monkeypatch.setattr(build, "build", made)
    log = []
    return cross_validate(recipe, source, 3, log=log.append), log, asked


def test_each_fold_is_a_run_of_its_own(validated, runs):
    found, log, asked = validated
    assert [(fold.number, fold.count, *rest) for fold, *rest in asked] == [
        (number, 3, None, False, False) for number in range(3)]
    assert found.runs == tuple(runs)
    assert "fold 2 of 3: one line\nfold 2 of 3: and another" in log


def test_each_picture_is_told_by_its_fold_as_it_is_calibrated(validated, runs, pictures):
    found, _, _ = validated
    with (found.folder / kfold.PREDICTIONS).open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert sorted(row["image"] for row in rows) == sorted(pictures)
    row = next(row for row in rows if row["fold"] == "2")
    with np.load(runs[2] / bundling.PREDICTIONS) as kept:
        logits = kept["test_logits"][kept["test"].tolist().index(row["image"])]
    how = bundles.load(runs[2] / "bundle").calibration
    assert how.temperature == TEMPERATURES[2] and how.malignant is not None
    shares = how.shares(logits[None])[0]
    assert [float(row[code.value]) for code in CODES] == pytest.approx(shares, abs=1e-6)
    assert row["diagnosis"] == pictures[row["image"]].diagnosis.value
    suspicious = [share for code, share in zip(CODES, shares, strict=True) if code.suspicious]
    assert float(row["malignant"]) == pytest.approx(sum(suspicious), abs=1e-5)


def test_the_figures_are_over_all_pictures_with_the_spread_over_folds(validated, pictures):
    found, log, _ = validated
    told = json.loads((found.folder / "metrics.json").read_text())
    assert told == found.metrics and told["pictures"] == len(pictures) and told["split"] == "out of fold"
    with (found.folder / kfold.PREDICTIONS).open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    folds = [fold["accuracy"] for fold in told["folds"]]
    counts = [fold["pictures"] for fold in told["folds"]]
    assert counts == [sum(row["fold"] == str(number) for row in rows) for number in range(3)]
    assert told["accuracy"]["value"] == pytest.approx(np.average(folds, weights=counts), abs=1e-3)
    assert told["accuracy"]["low"] <= told["accuracy"]["value"] <= told["accuracy"]["high"]
    assert told["spread"]["accuracy"] == spread(folds)
    assert "sd" in log[-1] and "out of fold" in log[-1] and MARK not in log[-1]


def test_each_data_set_is_told_by_itself_and_each_modality(validated, pictures):
    found, log, _ = validated
    with (found.folder / kfold.PREDICTIONS).open(newline="") as stream:
        rows = {row["image"]: row for row in csv.DictReader(stream)}
    told = {(part["dataset"], part["modality"]): part for part in found.metrics["sets"]}
    names = {name: [image for image in rows if image.startswith(f"{name}:")] for name, _ in told}
    assert {name for name, _ in told} == {record.dataset for record in pictures.values()}
    for name, images in names.items():
        part = told[name, None]
        assert part["pictures"] == len(images)
        melanoma = [pictures[image].diagnosis == "mel" for image in images]
        assert part["classes"]["mel"]["auc"]["positives"] == sum(melanoma)
        assert {"value", "low", "high"} <= set(part["classes"]["mel"]["sensitivity_at_90%_specificity"])
        kinds = {pictures[image].patient.modality for image in images} - {None}
        assert {kind for of, kind in told if of == name} == ({None, *kinds} if len(kinds) > 1 else {None})
        for kind in {kind for of, kind in told if of == name} - {None}:
            assert told[name, kind]["pictures"] == sum(pictures[i].patient.modality == kind for i in images)
    assert "alone" in log[-1] and "melanoma auc" in log[-1]
    read = out_of_fold.read(found.folder)
    assert {each["title"] for each in read} == {out_of_fold.title(*key) for key in told}
    assert {each["folds"] for each in read} == {3}


def test_spread():
    assert spread([1.0, 2.0, 3.0]) == {"mean": 2.0, "sd": 1.0, "least": 1.0, "largest": 3.0, "folds": 3}
    assert spread([None, 0.5]) == {"mean": None, "sd": None, "least": None, "largest": None, "folds": 1}


def test_a_leak_in_one_fold_marks_all(recipe, runs, source, monkeypatch):
    told = json.loads((runs[1] / "run.json").read_text())
    (runs[1] / "run.json").write_text(json.dumps(told | {"leaky": True}))
    monkeypatch.setattr(build, "build", lambda _, its, *__, **___: runs[its.fold.number])
    log = []
    found = cross_validate(recipe, source, 3, log=log.append)
    assert found.metrics["leaky"] and all(line.startswith(MARK) for line in log[-1].splitlines())


def test_the_command_names_the_runs_and_the_folder(recipe, runs, source, monkeypatch, capsys):
    monkeypatch.setattr(build, "build", lambda _, its, *__, **___: runs[its.fold.number])
    (source.work / "recipe.toml").write_text(as_toml(recipe))
    asked = ["train", str(source.work / "recipe.toml"), "--data", str(source.root), "--work", str(source.work)]
    assert run([*asked, "--folds", "3"]) == 0
    printed = capsys.readouterr().out
    assert all(str(folder) in printed for folder in runs) and "mini-3folds-" in printed
    assert run([*asked, "--folds", "3", "--out", str(source.work / "bundle")]) == 2
    assert run([*asked, "--folds", "2"]) == 2


def test_folds_that_overlap_are_refused(recipe, runs, source, monkeypatch):
    monkeypatch.setattr(build, "build", lambda *_, **__: runs[0])
    with pytest.raises(DatasetError, match="test part of two folds"):
        cross_validate(recipe, source, 3)


def test_folds_and_a_split_file_contradict_each_other(recipe, source, tmp_path):
    chosen = Chosen(tmp_path / "split.parquet", tmp_path / "manifest.parquet")
    with pytest.raises(UsageError, match="--folds"):
        cross_validate(recipe, replace(source, chosen=chosen), 3)


def test_two_folds_are_too_few(recipe, source):
    with pytest.raises(UsageError, match="3 to 100 folds"):
        cross_validate(recipe, source, 2)


def test_a_run_that_has_come_to_its_end_is_not_repeated(built, monkeypatch):
    def train(*_, **__):
        raise AssertionError("it trains again")

    monkeypatch.setattr(fit, "MIN_POSITIVES", 2)
    monkeypatch.setattr(fit, "GATE_DIRECTIONS", 8)
    monkeypatch.setattr(loop, "train", train)
    before = (built.run / "run.json").read_bytes()
    assert build.build(built.recipe, Source(built.root, built.work), None, again=False, log=lambda _: None) == built.run
    assert (built.run / "run.json").read_bytes() == before
    served = built.recipe.changed({"serving.views": 4})  # of the same weights, but another bundle
    with pytest.raises(AssertionError, match="it trains again"):
        build.build(served, Source(built.root, built.work), None, again=False, log=lambda _: None)
    (built.run / "run.json").write_bytes(before)


def test_a_run_keeps_what_it_was_trained_on(built):
    assert membership.load(built.run / membership.FILE).pictures == membership.load(
        built.out / membership.FILE).pictures
