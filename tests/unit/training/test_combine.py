"""Several runs as one bundle: ensembles, means of weights, and the pictures that are left to judge them on."""

from __future__ import annotations

import copy
import json
import os
import shutil
from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("torch", reason="needs the training extra")

import torch

from macule.analysis import bundle as bundles
from macule.analysis.network import Network
from macule.cli.app import run
from macule.data import membership
from macule.data.links import NONE
from macule.errors import DatasetError, LeakingSplit, UsageError
from macule.evaluation import runs
from macule.training import bundling, export, fit, heritage, networks, trained
from macule.training.combine import Ensemble, average, combine, members
from macule.training.networks.pretrained import Start
from macule.training.recipe import Network as Settings
from macule.training.recipe import Targets
from macule.training.trained import Trained

pytestmark = [pytest.mark.training, pytest.mark.slow, pytest.mark.timeout(900)]


@pytest.fixture(autouse=True)
def _small(monkeypatch):
    """Fits that a dozen pictures carry, and the exporter that is quick."""
    def to_onnx(network, path, *, size, original=export.to_onnx):
        original(network, path, size=size, exporter="torchscript")

    monkeypatch.setattr(fit, "MIN_POSITIVES", 2)
    monkeypatch.setattr(fit, "GATE_DIRECTIONS", 8)
    monkeypatch.setattr(export, "to_onnx", to_onnx)


def changed(network, seed):
    """As if trained on, a little."""
    generator = torch.Generator().manual_seed(seed)
    other = copy.deepcopy(network)
    with torch.no_grad():
        for parameter in other.parameters():
            parameter.add_(0.02 * parameter.std(correction=0) * torch.randn(parameter.shape, generator=generator))
        for name, buffer in other.named_buffers():
            if name.endswith("running_mean") and "head" not in name:
                buffer.add_(0.01)
    return other


@pytest.fixture
def twins(built, tmp_path):
    """The run that was built, twice; each may change what its own folder says."""
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        os.link(built.run / trained.FILE, tmp_path / name / trained.FILE)
        shutil.copy(built.run / membership.FILE, tmp_path / name)
    return [tmp_path / "one", tmp_path / "two"]


@pytest.fixture
def pair(twins):
    """Two runs of one split: the one that was built, and one whose weights went on elsewhere."""
    kept = trained.load(twins[0])
    trained.save(twins[1], changed(kept.network, 1), kept.recipe.changed({"seed": 6}))
    return twins


def image(size=64, seed=0):
    rng = np.random.default_rng(seed)
    return torch.from_numpy(rng.normal(size=(2, 3, size, size)).astype(np.float32)), torch.zeros(2, 13)


# The ensemble


@pytest.fixture(scope="module")
def trio():
    """Two backbones and two ways to normalise: ImageNet's and 0.5."""
    torch.manual_seed(0)
    found = [networks.build(Settings(backbone=name, pretrained="no"), targets=Targets.DIAGNOSIS).eval()
             for name in ("lite0", "resnet10t", "lite0")]
    assert found[0].start.mean != found[1].start.mean
    return found


def test_an_ensemble_answers_with_the_mean_of_the_probabilities(trio):
    whole = Ensemble(trio, [network.start for network in trio]).eval()
    picture, about = image()
    with torch.no_grad():
        logits, embedding, cam = whole(picture, about)
        own = [picture if network.start.mean == trio[0].start.mean else _normalised_for(network, trio[0], picture)
               for network in trio]
        answers = [network(each, about) for network, each in zip(trio, own, strict=True)]
    expected = torch.stack([torch.softmax(each, dim=1) for each, _, _ in answers]).mean(dim=0)
    assert torch.allclose(torch.softmax(logits, dim=1), expected, atol=1e-6)
    assert torch.allclose(logits.exp().sum(dim=1), torch.ones(2), atol=1e-5), "logits are logs of probabilities"
    assert torch.equal(embedding[:, :1280], answers[0][1]) and embedding.shape[1] == 1280 + 512 + 1280
    assert cam.shape == answers[0][2].shape


def _normalised_for(network, other, picture):
    def column(values):
        return torch.tensor(values).reshape(1, 3, 1, 1)

    plain = picture * column(other.start.std) + column(other.start.mean)
    return (plain - column(network.start.mean)) / column(network.start.std)


def test_maps_of_different_grids_meet_on_the_finest():
    class Fixed(torch.nn.Module):
        def __init__(self, side):
            super().__init__()
            self.side = side

        def forward(self, image, _patient):
            n = len(image)
            return torch.zeros(n, 11), torch.zeros(n, 4), torch.full((n, 11, self.side, self.side), float(self.side))

    start = Start("fixed", "none", False, (0.5,) * 3, (0.5,) * 3)
    cam = Ensemble([Fixed(2), Fixed(4)], [start, start])(*image())[2]
    assert cam.shape == (2, 11, 4, 4) and torch.allclose(cam, torch.tensor(3.0))


