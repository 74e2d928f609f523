"""The error analysis: the right pictures in the right lists, and ratios that can be worked out by hand."""

from __future__ import annotations

import json

import numpy as np
import pytest
from made_exam import Answer, make

from macule.analysis.patient import Patient, Sex, Site
from macule.errors import BundleInvalid
from macule.evaluation import mistakes, neighbours
from macule.evaluation.neighbours import Index
from macule.evaluation.predictions import CODES
from macule.taxonomy import Diagnosis

HERS, HIS = Patient(sex=Sex.FEMALE, age=50.0), Patient(sex=Sex.MALE, age=50.0)
FEW = [Answer("mel", "nv", 0.9), Answer("mel", "nv", 0.7), Answer("mel", "mel", 0.9, "high"),
       Answer("nv", "mel", 0.8, "high"), Answer("nv", "nv", 0.97), Answer("bkl", "nv", 0.3), Answer("nv", "nv", 0.2)]


def name(place):
    return f"ham10000:{place:04}"


def pattern(found, kind, attribute):
    (table,) = [each for each in found["patterns"] if each["kind"] == kind]
    return {row["name"]: row for row in table["rows"] if row["attribute"] == attribute}


def test_mistakes_are_listed_by_true_class_the_surest_first(tmp_path):
    found = mistakes.measure(make(tmp_path / "bundle", FEW))
    assert (found["pictures"], found["mistakes"]) == (7, 4)
    assert found["by_class"] == {"bkl": [name(5)], "mel": [name(0), name(1)], "nv": [name(3)]}


def test_what_was_missed_what_was_a_false_alarm_and_what_is_unsure(tmp_path):
    found = mistakes.measure(make(tmp_path / "bundle", FEW))
    assert found["lists"]["missed"] == [name(0), name(1)]  # the lowest malignant probability first
    assert found["lists"]["false_alarms"] == [name(3)]
    assert found["lists"]["uncertain"][:2] == [name(6), name(5)]
    assert found["lists"]["uncertain"][-1] == name(4)
    malignant = [found["items"][each]["malignant"] for each in found["lists"]["borderline"]]
    away = [abs(each - found["thresholds"]["medium"]) for each in malignant]
    assert away == sorted(away)


def test_an_item_says_what_is_known(tmp_path):
    answers = [Answer("mel", "nv", 0.9, patient=Patient(age=62.0, sex=Sex.MALE, site=Site.TRUNK), admitted=False,
                      centre="Vienna")]
    item = mistakes.measure(make(tmp_path / "bundle", answers))["items"][name(0)]
    assert item["truth"] == ["mel"] and item["answers"][0] == {"code": "nv", "probability": 0.9}
    assert (item["age_band"], item["sex"], item["site"], item["centre"]) == ("60 to 74", "male", "trunk", "Vienna")
    assert item["admitted"] is False and item["risk"] == "low"
    assert item["malignant"] == pytest.approx(3 * 0.1 / 6, abs=1e-4)
    assert item["nearest"] == []


def test_confusions_add_up_and_say_what_crosses(tmp_path):
    found = mistakes.measure(make(tmp_path / "bundle", [*FEW, Answer("mel", "bcc")]))
    assert sum(pair["n"] for pair in found["confusions"]) == found["mistakes"]
    assert found["confusions"][0] == {"truth": "mel", "said": "nv", "n": 2, "of": 4, "crosses": True}
    crosses = {(pair["truth"], pair["said"]): pair["crosses"] for pair in found["confusions"]}
    assert crosses["mel", "bcc"] is False and crosses["nv", "mel"] is True


def test_lists_are_as_long_as_asked(tmp_path):
    found = mistakes.measure(make(tmp_path / "bundle", [Answer("mel", "nv")] * 30), most=4)
    assert [len(rows) for rows in found["lists"].values()] == [4, 0, 4, 4]
    assert len(found["by_class"]["mel"]) == 4


def test_a_risk_ratio_by_hand(tmp_path):
    """Wrong in 20 of 40 women and in 10 of 60 men: three times as often."""
    answers = ([Answer("nv", "mel", patient=HERS)] * 20 + [Answer("nv", "nv", patient=HERS)] * 20
               + [Answer("nv", "mel", patient=HIS)] * 10 + [Answer("nv", "nv", patient=HIS)] * 50)
    rows = pattern(mistakes.measure(make(tmp_path / "bundle", answers, resamples=400)), "wrong", "sex")
    assert (rows["female"]["n"], rows["female"]["events"], rows["female"]["muted"]) == (40, 20, False)
    ratio = rows["female"]["ratio"]
    assert ratio["value"] == pytest.approx(3.0) and 1 < ratio["low"] < 3 < ratio["high"]
    assert rows["male"]["ratio"]["value"] == pytest.approx(1 / 3, abs=1e-4)


