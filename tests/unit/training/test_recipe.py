from __future__ import annotations

import copy

import pytest

pytest.importorskip("torch", reason="needs the training extra")

from macule.errors import UsageError
from macule.training import recipe as recipes
from macule.training.recipe import RECIPES, Conv, Targets

pytestmark = pytest.mark.training

SMALL = {
    "name": "small", "summary": "for tests", "datasets": ["ham10000"],
    "network": {"backbone": "lite0"},
    "phases": [{"size": 48, "samples": 8, "learning_rate": 1e-3}, {"size": 64, "epochs": 2, "learning_rate": 1e-4}],
    "serving": {"size": 64},
}


def _parse(**sections):
    """SMALL with settings laid over its sections."""
    table = copy.deepcopy(SMALL)
    for name, content in sections.items():
        table[name] = {**table.get(name, {}), **content} if isinstance(content, dict) else content
    return recipes.parse(table, where="test")


def _refused(told, **sections):
    with pytest.raises(UsageError, match=told):
        _parse(**sections)


# -- what is read -------------------------------------------------------------------------------------------------


def test_parse():
    recipe = _parse(targets="malignant", network={"convs": [{"channels": 32}, {"channels": 64, "kernel": 1}]})
    assert recipe.targets is Targets.MALIGNANT
    assert recipe.network.convs == (Conv(channels=32, kernel=3), Conv(channels=64, kernel=1))
    assert [(phase.size, phase.samples, phase.epochs) for phase in recipe.phases] == [(48, 8, 0), (64, 0, 2)]
    assert recipe.phases[0].trainable == "all" and recipe.phases[0].head_learning_rate is None


@pytest.mark.parametrize("rule", ["all", "head", "last:80", "after:0", "after:2"])
def test_what_may_learn(rule):
    (phase,) = _parse(phases=[{"size": 48, "samples": 8, "learning_rate": 1e-3, "trainable": rule}]).phases
    assert phase.trainable == rule


def test_a_whole_number_will_do_for_a_float():
    assert _parse(network={"dropout": 0}).network.dropout == 0.0


@pytest.mark.parametrize("weights", ["none", "inverse", {"mel": 4.0}, {"malignant": 10.0}])
def test_class_weights(weights):
    assert _parse(loss={"class_weights": weights}).loss.class_weights == weights


# -- what is refused ----------------------------------------------------------------------------------------------


def test_an_unknown_key():
    _refused("test: unknown key epochs; known: augment, datasets, .*serving", epochs=3)


@pytest.mark.parametrize(("section", "known"), [
    ("network", "activation, attention, backbone"), ("engine", "accumulate"), ("augment", "blur, brightness"),
])
def test_an_unknown_key_of_a_section(section, known):
    _refused(f"test: unknown key {section}.steps; known: {known}", **{section: {"steps": 3}})


def test_an_unknown_key_of_a_phase():
    phases = [{"size": 48, "samples": 8, "learning_rate": 1e-3, "steps": 3}]
    _refused("test: unknown key phases.0.steps; known: epochs, head_learning_rate, learning_rate", phases=phases)


@pytest.mark.parametrize("key", ["name", "network", "phases", "serving", "datasets"])
def test_a_missing_key(key):
    table = copy.deepcopy(SMALL)
    del table[key]
    with pytest.raises(UsageError, match=rf"test: missing key {key}\."):
        recipes.parse(table, where="test")


def test_every_fault_is_told_at_once():
    _refused("engine.batch is -1: .*; unknown key engine.bach", engine={"batch": -1, "bach": 2})


@pytest.mark.parametrize(("section", "key", "value"), [
    ("engine", "batch", "many"), ("engine", "batch", 1.5), ("engine", "precision", "fp8"), ("network", "dropout", 1.0),
    ("network", "pretrained", "perhaps"), ("augment", "strength", -1), ("augment", "hair", 1.2),
    ("serving", "views", 3), ("schedule", "kind", "wave"), ("schedule", "span", "day"), ("loss", "kind", "hinge"),
    ("sampling", "exponent", float("nan")), ("optimiser", "weight_decay", float("inf")),
])
def test_a_value_that_is_none(section, key, value):
    _refused(f"{section}.{key}.* is ", **{section: {key: value}})


def test_a_phase_has_one_length():
    for phase in ({}, {"samples": 8, "epochs": 2}):
        _refused("phases.0: samples is .* and epochs .*; give one of the two",
                 phases=[{"size": 48, "learning_rate": 1e-3, **phase}])


@pytest.mark.parametrize("rule", ["top", "last:0", "last:", "after:-1"])
def test_what_may_learn_is_none(rule):
    _refused("phases.0.trainable is ", phases=[{"size": 48, "samples": 8, "learning_rate": 1e-3, "trainable": rule}])


def test_settings_that_contradict_each_other():
    _refused("network: fusion is 'concat', which needs a hidden layer", network={"fusion": "concat"})
    _refused("validate_every is 0, but early stopping", engine={"validate_every": 0}, stopping={"patience": 3})
    _refused("train, calibration and test sum to 1.1", split={"train": 0.88})
    _refused(r"zoom is \(1.2, 0.8\)", augment={"zoom": [1.2, 0.8]})


# -- changes ------------------------------------------------------------------------------------------------------


def test_settings_are_changed_by_name():
    written = ["engine.batch=8", "network.backbone=lite1", "phases.1.size=96", 'datasets=["isic2020"]',
               "schedule.span=run"]
    recipe = _parse().changed(recipes.settings(written))
    assert (recipe.engine.batch, recipe.network.backbone, recipe.phases[1].size) == (8, "lite1", 96)
    assert recipe.datasets == ("isic2020",) and recipe.schedule.span == "run" and recipe.phases[0].size == 48


def test_a_change_of_nothing_changes_nothing():
    for name in recipes.names():
        assert recipes.load(name).changed({}) == recipes.load(name)


@pytest.mark.parametrize(("name", "told"), [
    ("engine.bach", "unknown key engine.bach"), ("phases.7.size", "asks for number '7' of 2"),
    ("name.first", "goes into 'name', which is 'small'"),
])
def test_a_change_of_what_is_not_there(name, told):
    with pytest.raises(UsageError, match=told):
        _parse().changed({name: 8})


@pytest.mark.parametrize("written", ["engine.batch", "=8"])
def test_a_change_that_is_not_one(written):
    with pytest.raises(UsageError, match=r"NAME=VALUE is needed, such as engine.batch=8"):
        recipes.settings([written])


# -- files --------------------------------------------------------------------------------------------------------


def test_an_unknown_recipe():
    with pytest.raises(UsageError, match=r"no recipe 'heavy'; known: .*lite.*; or give the path of a \.toml file"):
        recipes.load("heavy")


def test_a_recipe_of_ones_own(tmp_path):
    text = (RECIPES / "lite.toml").read_text(encoding="utf-8").replace('name = "lite"', 'name = "mine"')
    (tmp_path / "mine.toml").write_text(text, encoding="utf-8")
    assert recipes.load(str(tmp_path / "mine.toml")).name == "mine"
    with pytest.raises(UsageError, match="no recipe"):
        recipes.load(str(tmp_path / "yours.toml"))


def test_a_file_that_is_not_toml(tmp_path):
    (tmp_path / "torn.toml").write_text("name = ", encoding="utf-8")
    with pytest.raises(UsageError, match=r"torn\.toml is not TOML: "):
        recipes.load(str(tmp_path / "torn.toml"))