def test_an_ensemble_of_runs_is_a_bundle_a_run_and_a_score(pair, built, tmp_path):
    log = []
    folder = combine(pair, built.root, built.work, name="both", out=tmp_path / "bundle", log=log.append)
    bundle = bundles.load(tmp_path / "bundle")
    assert bundle.id == "both"
    picture, about = (each.numpy() for each in image())
    logits = Network(bundle.model, size=64).run(picture, about).logits
    alone = [bundling.spoken_for(each.trained.network, each.trained.recipe, built.parts.train)
             for each in members.load(pair)]
    with torch.no_grad():
        shares = [torch.softmax(each.eval()(*image())[0], dim=1) for each in alone]
    assert np.exp(logits) == pytest.approx((sum(shares) / 2).numpy(), abs=1e-4)
    told = runs.read(folder)
    assert told.status == "finished" and told.name == "both" and not told.leaky
    assert [member["run"] for member in told.recipe["combination"]["members"]] == ["one", "two"]
    assert told.pictures == {role: len(getattr(built.parts, role)) for role in ("train", "calibration", "test")}
    made = json.loads((tmp_path / "bundle" / "bundle.json").read_text())["provenance"]
    assert made["made_of"]["how"] == "ensemble" and str(tmp_path) not in json.dumps(made)
    assert (folder / "metrics.json").is_file() and (folder / "predictions.npz").is_file()
    assert membership.load(folder / membership.FILE).pictures == membership.load(pair[0] / membership.FILE).pictures


# The mean of the weights


def test_the_mean_of_a_run_with_itself_is_the_run(twins, dozen):
    one = trained.load(twins[0])
    mean = average([one, trained.load(twins[1])], dozen)
    assert all(torch.equal(value, one.network.state_dict()[name]) for name, value in mean.state_dict().items())


def test_the_mean_of_weights_with_statistics_of_its_own(pair, dozen):
    one, two = (trained.load(folder) for folder in pair)
    mean = average([one, two], dozen)
    states = [each.network.state_dict() for each in (one, two)]
    weight = "head.classes.weight"
    assert torch.allclose(mean.state_dict()[weight], (states[0][weight] + states[1][weight]) / 2)
    first = next(name for name in states[0] if name.endswith("running_mean"))
    between = (states[0][first] + states[1][first]) / 2
    assert not torch.allclose(mean.state_dict()[first], between), "they were measured on pictures"
    assert not any(module.training for module in mean.modules())


def test_statistics_in_which_members_agree_stay(pair, dozen):
    one, two = (trained.load(folder) for folder in pair)
    states = [each.network.state_dict() for each in (one, two)]
    name = next(name for name in states[0] if name.endswith("running_mean"))
    for suffix in ("mean", "var"):
        key = name.removesuffix("mean") + suffix
        states[1][key].copy_(states[0][key])
    assert torch.equal(average([one, two], dozen).state_dict()[name], states[0][name])


def test_the_command_makes_a_run_of_the_mean_that_can_teach(pair, built, capsys):
    assert run(["combine", *map(str, pair), "--data", str(built.root), "--work", str(built.work), "--how",
                "average"]) == 0
    (folder,) = built.work.glob("mini-average-*")
    assert trained.load(folder).recipe.name == "mini-average"
    assert bundles.load(folder / "bundle").id == "mini-average"
    assert str(folder) in capsys.readouterr().out


@pytest.mark.parametrize("change", [{"network.dropout": 0.5}, {"targets": "malignant"}])
def test_other_networks_have_no_mean(twins, dozen, change):
    one = trained.load(twins[0])
    other = Trained(one.network, one.recipe.changed(change))
    with pytest.raises(UsageError, match="another network"):
        average([one, other], dozen)


def test_what_grew_from_different_random_weights_has_no_mean(pair, dozen):
    one, two = (trained.load(folder) for folder in pair)
    for each in (one, two):
        each.network.start = replace(each.network.start, weights="scratch", pretrained=False)
    with pytest.raises(UsageError, match="different weights"):
        average([one, two], dozen)


# Which runs, and which pictures


def test_one_run_is_no_ensemble(twins):
    with pytest.raises(UsageError, match="two or more"):
        members.load(twins[:1])


@pytest.mark.parametrize(("change", "said"), [({"serving.size": 96}, r"serving\.size 96"),
                                              ({"serving.arms": ["clahe"]}, r"serving\.arms")])
def test_members_must_see_the_same_picture(twins, change, said):
    kept = trained.load(twins[1])
    trained.save(twins[1], kept.network, kept.recipe.changed(change))
    with pytest.raises(UsageError, match=said):
        members.load(twins)


def rewritten(folder, built, roles):
    """A run whose split says otherwise: lesion -> part, and `*` for the rest."""
    parts = {"train": [], "calibration": [], "test": []}
    for role in parts:
        for record in getattr(built.parts, role):
            parts[roles.get(record.group, roles.get("*", role))].append(record)
    membership.write(folder / membership.FILE, parts, sha256={})