def test_a_ratio_resamples_lesions_and_not_pictures(tmp_path):
    answers = ([Answer("nv", "mel", patient=HERS)] * 20 + [Answer("nv", "nv", patient=HERS)] * 20
               + [Answer("nv", "mel", patient=HIS)] * 10 + [Answer("nv", "nv", patient=HIS)] * 50)
    alone = pattern(mistakes.measure(make(tmp_path / "bundle", answers, resamples=300)), "wrong", "sex")
    tens = [f"lesion-{place // 10}" for place in range(100)]
    together = pattern(mistakes.measure(make(tmp_path / "bundle", answers, resamples=300, groups=tens)), "wrong", "sex")

    def width(rows):
        return rows["female"]["ratio"]["high"] - rows["female"]["ratio"]["low"]

    assert width(together) > 1.5 * width(alone)


def test_small_groups_and_their_complements_are_muted(tmp_path):
    answers = ([Answer("nv", "mel", patient=HERS)] * 12 + [Answer("nv", "nv", patient=HERS)] * 17
               + [Answer("nv", "nv", patient=HIS)] * 60)
    rows = pattern(mistakes.measure(make(tmp_path / "bundle", answers)), "wrong", "sex")
    assert rows["female"]["n"] == 29 and rows["female"]["muted"] and rows["male"]["muted"]


def test_the_gate_and_the_true_class_are_attributes_too(tmp_path):
    answers = [Answer("nv", "mel", admitted=False)] * 35 + [Answer("mel", "mel", 0.9, "high")] * 40
    found = mistakes.measure(make(tmp_path / "bundle", answers))
    assert pattern(found, "wrong", "gate")["unlike them"]["events"] == 35
    assert pattern(found, "wrong", "truth")["nv"]["events"] == 35
    assert pattern(found, "missed", "sex") == {}  # nobody's sex is stated


def test_refused_pictures_are_counted_by_group(tmp_path):
    exam = make(tmp_path / "a", [Answer("nv", "mel", patient=HERS), Answer("nv", "nv", patient=HIS)])
    refused = make(tmp_path / "a", [Answer("nv", "nv", patient=HIS)] * 3).predictions.records
    exam = make(tmp_path / "a", [Answer("nv", "mel", patient=HERS), Answer("nv", "nv", patient=HIS)], refused=refused)
    rows = pattern(mistakes.measure(exam), "wrong", "sex")
    assert (rows["female"]["refused"], rows["male"]["refused"]) == (0, 3)


def test_what_is_measured_is_plain_numbers(tmp_path):
    for answers in (FEW, [Answer("nv", "nv")], [Answer("nv df", "nv")]):
        found = mistakes.measure(make(tmp_path / "bundle", answers))
        assert json.loads(json.dumps(found, allow_nan=False)) == found


def test_nothing_answered(tmp_path):
    assert mistakes.measure(make(tmp_path / "bundle", []))["measured"] is False


DIRECTIONS = np.array([[1, 0, 0], [0.8, 0.6, 0], [0, 1, 0], [0, 0, 1]], np.float16)


def index(**changes):
    parts = {"names": [f"train:{place}" for place in range(4)], "codes": np.array([7, 8, -1, 1]), "vectors": DIRECTIONS,
             "basis": np.eye(3, dtype=np.float32), "mean": np.array([1, 1, 1], np.float32)}
    return parts | changes


def test_the_nearest_are_by_the_angle_from_the_mean():
    asked = np.array([[1, 1, 1]]) + np.array([[5.0, 0.1, 0]])  # far out, in the direction of the first
    (found,) = neighbours.neighbours(asked.astype(np.float32), Index(**index()), k=3)
    assert [each.name for each in found] == ["train:0", "train:1", "train:2"]
    assert found[0].likeness == pytest.approx(1, abs=1e-3) and found[1].likeness == pytest.approx(0.81, abs=0.01)


def test_nearest_training_pictures_come_from_the_bundles_index(tmp_path):
    exam = make(tmp_path / "bundle", FEW, embeddings=np.array([[1, 9, 1]] * 7))
    np.savez(exam.bundle.folder / neighbours.FILE, **index())
    found = mistakes.measure(exam)
    nearest = found["items"][name(0)]["nearest"]
    assert found["nearest"] is True
    assert nearest[0] == {"picture": "train:2", "truth": None, "likeness": 1.0}
    assert nearest[1]["truth"] == CODES[8] == Diagnosis.NV


@pytest.mark.parametrize("changes", [{"codes": np.zeros(3, int)}, {"basis": np.eye(2)}, {"vectors": None}])
def test_a_damaged_index_is_refused(tmp_path, changes):
    arrays = {key: value for key, value in index(**changes).items() if value is not None}
    np.savez(tmp_path / "index.npz", **arrays)
    with pytest.raises(BundleInvalid, match="index"):
        neighbours.load(tmp_path / "index.npz")


def test_an_index_of_another_network_is_refused(tmp_path):
    np.savez(tmp_path / "index.npz", **index(basis=np.eye(5)[:, :3], mean=np.zeros(5)))
    exam = make(tmp_path / "bundle", FEW)
    with pytest.raises(BundleInvalid, match="5 numbers"):
        mistakes.measure(exam, index=neighbours.load(tmp_path / "index.npz"))
