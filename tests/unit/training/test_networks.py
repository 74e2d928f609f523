from __future__ import annotations

import copy

import pytest

pytest.importorskip("torch", reason="needs the training extra")

import numpy as np
import torch

from macule.analysis.calibration import SUSPICIOUS
from macule.errors import UsageError
from macule.taxonomy import Diagnosis
from macule.training.networks import build, spread
from macule.training.networks.spread import Tempered
from macule.training.recipe import Network, Targets

pytestmark = pytest.mark.training

#: One small network of timm a family, and how many stages it has.
FAMILIES = {"test_efficientnet": 5, "mobilenetv3_small_050": 6, "test_resnet": 4, "test_convnext": 4, "test_vit": 6}
#: Those of the recipes that have no small sister: stages and channels.
BIG = {"inception_v3": (3, 2048), "densenet121": (4, 1024), "vgg16": (5, 512)}
B_CONVS = [{"channels": channels} for channels in (32, 64, 64, 128)]


def _make(backbone="test_resnet", *, targets=Targets.DIAGNOSIS, pretrained="no", seed=0, **settings):
    torch.manual_seed(seed)
    table = {"backbone": backbone, "pretrained": pretrained, **settings}
    network = build(Network.model_validate(table), targets=targets)
    _shake(network)
    return network


@torch.no_grad()
def _shake(network):
    """A fresh network has norms that do nothing and layers that start at zero: neither would show a fault."""
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d | torch.nn.BatchNorm1d):
            module.weight.uniform_(0.5, 1.5)
            module.bias.normal_(0, 0.2)
    if hasattr(network.attention, "out"):
        torch.nn.init.normal_(network.attention.out.weight, std=0.2)


@pytest.fixture
def batch():
    torch.manual_seed(1)
    return torch.randn(3, 3, 96, 96), torch.randn(3, 13)


# -- every backbone gives a map -----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", FAMILIES)
def test_a_family_is_taken_apart_and_put_together(name, batch):
    """Stem, stages and top in a row answer as timm's own features do."""
    network = _make(name).eval()
    logits, embedding, cam = network(*batch)
    width = network.backbone.channels
    assert len(network.backbone.stages) == FAMILIES[name]
    assert logits.shape == (3, 11) and embedding.shape == (3, width)
    assert cam.shape[:2] == (3, 11) and cam.shape[2] == cam.shape[3] > 1


@pytest.mark.parametrize("name", [*FAMILIES, *(pytest.param(name, marks=pytest.mark.slow) for name in BIG)])
def test_the_features_are_those_of_timm(name, batch):
    from macule.training.networks import pretrained
    from macule.training.networks.backbones import Backbone

    torch.manual_seed(0)
    whole, _ = pretrained.load(name, "no", {})
    image = batch[0][:1]
    with torch.inference_mode():
        expected = whole.eval().forward_features(image)
        if name == "test_convnext":
            expected = whole.head.norm(expected)
        found = Backbone(whole, name=name).eval()(image)
    if expected.ndim == 3:  # tokens: the class token first
        expected = expected[:, 1:].transpose(1, 2).reshape(found.shape)
    torch.testing.assert_close(found, expected)


@pytest.mark.parametrize(("name", "stages", "channels"), [(name, *sizes) for name, sizes in BIG.items()])
def test_stages_of_the_big_ones(name, stages, channels):
    with torch.device("meta"):
        backbone = _make(name).backbone
    assert (len(backbone.stages), backbone.channels) == (stages, channels)


@pytest.mark.parametrize("name", ["test_byobnet", "test_mambaout", "swin_tiny_patch4_window7_224"])
def test_any_other_network_of_timm_is_one_stage(name):
    with torch.device("meta"):
        network = _make(name).eval()
        logits, _, cam = network(torch.zeros(2, 3, 224, 224), torch.zeros(2, 13))
    assert len(network.backbone.stages) == 1
    assert logits.shape == (2, 11) and cam.shape[2] == cam.shape[3] > 1


@pytest.mark.parametrize(("name", "close"),
                         [("lite7", "lite1"), ("resnet51", "resnet50"), ("resnet50.nope", "resnet50")])
