"""Attacks: the step, the ball, the picture that is really served, and what counts as success."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest

pytest.importorskip("torch", reason="needs the training extra")

import torch
from macule_testing import draw, encode, write_bundle

from macule.analysis import bundle as bundles
from macule.analysis import preprocess
from macule.analysis.calibration import Calibration, MalignantSum
from macule.analysis.patient import Patient
from macule.analysis.pipeline import Analyzer
from macule.data.record import Record
from macule.evaluation.attacked import attack_figures
from macule.evaluation.exam import Exam
from macule.evaluation.predictions import CODES, Predictions
from macule.evaluation.stressed import Answer
from macule.exchange.blocks import Plot, Table
from macule.exchange.sections import adversarial as page
from macule.taxonomy import Diagnosis
from macule.training import adversarial, from_bundle

pytestmark = pytest.mark.training


@pytest.fixture
def chance():
    return torch.Generator().manual_seed(3)


def exam_of(bundle, records):
    shares = np.full((len(records), len(CODES)), 1 / len(CODES))
    return Exam.of(bundle, Predictions(records, shares), dataset="ham10000", part="test", classes=(7, 8), resamples=40)


def record(path, label, group):
    return Record(path, "ham10000", path.stem, frozenset({label}), group, Patient(age=50))


@pytest.fixture
def records(tmp_path):
    made = []
    for number in range(4):
        path = tmp_path / f"{number}.png"
        path.write_bytes(encode(draw(width=320, height=240, spot=(40, 30, 20) if number % 2 else (150, 110, 90),
                                     seed=number)))
        made.append(record(path, Diagnosis.MEL if number % 2 else Diagnosis.NV, f"lesion-{number}"))
    return made


def test_fgsm_is_the_sign_of_the_gradient(chance):
    picture, weights = torch.rand(3, 5, 7, generator=chance), torch.randn(3, 5, 7, generator=chance)

    def loss(x):
        return (weights * x**2).sum()

    expected = [(picture + eps * torch.sign(2 * weights * picture)).clamp(0, 1) for eps in (0.01, 0.3)]
    found = adversarial.fgsm(loss, picture, (0.01, 0.3))
    assert all(torch.equal(one, other) for one, other in zip(found, expected, strict=True))
    assert all(float(loss(one)) > float(loss(picture)) for one in found)


def test_pgd_stays_in_the_ball_and_finds_more_than_one_step(chance):
    picture = torch.rand(3, 6, 6, generator=chance)
    target = torch.rand(3, 6, 6, generator=chance)

    def bent(x):  # its gradient turns within the ball, where one step overshoots
        return -(x - picture - 0.02 * torch.sign(target - 0.5)).abs().sum()

    eps = 0.06
    found = adversarial.pgd([bent], picture, eps, steps=40, chance=chance)
    assert float((found - picture).abs().max()) <= eps + 1e-6 and 0 <= float(found.min()) <= float(found.max()) <= 1
    (single,) = adversarial.fgsm(bent, picture, (eps,))
    assert float(bent(found)) > float(bent(single))


def test_pgd_reaches_the_balls_corner_of_a_linear_loss(chance):
    weights = torch.randn(3, 4, 4, generator=chance)
    picture = torch.full((3, 4, 4), 0.5)
    found = adversarial.pgd([lambda x: (weights * x).sum()], picture, 0.1, steps=10, chance=chance)
    assert torch.allclose(found, picture + 0.1 * weights.sign())


def test_pgd_takes_its_losses_by_turns(chance):
    seen = []

    def loss(name):
        return lambda x: (seen.append(name), x.sum())[1]

    adversarial.pgd([loss("a"), loss("b"), loss("c")], torch.rand(3, 2, 2), 0.1, steps=5, chance=chance)
    assert seen == ["a", "b", "c", "a", "b"]


def test_the_control_is_as_large_and_blind(chance):
    picture = torch.full((3, 8, 8), 0.5)
    moved = adversarial.noise(picture, 0.1, chance=chance) - picture
    assert torch.allclose(moved.abs(), torch.full_like(moved, 0.1)) and abs(float(moved.mean())) < 0.03


@pytest.mark.parametrize("shape", [(64, 64), (50, 77), (33, 40), (20, 25)])
def test_the_loop_sees_what_serving_sees(shape):
    """Resizing and views in torch against the one preprocessing."""
    rgb = np.random.default_rng(1).integers(0, 256, (*shape, 3), np.uint8)
    inside = adversarial._squashed(torch.from_numpy(rgb.transpose(2, 0, 1) / np.float32(255)), 32)
    served = preprocess.squash(rgb, 32).transpose(2, 0, 1)
    assert np.abs(inside.numpy() * 255 - served).max() < 1.01
    views = adversarial._views(inside, 8)
    assert np.array_equal(views.numpy(), preprocess.make_views(inside.numpy(), 8))


@pytest.mark.parametrize("malignant", [None, MalignantSum(0.8, tuple(np.linspace(-2, 1, 11)))])
def test_margin_is_the_bundles_own_log_odds(tiny_bundle, malignant):
    bundle = dataclasses.replace(tiny_bundle, calibration=Calibration(1.5, malignant))
    rgb = draw(width=300, height=240, seed=4)
    served = adversarial.Served(from_bundle.network(bundle), bundle.preprocessing, bundle.calibration)
    found = torch.sigmoid(served.margin(torch.from_numpy(rgb.transpose(2, 0, 1) / np.float32(255)), torch.zeros(13)))
    assert float(found) == pytest.approx(Analyzer(bundle).analyze(encode(rgb)).assessment.malignant, abs=2e-3)


def test_measured_end_to_end(tiny_bundle, records):
    exam = exam_of(tiny_bundle, records)
    told, ticks = [], []
    found = adversarial.measure(tiny_bundle, exam, eps=(1, 60), steps=2,
                                start=lambda count: told.append(count) or (lambda: ticks.append(1)))
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    assert told == [len(ticks)] == [4] and found["apart"] < 0.01
    by = {(attack["method"], attack["eps"]): attack for attack in found["attacks"]}
    assert len(by) == 6 and {method for method, _ in by} == set(adversarial.METHODS)
    assert by["noise", 1]["turned"] == 0
    # The tiny network calls what is dark: all can be turned when 60 levels are given, none by one.
    assert by["fgsm", 60]["turned"] > by["fgsm", 1]["turned"]
    assert by["fgsm", 60]["auc"]["value"] <= by["fgsm", 1]["auc"]["value"]
    assert adversarial.measure(tiny_bundle, exam, eps=(1, 60), steps=2) == found


def test_the_served_picture_differs_by_no_more_than_was_allowed(tiny_bundle, records, monkeypatch):
    seen = []
    analyze = Analyzer.analyze
    monkeypatch.setattr(Analyzer, "analyze", lambda self, source, **more: (seen.append(source),
                                                                           analyze(self, source, **more))[1])
    adversarial.measure(tiny_bundle, exam_of(tiny_bundle, records[:1]), eps=(3,), steps=3)
    from macule.analysis.image import decode
    clean, *worse = (decode(content).rgb.astype(int) for content in seen)
    assert len(worse) == 3 and all(0 < np.abs(each - clean).max() <= 3 for each in worse)


def test_views_take_part(tmp_path, records):
    settings = {"version": 1, "size": 32, "resize": "squash", "mean": [0.5] * 3, "std": [0.5] * 3, "views": 4}
    four = bundles.load(write_bundle(tmp_path / "four", preprocessing=settings))
    found = adversarial.measure(four, exam_of(four, records[:2]), eps=(4,), steps=4)
    assert found["views"] == 4 and found["apart"] < 0.01


def test_what_is_caught_is_no_success(tiny_bundle, records):
    """By hand: two benign turned, one of them flagged; one malignant turned but refused, one held."""
    exam = exam_of(tiny_bundle, [records[0], records[2], records[1], records[3]])
    benign, malignant = Answer(True, False, 0.05, 0, 8), Answer(True, False, 0.9, 2, 7)
    rows = [
        [(benign, 0.05), (Answer(True, False, 0.7, 2, 7), 0.7)],
        [(benign, 0.05), (Answer(True, True, 0.7, 2, 7), 0.7)],
        [(malignant, 0.9), (Answer(False), 0.1)],
        [(malignant, 0.9), (Answer(True, False, 0.8, 2, 7), 0.8)],
    ]
    found = attack_figures(exam, [0, 1, 2, 3], rows, [("pgd", 2)], threshold=0.2)
    (attack,) = found["attacks"]
    assert (attack["turned"], attack["caught"], attack["refused"], attack["flagged"]) == (3, 2, 1, 1)
    assert attack["false_alarm"]["value"] == 0.5 and attack["missed"]["value"] == 0.0
    assert attack["caught_share"] == pytest.approx({**attack["caught_share"], "value": 0.6667, "n": 3})
    section = page.section({**found, "measured": True, "seed": 0, "steps": 3, "eps": [2], "views": 1, "arms": ["hair"],
                            "failed": 0})
    assert "too few" in section.lead and [b.title for b in section.blocks if isinstance(b, Plot)][:2] == [
        "Benign called malignant", "Malignant called low risk"]
    (table,) = [block for block in section.blocks if isinstance(block, Table)]
    assert table.rows[0][0] == "PGD" and table.muted == (0,)
    assert any("hair" in getattr(block, "text", "") for block in section.blocks)


def test_the_lead_names_the_smallest_change_that_turns_half(tiny_bundle):
    def figure(value):
        return {"value": value, "low": value - 0.1, "high": value + 0.1, "n": 40}

    attacks = [{"method": "pgd", "eps": eps, "n": 80, "refused": 0, "flagged": 3, "answered": 80, "turned": 50,
                "caught": 3, "auc": figure(0.5), "false_alarm": figure(share / 2), "missed": figure(share),
                "caught_share": figure(0.06)} for eps, share in ((1, 0.2), (2, 0.6), (4, 1.0))]
    found = {"measured": True, "pictures": 80, "malignant": 40, "benign": 40, "seed": 0, "steps": 10, "eps": [1, 2, 4],
             "views": 1, "arms": [], "failed": 0, "attacks": attacks,
             "clean": {"malignant_auc": figure(0.9), "refused": 0, "flagged": 1}}
    lead = page.section(found).lead
    assert "2 grey levels of 255" in lead and "60 % of 40 malignant" in lead and "30 % of 40 benign" in lead
    assert "notice 3 of the 50" in lead


def test_nothing_to_attack_says_so(tiny_bundle, tmp_path):
    gone = adversarial.measure(tiny_bundle, exam_of(tiny_bundle, [record(tmp_path / "no.png", Diagnosis.NV, "a")]))
    assert gone["measured"] is False and not page.section(gone).measured
