"""What a card says of how its bundle came about: what made it, of what, and what that makes of its figures."""

from __future__ import annotations

import json

import pytest
from macule_testing import write_bundle

from macule.analysis import bundle as bundles
from macule.cli.app import run
from macule.evaluation import card as cards
from macule.evaluation import card_text

RECIPE = {"name": "plain", "seed": 7, "datasets": ["ham10000"], "targets": "diagnosis",
          "network": {"backbone": "lite1", "fusion": "add"},
          "phases": [{"trainable": name} for name in ("head", "after:3", "after:3")]}
FLOAT = {
    "recipe": RECIPE, "start": {"backbone": "lite1", "weights": "ImageNet, wheel 1"}, "leaky": False,
    "pictures": {"train": 1, "calibration": 1, "test": 4}, "lesions": {"train": 1, "calibration": 1, "test": 3},
    "left_out_for_exams": 5, "torch_onnx_difference": 1.2e-6,
    "versions": {"macule": "0.1", "torch": "2.13", "python": "3.11"},
}
ONWARD = FLOAT | {
    "recipe": RECIPE | {"name": "onward", "network": RECIPE["network"] | {"start": "work/plain"}},
    "start": {"backbone": "lite1", "weights": "bundle plain 0123456789ab"},
    "split": {"by": "patient", "inherited_from": "0123456789ab" + 52 * "0"},
}
QUANTISED = {"of": "ba9876543210" + 52 * "0", "of_id": "default", "macule": "0.2", "pictures": 512, "seed": 3,
             "method": "entropy", "keep": None, "correct": True, "seven_bits": False, "signed": False}
REFIT = {"fitted": ["baselines", "conformal", "gate", "index"]}
MEMBERS = [{"run": f"plain-{seed}", "recipe": "plain", "backbone": "lite1", "seed": seed} for seed in (1, 2)]
COMBINED = FLOAT | {
    "recipe": RECIPE | {"name": "accurate"}, "start": {"backbone": "lite1 + lite1", "weights": "ImageNet, wheel 1"},
    "made_of": {"how": "ensemble", "members": MEMBERS},
}
LOOKED = "not the first look at the locked lesions"


@pytest.fixture
def told(tmp_path):
    """The card of a bundle of this provenance."""
    def of(provenance, name="tiny"):
        folder = write_bundle(tmp_path / name, id=name, provenance=provenance,
                              thresholds={"medium": {"probability": 0.2, "sensitivity": 0.95},
                                          "high": {"probability": 0.6, "sensitivity": 0.8},
                                          "cannot_exclude": {}, "fitted_on": "calibration part", "n": 321})
        content = json.loads((folder / "bundle.json").read_text())
        content["metrics"] = {"exams": []}
        return card_text.render(bundles.load(folder), content)
    return of


def test_the_recipe_is_named_and_not_the_bundle(told):
    text = told(FLOAT)
    assert "`macule train plain` with the settings in bundle.json, seed 7" in text and "macule train tiny" not in text
    assert "lite1 (start: ImageNet, wheel 1; trainable: head, then after:3)" in text
    assert "differ by at most 1.2e-06" in text and "int8" not in text.partition("## Intended")[0]
    assert LOOKED not in text and "Goes on from" not in text


def test_what_was_recalibrated_says_so(told):
    how = {"at": "2026-11-22T03:17:36+00:00", "macule": "0.2", "pictures": 1583,
           "fitted": ["calibration", "thresholds"]}
    text = told(FLOAT | {"recalibrated": how})
    assert "**Recalibrated**: 2026-11-22, `macule refit --calibration`, macule 0.2: calibration, thresholds" in text
    assert "1,583 pictures" in text and "Recalibrated" not in told(FLOAT, "plain")


def test_a_bundle_in_whole_numbers_says_so_and_of_what(told):
    text = told(FLOAT | {"quantised": QUANTISED, "refit": REFIT}, "lite")
    assert "`macule quantise` of bundle default ba9876543210, macule 0.2." in text
    assert "bundle default ba9876543210 was made by `macule train plain`" in text and "macule train lite" not in text
    assert "lite1 int8" in text and "All convolutions after the first of 1 x 1 compute with weights of eight" in text
    assert "512 training pictures (entropy, seed 3); biases were corrected" in text
    assert "calibration, thresholds, baselines, conformal, gate, index" in text
    assert "torch against ONNX" not in text and "1.2e-06" not in text  # measured on the other graph
    assert "is not kept in the bundle: `benchmarks/quantise.py`" in text
    assert f"{LOOKED}: bundle default ba9876543210 had the same ones" in text


