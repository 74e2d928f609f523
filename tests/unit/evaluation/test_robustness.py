"""Robustness of an answer: what is drawn, what is counted, and that refusals are no errors."""

from __future__ import annotations

import json

import numpy as np
import pytest
from macule_testing import draw, encode

from macule.analysis.patient import Patient
from macule.data.record import Record
from macule.errors import UsageError
from macule.evaluation import metrics, robustness, robustness_figures, stressed
from macule.evaluation.exam import Exam
from macule.evaluation.predictions import CODES, Predictions
from macule.evaluation.stressed import Answer, Answers, Change
from macule.exchange.blocks import Matrix, Plot, Table
from macule.exchange.sections import robustness as page
from macule.taxonomy import Diagnosis

KINDS = ("jpeg", "brightness_up", "pen_ink", "defocus_blur")


@pytest.fixture(scope="module")
def records(tmp_path_factory):
    """Dark spots are melanomas, brighter ones naevi, which is what the tiny bundle believes too."""
    folder = tmp_path_factory.mktemp("pictures")
    made = []
    for number in range(12):
        positive = number % 3 == 0
        path = folder / f"{number}.png"
        spot = (30, 20, 15) if positive else (130, 90, 70)
        path.write_bytes(encode(draw(width=320, height=240, spot=spot, seed=number)))
        label = Diagnosis.MEL if positive else Diagnosis.NV
        made.append(Record(path, "ham10000", str(number), frozenset({label}), f"lesion-{number // 2}", Patient()))
    return made


def exam_of(bundle, records):
    shares = np.full((len(records), len(CODES)), 1 / len(CODES))
    return Exam.of(bundle, Predictions(records, shares), dataset="ham10000", part="test", classes=(7, 8), resamples=50)


@pytest.fixture(scope="module")
def exam(tiny_bundle, records):
    return exam_of(tiny_bundle, records)


@pytest.fixture(scope="module")
def found(analyzer, exam):
    return robustness.measure(analyzer, exam, kinds=KINDS, strengths=(1, 5), workers=1)


def test_one_picture_a_lesion_and_at_most_half_malignant(exam):
    chosen = stressed.drawn(exam.predictions, sample=100, seed=0)
    groups = [exam.predictions.records[i].group for i in chosen]
    assert len(groups) == len(set(groups)) == 6 and list(chosen) == sorted(chosen)
    few = stressed.drawn(exam.predictions, sample=2, seed=1)
    assert len(few) == 2 and exam.predictions.suspicious[few].sum() <= 1
    assert not np.array_equal(chosen, stressed.drawn(exam.predictions, sample=100, seed=5))


def test_the_dict_is_complete_and_plain(found):
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    assert [(cell["kind"], cell["strength"]) for cell in found["cells"]] == [
        (kind, strength) for kind in ("jpeg", "defocus_blur", "brightness_up", "pen_ink") for strength in (1, 5)]
    assert found["pictures"] == found["malignant"] + found["benign"] == 6
    for cell in found["cells"]:
        assert cell["answered"] + cell["refused"] == cell["n"] - found["clean"]["refused"]


def test_it_says_what_the_serving_path_says(analyzer, exam, found):
    """One cell worked out by hand: a picture of the sample, damaged, encoded and analysed here."""
    chosen = stressed.drawn(exam.predictions, sample=robustness.SAMPLE, seed=0)
    from macule.evaluation import corruptions
    moved, answered = [], 0
    for place in chosen:
        rgb = stressed.working(exam.predictions.records[place], 32)
        clean, worse = (analyzer.analyze(encode(each)).assessment
                        for each in (rgb, corruptions.apply("jpeg", rgb, 5, 0)))
        if clean is not None and worse is not None:
            answered += 1
            moved.append(abs(worse.malignant - clean.malignant))
    cell = next(cell for cell in found["cells"] if (cell["kind"], cell["strength"]) == ("jpeg", 5))
    assert cell["answered"] == answered > 0
    assert cell["shift"]["value"] == pytest.approx(np.mean(moved), abs=1e-4)


def test_a_picture_too_blurred_to_judge_is_refused_and_in_no_rate(found):
    cells = {(cell["kind"], cell["strength"]): cell for cell in found["cells"]}
    assert cells["defocus_blur", 5]["refused"] > cells["jpeg", 1]["refused"] == 0
    blurred = cells["defocus_blur", 5]
    assert blurred["flip_risk"]["n"] == blurred["answered"] < blurred["n"]


def test_another_seed_draws_other_pictures_and_the_same_seed_the_same(analyzer, exam):
    one, again, other = (robustness.measure(analyzer, exam, sample=3, kinds=["pen_ink"], strengths=[4], seed=seed)
                         for seed in (1, 1, 2))
    assert one == again and one["cells"] != other["cells"]


def test_every_picture_ticks(analyzer, exam):
    told, ticks = [], []
    robustness.measure(analyzer, exam, sample=4, kinds=["jpeg"], strengths=[1],
                       start=lambda count: told.append(count) or (lambda: ticks.append(1)))
    assert told == [len(ticks)] == [4]