def test_a_backbone_that_is_none(name, close):
    with pytest.raises(UsageError, match=rf"network.backbone is '{name}', .*{close}"):
        _make(name)


def test_an_option_that_is_none():
    with pytest.raises(UsageError, match=r"network.options is .*depht.*test_resnet does not take"):
        _make(options={"depht": 3})


def test_options_reach_timm():
    assert len(_make("test_vit", options={"depth": 2}).backbone.stages) == 2


def test_cut_keeps_the_first_stages():
    whole, cut = _make(), _make(cut=2)
    assert len(cut.backbone.stages) == 2 and cut.backbone.channels < whole.backbone.channels
    with pytest.raises(UsageError, match=r"network.cut is 7; test_resnet has 4 stages"):
        _make(cut=7)


@pytest.mark.parametrize(("name", "bad", "good"), [("inception_v3", 64, 96), ("test_vit", 100, 112)])
def test_sizes_that_a_backbone_cannot_read(name, bad, good):
    with torch.device("meta"):
        network = _make(name)
        network.check(good)
        with pytest.raises(UsageError, match=f"a size of {bad} px .*{name}"):
            network.check(bad)
    assert network.training


def test_a_vision_transformer_reads_any_size(batch):
    network = _make("test_vit").eval()
    settled = copy.deepcopy(network)
    settled.backbone.settle(96)
    with torch.inference_mode():
        torch.testing.assert_close(settled(*batch)[0], network(*batch)[0])
        assert network(torch.zeros(1, 3, 64, 64), torch.zeros(1, 13))[2].shape == (1, 11, 4, 4)


# -- the map of the evidence --------------------------------------------------------------------------------------


@pytest.mark.parametrize("settings", [{"fusion": "none"}, {"fusion": "metablock"}, {"attention": 4, "fusion": "none"},
                                      {"convs": B_CONVS[:2], "fusion": "none"}])
def test_without_a_hidden_layer_the_map_explains_the_logits_exactly(batch, settings):
    network = _make(**settings).eval()
    with torch.inference_mode():
        logits, _, cam = network(*batch)
    torch.testing.assert_close(logits, cam.mean(dim=(2, 3)) + network.head.classes.bias, rtol=1e-4, atol=1e-5)


def test_added_data_of_the_patient_are_beside_the_map(batch):
    network = _make("lite0", fusion="add").eval()
    with torch.inference_mode():
        logits, _, cam = network(*batch)
        explained = cam.mean(dim=(2, 3)) + network.head.classes.bias + network.patient(batch[1])
    torch.testing.assert_close(logits, explained, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("settings", [
    {"hidden": 24, "activation": "tanh", "fusion": "none"}, {"hidden": 24, "activation": "relu", "fusion": "concat"},
    {"hidden": 24, "activation": "relu", "fusion": "metablock"}, {"hidden": 24, "attention": 4, "fusion": "add"},
])
def test_with_a_hidden_layer_the_map_is_grad_cam(batch, settings):
    """Selvaraju et al. 2017 by torch's automatic gradient, before it drops the negative places."""
    network = _make(**settings).eval()
    kept = {}
    last = network.gate if network.gate is not None else network.convs
    last.register_forward_hook(lambda _module, _given, features: kept.update(features=features))
    logits, _, cam = network(*batch)
    for label in (0, 7):
        (gradient,) = torch.autograd.grad(logits[:, label].sum(), kept["features"], retain_graph=True)
        expected = (gradient.mean(dim=(2, 3), keepdim=True) * kept["features"]).sum(dim=1)
        correlation = np.corrcoef(expected.detach().ravel(), cam[:, label].ravel())[0, 1]
        assert correlation > 0.9999
        places = expected[0].numel()
        torch.testing.assert_close(cam[:, label], expected.detach() * places, rtol=1e-3, atol=1e-5)


# -- the patient's data -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("settings", "matters"), [
    ({"fusion": "none"}, False), ({"fusion": "add"}, True), ({"fusion": "metablock"}, True),
    ({"fusion": "concat", "hidden": 16}, True),
])
def test_the_patient_matters_where_the_recipe_says_so(batch, settings, matters):
    network = _make(**settings).eval()
    with torch.inference_mode():
        one, other = (network(batch[0], patient)[0] for patient in (torch.zeros(3, 13), torch.ones(3, 13)))
    assert (one - other).abs().max().item() > 1e-4 if matters else torch.equal(one, other)


