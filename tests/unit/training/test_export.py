from __future__ import annotations

import copy
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch", reason="needs the training extra")

import torch

from macule.analysis.network import Network as Session
from macule.errors import EnvironmentFault, ExportMismatch
from macule.training import export
from macule.training.networks import build, spread
from macule.training.recipe import Network, Targets

pytestmark = pytest.mark.training

SIZE = 64
#: One of each family, fusion and head between them.
KINDS = {
    "test_efficientnet": {"fusion": "none"},
    "test_resnet": {"fusion": "concat", "hidden": 16, "attention": 4, "convs": [{"channels": 8}]},
    "test_convnext": {"fusion": "add", "hidden": 16, "activation": "tanh"},
    "test_vit": {"fusion": "metablock"},
}


def _make(backbone, targets=Targets.DIAGNOSIS, **settings):
    torch.manual_seed(0)
    table = {"backbone": backbone, "pretrained": "no", **settings}
    return build(Network.model_validate(table), targets=targets).eval()


@pytest.fixture(scope="module")
def inputs():
    rng = np.random.default_rng(0)
    return rng.normal(0, 1, (3, 3, SIZE, SIZE)).astype(np.float32), rng.normal(0, 1, (3, 13)).astype(np.float32)


@pytest.fixture(scope="module")
def network():
    return _make("test_resnet", fusion="add").to(memory_format=torch.channels_last)


@pytest.fixture(scope="module")
def exported(network, tmp_path_factory):
    path = tmp_path_factory.mktemp("exported") / "model.onnx"
    export.to_onnx(network, path, size=SIZE)
    return path


def _agrees(network, path, inputs):
    found = Session(path, size=SIZE).run(*inputs)
    with torch.inference_mode():
        logits, embedding, cam = network(*map(torch.from_numpy, inputs))
    np.testing.assert_allclose(found.logits, logits, atol=export.TOLERANCE)
    np.testing.assert_allclose(found.embedding, embedding, atol=export.TOLERANCE)
    np.testing.assert_allclose(found.cam, cam, atol=5 * export.TOLERANCE)
    return found


def test_onnx_answers_as_torch_does(network, exported, inputs):
    assert 0 <= export.difference(network, exported, *inputs) < export.TOLERANCE
    _agrees(network, exported, inputs)


@pytest.mark.parametrize("count", [1, 2, 3])
def test_any_number_of_pictures_at_once(exported, inputs, count):
    images, patients = inputs
    session = Session(exported, size=SIZE)
    found = session.run(images[:count], patients[:count])
    assert found.logits.shape == (count, 11) and found.embedding.shape == (count, 96)
    assert found.cam.shape == (count, 11, 2, 2)
    alone = session.run(images[:1], patients[:1])
    np.testing.assert_allclose(found.logits[:1], alone.logits, atol=1e-4)


def test_the_map_in_the_graph_explains_the_logits(tmp_path, inputs):
    network = _make("lite0", fusion="add", cut=2)
    export.to_onnx(network, tmp_path / "model.onnx", size=SIZE, exporter="torchscript")
    found = _agrees(network, tmp_path / "model.onnx", inputs)
    bias = network.head.classes.bias.detach() + network.patient(torch.from_numpy(inputs[1])).detach()
    np.testing.assert_allclose(found.logits, found.cam.mean(axis=(2, 3)) + bias.numpy(), atol=1e-4)


@pytest.mark.parametrize("name", KINDS)
def test_every_kind_of_network_by_the_older_exporter(name, tmp_path, inputs):
    network, path = _make(name, **KINDS[name]), tmp_path / "model.onnx"
    export.to_onnx(network, path, size=SIZE, exporter="torchscript")
    found = _agrees(network, path, inputs)
    assert Session(path, size=SIZE).run(inputs[0][:1], inputs[1][:1]).logits.shape == (1, 11)
    assert found.cam.shape[1] == 11


def test_both_exporters_agree(network, exported, tmp_path, inputs):
    export.to_onnx(network, tmp_path / "model.onnx", size=SIZE, exporter="torchscript")
    one, other = (Session(path, size=SIZE).run(*inputs) for path in (exported, tmp_path / "model.onnx"))
    np.testing.assert_allclose(one.logits, other.logits, atol=1e-5)
    np.testing.assert_allclose(one.cam, other.cam, atol=1e-4)


def test_two_classes_spread_over_eleven(tmp_path, inputs):
    two = _make("test_resnet", Targets.MALIGNANT, fusion="none")
    whole = spread(two, np.arange(1.0, 12.0)).eval()
    export.to_onnx(whole, tmp_path / "model.onnx", size=SIZE, exporter="torchscript")
    _agrees(whole, tmp_path / "model.onnx", inputs)
    assert export.difference(whole, tmp_path / "model.onnx", *inputs) < export.TOLERANCE


@pytest.mark.parametrize(("fault", "told"), [(0.05, r"differ by 5\.\d+e-02; at most 2e-03"), (float("nan"), "nan")])
def test_a_network_that_was_changed_after_export_is_told(network, exported, inputs, fault, told):
    changed = copy.deepcopy(network)
    with torch.no_grad():
        changed.head.classes.bias[3] += fault
    with pytest.raises(ExportMismatch, match=told) as caught:
        export.difference(changed, exported, *inputs)
    assert isinstance(caught.value, EnvironmentFault) and caught.value.code == "export_mismatch"


def test_exporting_leaves_the_network_as_it_was(network, exported):
    assert network.backbone.stem[0][0].weight.is_contiguous(memory_format=torch.channels_last)


def test_a_vision_transformer_still_reads_other_sizes(tmp_path):
    network = _make("test_vit")
    export.to_onnx(network, tmp_path / "model.onnx", size=SIZE, exporter="torchscript")
    assert network(torch.zeros(1, 3, 96, 96), torch.zeros(1, 13))[2].shape == (1, 11, 6, 6)


def test_the_file_stands_alone(exported):
    """Weights inside, not in a second file that could be lost."""
    assert [path.name for path in exported.parent.iterdir()] == ["model.onnx"]
    assert exported.stat().st_size > 1_000_000


@pytest.mark.parametrize("place", [Path(export.__file__).parent, Path(torch.__file__).parent], ids=["ours", "torch's"])
def test_no_folder_of_this_machine_is_in_the_file(exported, place):
    assert str(place).encode() not in exported.read_bytes()
