from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch", reason="needs the training extra")

import onnx
import torch

from macule.analysis.network import Network as Session
from macule.errors import BundleInvalid, UsageError
from macule.training import export, from_bundle
from macule.training.networks import build
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


def _inputs(size, count=3):
    rng = np.random.default_rng(0)
    return rng.normal(0, 1, (count, 3, size, size)).astype(np.float32), rng.normal(0, 1, (count, 13)).astype(np.float32)


@pytest.mark.parametrize("kind", list(KINDS))
def test_answers_as_onnx_runtime_does(kind, tmp_path):
    torch.manual_seed(0)
    settings = Network.model_validate({"backbone": kind, "pretrained": "no", **KINDS[kind]})
    export.to_onnx(build(settings, targets=Targets.DIAGNOSIS).eval(), tmp_path / "model.onnx", size=SIZE,
                   exporter="torchscript")
    expected = Session(tmp_path / "model.onnx", size=SIZE).run(*_inputs(SIZE))
    network = from_bundle.BundleNetwork(onnx.load(str(tmp_path / "model.onnx")), name=kind)
    found = network(*map(torch.from_numpy, _inputs(SIZE)))
    for ours, theirs in zip(found, (expected.logits, expected.embedding, expected.cam), strict=True):
        np.testing.assert_allclose(ours.detach().numpy(), theirs, atol=1e-5)
    assert len(network.features) == 1


def test_the_embedded_bundle_within_a_ten_thousandth(default_bundle):
    size = default_bundle.preprocessing.size
    expected = Session(default_bundle.model, size=size).run(*_inputs(size, 2))
    with torch.no_grad():
        found = from_bundle.network(default_bundle)(*map(torch.from_numpy, _inputs(size, 2)))
    for ours, theirs in zip(found, (expected.logits, expected.embedding, expected.cam), strict=True):
        np.testing.assert_allclose(ours.numpy(), theirs, atol=1e-4)


def test_the_gradient_is_the_slope_that_onnx_runtime_shows(tiny_bundle):
    images, patients = _inputs(tiny_bundle.preprocessing.size, 1)
    image = torch.from_numpy(images).requires_grad_()
    from_bundle.network(tiny_bundle)(image, torch.from_numpy(patients))[0][0, 0].backward()
    step = np.zeros_like(images)
    step[0, 1, 5, 7] = 0.5
    session = Session(tiny_bundle.model, size=images.shape[-1])
    rise = (session.run(images + step, patients).logits - session.run(images - step, patients).logits)[0, 0]
    assert float(image.grad[0, 1, 5, 7]) == pytest.approx(float(rise), abs=1e-5)


def test_every_pixel_reaches_a_real_network(default_bundle):
    images, patients = _inputs(default_bundle.preprocessing.size, 1)
    image = torch.from_numpy(images).requires_grad_()
    from_bundle.network(default_bundle)(image, torch.from_numpy(patients))[0][0, 0].backward()
    assert (image.grad != 0).float().mean() > 0.9


def test_an_unknown_operator_is_named(tiny_bundle):
    model = onnx.load(str(tiny_bundle.model))
    model.graph.node[0].op_type = "QLinearConv"
    with pytest.raises(UsageError, match="QLinearConv"):
        from_bundle.BundleNetwork(model, name="odd")


def test_a_graph_with_other_outputs_is_refused(tiny_bundle):
    model = onnx.load(str(tiny_bundle.model))
    del model.graph.output[-1]
    with pytest.raises(BundleInvalid, match="cam"):
        from_bundle.BundleNetwork(model, name="odd")


def test_a_form_of_an_operator_that_is_not_known_is_told(tiny_bundle):
    model = onnx.load(str(tiny_bundle.model))
    model.graph.node[0].attribute.append(onnx.helper.make_attribute("pads", [0, 0, 1, 1]))
    network = from_bundle.BundleNetwork(model, name="odd")
    with pytest.raises(UsageError, match="unequal padding"):
        network(*map(torch.from_numpy, _inputs(tiny_bundle.preprocessing.size)))