def test_added_data_shift_every_picture_alike(batch):
    network = _make(fusion="add").eval()
    with torch.inference_mode():
        shift = network(batch[0], torch.ones(3, 13))[0] - network(batch[0], torch.zeros(3, 13))[0]
    torch.testing.assert_close(shift, shift[:1].expand(3, -1), rtol=1e-4, atol=1e-5)


def test_metablock_follows_its_paper(batch):
    network = _make(fusion="metablock").eval()
    features, patient = torch.randn(3, 96, 2, 2), batch[1]
    with torch.inference_mode():
        found = network.gate(features, patient)
        scale, shift = network.gate.f(patient), network.gate.g(patient)
    assert found.shape == features.shape and found.min() > 0 and found.max() < 1
    expected = torch.sigmoid(torch.tanh(features[1, 5, 0, 1] * scale[1, 5]) + shift[1, 5])
    torch.testing.assert_close(found[1, 5, 0, 1], expected)


# -- heads --------------------------------------------------------------------------------------------------------


def test_attention_starts_as_the_identity_and_mixes_places():
    from macule.training.networks.heads import Attention

    torch.manual_seed(0)
    attention, features = Attention(8, 2), torch.randn(2, 8, 3, 3)
    assert torch.equal(attention(features), features)
    torch.nn.init.normal_(attention.out.weight)
    changed = features.clone()
    changed[:, :, 0, 0] += torch.randn(2, 8)
    far = (attention(changed) - attention(features))[:, :, 2, 2]
    assert far.abs().max() > 1e-3


def test_heads_that_do_not_share_the_channels():
    with pytest.raises(UsageError, match=r"network.attention is 7; its heads must divide the 96 channels evenly"):
        _make(attention=7)


def test_dropout_acts_in_training_only(batch):
    network = _make(dropout=0.5, fusion="none")
    network.backbone.eval()
    embedding = torch.randn(3, network.head.channels)
    network.head.train()
    assert not torch.equal(network.head(embedding, None)[0], network.head(embedding, None)[0])
    network.head.eval()
    assert torch.equal(network.head(embedding, None)[0], network.head(embedding, None)[0])


def test_system_b_layer_by_layer():
    """MISSION: ResNet50 cut after conv4 (14x14x1024), conv 32, 64, 64, 128 with batch norm, pool, dense 512, 2."""
    with torch.device("meta"):
        network = _make("resnet50", cut=3, convs=B_CONVS, hidden=512, activation="tanh", dropout=0.5, fusion="none",
                        targets=Targets.MALIGNANT).eval()
        seen = []
        parts = [*network.backbone.parts, *network.convs, network.head.hidden, network.head.activation,
                 network.head.classes]
        for part in parts:
            part.register_forward_hook(lambda _module, _given, out: seen.append(tuple(out.shape[1:])))
        logits, embedding, cam = network(torch.zeros(1, 3, 224, 224), torch.zeros(1, 13))
    assert seen == [(64, 56, 56), (256, 56, 56), (512, 28, 28), (1024, 14, 14), (1024, 14, 14), (32, 14, 14),
                    (64, 14, 14), (64, 14, 14), (128, 14, 14), (512,), (512,), (2,)]
    assert embedding.shape == (1, 128) and logits.shape == (1, 2) and cam.shape == (1, 2, 14, 14)
    kinds = [[type(layer).__name__ for layer in conv] for conv in network.convs]
    assert kinds == [["Conv2d", "BatchNorm2d", "ReLU"]] * 4
    assert all(conv[0].kernel_size == (3, 3) for conv in network.convs)
    assert isinstance(network.head.activation, torch.nn.Tanh)


# -- what learns --------------------------------------------------------------------------------------------------


@pytest.fixture
def lite():
    return _make("lite0", pretrained="require")


def _frozen(network):
    return {name for name, parameter in network.named_parameters() if not parameter.requires_grad}


