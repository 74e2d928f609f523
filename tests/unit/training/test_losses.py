"""Losses against numbers worked by hand, torch's own, or the papers' formulas."""

from __future__ import annotations

import math

import numpy as np
import pytest

pytest.importorskip("torch", reason="needs the training extra")

import torch
from torch.nn import functional

from macule.analysis.calibration import SUSPICIOUS
from macule.errors import UsageError
from macule.taxonomy import Diagnosis
from macule.training import losses
from macule.training.losses import Objective, class_weights, distilled
from macule.training.recipe import Loss, Targets

pytestmark = pytest.mark.training

CODES = list(Diagnosis)
COUNTS = np.array([500.0, 20, 100, 5, 1, 3000, 40, 60, 8, 2, 10])
ODDS = torch.log(torch.tensor([[1.0, 3.0]]))  # probabilities 1/4 and 3/4


def objective(counts=None, targets=Targets.DIAGNOSIS, **settings):
    counts = np.ones(2 if targets is Targets.MALIGNANT else 11) if counts is None else np.asarray(counts, float)
    return Objective(Loss(**settings), counts=counts, targets=targets)


def pair(**settings):
    return objective(targets=Targets.MALIGNANT, **settings)


def single(classes, count=11):
    return functional.one_hot(torch.as_tensor(classes), count).bool()


@pytest.fixture
def batch():
    generator = torch.Generator().manual_seed(0)
    return 3 * torch.randn(64, 11, generator=generator), torch.randint(0, 11, (64,), generator=generator)


# Single labels


@pytest.mark.parametrize("smoothing", [0.0, 0.1, 0.9])
def test_cross_entropy_is_torchs(batch, smoothing):
    logits, classes = batch
    expected = functional.cross_entropy(logits, classes, label_smoothing=smoothing, reduction="none")
    torch.testing.assert_close(objective(smoothing=smoothing)(logits, single(classes)), expected)


def test_weights_by_name_are_torchs(batch):
    logits, classes = batch
    weights = torch.ones(11)
    weights[CODES.index(Diagnosis.MEL)], weights[CODES.index(Diagnosis.NV)] = 10, 0.5
    expected = functional.cross_entropy(logits, classes, weight=weights, reduction="none")
    found = objective(class_weights={"mel": 10, "nv": 0.5})(logits, single(classes))
    torch.testing.assert_close(found, expected)


def test_focal_without_focus_is_cross_entropy(batch):
    logits, classes = batch
    torch.testing.assert_close(objective(kind="focal", gamma=0)(logits, single(classes)),
                               functional.cross_entropy(logits, classes, reduction="none"))


def test_focal_by_hand():
    """Lin et al. 2017: -(1 - p) ** gamma * log p."""
    found = pair(kind="focal", gamma=2)(ODDS.repeat(2, 1), single([0, 1], 2))
    assert found.tolist() == pytest.approx([0.75**2 * math.log(4), 0.25**2 * math.log(4 / 3)], rel=1e-5)


def test_symmetric_by_hand():
    """Wang et al. 2019: alpha * cross-entropy + rce * (4 for each unit of probability that lies elsewhere)."""
    found = pair(kind="symmetric", alpha=0.5, rce=2)(ODDS, single([0], 2))
    assert found.item() == pytest.approx(0.5 * math.log(4) + 2 * 4 * 0.75, rel=1e-5)


def test_logit_adjusted_by_hand():
    """Menon et al. 2021: the logits are raised by tau * log of how common the class is."""
    found = pair(kind="logit_adjusted", tau=1, counts=[30, 10])(torch.zeros(2, 2), single([0, 1], 2))
    assert found.tolist() == pytest.approx([-math.log(0.75), -math.log(0.25)], rel=1e-5)
    found = pair(kind="logit_adjusted", tau=2, counts=[30, 10])(torch.zeros(1, 2), single([1], 2))
    assert found.item() == pytest.approx(-math.log(1 / 10), rel=1e-5)


def test_logit_adjustment_learns_the_balanced_answer():
    """Fitted to three times as many pictures of one class, the logits themselves say that both are as likely."""
    logits = torch.zeros(1, 2, requires_grad=True)
    labels = single([0, 0, 0, 1], 2)
    judge = pair(kind="logit_adjusted", counts=[30, 10])
    for _ in range(200):
        (gradient,) = torch.autograd.grad(judge(logits.repeat(4, 1), labels).mean(), logits)
        logits = (logits - gradient).detach().requires_grad_(True)
    assert torch.softmax(logits, dim=1).tolist()[0] == pytest.approx([0.5, 0.5], abs=1e-3)


