from __future__ import annotations

import copy

import pytest

pytest.importorskip("torch", reason="needs the training extra")

import torch

from macule.training.model import LesionNet

pytestmark = pytest.mark.training


@pytest.fixture
def network(backbone):
    torch.manual_seed(0)
    return LesionNet(copy.deepcopy(backbone), dropout=0.5, frozen_blocks=2)


@pytest.fixture
def batch():
    torch.manual_seed(1)
    return torch.randn(3, 3, 64, 64), torch.randn(3, 13)


def test_the_shapes_of_the_outputs(network, batch):
    logits, embedding, cam = network.eval()(*batch)
    assert logits.shape == (3, 11) and embedding.shape == (3, 1280) and cam.shape == (3, 11, 2, 2)


def test_the_map_explains_the_logits_exactly(network, batch):
    with torch.inference_mode():
        logits, _, cam = network.eval()(*batch)
        explained = cam.mean(dim=(2, 3)) + network.head.bias + network.patient(batch[1])
    torch.testing.assert_close(logits, explained, rtol=1e-4, atol=1e-5)


def test_the_patient_only_adds(network, batch):
    """The same shift for every picture: the image part does not change with the patient."""
    image, _ = batch
    one, other = torch.zeros(3, 13), torch.ones(3, 13)
    with torch.inference_mode():
        shift = network.eval()(image, other)[0] - network(image, one)[0]
    torch.testing.assert_close(shift, shift[:1].expand(3, -1), rtol=1e-4, atol=1e-5)
    assert shift.abs().max() > 0.01


def test_dropout_acts_in_training_only(network, batch):
    network.train()
    assert not torch.equal(network(*batch)[0], network(*batch)[0])
    network.eval()
    assert torch.equal(network(*batch)[0], network(*batch)[0])


def _frozen(name):
    return name.startswith(("backbone.conv_stem", "backbone.bn1", "backbone.blocks.0.", "backbone.blocks.1."))


def test_frozen_stages_get_no_gradient_and_keep_their_statistics(network, batch):
    before = {name: value.clone() for name, value in network.state_dict().items() if _frozen(name)}
    network.train()
    network(*batch)[0].square().mean().backward()
    for name, parameter in network.named_parameters():
        assert (parameter.grad is None) is _frozen(name), name
    after = network.state_dict()
    assert before and all(value.equal(after[name]) for name, value in before.items())
    moved = [name for name in after if "running_mean" in name and not _frozen(name)]
    assert moved and network.backbone.blocks[2].training


def test_frozen_stages_stay_in_evaluation_mode(network):
    network.train()
    net = network.backbone
    assert not any(m.training for part in (net.conv_stem, net.bn1, *net.blocks[:2]) for m in part.modules())
    assert all(m.training for part in (*net.blocks[2:], net.conv_head, net.bn2) for m in part.modules())
    assert network.head.training
    network.eval()
    assert not any(m.training for m in network.modules())


def test_nothing_frozen(backbone, batch):
    network = LesionNet(copy.deepcopy(backbone), dropout=0.0, frozen_blocks=0).train()
    network(*batch)[0].square().mean().backward()
    assert [name for name, parameter in network.named_parameters() if parameter.grad is None] == []
    assert all(m.training for m in network.modules())