def test_after_2_freezes_the_stem_and_two_stages(lite):
    assert lite.set_trainable("after:2")
    still = ("backbone.stem.", "backbone.stages.0.", "backbone.stages.1.")
    assert _frozen(lite) == {name for name, _ in lite.named_parameters() if name.startswith(still)}
    lite.train()
    assert not any(m.training for part in lite.backbone.parts[:3] for m in part.modules())
    assert all(m.training for part in lite.backbone.parts[3:] for m in part.modules())
    assert lite.head.training and lite.backbone.training
    assert not any(m.training for m in lite.eval().modules())


def test_what_is_frozen_gets_no_gradient_and_keeps_its_statistics(lite, batch):
    lite.set_trainable("after:2")
    before = copy.deepcopy(lite.state_dict())
    lite.train()
    lite(*batch)[0].square().mean().backward()
    missing = {name for name, parameter in lite.named_parameters() if parameter.grad is None}
    assert missing == _frozen(lite) and missing
    moved = {name for name, value in lite.state_dict().items() if not value.equal(before[name])}
    assert moved and not any(name.startswith(("backbone.stem.", "backbone.stages.1.")) for name in moved)


def test_the_frozen_prefix_builds_no_graph(lite, batch):
    lite.set_trainable("after:2")
    kept = []
    for part in lite.backbone.parts:
        part.register_forward_hook(lambda _module, _given, out: kept.append(out.requires_grad))
    lite.train()(*batch)
    assert kept == [False] * 3 + [True] * (len(kept) - 3)


def test_head_freezes_the_backbone(lite, batch):
    assert lite.set_trainable("head")
    lite.train()
    lite(*batch)[0].square().mean().backward()
    learning = {name for name, parameter in lite.named_parameters() if parameter.grad is not None}
    assert learning == {name for name, _ in lite.named_parameters() if not name.startswith("backbone.")}
    assert not lite.backbone.training and lite.head.training


def test_last_counts_layers_from_the_top(lite):
    """The top of EfficientNet-Lite is convolution, batch norm and its activation: three layers, as Keras counts."""
    lite.set_trainable("last:3")
    learning = {name for name, _ in lite.backbone.named_parameters()} - {n[9:] for n in _frozen(lite)}
    assert learning == {"top.0.weight", "top.1.weight", "top.1.bias"}
    assert lite.backbone.still == len(lite.backbone.parts) - 1
    lite.set_trainable("last:100000")
    assert _frozen(lite) == set()


def test_last_may_cut_through_a_stage(lite, batch):
    lite.set_trainable("last:8")
    lite.train()
    last = lite.backbone.stages[-1]
    assert last[0].conv_dw.training and not last[0].conv_pw.training
    lite(*batch)[0].square().mean().backward()
    assert {name for name, parameter in lite.named_parameters() if parameter.grad is None} == _frozen(lite)


def test_all_lets_go_again(lite):
    lite.set_trainable("head")
    assert lite.set_trainable("all")
    assert _frozen(lite) == set() and all(m.training for m in lite.train().modules())


def test_random_weights_are_not_frozen():
    network = _make()
    assert network.set_trainable("all") is True
    for rule in ("head", "after:1", "last:2"):
        assert network.set_trainable(rule) is False
        assert _frozen(network) == set() and all(m.training for m in network.train().modules())


def test_more_stages_than_there_are(lite):
    with pytest.raises(UsageError, match=r"trainable is 'after:9': N is 9; lite0 has 7 stages"):
        lite.set_trainable("after:9")


def test_a_copy_is_frozen_by_itself(lite):
    lite.set_trainable("after:2")
    other = copy.deepcopy(lite)
    lite.set_trainable("all")
    other.train()
    assert not other.backbone.stages[0].training and other.backbone.still == 3


@pytest.mark.parametrize("name", ["test_resnet", "test_vit"])
def test_parameter_groups(name):
    network = _make(name, fusion="metablock", hidden=8)
    groups = network.parameter_groups()
    assert set(groups) == {"body", "head", "still_body", "still_head"}
    names = {id(parameter): key for key, parameter in network.named_parameters()}
    found = {key: {names[id(parameter)] for parameter in group} for key, group in groups.items()}
    assert sum(map(len, found.values())) == len(names)
    assert all(key.startswith("backbone.") for part in ("body", "still_body") for key in found[part])
    assert not any(key.startswith("backbone.") for part in ("head", "still_head") for key in found[part])
    assert all(p.ndim > 1 for part in ("body", "head") for p in groups[part])
    assert found["head"] >= {"head.classes.weight", "gate.f.0.weight"} and "gate.f.1.weight" in found["still_head"]
    if name == "test_vit":
        assert {key.rpartition(".")[2] for key in found["still_body"]} >= {"pos_embed", "cls_token"}


