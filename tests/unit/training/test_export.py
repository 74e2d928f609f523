from __future__ import annotations

import copy

import cv2
import numpy as np
import pytest

pytest.importorskip("torch", reason="needs the training extra")

import torch

from macule.analysis.network import Network
from macule.training import export

# The first test waits for the whole build.
pytestmark = [pytest.mark.training, pytest.mark.timeout(900)]

SIZE = 64


@pytest.fixture
def network(built):
    return built.network


@pytest.fixture
def exported(built):
    return built.out / "model.onnx"


@pytest.fixture(scope="module")
def inputs():
    rng = np.random.default_rng(0)
    images = np.stack([cv2.resize(rng.normal(0, 1, (8, 8, 3)).astype(np.float32), (SIZE, SIZE)) for _ in range(3)])
    return np.ascontiguousarray(images.transpose(0, 3, 1, 2)), rng.normal(0, 1, (3, 13)).astype(np.float32)


def test_onnx_answers_as_torch_does(network, exported, inputs):
    assert 0 <= export.difference(network, exported, *inputs) < export.TOLERANCE


def test_all_three_outputs_agree(network, exported, inputs):
    found = Network(exported, size=SIZE).run(*inputs)
    with torch.inference_mode():
        logits, embedding, cam = network.eval()(*map(torch.from_numpy, inputs))
    np.testing.assert_allclose(found.logits, logits, atol=export.TOLERANCE)
    np.testing.assert_allclose(found.embedding, embedding, atol=export.TOLERANCE)
    np.testing.assert_allclose(found.cam, cam, atol=5 * export.TOLERANCE)


@pytest.mark.parametrize("count", [1, 2, 3])
def test_any_number_of_pictures_at_once(exported, inputs, count):
    images, patients = inputs
    session = Network(exported, size=SIZE)
    found = session.run(images[:count], patients[:count])
    assert found.logits.shape == (count, 11) and found.embedding.shape == (count, 1280)
    assert found.cam.shape == (count, 11, 2, 2)
    alone = session.run(images[:1], patients[:1])
    np.testing.assert_allclose(found.logits[:1], alone.logits, atol=1e-4)


def test_a_network_that_was_changed_after_export_is_told(network, exported, inputs):
    changed = copy.deepcopy(network)
    with torch.no_grad():
        changed.head.bias[3] += 0.05
    with pytest.raises(export.ExportMismatch, match=r"differ by 5\.\d+e-02; at most 2e-03"):
        export.difference(changed, exported, *inputs)


def test_a_network_that_answers_nan_is_told(network, exported, inputs):
    changed = copy.deepcopy(network)
    with torch.no_grad():
        changed.head.weight[0, 0] = float("nan")
    with pytest.raises(export.ExportMismatch, match="nan"):
        export.difference(changed, exported, *inputs)


def test_exporting_leaves_the_network_as_it_was(network, exported):
    assert network.head.weight.requires_grad is False
    assert next(network.parameters()).is_contiguous(memory_format=torch.channels_last)


def test_the_file_stands_alone(exported):
    """Weights inside, not in a second file that could be lost."""
    assert [path.name for path in exported.parent.glob("model*")] == ["model.onnx"]
    assert exported.stat().st_size > 10_000_000