# How much a class weighs


def test_class_balanced_weights_are_cuis():
    """(1 - beta) / (1 - beta ** n), up to a common factor."""
    found = class_weights(Loss(kind="class_balanced", beta=0.999), counts=COUNTS, targets=Targets.DIAGNOSIS)
    expected = (1 - 0.999) / (1 - 0.999**COUNTS)
    assert found / found[0] == pytest.approx(expected / expected[0], rel=1e-5)
    assert (found * COUNTS).sum() / COUNTS.sum() == pytest.approx(1, rel=1e-5)


@pytest.mark.parametrize(("beta", "ratio"), [(0.0, 1.0), (0.999999999, 2500.0)])
def test_class_balanced_goes_from_equal_to_inverse(beta, ratio):
    found = class_weights(Loss(kind="class_balanced", beta=beta), counts=np.array([2500.0, 1.0]),
                          targets=Targets.MALIGNANT)
    assert found[1] / found[0] == pytest.approx(ratio, rel=1e-3)


def test_inverse_weights_make_every_class_count_the_same():
    found = class_weights(Loss(class_weights="inverse"), counts=COUNTS, targets=Targets.DIAGNOSIS)
    assert found * COUNTS == pytest.approx(np.full(11, COUNTS.sum() / 11), rel=1e-5)


@pytest.mark.parametrize("kind", ["cross_entropy", "class_balanced", "logit_adjusted", "focal", "symmetric"])
@pytest.mark.parametrize("weights", ["none", "inverse"])
def test_a_class_without_a_picture_breaks_nothing(batch, kind, weights):
    counts = COUNTS.copy()
    counts[3] = 0
    logits, _ = batch
    judge = objective(kind=kind, class_weights=weights, counts=counts)
    found = judge(logits, single(torch.zeros(64, dtype=torch.int64)))
    assert found.isfinite().all() and judge.weights.isfinite().all()


def test_groups_of_classes_may_be_named_and_a_class_goes_before_its_group():
    for given in ({"malignant": 10, "mel": 3}, {"mel": 3, "malignant": 10}):
        found = class_weights(Loss(class_weights=given), counts=COUNTS, targets=Targets.DIAGNOSIS)
        mel = CODES.index(Diagnosis.MEL)
        assert found[mel] == 3
        assert (np.delete(found, mel) == np.where(np.delete(SUSPICIOUS, mel), 10, 1)).all()


def test_class_balanced_keeps_its_weights_beside_those_by_name():
    balanced = class_weights(Loss(kind="class_balanced"), counts=COUNTS, targets=Targets.DIAGNOSIS)
    both = class_weights(Loss(kind="class_balanced", class_weights={"mel": 2}), counts=COUNTS,
                         targets=Targets.DIAGNOSIS)
    assert both / balanced == pytest.approx([2.0 if code is Diagnosis.MEL else 1.0 for code in CODES], rel=1e-5)


@pytest.mark.parametrize(("given", "targets", "message"), [
    ({"melanoma": 2}, Targets.DIAGNOSIS, "names 'melanoma'; known: .*mel.*malignant, benign"),
    ({"mel": 2}, Targets.MALIGNANT, "names 'mel'; known: benign, malignant"),
    ({"mel": -1}, Targets.DIAGNOSIS, "mel is -1.0; a number from 0 is needed"),
])
def test_an_impossible_class_weight_is_refused(given, targets, message):
    with pytest.raises(UsageError, match=message):
        class_weights(Loss(class_weights=given), counts=np.ones(len(losses.labels.names(targets))), targets=targets)


# Lumped labels


@pytest.mark.parametrize(("kind", "of"), [
    ("cross_entropy", lambda p: -math.log(p)),
    ("focal", lambda p: -((1 - p) ** 2) * math.log(p)),
    ("symmetric", lambda p: -0.1 * math.log(p) + 4 * (1 - p)),
])
def test_a_lumped_label_is_judged_by_the_summed_probability(batch, kind, of):
    logits, _ = batch
    allowed = torch.zeros(64, 11, dtype=torch.bool)
    allowed[:, [1, 4, 7]] = True
    summed = torch.softmax(logits.double(), dim=1)[:, [1, 4, 7]].sum(dim=1)
    found = objective(kind=kind)(logits, allowed)
    assert found.tolist() == pytest.approx([of(p) for p in summed.tolist()], rel=1e-4, abs=1e-6)