def test_lost_pictures_are_counted(analyzer, tiny_bundle, records, tmp_path):
    gone = Record(tmp_path / "gone.png", "ham10000", "gone", frozenset({Diagnosis.NV}), "gone", Patient())
    found = robustness.measure(analyzer, exam_of(tiny_bundle, [*records[:3], gone]), kinds=["jpeg"], strengths=[1])
    assert found["failed"] == 1 and found["pictures"] == 2
    nothing = robustness.measure(analyzer, exam_of(tiny_bundle, [gone]), kinds=["jpeg"], strengths=[1])
    assert nothing["measured"] is False and not page.section(nothing).measured


def test_without_labels_it_says_so(analyzer, tiny_bundle, records):
    vague = [Record(r.picture, r.dataset, r.picture_id, frozenset(), r.group, r.patient) for r in records[:2]]
    found = robustness.measure(analyzer, exam_of(tiny_bundle, vague), kinds=["jpeg"], strengths=[1])
    assert found["measured"] is False and "label" in page.section(found).lead


def test_unknown_kinds_are_refused(analyzer, exam):
    with pytest.raises(UsageError, match="fog"):
        robustness.measure(analyzer, exam, kinds=["fog"])


def answers(*rows):
    return Answers.of(Answer(*row) for row in rows)


def test_changes_by_hand():
    """Four benign, two malignant; one benign refused when damaged."""
    positive = np.array([False, False, False, False, True, True])
    clean = answers((True, False, 0.1, 0, 8), (True, False, 0.2, 1, 8), (True, False, 0.1, 0, 8),
                    (True, False, 0.3, 0, 8), (True, False, 0.9, 2, 7), (True, False, 0.8, 1, 7))
    worse = answers((True, True, 0.5, 2, 7), (True, False, 0.2, 1, 8), (False,), (True, False, 0.3, 1, 8),
                    (True, False, 0.4, 1, 8), (True, False, 0.1, 0, 7))
    change = Change(clean, worse, positive, stressed.with_ones(np.ones((2, 6))))
    assert change.called("medium", positive=False)[0] == pytest.approx(2 / 3)  # of three left, one called to three
    assert change.called("high", positive=False)[0] == pytest.approx(1 / 3)
    assert change.newly_called("medium")[0] == 1.0
    assert change.called("medium", positive=True)[0] == pytest.approx(-0.5)
    assert change.flipped("risk")[0] == pytest.approx(4 / 5)
    assert change.flipped("first")[0] == pytest.approx(2 / 5)
    before, after = change.aucs()
    assert before[0] == 1.0 and after[0] == pytest.approx((2 + 0) / 6)


def test_undefined_is_not_a_number():
    alone = answers((True, False, 0.1, 0, 8))
    change = Change(alone, alone, np.array([False]), stressed.with_ones(np.ones((3, 1))))
    assert np.isnan(change.aucs()[0]).all() and np.isnan(change.called("medium", positive=True)).all()
    assert stressed.figure(change.aucs()[0], 1).to_dict() == {"value": None, "low": None, "high": None, "n": 1}
    mixed = stressed.mean([np.array([np.nan, 1.0]), np.array([np.nan, 3.0])])
    assert np.isnan(mixed[0]) and mixed[1] == 2.0


def test_an_interval_has_a_width_or_is_none():
    """A constant loss is the same in every resample, however the pictures differ: that says nothing of others."""
    rng = np.random.default_rng(0)
    malignant = rng.random(40)
    clean = Answers(np.ones(40, bool), np.zeros(40, bool), malignant, np.zeros(40, int), np.zeros(40, int))
    worse = Answers(np.ones(40, bool), np.zeros(40, bool), malignant + 0.1, np.zeros(40, int), np.zeros(40, int))
    weights = stressed.with_ones(metrics.resample([str(i) for i in range(40)], resamples=100, seed=0))
    moved = stressed.figure(Change(clean, worse, rng.random(40) < 0.5, weights).shift(), 40)
    assert moved.value == pytest.approx(0.1) and np.isnan(moved.low) and np.isnan(moved.high)
    never = stressed.figure(stressed.share(np.zeros(40, bool), weights), 40, groups=20)
    assert never.value == never.low == 0 and never.high == pytest.approx(0.1611, abs=1e-4)  # Wilson's, 0 of 20
    alone = stressed.figure(stressed.share(np.arange(40) < 8, weights), 40, groups=1)
    assert alone.value == 0.2 and np.isnan(alone.low)


def test_intervals_are_paired():
    """A loss of 0.1, give or take a little, is known well, however much the pictures differ."""
    rng = np.random.default_rng(0)
    malignant, more = rng.random(40), 0.1 + rng.normal(0, 0.001, 40)
    none, every = np.zeros(40, int), np.ones(40, bool)
    clean, worse = (Answers(every, ~every, each, none, none) for each in (malignant, malignant + more))
    weights = stressed.with_ones(metrics.resample([str(i) for i in range(40)], resamples=100, seed=0))
    moved = stressed.figure(Change(clean, worse, rng.random(40) < 0.5, weights).shift(), 40)
    assert 0.098 < moved.low < moved.value < moved.high < 0.102


