"""A drawn network in whole numbers beside itself in floating point."""

from __future__ import annotations

import numpy as np
import onnx
import pytest

pytest.importorskip("torch", reason="needs the training extra")

import inverted_blocks
from onnx import numpy_helper

from macule.analysis.network import OUTPUTS
from macule.errors import UsageError
from macule.training.quantise import Settings, bias, graph, in_integers, weights

SEEN = inverted_blocks.pictures(24)
OTHERS = inverted_blocks.pictures(16, seed=2)


@pytest.fixture(scope="module")
def plain():
    return inverted_blocks.network()


@pytest.fixture(scope="module")
def whole(plain):
    return in_integers(plain, lambda: iter(SEEN), Settings(method="minmax"))


def answers(model, inputs=OTHERS):
    asked = bias.session(model, OUTPUTS)
    found = [asked.run(OUTPUTS, one) for one in inputs]
    return [np.concatenate(each) for each in zip(*found, strict=True)]


def away(model, other, inputs=OTHERS):
    """The mean difference of the logits, as a share of how they vary."""
    one, two = answers(model, inputs)[0], answers(other, inputs)[0]
    return float(np.abs(one - two).mean() / one.std())


def operators(model):
    return [node.op_type for node in model.graph.node]


def test_it_answers_as_the_network_did(plain, whole):
    assert away(plain, whole) < 0.05
    for before, after in zip(answers(plain), answers(whole), strict=True):
        assert before.shape == after.shape
        assert np.corrcoef(before.ravel(), after.ravel())[0, 1] > 0.99


def test_what_is_whole_and_what_stays(plain, whole):
    onnx.checker.check_model(whole)
    constants = {value.name: numpy_helper.to_array(value) for value in whole.graph.initializer}
    for name in ("stem", "first.deep", "first.project", "head"):
        assert constants[f"{name}.weight"].dtype == np.float32
    for name in ("one.expand", "two.deep", "three.project", "last"):
        assert constants[f"{name}.weight_quantized"].dtype == np.int8
    # Behind whole numbers rounding clips; behind the stem and its neighbour it does not.
    assert operators(whole).count("Clip") == 2 and "Einsum" not in operators(whole)
    rounded = [name for node in whole.graph.node if node.op_type == "QuantizeLinear" for name in node.input]
    assert "three.add" in rounded and not {"logits", "seen", "told", "embedding"} & set(rounded)


def test_a_batch_is_answered_as_its_pictures_are(whole):
    together = {name: np.concatenate([one[name] for one in OTHERS]) for name in OTHERS[0]}
    for one, other in zip(answers(whole), answers(whole, [together]), strict=True):
        assert np.allclose(one, other, atol=1e-4)


def test_correcting_biases_brings_it_nearer(plain, whole):
    other = in_integers(plain, lambda: iter(SEEN), Settings(method="minmax", correct=False))
    assert away(plain, whole) < away(plain, other)


@pytest.mark.parametrize("way", [{"method": "percentile"}, {"method": "minmax"}, {"signed": True},
                                 {"seven_bits": True}, {"keep": ()}, {"keep": ("deep", "stem")}])
def test_every_way_gives_a_network(plain, way):
    made = in_integers(plain, lambda: iter(SEEN[:8]), Settings(correct=False, **way))
    assert away(plain, made) < 0.5
    kept = [value.name for value in made.graph.initializer if value.name.endswith(".deep.weight")]
    assert len(kept) == {"deep": 4}.get((way.get("keep") or ("",))[0], 0 if way.get("keep") == () else 1)


def test_seven_bits_are_coarser(plain, whole):
    other = in_integers(plain, lambda: iter(SEEN), Settings(method="minmax", seven_bits=True))
    assert away(plain, other) > away(plain, whole)


def test_no_pair_of_weights_can_overflow():
    """255 times the sum of two neighbours of one sign fits in 16 bits, whatever the weights."""
    rng = np.random.default_rng(0)
    weight = rng.standard_t(2, (64, 33, 1, 1)).astype(np.float32)
    weight[0] = 1.0
    weight[1] = 0.0
    steps = np.round(weight / (weights.ranges(weight, groups=1)[:, None, None, None] / 127))
    rows = np.pad(steps.reshape(64, -1), ((0, 0), (0, 1))).reshape(64, -1, 2)
    for sign in (1, -1):
        assert 255 * np.maximum(sign * rows, 0).sum(axis=2).max() < 2**15
    assert np.abs(steps).max() <= 127
    # Not by giving a whole bit away.
    assert np.median(np.abs(steps[2:]).max(axis=(1, 2, 3))) > 90


def test_channels_of_their_own_keep_all_eight_bits():
    weight = np.random.default_rng(0).normal(0, 1, (8, 1, 3, 3)).astype(np.float32)
    assert np.allclose(weights.ranges(weight, groups=8), np.abs(weight).max(axis=(1, 2, 3)))


def test_the_quick_map_is_the_same_map(plain):
    copy = onnx.ModelProto()
    copy.CopyFrom(plain)
    quick = graph.with_quick_map(copy)
    assert "Einsum" in operators(plain) and "Einsum" not in operators(quick)
    assert np.allclose(answers(plain)[2], answers(quick)[2], atol=1e-5)


@pytest.mark.parametrize("size", [44, 27])
def test_another_size_is_padded_as_if_made_for_it(plain, size):
    """27 and 44 px need another padding at some convolution with a stride than 32 px do."""
    given = inverted_blocks.pictures(3, size=size)
    made = graph.resized(plain, size)
    onnx.checker.check_model(made)
    expected = inverted_blocks.network(size)
    for one, other in zip(answers(expected, given), answers(made, given), strict=True):
        assert np.allclose(one, other, atol=1e-4)
    shapes = {value.name: [dim.dim_value for dim in value.type.tensor_type.shape.dim][1:]
              for model in (made, expected) for value in model.graph.output}
    assert shapes == {value.name: [dim.dim_value for dim in value.type.tensor_type.shape.dim][1:]
                      for value in made.graph.output}


def test_what_cannot_be_asked(plain, whole, tmp_path):
    onnx.save(whole, str(tmp_path / "model.onnx"))
    with pytest.raises(UsageError, match="quantised already"):
        graph.load(tmp_path / "model.onnx")
    with pytest.raises(UsageError, match="'stern' is in the name of no"):
        in_integers(plain, lambda: iter(SEEN), Settings(keep=("stern",)))
    with pytest.raises(UsageError, match="none is left"):
        in_integers(plain, lambda: iter(SEEN), Settings(keep=("weight",)))
    with pytest.raises(UsageError, match="'guess'; one of minmax"):
        Settings(method="guess")