def test_a_lumped_label_weighs_the_mean_of_its_classes(batch):
    logits, _ = batch
    allowed = torch.zeros(64, 11, dtype=torch.bool)
    allowed[:, [CODES.index(Diagnosis.MEL), CODES.index(Diagnosis.NV)]] = True
    found = objective(class_weights={"mel": 10, "nv": 2})(logits, allowed)
    torch.testing.assert_close(found, 6 * objective()(logits, allowed))


def test_a_lumped_label_says_nothing_within_its_set():
    """The gradient leaves the odds between the classes of the set as they are."""
    logits = torch.tensor([[1.0, 2.0, *[0.0] * 9]], requires_grad=True)
    allowed = torch.tensor([[True, True, *[False] * 9]])
    (gradient,) = torch.autograd.grad(objective()(logits, allowed).sum(), logits)
    assert gradient[0, 1] / gradient[0, 0] == pytest.approx(math.e, rel=1e-4)
    assert (gradient[0, :2] < 0).all() and (gradient[0, 2:] > 0).all()


# What could end a run


KINDS = [{"kind": "cross_entropy"}, {"kind": "focal", "gamma": 0}, {"kind": "focal", "gamma": 0.5},
         {"kind": "focal", "gamma": 1}, {"kind": "focal", "gamma": 5}, {"kind": "class_balanced"},
         {"kind": "logit_adjusted"}, {"kind": "symmetric"}]


@pytest.mark.parametrize("settings", KINDS, ids=lambda each: f"{each['kind']} {each.get('gamma', '')}".strip())
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("height", [0.0, 30.0, 1e3, 3e4, 1e6])
def test_the_gradient_is_finite_for_extreme_logits(settings, smoothing, height):
    logits = torch.zeros(3, 11)
    logits[:, 0] = height
    logits.requires_grad_(True)
    allowed = torch.zeros(3, 11, dtype=torch.bool)
    allowed[0, 0] = allowed[1, 1] = allowed[2, [0, 1]] = True  # right, wrong, and lumped
    found = objective(counts=COUNTS, smoothing=smoothing, **settings)(logits, allowed)
    (gradient,) = torch.autograd.grad(found.sum(), logits)
    assert found.isfinite().all() and (found >= 0).all() and gradient.isfinite().all()


@pytest.mark.parametrize("height", [30.0, 3e4, 1e6])
def test_a_wrong_answer_is_pulled_back_however_sure_it_is(height):
    logits = torch.zeros(1, 11)
    logits[:, 0] = height
    logits.requires_grad_(True)
    found = objective()(logits, single([1]))
    (gradient,) = torch.autograd.grad(found.sum(), logits)
    assert found.item() == pytest.approx(height, rel=1e-3)
    assert gradient[0, :2].tolist() == pytest.approx([1, -1], rel=1e-3)


@pytest.mark.parametrize("settings", KINDS, ids=lambda each: f"{each['kind']} {each.get('gamma', '')}".strip())
def test_the_gradient_is_the_slope(settings):
    generator = torch.Generator().manual_seed(1)
    logits = torch.randn(4, 11, generator=generator, dtype=torch.float32, requires_grad=True)
    allowed = torch.zeros(4, 11, dtype=torch.bool)
    allowed[[0, 1, 2, 3, 3], [0, 3, 5, 1, 2]] = True
    judge = objective(counts=COUNTS, **settings)
    (gradient,) = torch.autograd.grad(judge(logits, allowed).sum(), logits)
    with torch.no_grad():
        slope = torch.zeros_like(logits)
        for place in range(logits.numel()):
            nudge = torch.zeros(logits.numel())
            nudge[place] = 1e-2
            nudge = nudge.view_as(logits)
            rise = judge(logits + nudge, allowed).double().sum() - judge(logits - nudge, allowed).double().sum()
            slope.view(-1)[place] = rise / 2e-2
    torch.testing.assert_close(gradient, slope, atol=2e-3, rtol=2e-3)


# Distillation


def test_nothing_is_learnt_from_a_teacher_of_the_same_mind(batch):
    logits, _ = batch
    assert distilled(logits, logits + 7, temperature=2).abs().max() < 1e-5


def test_distillation_by_hand():
    """Hinton et al. 2015: the divergence of the softened answers, times the temperature squared."""
    teacher, student = torch.log(torch.tensor([[1.0, 81.0]])), torch.zeros(1, 2)
    expected = 0.1 * math.log(0.1 / 0.5) + 0.9 * math.log(0.9 / 0.5)  # the square root of the odds, at temperature 2
    assert distilled(student, teacher, temperature=2).item() == pytest.approx(4 * expected, rel=1e-5)
