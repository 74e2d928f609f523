from __future__ import annotations

import subprocess
import sys

import pytest

from macule.cli.app import run
from macule.training.recipe import RECIPES

WITHOUT_TORCH = """
import sys
sys.modules["torch"] = None
from macule.cli.app import run
sys.exit(run(["train", "lite", "--data", "data", "--out", "out"]))
"""


def test_without_the_training_extra(tmp_path):
    command = [sys.executable, "-c", WITHOUT_TORCH]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 3
    assert done.stderr.strip() == (
        "macule: torch is not installed: pip install -c constraints.txt 'macule[training]'."
    )
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(("options", "said"), [
    ((), "which recipe? Give its name, or --list to see them"),
    (("lite",), "--data is missing: give the folder that holds the data sets"),
    (("lite", "--data", "data", "--split", "split.parquet"), "--split and --manifest belong together"),
    (("lite", "--data", "data", "--fold", "fold0"), "--fold only goes with --split"),
    (("lite", "--data", "data", "--folds", "3", "--out", "out"), "--folds makes folds and bundles of its own"),
])
def test_options_that_contradict_each_other(tmp_path, monkeypatch, capfd, options, said):
    monkeypatch.chdir(tmp_path)
    assert run(["train", *options]) == 2
    assert said in capfd.readouterr().err
    assert not list(tmp_path.iterdir())


@pytest.mark.training
@pytest.mark.parametrize(("setting", "said"), [
    ("engine.wings=2", "unknown key engine.wings; known: accumulate, batch,"),
    ("engine.batch=0", "engine.batch is 0: input should be greater than 0"),
    ("phases.7.size=64", "asks for number '7' of 2: they are counted from 0"),
    ("engine.batch", "NAME=VALUE is needed, such as engine.batch=8"),
])
def test_a_setting_that_is_none(tmp_path, monkeypatch, capfd, setting, said):
    pytest.importorskip("torch", reason="needs the training extra")
    monkeypatch.chdir(tmp_path)
    assert run(["train", "lite", "--data", "data", "--set", setting]) == 2
    assert said in " ".join(capfd.readouterr().err.split())


@pytest.mark.training
def test_a_recipe_that_is_none(tmp_path, monkeypatch, capfd):
    pytest.importorskip("torch", reason="needs the training extra")
    monkeypatch.chdir(tmp_path)
    assert run(["train", "heavy", "--data", "data"]) == 2
    assert "there is no recipe 'heavy'; known: " in capfd.readouterr().err


def test_every_recipe_is_listed(capfd):
    assert run(["train", "--list"]) == 0
    listed = capfd.readouterr().out
    names = sorted(path.stem for path in RECIPES.glob("*.toml"))
    assert len(names) >= 17 and all(name in listed for name in names)
