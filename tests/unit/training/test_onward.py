"""Folded batch norms, and training that goes on from a bundle without a leak."""

from __future__ import annotations

import copy
import json
import shutil

import pytest

pytest.importorskip("torch", reason="needs the training extra")

import numpy as np
import torch

from macule.analysis import bundle as bundles
from macule.analysis.network import Network as Session
from macule.data import kinship, links, membership
from macule.errors import LeakingSplit, UsageError
from macule.training import from_split, loop, networks, prepare
from macule.training import recipe as recipes
from macule.training.from_split import Chosen
from macule.training.networks import folding
from macule.training.prepare import Fold
from macule.training.recipe import Targets

pytestmark = pytest.mark.training


def _built(backbone, **settings):
    torch.manual_seed(0)
    section = recipes.Network.model_validate({"backbone": backbone, "pretrained": "no", **settings})
    return networks.build(section, targets=Targets.DIAGNOSIS)


@torch.no_grad()
def _shaken(network):
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.weight.uniform_(0.5, 1.5)
            module.bias.normal_(0, 0.2)
            module.running_mean.normal_(0, 0.2)
            module.running_var.uniform_(0.5, 2)
    return network.eval()


@pytest.mark.parametrize("backbone", ["test_efficientnet", "test_resnet", "lite0"])
def test_a_folded_network_answers_as_before(backbone):
    network = _shaken(_built(backbone))
    folded = copy.deepcopy(network)
    folding.fold(folded.backbone, name=backbone)
    pictures, patients = torch.randn(2, 3, 96, 96), torch.randn(2, 13)
    with torch.inference_mode():
        ours, theirs = folded.eval()(pictures, patients), network(pictures, patients)
    for mine, its in zip(ours, theirs, strict=True):
        torch.testing.assert_close(mine, its, rtol=1e-3, atol=1e-3 * float(its.abs().max()))
    assert not any(isinstance(module, torch.nn.BatchNorm2d) for module in folded.backbone.modules())
    assert all(module.bias.requires_grad for module in folded.modules() if isinstance(module, torch.nn.Conv2d))


def test_a_norm_without_a_convolution_before_it_cannot_be_folded():
    with pytest.raises(UsageError, match=r"densenet121 has a batch norm.*set network\.norms to 'batch'"):
        _built("densenet121", norms="folded")


def test_a_bundle_that_is_gone_on_from_needs_folded_norms(table):
    table["network"]["start"] = "default"
    with pytest.raises(UsageError, match=r"set network\.norms to 'folded'"):
        recipes.parse(table, where="test")


@pytest.fixture
def onward(built, table):
    """The recipe that goes on from the bundle that was built."""
    table["network"] |= {"norms": "folded", "start": str(built.out)}
    return recipes.parse(table, where="test")


def test_it_starts_where_the_bundle_ended(built, onward):
    """Where training ended: what export added to the logits for serving is added again by the next export alone."""
    network = loop.start(onward)
    shift = json.loads((built.out / "bundle.json").read_text())["provenance"]["prior_shift"]
    assert max(shift) > 0.1, "the test can fail"
    pictures, patients = np.random.default_rng(1).normal(size=(2, 3, 64, 64)), np.zeros((2, 13))
    images, about = pictures.astype(np.float32), patients.astype(np.float32)
    said = Session(built.out / "model.onnx", size=64).run(images, about)
    with torch.inference_mode():
        logits, embedding, _ = network.eval()(torch.from_numpy(images), torch.from_numpy(about))
    np.testing.assert_allclose(logits, said.logits - np.array(shift), atol=1e-3)
    np.testing.assert_allclose(embedding, said.embedding, atol=1e-3)
    assert network.start.pretrained and network.start.weights.startswith("bundle mini ")


def test_another_backbone_cannot_go_on_from_it(onward):
    with pytest.raises(UsageError, match="convolutions and 3 linear layers; this recipe's network has"):
        loop.start(onward.changed({"network.backbone": "lite1"}))
    with pytest.raises(UsageError, match="linear layers"):
        loop.start(onward.changed({"network.fusion": "none"}))


