"""Channels taken out of a drawn network by benchmarks/pruning.py."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import onnx
import pytest

pytest.importorskip("torch", reason="needs the training extra")

sys.path.insert(0, str(Path(__file__).parents[3] / "benchmarks"))

import inverted_blocks
import pruning
from onnx import numpy_helper

from macule.analysis.network import OUTPUTS
from macule.training.quantise import bias, graph

SEEN = inverted_blocks.pictures(12)


@pytest.fixture
def model():
    return inverted_blocks.network()


def means(model):
    return bias.means(model, [block.read for block in pruning.blocks(model)], SEEN)


def logits(model):
    asked = bias.session(model, OUTPUTS)
    return np.concatenate([asked.run(["logits"], one)[0] for one in SEEN])


def change(model, name, places, value):
    """Put a number into rows of a weight or bias."""
    constant = next(each for each in model.graph.initializer if each.name == name)
    array = numpy_helper.to_array(constant).copy()
    array[places] = value
    constant.CopyFrom(numpy_helper.from_array(array, name))


def test_the_blocks_are_found_and_shrink(model):
    found = pruning.blocks(model)
    assert [block.project.name for block in found] == ["one.project", "two.project", "three.project"]
    chosen = pruning.kept(model, found, means(model), 0.3)
    assert [len(stay) for stay in chosen.values()] == [16, 16, 32]
    made = pruning.pruned(model, found, chosen, means(model))
    onnx.checker.check_model(made)
    assert graph.constant(made, "three.deep.weight").shape == (32, 1, 3, 3)
    assert logits(made).shape == logits(model).shape


def test_dead_and_constant_channels_go_without_a_trace(model):
    """Eight channels of the first block are 0, eight always 2: the other eight are worth most, and say all."""
    dead, constant = list(range(8)), list(range(8, 16))
    change(model, "one.deep.weight", dead + constant, 0.0)
    change(model, "one.deep.bias", dead, -1.0)
    change(model, "one.deep.bias", constant, 2.0)
    found = pruning.blocks(model)[:1]
    chosen = pruning.kept(model, found, means(model), 1 / 3)
    assert not set(dead) & set(chosen["one.project"].tolist())
    chosen = {"one.project": np.arange(16, 24)}
    made = pruning.pruned(model, found, chosen, means(model))
    assert np.allclose(logits(made), logits(model), atol=1e-4)


def test_a_repair_brings_the_answers_nearer(model):
    found, known = pruning.blocks(model), means(model)
    made = pruning.pruned(model, found, pruning.kept(model, found, known, 0.3), known)
    before = np.abs(logits(made) - logits(model)).mean()
    assert np.abs(logits(pruning.repaired(made, model, found, SEEN)) - logits(model)).mean() < 0.7 * before