def test_what_one_member_has_learnt_from_is_no_longer_locked(twins, built):
    taken, other = built.parts.test[0], built.parts.calibration[0]
    rewritten(twins[1], built, {taken.group: "train", other.group: "test"})
    parts = members.part(members.load(twins), built.root, built.work, pairs=None, allow_leak=False)
    assert taken.group in {record.group for record in parts.train}
    assert taken.group not in {record.group for record in parts.test}
    assert other.group in {record.group for record in parts.calibration}, "one member was calibrated on it"
    assert not parts.leaky and parts.left_out == []


def test_kin_of_what_one_member_has_learnt_from_are_left_out(twins, built):
    """MILK10k shows each lesion twice; the other member knows one of the two pictures."""
    known, kin = next((one, two) for one in built.parts.test for two in built.parts.test
                      if one.group == two.group and one.picture_id < two.picture_id)
    rows = {role: list(getattr(built.parts, role)) for role in ("train", "calibration", "test")}
    rows["test"].remove(known)
    membership.write(twins[1] / membership.FILE, {**rows, "train": [*rows["train"], known]}, sha256={})
    loaded = members.load(twins)
    parts = members.part(loaded, built.root, built.work, pairs=None, allow_leak=False)
    assert kin in parts.left_out and kin not in parts.test and not parts.leaky
    leaking = members.part(loaded, built.root, built.work, pairs=None, allow_leak=True)
    assert kin in leaking.test and leaking.leaky


def test_folds_that_have_seen_everything_between_them_are_refused(twins, built):
    rewritten(twins[0], built, {"*": "train"})
    with pytest.raises(LeakingSplit, match="no picture is left"):
        members.part(members.load(twins), built.root, built.work, pairs=None, allow_leak=True)


def test_pictures_of_the_training_that_are_not_here_are_told(twins, built, tmp_path):
    absent = replace(built.parts.train[0], picture_id="ISIC_9999999", group="ham10000:HAM_9999999")
    rows = {role: list(getattr(built.parts, role)) for role in ("train", "calibration", "test")}
    membership.write(twins[1] / membership.FILE, {**rows, "train": [*rows["train"], absent]}, sha256={})
    with pytest.raises(DatasetError, match="ISIC_9999999"):
        members.part(members.load(twins), built.root, built.work, pairs=None, allow_leak=False)


# Teachers


def test_a_teacher_of_the_same_split_hands_nothing_on(twins, built):
    student = _taught_by(built, twins)
    assert heritage.guard_teachers(student, built.parts, allow_leak=False) == built.parts


@pytest.mark.parametrize(("role", "whose"), [("test", "trained on"), ("calibration", "trained on")])
def test_a_teacher_that_was_trained_on_the_students_exam_is_refused(twins, built, role, whose):
    leaked = getattr(built.parts, role)[0]
    rewritten(twins[1], built, {leaked.group: "train"})
    student = _taught_by(built, twins)
    with pytest.raises(LeakingSplit, match=f"the teachers were {whose}.*--allow-leak"):
        heritage.guard_teachers(student, built.parts, allow_leak=False)
    assert heritage.guard_teachers(student, built.parts, allow_leak=True).leaky


def test_a_teacher_that_was_calibrated_on_the_students_locked_part_is_refused(twins, built):
    rewritten(twins[1], built, {built.parts.test[0].group: "calibration"})
    with pytest.raises(LeakingSplit, match="the teachers were calibrated on"):
        heritage.guard_teachers(_taught_by(built, twins), built.parts, allow_leak=False)


def test_a_teacher_that_does_not_say_is_refused(twins, built):
    (twins[1] / membership.FILE).unlink()
    with pytest.raises(LeakingSplit, match="does not say"):
        heritage.guard_teachers(_taught_by(built, twins), built.parts, allow_leak=False)
    assert heritage.guard_teachers(_taught_by(built, twins), built.parts, allow_leak=True).leaky


def test_the_same_photograph_under_another_id_is_found_by_its_bytes(twins, built):
    known = built.parts.test[0]
    alias = replace(known, picture_id="ISIC_9999998", group="ham10000:HAM_9999998", lesion_id=None, patient_id=None)
    rows = {role: list(getattr(built.parts, role)) for role in ("train", "calibration", "test")}
    rows["test"].remove(known)
    named = {f"{alias.dataset}:{alias.picture_id}": heritage.digests([known], {}).popitem()[1]}
    membership.write(twins[1] / membership.FILE, {**rows, "train": [*rows["train"], alias]}, sha256=named)
    with pytest.raises(LeakingSplit, match="same picture"):
        heritage.guard_teachers(_taught_by(built, twins), replace(built.parts, links=NONE), allow_leak=False)


def _taught_by(built, folders):
    return built.recipe.changed({"distillation": {"teachers": [str(folder) for folder in folders]}})
