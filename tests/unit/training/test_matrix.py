"""Train on one set, test on another: a column is the same locked pictures, and nobody is tested on what they saw."""

from __future__ import annotations

import json
import shutil

import pytest

pytest.importorskip("torch", reason="needs the training extra")

from macule.cli.app import run
from macule.errors import DatasetError, UsageError
from macule.exchange.sections import matrix as shown
from macule.training import build, matrix, prepare
from macule.training.build import Source
from macule.training.search.written import as_toml

pytestmark = [pytest.mark.training, pytest.mark.timeout(900)]

SETS = ["ham10000", "milk10k"]


@pytest.fixture
def asked():
    return []


@pytest.fixture
def source(built, tmp_path, asked, monkeypatch):
    """Trainings that are asked for answer with the one bundle that the tests have."""
    def made(recipe, source, out, *, log, show, again):
        asked.append((recipe, source, build.read(recipe, source)))
        folder = tmp_path / recipe.name
        shutil.copytree(built.out, folder / "bundle")
        return folder

    monkeypatch.setattr(build, "build", made)
    return Source(built.root, tmp_path)


@pytest.fixture
def recipe(built):
    return built.recipe.changed({"split.search": False, "exams": []})


@pytest.fixture
def found(recipe, source):
    return matrix.measure(recipe, source, [*SETS, "ham10000+milk10k"], SETS, resamples=20, log=lambda _: None)


def test_every_row_is_trained_on_its_own_sets_and_apart_from_what_is_tested(found, asked):
    assert [source.only for _, source, _ in asked] == [("ham10000",), ("milk10k",), ("ham10000", "milk10k")]
    joint = asked[-1][2]
    for _, source, parts in asked:
        assert {record.dataset for record in parts.train} == set(source.only)
        # What one row is tested on is apart from what any other was trained on.
        assert not prepare.overlap([*parts.train, *parts.calibration], joint.test)


def test_a_column_is_the_same_locked_pictures_in_every_row(found, asked):
    locked = asked[-1][2].test
    for name in SETS:
        cells = [cell for cell in found["cells"] if cell["column"].partition(",")[0] == name]
        assert {cell["pictures"] + cell["refused"] + cell["failed"] for cell in cells} == {
            sum(record.dataset == name for record in locked)}
    assert [(cell["row"], cell["own"]) for cell in found["cells"] if cell["column"] == "ham10000"] == [
        ("ham10000", True), ("milk10k", False), ("ham10000+milk10k", True)]


def test_the_table_holds_every_cell_with_its_interval(found):
    text = shown.markdown(found)
    section = shown.section(found)
    assert section.anchor == "matrix" and str(found["cells"][0]["pictures"]) in text
    rows = [line for line in text.splitlines() if line.startswith(("| ham10000 |", "| milk10k |"))]
    assert len(rows) == len(shown.SHOWN) * 2
    for cell in found["cells"]:
        figure = cell["malignant_auc"]
        assert figure["value"] is None or f"{figure['value']:.3f}" in text


def test_the_lead_keeps_own_and_other_sets_apart():
    def cell(row, column, value):
        figure = {"value": value, "low": None, "high": None, "n": 9}
        return {"row": row, "column": column, "own": row == column, "pictures": 9, "lesions": 9, "refused": 0,
                "failed": 0} | dict.fromkeys(
            shown.SHOWN, figure)

    found = {"rows": ["a", "b"], "columns": ["a", "b"], "recipe": "mini",
             "training": {"a": {"pictures": 1, "lesions": 1}, "b": {"pictures": 1, "lesions": 1}},
             "cells": [cell("a", "a", 0.9), cell("a", "b", 0.6), cell("b", "a", None), cell("b", "b", 0.8)]}
    lead = shown.section(found).lead
    assert "0.850" in lead and "(2 pairs)" in lead and "0.600 (1 pairs)" in lead
    assert "not measured" in shown.markdown(found)


@pytest.mark.parametrize(("rows", "tests", "word"), [([], SETS, "to train on"), (SETS, [], "to test on"),
                                                     (["ham10000"] * 2, SETS, "twice"), (["ham1000"], SETS, "ham1000")])
def test_sets_that_cannot_be_are_told(recipe, source, rows, tests, word):
    with pytest.raises((UsageError, DatasetError), match=word):
        matrix.measure(recipe, source, rows, tests)


def test_the_command_writes_the_table_and_its_page(built, recipe, source, tmp_path, capfd):
    (tmp_path / "mini.toml").write_text(as_toml(recipe))
    out = tmp_path / "out"
    assert run(["matrix", str(tmp_path / "mini.toml"), "--data", str(built.root), "--train-on", "ham10000",
                "--train-on", "milk10k", "--work", str(tmp_path), "--out", str(out)]) == 0
    found = json.loads((out / "matrix.json").read_text())
    assert found["rows"] == SETS and len(found["cells"]) == 4
    assert (out / "matrix.md").read_text() in capfd.readouterr().out
    page = (out / "index.html").read_text()
    assert "Trained on one set, tested on another" in page and "not measured" not in page.partition("<main")[0]