def test_another_bundle_is_another_run(built, onward, dozen, tmp_path):
    moved = shutil.copytree(built.out, tmp_path / "moved")
    same = onward.changed({"network.start": str(moved)})
    assert loop.fingerprint(same, dozen, None) == loop.fingerprint(onward, dozen, None)
    assert bundles.load(moved).sha256 != bundles.load("default").sha256
    other = onward.changed({"network.start": "default"})
    assert loop.fingerprint(other, dozen, None) != loop.fingerprint(onward, dozen, None)


def test_every_lesion_stays_in_its_part(built, onward):
    """Another seed of the split would part them anew; what the bundle learnt from would then be scored."""
    fresh = onward.changed({"split.seed": 99, "network.start": None, "network.norms": "batch"})
    anew = prepare.read(fresh, built.root, built.work)
    before = membership.load(built.out / membership.FILE)
    assert any(before.part_of(record) == "train" for record in anew.test), "the test can fail"
    parts = prepare.read(onward.changed({"split.seed": 99}), built.root, built.work)
    for role in ("train", "calibration", "test"):
        assert {before.part_of(record) for record in getattr(parts, role)} == {role}
    assert parts.split["inherited_from"] == bundles.load(built.out).sha256


def test_kin_of_what_was_learnt_from_is_learnt_from(built, onward, tmp_path):
    """Links that were found later pull a locked lesion over to the training part."""
    old = prepare.read(onward, built.root, built.work)
    locked, learnt = old.test[0], old.train[0]
    pairs = tmp_path / "pairs.csv"
    ends = [field for record in (locked, learnt) for field in (record.dataset, record.picture_id, record.group)]
    pairs.write_text(",".join(links.COLUMNS) + "\n" + ",".join(ends) + "\n")
    parts = prepare.read(onward, built.root, tmp_path, pairs=pairs)
    assert locked.group in {record.group for record in parts.train}
    assert locked.group not in {record.group for record in parts.test}
    both = kinship.of_records([*parts.train, *parts.test], parts.links).components()
    assert not set(both[:len(parts.train)]) & set(both[len(parts.train):])


def test_what_it_learnt_from_is_told_though_it_stands_in_no_part_now(built, onward, tmp_path):
    """A data set that is left out, or kin of an exam found later: the weights remember it all the same."""
    before = membership.load(built.out / membership.FILE)
    both = prepare.read(onward, built.root, built.work)
    ours = {record.group: "train" for record in both.train if record.dataset == "ham10000"}
    gone = {group for group, part in before.parts.items() if part in membership.FITTED} - set(ours)
    assert gone, "the test can fail"
    one = {"train": [record for record in both.train if record.group in ours]}
    for sha256 in (None, {}):
        membership.write(tmp_path / membership.FILE, one, sha256=sha256, before=before)
        told = membership.load(tmp_path / membership.FILE)
        assert {group: part for group, part in told.parts.items() if group in gone} == {
            group: part for group, part in before.parts.items() if group in gone}
        assert set(told.unnamed) <= gone and {told.part_of(record) for record in both.train} == {"train"}
        kin = kinship.join([told.fitted(both.links), told.scored(both.train, both.links)]).components()
        learnt = len(told.fitted(both.links))
        assert set(kin[learnt:].tolist()) <= set(kin[:learnt].tolist())


def test_it_cannot_be_cross_validated(built, onward):
    with pytest.raises(UsageError, match="cross-validate a recipe that starts from ImageNet"):
        prepare.read(onward, built.root, built.work, fold=Fold(0, 3))


def test_it_takes_no_other_split(built, onward, tmp_path):
    with pytest.raises(UsageError, match=r"whose own parts are kept.*leave --split out"):
        from_split.read(onward, built.root, Chosen(tmp_path / "split.parquet", tmp_path / "manifest.parquet"))


def test_a_bundle_that_does_not_say_what_it_learnt_from_is_refused(built, onward, tmp_path):
    silent = shutil.copytree(built.out, tmp_path / "silent")
    (silent / membership.FILE).unlink()
    with pytest.raises(LeakingSplit, match=r"has no split\.csv\.gz"):
        prepare.read(onward.changed({"network.start": str(silent)}), built.root, built.work)


def test_single_precision_is_needed(built, onward, tiny_bundle):
    with pytest.raises(UsageError, match=r"network\.start is tiny"):
        loop.start(onward.changed({"network.start": str(tiny_bundle.folder)}))