@pytest.mark.parametrize(("keep", "words"), [([], "All convolutions compute"), (
    ["stem", "head"], "All convolutions but those with `stem` or `head` in their name compute")])
def test_which_convolutions_stay_as_they_were(told, keep, words):
    assert words in told(FLOAT | {"quantised": QUANTISED | {"keep": keep, "seven_bits": True}})


def test_a_bundle_that_went_on_names_the_one_before(told):
    text = told(ONWARD)
    assert "`macule train onward`" in text and "Goes on from**: the weights of bundle plain 0123456789ab, and" in text
    assert f"{LOOKED}: bundle plain 0123456789ab had" in text and "it, and was scored" in text
    text = told(ONWARD | {"quantised": QUANTISED})
    assert f"{LOOKED}: bundle default ba9876543210 and bundle plain 0123456789ab had" in text
    assert "- **That one goes on from**: the weights of bundle plain" in text


def test_without_a_locked_part_there_was_no_look(told):
    assert LOOKED not in told(ONWARD | {"pictures": {"train": 1, "calibration": 1, "test": 0}})


def test_a_combined_bundle_names_the_command_and_its_runs(told):
    text = told(COMBINED, "accurate")
    assert "`macule combine --how ensemble` of 2 runs: `plain-1` (recipe plain, lite1, seed 1), `plain-2`" in text
    assert "macule train" not in text.partition("## Intended")[0]
    assert "2 x lite1 (each network answers, in one graph; start: ImageNet, wheel 1)" in text
    assert "may be among them" in text and LOOKED not in text


@pytest.fixture
def folds(tmp_path):
    figure = {"value": 0.8642, "low": 0.8, "high": 0.9, "n": 3}
    part = {"dataset": "ham10000", "modality": None, "pictures": 3, "lesions": 3, "refused": 0, "classes": {},
            "calibration_error": figure, **dict.fromkeys(cards.HEADLINES, figure)}
    folder = tmp_path / "work"
    folder.mkdir()
    (folder / "metrics.json").write_text(json.dumps({"recipe": "plain", "leaky": False, "folds": [{}], "sets": [part]}))
    return folder


def test_folds_of_another_recipe_are_refused_or_named(told, folds, tmp_path, capfd):
    told(FLOAT | {"recipe": RECIPE | {"name": "other"}})
    asked = ["card", "--bundle", str(tmp_path / "tiny"), "--folds", str(folds)]
    before = (tmp_path / "tiny" / "bundle.json").read_bytes()
    assert run(asked) == 2
    assert "'plain', but bundle tiny was made by 'other'" in " ".join(capfd.readouterr().err.split())
    assert (tmp_path / "tiny" / "bundle.json").read_bytes() == before
    assert run([*asked, "--another-recipe", "--aims", "--table"]) == 0
    named = "HAM10000, out of fold, recipe plain (not this bundle's)"
    printed = capfd.readouterr().out
    assert f"| balanced accuracy | {named} | at least 0.85 | 0.864 (0.800-0.900), n 3 | met |" in printed
    assert f"| {named} | 3 / 3 (0) |" in printed
    text = (tmp_path / "tiny" / "card.md").read_text()
    assert f"| {named} | 3 / 3 |" in text and "of the recipe `plain`" in text and "nor made by its recipe" in text


def test_a_bundle_that_went_on_has_no_folds_even_of_its_recipes_name(told, folds, tmp_path, capfd):
    told(ONWARD | {"recipe": ONWARD["recipe"] | {"name": "plain"}})
    assert run(["card", "--bundle", str(tmp_path / "tiny"), "--folds", str(folds)]) == 2
    assert "goes on from another bundle" in " ".join(capfd.readouterr().err.split())


def test_another_recipe_is_of_folds_alone(told, tmp_path, capfd):
    told(FLOAT)
    assert run(["card", "--bundle", str(tmp_path / "tiny"), "--table", "--another-recipe"]) == 2
    assert "give both" in capfd.readouterr().err
