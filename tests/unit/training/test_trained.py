from __future__ import annotations

import re

import pytest

pytest.importorskip("torch", reason="needs the training extra")

import torch

from macule.errors import CheckpointDamaged, InputNotFound, UsageError
from macule.training import loop, state, trained
from macule.training import recipe as recipes

pytestmark = pytest.mark.training

CHANGES = {
    "plain": {},
    "two classes": {"targets": "malignant"},
    "everything": {"network.convs": [{"channels": 8}], "network.attention": 4, "network.hidden": 12,
                   "network.activation": "tanh", "network.fusion": "concat", "network.cut": 2},
    "transformer": {"network.backbone": "test_vit"},
}


@pytest.fixture
def made(table):
    def make(**changes):
        table["network"] = {"backbone": "test_efficientnet", "pretrained": "no"}
        recipe = recipes.parse(table, where="test").changed(changes)
        return recipe, loop.start(recipe)

    return make


def ask(network, size=64):
    """Logits, embedding and map of two pictures."""
    generator = torch.Generator().manual_seed(0)
    images, about = torch.randn(2, 3, size, size, generator=generator), torch.rand(2, 13, generator=generator)
    with torch.no_grad():
        return network.eval()(images, about)


@pytest.mark.parametrize("changes", CHANGES)
def test_a_network_comes_back_as_it_was_kept(made, tmp_path, changes):
    recipe, network = made(**CHANGES[changes])
    trained.save(tmp_path, network, recipe)
    torch.manual_seed(1)
    found = trained.load(tmp_path)
    assert found.recipe == recipe and found.network.start == network.start and not found.network.training
    for one, other in zip(ask(network), ask(found.network), strict=True):
        assert one.equal(other)
    assert [file.name for file in tmp_path.iterdir()] == [trained.FILE]


def test_the_file_itself_may_be_named(made, tmp_path):
    recipe, network = made()
    trained.save(tmp_path, network, recipe)
    assert trained.load(tmp_path / trained.FILE).recipe == recipe
    assert trained.fingerprint(tmp_path / trained.FILE) == trained.fingerprint(tmp_path)


def test_no_network_is_downloaded_to_be_filled(made, tmp_path, monkeypatch):
    recipe, network = made()
    trained.save(tmp_path, network, recipe.changed({"network.pretrained": "require"}))
    assert trained.load(tmp_path).recipe.network.pretrained == "require"


def test_another_network_has_another_fingerprint(made, tmp_path):
    recipe, network = made()
    prints = []
    for step in range(2):
        with torch.no_grad():
            network.head.classes.bias += step
        trained.save(tmp_path, network, recipe)
        prints.append(trained.fingerprint(tmp_path))
    assert len(set(prints)) == 2 and re.fullmatch("[0-9a-f]{64}", prints[0])


def test_a_run_that_has_not_ended(tmp_path):
    for read in (trained.load, trained.fingerprint):
        with pytest.raises(InputNotFound, match=r"no network\.pt in .*: give the folder of a run that has ended"):
            read(tmp_path)


def test_damage_is_told(made, tmp_path):
    recipe, network = made()
    trained.save(tmp_path, network, recipe)
    path = tmp_path / trained.FILE
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(CheckpointDamaged, match="cannot be read"):
        trained.load(tmp_path)
    place = whole.index(network.head.classes.weight.detach().numpy().tobytes()) + 3
    path.write_bytes(whole[:place] + bytes([whole[place] ^ 64]) + whole[place + 1:])
    with pytest.raises(CheckpointDamaged, match="cannot be read"):
        trained.load(tmp_path)


@pytest.mark.parametrize("spoil", [
    lambda parts: parts.pop("recipe"), lambda parts: parts.pop("start"), lambda parts: parts.pop("network"),
    lambda parts: parts["network"].pop("head.classes.weight"),
    lambda parts: parts["network"].update({"head.classes.weight": torch.zeros(2, 2)}),
    lambda parts: parts["start"].update({"note of another version": 1}),
    lambda parts: parts["start"].pop("weights"),
    lambda parts: parts.update({"start": None}), lambda parts: parts.update({"network": None}),
], ids=["no recipe", "no start", "no weights", "a layer less", "another shape", "a start too much", "a start too few",
        "empty start", "empty weights"])
def test_a_file_that_does_not_hold_what_it_names(made, tmp_path, spoil):
    recipe, network = made()
    trained.save(tmp_path, network, recipe)
    parts = state.read(tmp_path / trained.FILE)
    spoil(parts)
    torch.save(parts, tmp_path / trained.FILE)
    with pytest.raises(CheckpointDamaged, match="does not hold the network that it names"):
        trained.load(tmp_path)


def test_a_recipe_of_another_version_is_named(made, tmp_path):
    recipe, network = made()
    trained.save(tmp_path, network, recipe)
    parts = state.read(tmp_path / trained.FILE)
    parts["recipe"]["engine"]["wings"] = 2
    torch.save(parts, tmp_path / trained.FILE)
    with pytest.raises(UsageError, match=r"network\.pt: unknown key engine\.wings"):
        trained.load(tmp_path)


def test_a_kill_while_saving_leaves_the_last_one(made, tmp_path, monkeypatch):
    recipe, network = made()
    trained.save(tmp_path, network, recipe)
    before = trained.fingerprint(tmp_path)

    def die(path, parts):
        path.write_bytes(b"half")
        raise KeyboardInterrupt

    monkeypatch.setattr(state, "write", die)
    with pytest.raises(KeyboardInterrupt):
        trained.save(tmp_path, network, recipe)
    assert trained.fingerprint(tmp_path) == before
