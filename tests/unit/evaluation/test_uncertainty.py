from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest
from macule_testing import write_bundle
from made_exam import Answer, make, somebody

from macule.analysis.conformal import Conformal, Limit
from macule.data import membership
from macule.evaluation import uncertainty
from macule.evaluation.exam import Exam
from macule.exchange.blocks import Note, Plot, Section, Table
from macule.exchange.sections import uncertainty as sections
from macule.taxonomy import Diagnosis


def conformal(**changes: float) -> Conformal:
    """From 0.2 up, but for `changes`; vascular lesions were too rare."""
    return Conformal(0.9, 100, {code: Limit(changes.get(code.value, 0.2), 30, 20, code is not Diagnosis.VASC)
                                for code in Diagnosis})


def exam(folder, answers: list[Answer], limits: Conformal | None = None) -> Exam:
    made = make(folder, answers)
    return dataclasses.replace(made, bundle=dataclasses.replace(made.bundle, conformal=limits))


@pytest.fixture(scope="module")
def mixed(tmp_path_factory) -> Exam:
    """40 naevi that are named, 30 melanomas of which 12 are taken for naevi (0.9), and one vascular lesion."""
    answers = [Answer("nv", "nv", 0.8, patient=somebody(n)) for n in range(40)]
    answers += [Answer("mel", "nv" if n < 12 else "mel", 0.9 if n < 12 else 0.7, patient=somebody(n))
                for n in range(30)]
    answers += [Answer("vasc", "vasc", 0.99)]
    return exam(tmp_path_factory.mktemp("mixed") / "bundle", answers, conformal())


def test_coverage_and_size(mixed: Exam) -> None:
    found = uncertainty.measure(mixed)["conformal"]
    assert found["overall"]["coverage"]["value"] == pytest.approx(59 / 71, abs=1e-4)
    assert found["overall"]["size"]["value"] == 1 and found["overall"]["single"]["value"] == 1
    assert found["classes"]["mel"]["coverage"] | {"low": 0, "high": 0} == {"value": 0.6, "low": 0, "high": 0, "n": 30}
    assert found["classes"]["nv"]["coverage"]["value"] == 1 and found["classes"]["nv"]["coverage"]["low"] > 0.9
    assert found["classes"]["df"]["coverage"]["value"] is None and found["classes"]["df"]["coverage"]["n"] == 0
    assert not found["classes"]["vasc"]["guaranteed"]
    assert found["sizes"][:3] == [0, 71, 0]


def test_a_lower_limit_makes_larger_sets_and_a_higher_one_empty_ones(mixed: Exam) -> None:
    def overall(limits: Conformal):
        bundle = dataclasses.replace(mixed.bundle, conformal=limits)
        return uncertainty.measure(dataclasses.replace(mixed, bundle=bundle))["conformal"]["overall"]

    wide = overall(conformal(mel=0.01))
    assert wide["coverage"]["value"] == 1 and wide["size"]["value"] > 1.3
    assert overall(Conformal(0.9, 1, {c: Limit(0.95, 9, 9, True) for c in Diagnosis}))["empty"]["value"] > 0.9


def test_groups_are_told_apart(mixed: Exam) -> None:
    groups = {each["key"]: each["groups"] for each in uncertainty.measure(mixed)["conformal"]["groups"]}
    assert {row["name"] for row in groups["sex"]} == {"female", "male", "not stated"}
    assert sum(row["coverage"]["n"] for row in groups["sex"]) == 71
    assert all(row["muted"] == (row["coverage"]["n"] < 30) for row in groups["sex"])


def test_sets_are_those_that_a_clinic_is_served(tmp_path) -> None:
    """An exam of three classes. Half of the probability lies on actinic keratosis, which its labels never take: what is
    left would reach the limit if it were shared out anew, but nobody is served that.
    """
    made = exam(tmp_path / "bundle", [Answer("nv", "nv")] * 20 + [Answer("mel", "mel")] * 15, conformal())
    known = tuple(sorted(list(Diagnosis).index(Diagnosis(code)) for code in ("mel", "nv", "bkl")))
    shares = np.zeros_like(made.predictions.shares)
    shares[:20, list(Diagnosis).index(Diagnosis.NV)] = 0.15
    shares[20:, list(Diagnosis).index(Diagnosis.MEL)] = 0.5
    shares[:, list(Diagnosis).index(Diagnosis.AKIEC)] = 1 - shares.sum(axis=1)
    made = dataclasses.replace(made, classes=known, predictions=dataclasses.replace(made.predictions, shares=shares))
    assert (made.projected.max(axis=1) == 1).all()
    found = uncertainty.measure(made)["conformal"]
    assert found["overall"]["coverage"]["value"] == pytest.approx(15 / 35, abs=1e-4)
    assert found["overall"]["single"]["value"] == pytest.approx(20 / 35, abs=1e-4)
    assert found["overall"]["right_when_single"]["value"] == 0
    assert found["sizes"][:3] == [0, 20, 15] and len(found["sizes"]) == 12
    assert set(found["classes"]) == {"mel", "nv", "bkl"} and found["classes"]["nv"]["coverage"]["value"] == 0
    served = [made.bundle.conformal.plausible(row) for row in shares]
    assert [len(each) for each in served] == [1] * 20 + [2] * 15
    told = " ".join(getattr(block, "text", "") for block in sections.section(found_of(made)).blocks)
    assert "any of the 11 diagnoses" in told


def found_of(made: Exam) -> dict:
    return json.loads(json.dumps(uncertainty.measure(made)))


