from __future__ import annotations

import pytest

pytest.importorskip("torch", reason="needs the training extra")

from macule.analysis.preprocess import VIEW_COUNTS
from macule.data import sources
from macule.errors import UsageError
from macule.training import recipe as recipes
from macule.training.recipe import RECIPES, Stage

pytestmark = pytest.mark.training


@pytest.mark.parametrize("name", sorted(path.stem for path in RECIPES.glob("*.toml")))
def test_every_shipped_recipe_can_be_run(name):
    recipe = recipes.load(name)
    assert recipe.name == name
    assert recipe.backbone in {"lite0", "lite1", "lite2"}
    assert set(recipe.datasets) <= set(sources.SOURCES)
    assert recipe.views in VIEW_COUNTS
    assert recipe.samples == sum(stage.samples for stage in recipe.stages)
    assert all(stage.samples >= recipe.batch and stage.size % 16 == 0 for stage in recipe.stages)


def test_a_recipe_is_shipped():
    assert list(RECIPES.glob("*.toml"))


def test_parse(table):
    recipe = recipes.parse(table, where="test")
    assert recipe.stages == (Stage(8, 48), Stage(8, 64)) and recipe.samples == 16
    assert recipe.datasets == ("ham10000", "milk10k")


def test_an_unknown_key(table):
    with pytest.raises(UsageError, match=r"test: unknown key\(s\) epochs; known: .*learning_rate"):
        recipes.parse({**table, "epochs": 3}, where="test")


def test_an_unknown_key_of_a_stage(table):
    table["stages"][0]["steps"] = 3
    with pytest.raises(UsageError, match=r"test: stages: unknown key\(s\) steps; known: samples, size"):
        recipes.parse(table, where="test")


@pytest.mark.parametrize("key", ["seed", "learning_rate", "backbone"])
def test_a_missing_key(table, key):
    del table[key]
    with pytest.raises(UsageError, match=rf"test: missing key\(s\) {key}\."):
        recipes.parse(table, where="test")


def test_a_missing_key_of_a_stage(table):
    del table["stages"][1]["size"]
    with pytest.raises(UsageError, match=r"test: stages: missing key\(s\) size"):
        recipes.parse(table, where="test")


@pytest.mark.parametrize(
    ("key", "value", "kind"),
    [("batch", "32", "int"), ("batch", 32.0, "int"), ("batch", True, "int"), ("learning_rate", "fast", "float"),
     ("dropout", False, "float"), ("name", 7, "str"), ("backbone", None, "str")],
)
def test_a_value_of_the_wrong_type(table, key, value, kind):
    with pytest.raises(UsageError, match=f"test: {key} is {value!r}; {kind} is needed"):
        recipes.parse({**table, key: value}, where="test")


@pytest.mark.parametrize("key", ["dropout", "sampling_exponent"])
def test_a_whole_number_will_do_for_a_float(table, key):
    assert getattr(recipes.parse({**table, key: 0}, where="test"), key) == 0


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
