"""The recipes that come with macule: each loads, and the source systems' hold every number of their descriptions."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

pytest.importorskip("torch", reason="needs the training extra")

import torch

from macule.analysis import arms
from macule.analysis.preprocess import VIEW_COUNTS
from macule.data import sources
from macule.training import recipe as recipes
from macule.training.networks import build
from macule.training.recipe import RECIPES

pytestmark = pytest.mark.training

#: The sanity run is no model: it has its own test.
NAMES = [name for name in recipes.names() if name != "sanity"]
CLINICAL = ("clinical-resnet50", "mobilenetv3", "efficientnetv2-s", "convnext-tiny", "vit-small", "cnn-attention")
METADATA = ("efficientnet-b4-metadata", "efficientnet-b5-metadata", "efficientnet-b7-metadata")
PICTURE_ONLY = ("inceptionv3", "densenet121")
PHONE = ("resnet50-cut-vgg", "vgg16")
CHANGES = {"zoom", "shift", "stretch", "brightness", "contrast", "cast", "saturation", "blur", "jpeg", "hair", "ruler",
           "ink", "vignette", "mixup", "cutmix"}
BY_32 = {"engine.batch": 32}
PHONE_NUMBERS = {
    "targets": "malignant", "phases.0.size": 224, "serving.size": 224, "serving.arms": ("clahe",),
    "optimiser.kind": "adam", "phases.0.learning_rate": 1e-5, "engine.batch": 8, "stopping.patience": 20,
    "loss.class_weights": {"malignant": 10.0}, "augment.flips": True, "augment.turns": True,
    "sampling.exponent": 0.0, "network.fusion": "none",
}
CLINICAL_NUMBERS = {
    "split.train": 0.70, "split.calibration": 0.20, "split.test": 0.10, "split.by": "patient",
    "phases.0.learning_rate": 1e-3, "phases.0.epochs": 50, "phases.0.trainable": "all", "loss.kind": "focal",
    "sampling.exponent": 1.0, "sampling.curriculum": True, "engine.accumulate": 2, "serving.views": 8,
    "loss.class_weights": "inverse", "serving.arms": ("hair", "glare", "shades_of_gray", "clahe", "lesion_crop"),
    **BY_32,
}
BINARY_NUMBERS = {
    "targets": "malignant", "split.test": 0.20, "phases.0.size": 224, "phases.0.epochs": 25,
    "optimiser.kind": "adam", "schedule.kind": "plateau", "loss.kind": "cross_entropy",
    "loss.class_weights": "none", "augment.flips": True, "augment.turns": True, **BY_32,
}
#: What the description of each source system says, as settings of its recipe.
SYSTEMS = {
    "resnet50-metadata": {
        "datasets": ("ham10000",), "split.train": 0.70, "split.calibration": 0.15, "split.test": 0.15,
        "split.by": "patient", "network.fusion": "concat", "loss.kind": "cross_entropy",
        "loss.class_weights": "inverse", "augment.flips": True, "augment.turns": True, "stopping.patience": 5,
    },
    "efficientnetb3-two-phase": {
        "datasets": ("ham10000",), "phases.0.trainable": "head", "phases.1.trainable": "last:80",
        "schedule.kind": "cosine", "sampling.kind": "target", "sampling.target": 2000, "loss.kind": "focal",
        "loss.gamma": 2.0, "loss.class_weights": "inverse", "augment.flips": True, "augment.turns": True,
    },
    "resnet50-cut-vgg": {
        **PHONE_NUMBERS, "network.cut": 3, "phases.0.trainable": "after:2", "network.hidden": 512,
        "network.activation": "tanh",
    },
    "vgg16": PHONE_NUMBERS,
    **dict.fromkeys(CLINICAL, CLINICAL_NUMBERS),
    **dict.fromkeys((*METADATA, *PICTURE_ONLY), BINARY_NUMBERS),
}
NAMED_BACKBONES = {
    "resnet50-metadata": "resnet50", "resnet50-cut-vgg": "resnet50", "vgg16": "vgg16", "mobilenetv3": "mobilenetv3",
    "efficientnetb3-two-phase": "tf_efficientnet_b3", "clinical-resnet50": "resnet50", "cnn-attention": "resnet50",
    "efficientnetv2-s": "tf_efficientnetv2_s", "convnext-tiny": "convnext_tiny", "vit-small": "vit_small",
    "efficientnet-b4-metadata": "tf_efficientnet_b4", "efficientnet-b5-metadata": "tf_efficientnet_b5",
    "efficientnet-b7-metadata": "tf_efficientnet_b7", "inceptionv3": "inception_v3", "densenet121": "densenet121",
    "lite": "lite1", "onward": "lite1", "default": "lite1",
}
#: What a source system's description names of augmentation, beside flips and turns; all else is off.
CHANGED = {"resnet50-metadata": {"brightness", "contrast"}, "efficientnetb3-two-phase": {"brightness", "zoom"},
           **dict.fromkeys(PHONE, frozenset()),
           **dict.fromkeys((*METADATA, *PICTURE_ONLY), frozenset({"stretch", "zoom"}))}


def _read(recipe, name):
    place = recipe
    for step in name.split("."):
        place = place[int(step)] if step.isdigit() else getattr(place, step)
    return place


def test_the_recipe_of_the_folds_can_be_cross_validated():
    found = recipes.load(str(Path(__file__).parents[3] / "experiments" / "recipes" / "folds.toml"))
    assert found.datasets == ("ham10000",) and found.network.start is None


def test_every_recipe_that_was_promised_is_there():
    assert set(recipes.names()) == {*NAMED_BACKBONES, "sanity"}


@pytest.mark.parametrize("name", NAMES)
def test_a_recipe_is_whole(name):
    recipe = recipes.load(name)
    assert recipe.name == name and recipe.source and len(recipe.summary) <= 110
    assert set(recipe.datasets) | set(recipe.exams) <= set(sources.SOURCES)
    assert set(recipe.exams) == {"isic2018", "isic2017"}, "all are comparable on the same exams"
    assert set(recipe.serving.arms) <= set(arms.ARMS) and recipe.serving.views in VIEW_COUNTS
    assert recipe.serving.size == recipe.phases[-1].size
    assert recipe.network.backbone.startswith(NAMED_BACKBONES[name])
    assert recipe.network.pretrained == "prefer"


@pytest.mark.parametrize(("name", "setting", "value"),
                         [(name, *pair) for name, numbers in SYSTEMS.items() for pair in numbers.items()])
def test_what_a_source_system_says_is_in_its_recipe(name, setting, value):
    assert _read(recipes.load(name), setting) == value


@pytest.mark.parametrize("name", CHANGED)
def test_a_source_system_changes_pictures_as_described_and_no_more(name):
    augment = recipes.load(name).augment
    changed = {key for key in CHANGES if getattr(augment, key) not in (0, (1.0, 1.0))}
    assert changed == CHANGED[name] and augment.strength == 1


def test_system_b_has_four_convolutions():
    for name in PHONE:
        convs = recipes.load(name).network.convs
        assert [(conv.channels, conv.kernel) for conv in convs] == [(32, 3), (64, 3), (64, 3), (128, 3)]


def test_system_c_goes_on_at_a_much_lower_rate():
    head, top = recipes.load("efficientnetb3-two-phase").phases
    assert top.learning_rate <= head.learning_rate / 20


def test_system_e_reads_the_patient_in_efficientnets_only():
    assert {recipes.load(name).network.fusion for name in METADATA} == {"concat"}
    for name in PICTURE_ONLY:
        network = recipes.load(name).network
        assert network.fusion == "none" and network.hidden and network.dropout


def test_only_the_hybrid_attends():
    assert {name for name in CLINICAL if recipes.load(name).network.attention} == {"cnn-attention"}


def test_no_source_system_averages_its_weights():
    assert {recipes.load(name).engine.ema for name in SYSTEMS} == {0.0}


def test_the_embedded_model_trains_as_it_did():
    """The numbers of the bundle that is shipped."""
    recipe = recipes.load("lite")
    assert [(p.size, p.samples, p.learning_rate, p.head_learning_rate, p.trainable) for p in recipe.phases] == [
        (160, 30016, 6e-4, 3e-3, "after:2"), (208, 41984, 6e-4, 3e-3, "after:2")]
    assert (recipe.optimiser.kind, recipe.optimiser.weight_decay, recipe.optimiser.clip) == ("adamw", 0.02, 5.0)
    assert (recipe.schedule.kind, recipe.schedule.span, recipe.schedule.warmup) == ("cosine", "run", 0.05)
    assert (recipe.engine.batch, recipe.engine.ema, recipe.sampling.exponent) == (32, 0.995, 0.5)
    assert (recipe.serving.views, recipe.serving.logit_adjustment, recipe.loss.smoothing) == (4, 0.5, 0.05)
    assert (recipe.split.train, recipe.split.calibration, recipe.split.test) == (0.78, 0.10, 0.12)


@pytest.mark.parametrize("name", NAMES)
def test_every_number_is_explained(name):
    """A source system's file says of each of its choices whether it stands in the description or is ours."""
    if name in {"lite", "onward", "default"}:
        pytest.skip("all of its numbers are ours")
    text = (RECIPES / f"{name}.toml").read_text(encoding="utf-8")
    assert tomllib.loads(text)
    for line in text.splitlines():
        if line.startswith(("learning_rate", "epochs", "batch", "patience", "target", "gamma", "hidden", "dropout",
                            "weight_decay", "backbone", "kind")) and "kind = \"power\"" not in line:
            assert "#" in line, line


@pytest.mark.parametrize("name", NAMES)
def test_a_recipe_builds_a_network_that_reads_its_pictures(name):
    recipe = recipes.load(name)
    settings = recipe.network.model_copy(update={"pretrained": "no"})
    with torch.device("meta"):
        network = build(settings, targets=recipe.targets).eval()
        size = recipe.phases[-1].size
        logits, embedding, cam = network(torch.zeros(1, 3, size, size), torch.zeros(1, 13))
    assert logits.shape == (1, 2 if recipe.targets == "malignant" else 11)
    assert embedding.ndim == 2 and cam.shape[1] == logits.shape[1] and cam.shape[2] >= 5
    for phase in recipe.phases:
        frozen = network.backbone.frozen_by(phase.trainable)
        assert bool(frozen) is (phase.trainable != "all")