def test_coverage_is_promised_only_where_the_calibration_part_came_from(mixed: Exam) -> None:
    assert not uncertainty.measure(mixed)["conformal"]["same_population"]
    path = mixed.bundle.folder / membership.FILE
    membership.write(path, {"calibration": [dataclasses.replace(mixed.predictions.records[0], group="ham10000:1")]})
    other = dataclasses.replace(mixed, dataset="isic2017")
    found = [uncertainty.measure(each)["conformal"]["same_population"] for each in (mixed, other)]
    path.unlink()
    assert found == [True, False]


def test_deferring_what_is_unsure_lowers_the_error(tmp_path) -> None:
    """Every mistake is less sure than every right answer: of 40 pictures the last 10 kept are wrong."""
    answers = [Answer("nv", "nv", 0.9 - n / 1000) for n in range(30)]
    answers += [Answer("mel", "nv", 0.6 - n / 1000, risk="low") for n in range(10)]
    risk = uncertainty.measure(exam(tmp_path / "bundle", answers))["selective"]["error"]
    at = {row["share"]: row["risk"]["value"] for row in risk["kept"]}
    assert at[0.7] == 0 and at[1.0] == 0.25 and at[0.9] == pytest.approx(6 / 36, abs=1e-4)
    area = np.mean([max(0, kept - 30) / kept for kept in range(1, 41)])
    assert risk["aurc"]["value"] == pytest.approx(area, abs=1e-4)
    assert risk["random"]["value"] == 0.25 and risk["gain"]["value"] == pytest.approx(0.25 - area, abs=2e-4)
    assert risk["aurc"]["low"] <= risk["aurc"]["value"] <= risk["aurc"]["high"]


def test_a_missed_malignant_lesion_is_one_served_as_low_risk(tmp_path) -> None:
    """Two of three melanomas that look like naevi are missed: the gate flagged the third, which is medium by that."""
    answers = [Answer("mel", "nv", 0.9)] * 2 + [Answer("mel", "nv", 0.9, risk="medium", admitted=False)]
    answers += [Answer("mel", "mel", risk="high")] * 9 + [Answer("nv", "nv")] * 8
    risk = uncertainty.measure(exam(tmp_path / "bundle", answers))["selective"]["missed_malignant"]
    assert risk["n"] == 20 and risk["counted"] == 12 and risk["random"]["value"] == pytest.approx(2 / 12, abs=1e-4)
    none = uncertainty.measure(exam(tmp_path / "other", [Answer("nv", "nv")] * 5))["selective"]["missed_malignant"]
    assert none == {"n": 0}


def test_each_point_says_how_many_it_is_measured_on(tmp_path) -> None:
    """The surest half holds 30 naevi and 20 melanomas, none of them missed; 25 melanomas are less sure, 10 missed."""
    answers = [Answer("nv", "nv", 0.95)] * 30 + [Answer("mel", "mel", 0.9, risk="high")] * 20
    answers += [Answer("nv", "nv", 0.7)] * 25 + [Answer("mel", "nv", 0.6)] * 10
    answers += [Answer("mel", "mel", 0.5, risk="high")] * 15
    missed = uncertainty.measure(exam(tmp_path / "bundle", answers))["selective"]["missed_malignant"]
    at = {row["share"]: row for row in missed["kept"]}
    assert (at[0.5]["pictures"], at[0.5]["bad"], at[0.5]["risk"]["n"]) == (50, 0, 20)
    assert (at[1.0]["pictures"], at[1.0]["bad"], at[1.0]["risk"]["n"]) == (100, 10, 45)
    # None of 20 lesions: Wilson's interval, not "0.0 (0.0 to 0.0)".
    assert at[0.5]["risk"]["low"] == 0 and at[0.5]["risk"]["high"] == pytest.approx(0.1611, abs=1e-4)
    curve = missed["curve"]
    assert curve["x"][0] == 0.4 and all(high > 0.1 for high in curve["high"])  # the 40th picture is the tenth melanoma
    table = next(block for block in sections.section({"conformal": None, "selective": {
        "error": missed, "missed_malignant": missed}}).blocks if isinstance(block, Table))
    assert table.rows[-1][1] == 50 and table.rows[-1][3] == "0 of 20" and table.muted == (2, 3, 4)


def test_few_pictures_have_a_lead_and_no_curve(tmp_path) -> None:
    found = found_of(exam(tmp_path / "bundle", [Answer("nv", "nv")] * 9))
    assert found["selective"]["error"]["curve"]["x"] == []
    drawn = sections.section(found)
    assert drawn.lead.startswith("9 pictures have a label of one diagnosis: too few")
    assert not any(isinstance(block, Plot) for block in drawn.blocks)


def test_an_empty_exam_is_not_measured(tmp_path) -> None:
    found = uncertainty.measure(exam(tmp_path / "bundle", [], conformal()))
    assert found["conformal"]["overall"]["coverage"]["value"] is None
    json.dumps(found)
    assert not sections.section(found).measured and sections.section(found).lead


def test_the_section_is_drawn_from_the_json_alone(mixed: Exam) -> None:
    drawn = sections.section(json.loads(json.dumps(uncertainty.measure(mixed))))
    assert isinstance(drawn, Section) and "83.1 %" in drawn.lead and "not promised" in drawn.lead
    notes = [block.text for block in drawn.blocks if isinstance(block, Note)]
    assert any("not guaranteed" in text for text in notes) and any("vasc" in text for text in notes)
    assert sum(isinstance(block, Plot) for block in drawn.blocks) == 2


def test_a_bundle_without_limits_says_how_to_fit_them(tmp_path) -> None:
    assert write_bundle(tmp_path / "bundle").exists()
    found = uncertainty.measure(exam(tmp_path / "bundle", [Answer("nv", "nv")] * 4))
    assert found["conformal"] is None
    drawn = sections.section(found)
    assert any("macule refit" in block.text for block in drawn.blocks if isinstance(block, Note))