def test_nothing_in_the_dict_has_an_interval_of_no_width(analyzer, exam):
    """A strength that changes nothing at all: no risk changes, and none is refused."""
    found = robustness.measure(analyzer, exam, kinds=["brightness_up"], strengths=[1])
    (cell,) = found["cells"]
    assert cell["flip_diagnosis"]["value"] == 0 and cell["flip_diagnosis"]["high"] > 0.2
    shown = [cell[name] for name in cell if isinstance(cell[name], dict)]
    shown += [each for each in (*found["kinds"][0].values(), *found["summary"].values(), *found["clean"].values())
              if isinstance(each, dict) and "value" in each]
    assert len(shown) > 20
    assert not [each for each in shown if each["low"] is not None and each["low"] == each["high"]]
    assert page.section(found).blocks


def test_shares_are_given_at_the_exams_own_mix(monkeypatch, analyzer, tiny_bundle, tmp_path):
    """Of 2 malignant and 8 benign pictures 2 and 2 are drawn; damage changes the risk of every malignant one alone."""
    labels = [Diagnosis.MEL] * 2 + [Diagnosis.NV] * 8
    made = [Record(tmp_path, "ham10000", str(n), frozenset({label}), f"lesion-{n}", Patient(sex=None, age=float(n)))
            for n, label in enumerate(labels)]
    monkeypatch.setattr(stressed, "working", lambda *_: draw(width=16, height=16))
    calls = {}

    def serve(_, rgb, patient):
        calls[patient.age] = calls.get(patient.age, 0) + 1
        worse = calls[patient.age] > 1
        return Answer(True, False, 0.5, 1 if worse and patient.age < 2 else 0, 8)

    monkeypatch.setattr(stressed, "serve", serve)
    found = robustness.measure(analyzer, exam_of(tiny_bundle, made), sample=4, kinds=["jpeg"], strengths=[1], workers=1)
    assert (found["malignant"], found["benign"]) == (2, 2)
    assert found["summary"]["flip_risk"]["value"] == 0.5
    own = found["summary"]["own_mix"]
    assert own["malignant_share"] == 0.2 and own["flip_risk"]["value"] == pytest.approx(0.2)
    assert own["refused"]["value"] == 0 and own["refused"]["high"] > 0.3
    table = next(block for block in page.section(found).blocks if isinstance(block, Table))
    assert "own mix, 20 % malignant" in table.head[2] and table.rows[0][2].value == pytest.approx(0.2)


def test_a_mix_of_which_one_side_is_missing_is_not_guessed():
    clean = answers((True, False, 0.1, 0, 8), (True, False, 0.1, 0, 8))
    weights = stressed.with_ones(np.ones((3, 2)))
    benign = np.array([False, False])
    asked = [robustness_figures.Examined(benign, weights, np.array(["a", "b"]), share) for share in (0.3, 0.0)]
    with_some, with_none = (each.mixed(Change(clean, clean, benign, weights))["flip_risk"] for each in asked)
    assert np.isnan(with_some).all() and (with_none == 0).all()


def test_the_page_shows_every_cell_and_says_nothing_of_few_pictures(found):
    section = page.section(found)
    matrices = [block for block in section.blocks if isinstance(block, Matrix)]
    assert [matrix.rows for matrix in matrices] == [("JPEG", "defocus blur", "brightness up", "pen ink")] * 3
    assert all(len(row) == 2 for matrix in matrices for row in matrix.cells)
    assert "too few" in section.lead and "Pen ink" not in section.lead
    averages, table = [block for block in section.blocks if isinstance(block, Table)]
    assert len(averages.muted) == len(averages.rows) == 4
    assert table.muted == tuple(range(len(table.rows))) and len(table.rows) == 4
    assert [plot.title for plot in section.blocks if isinstance(plot, Plot)] == [
        "Risk changed: file", "Risk changed: blur", "Risk changed: light", "Risk changed: on the skin"]


def test_the_lead_says_the_figures_of_the_dict(found):
    enough = {**found, "pictures": 100,
              "kinds": [{**kind, "auc_drop": {**kind["auc_drop"], "value": 0.125 if kind["kind"] == "hair" else 0.01},
                         "alarm_rise_medium": {"value": 0.222, "low": 0.1, "high": 0.3, "n": 50}}
                        for kind in found["kinds"]],
              "clean": {**found["clean"], "malignant_auc": {"value": 0.9, "low": 0.8, "high": 1.0, "n": 100}}}
    enough["summary"] = {**found["summary"], "auc_drop": {"value": 0.031, "low": 0.01, "high": 0.05, "n": 100},
                         "worst_by_auc": ["jpeg"]}
    lead = page.section(enough).lead
    assert "AUC of 0.900 falls by 0.031 (0.010 to 0.050)" in lead and "most by JPEG (0.010)" in lead
    assert "among 50 benign pictures by +22.2 percentage points (+10.0 to +30.0)" in lead