def test_what_is_frozen_is_in_no_group(lite):
    lite.set_trainable("head")
    groups = lite.parameter_groups()
    assert groups["body"] == groups["still_body"] == [] and groups["head"] and groups["still_head"]


def test_shifted_logits(batch):
    network = _make(hidden=8).eval()
    offsets = np.linspace(-1, 1, 11)
    with torch.inference_mode():
        before, after = network(*batch)[0], network.shifted(offsets).eval()(*batch)[0]
    torch.testing.assert_close(after - before, torch.from_numpy(offsets).float().expand(3, -1), rtol=1e-4, atol=1e-5)


# -- two classes in eleven ----------------------------------------------------------------------------------------


def test_spread_keeps_the_probabilities_of_the_groups(batch):
    network = _make(targets=Targets.MALIGNANT, fusion="add").eval()
    counts = np.array([327, 514, 0, 1099, 115, 0, 0, 1113, 6705, 0, 142], dtype=float)
    with torch.inference_mode():
        two, embedding, maps = network(*batch)
        logits, same, cam = spread(network, counts).eval()(*batch)
    assert logits.shape == (3, 11) and cam.shape == (3, 11, *maps.shape[2:]) and torch.equal(embedding, same)
    suspicious = torch.tensor([code.suspicious for code in Diagnosis])
    shares = logits.softmax(dim=1)
    torch.testing.assert_close(shares[:, suspicious].sum(dim=1), two.softmax(dim=1)[:, 1])
    torch.testing.assert_close(shares[:, 8] / shares[:, 3], torch.full((3,), 6705 / 1099), rtol=1e-4, atol=0)
    torch.testing.assert_close(cam[:, 7], maps[:, 1])
    torch.testing.assert_close(cam[:, 8], maps[:, 0])
    assert (shares > 0).all() and (shares[:, 9] < 1e-5).all()


def test_spread_of_a_group_that_training_never_showed(batch):
    network = _make(targets=Targets.MALIGNANT).eval()
    benign = np.array([0.0 if code.suspicious else 1.0 for code in Diagnosis])
    with torch.inference_mode():
        shares = spread(network, benign).eval()(*batch)[0].softmax(dim=1)
    found = shares[:, [code.suspicious for code in Diagnosis]]
    torch.testing.assert_close(found, found[:, :1].expand_as(found))


def test_groups_sum_to_one_where_nothing_is_known_of_them(batch):
    """Bare labels ("benign") say nothing of the classes within: the groups' odds must not move."""
    network = _make(targets=Targets.MALIGNANT).eval()
    with torch.inference_mode():
        pair = network(*batch)[0].softmax(dim=1)
        for known in (np.zeros(11), np.eye(11)[[code.value for code in Diagnosis].index("nv")]):
            shares = spread(network, known).eval()(*batch)[0].softmax(dim=1)
            assert torch.allclose(shares[:, SUSPICIOUS].sum(dim=1), pair[:, 1], atol=1e-5)


@pytest.mark.parametrize("temperature", [0.5, 1.0, 1.7])
def test_a_temperature_of_two_groups_moves_no_odds_but_theirs(batch, temperature):
    network = _make(targets=Targets.MALIGNANT).eval()
    plain = spread(network, np.arange(1.0, 12.0)).eval()
    with torch.inference_mode():
        expected = (network(*batch)[0] / temperature).softmax(dim=1)
        before, after = (net(*batch)[0].softmax(dim=1) for net in (plain, Tempered(plain, temperature).eval()))
    assert torch.allclose(after[:, SUSPICIOUS].sum(dim=1), expected[:, 1], atol=1e-5)
    within = [share[:, SUSPICIOUS] / share[:, SUSPICIOUS].sum(dim=1, keepdim=True) for share in (before, after)]
    assert torch.allclose(*within, atol=1e-5)
