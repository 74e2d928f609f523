"""Groups, gaps and their intervals. fairlearn, scikit-learn and scipy are the oracles."""

from __future__ import annotations

import json

import numpy as np
import pytest

from macule.analysis import bundle as bundles
from macule.analysis import calibrate
from macule.analysis.patient import Modality, Patient, Sex, Site
from macule.data.record import Record
from macule.data.vocabulary import SkinTone, ToneScale
from macule.evaluation import fairness, metrics
from macule.evaluation.exam import Exam
from macule.evaluation.fairness import gaps, groups, proxy
from macule.evaluation.fairness.figures import Facts
from macule.evaluation.predictions import CODES, Predictions
from macule.exchange.blocks import Forest, Section, Table
from macule.exchange.sections import fairness as page
from macule.taxonomy import Diagnosis

CLASSES = (Diagnosis.MEL, Diagnosis.NV, Diagnosis.BCC, Diagnosis.BKL)


def record(number: int, label: Diagnosis, *, sex=None, tone=None, age=None, site=None, centre=None,
           modality=Modality.CLINICAL, lesion=None) -> Record:
    patient = Patient(age=age, sex=sex, site=site, modality=modality)
    return Record(None, "milk10k", f"p{number}", frozenset({label}), lesion or f"milk10k:{number}", patient,
                  skin_tone=tone, centre=centre)


def answered(records, *, skill=2.0, seed=1, tones=None, refused=()) -> Predictions:
    """skill: how far the right class's logit stands above the others, of one number or one a record."""
    rng = np.random.default_rng(seed)
    logits = np.full((len(records), len(CODES)), -9.0)
    places = [CODES.index(code) for code in CLASSES]
    logits[:, places] = rng.normal(size=(len(records), len(places)))
    for row, (each, gain) in enumerate(zip(records, np.broadcast_to(skill, len(records)), strict=True)):
        logits[row, CODES.index(each.diagnosis)] += gain
    shares = np.exp(logits)
    return served(records, shares / shares.sum(axis=1, keepdims=True), rng.random(len(records)) > 0.1, refused=refused,
                  tones=np.zeros(0) if tones is None else np.asarray(tones, float))


def served(records, shares, admitted, **more) -> Predictions:
    """With the risk that the shipped bundle serves."""
    limits = bundles.load().thresholds
    risks = [calibrate.risk(calibrate.malignant(row), limits, in_distribution=bool(known)).value
             for row, known in zip(shares, admitted, strict=True)]
    return Predictions(records, shares, risks, admitted=np.asarray(admitted, bool), **more)


def exam(answers: Predictions, *, resamples=200) -> Exam:
    classes = tuple(sorted(CODES.index(code) for code in CLASSES))
    return Exam.of(bundles.load(), answers, dataset="milk10k", part="test", classes=classes, resamples=resamples)


def people(count=240, *, seed=3, **fixed):
    rng = np.random.default_rng(seed)
    return [record(n, CLASSES[int(rng.integers(len(CLASSES)))], sex=list(Sex)[n % 2], age=float(rng.integers(20, 90)),
                   site=list(Site)[n % 3], centre=f"clinic {n % 2}",
                   tone=SkinTone(ToneScale.MILK, float(2 + n % 3)), **fixed) for n in range(count)]


@pytest.fixture(scope="module")
def measured():
    asked = exam(answered(people(), tones=np.random.default_rng(0).normal(30, 30, 240)))
    return asked, fairness.measure(asked)


def attribute(found, key):
    (one,) = [each for each in found["attributes"] if each["key"] == key]
    return one


def named(attribute, name):
    (one,) = [each for each in attribute["groups"] if each["name"] == name]
    return one


# -- figures ------------------------------------------------------------------------------------------------------


def test_figures_of_groups_are_those_of_fairlearn(measured):
    frames = pytest.importorskip("fairlearn.metrics")
    skm = pytest.importorskip("sklearn.metrics")
    asked, found = measured
    facts, sex = Facts.of(asked), [r.patient.sex.value for r in asked.predictions.records]
    called = np.array(asked.predictions.risks) != "low"
    frame = frames.MetricFrame(
        metrics={"sensitivity_medium": frames.true_positive_rate, "specificity_medium": frames.true_negative_rate},
        y_true=facts.positive, y_pred=called, sensitive_features=sex)
    by_sex = attribute(found, "sex")
    for name in ("female", "male"):
        figures_ = named(by_sex, name)["figures"]
        for metric in ("sensitivity_medium", "specificity_medium"):
            assert figures_[metric]["value"] == pytest.approx(frame.by_group.loc[name, metric], abs=1e-4)
        of = np.array(sex) == name
        assert figures_["malignant_auc"]["value"] == pytest.approx(
            skm.roc_auc_score(facts.positive[of], facts.scores[of]), abs=1e-4)
        assert figures_["balanced_accuracy"]["value"] == pytest.approx(
            skm.balanced_accuracy_score(facts.targets[of], facts.first[of]), abs=1e-4)
    for gap in by_sex["gaps"]:
        if gap["metric"] in frame.by_group:
            assert gap["value"] == pytest.approx(frame.difference()[gap["metric"]], abs=1e-4)
    odds = by_sex["equalised_odds"]
    assert odds["difference"]["value"] == pytest.approx(
        frames.equalized_odds_difference(facts.positive, called, sensitive_features=sex), abs=1e-4)
    assert odds["ratio"]["value"] == pytest.approx(
        frames.equalized_odds_ratio(facts.positive, called, sensitive_features=sex), abs=1e-4)


def test_all_pictures_together_are_the_exams_own_figures(measured):
    asked, found = measured
    facts, whole = Facts.of(asked), found["overall"]["figures"]
    right = facts.first == facts.targets
    weights = asked.weights
    assert whole["calibration_error"]["value"] == pytest.approx(
        metrics.calibration_error(facts.confidence, right, np.ones((1, 240)))[0], abs=1e-4)
    auc = metrics.figure(lambda w: metrics.auc(facts.scores, facts.positive, w), weights)
    assert whole["malignant_auc"] == auc.to_dict() | {"positives": int(facts.positive.sum())}
    assert whole["overestimate"]["value"] == pytest.approx(float((facts.scores - facts.positive).mean()), abs=1e-4)
    assert whole["flagged"]["value"] == pytest.approx(float((~asked.predictions.admitted).mean()), abs=1e-4)


def test_the_gaps_interval_is_paired(measured):
    """Of one lesion's two pictures, seen by two modalities, both are drawn or neither."""
    records = [record(n, CLASSES[n // 2 % 4], lesion=f"milk10k:{n // 2}", modality=list(Modality)[n % 2])
               for n in range(400)]
    twins = np.repeat(np.arange(0, 400, 2), 2)
    # The modality makes no difference.
    same = served(records, answered(records, skill=1.0).shares[twins], np.ones(400, bool))
    found = attribute(fairness.measure(exam(same)), "modality")
    gap = next(each for each in found["gaps"] if each["metric"] == "malignant_auc")
    assert gap["value"] == 0 and gap["low"] in {0, None} and not gap["holds"]
    alone = named(found, "clinical")["figures"]["malignant_auc"]
    assert alone["high"] - alone["low"] > 0.05


def test_a_group_that_is_served_worse_is_found_and_a_fair_bundle_is_not_accused():
    records = people(600)
    unfair = [0.0 if r.patient.sex is Sex.FEMALE else 3.0 for r in records]
    gap = next(each for each in attribute(fairness.measure(exam(answered(records, skill=unfair))), "sex")["gaps"]
               if each["metric"] == "malignant_auc")
    assert (gap["highest"], gap["lowest"], gap["holds"]) == ("male", "female", True)
    assert gap["value"] > 0.1 and 0 < gap["adjusted_low"] < gap["low"] < gap["value"] < gap["high"]
    fair = fairness.measure(exam(answered(records)))
    assert not any(each["holds"] for one in fair["attributes"] for each in one["gaps"])


def test_looks_are_counted(measured):
    _, found = measured
    assert found["looks"] == sum(gap["pairs"] for each in found["attributes"] for gap in each["gaps"]) > 50


# -- small groups and what is not stated --------------------------------------------------------------------------


def test_a_group_under_thirty_is_muted_and_never_compared():
    records = people(200)
    records += [record(1000 + n, CLASSES[n % 4], sex=Sex.MALE, tone=SkinTone(ToneScale.MILK, 0.0)) for n in range(29)]
    skill = [3.0] * 200 + [-8.0] * 29  # it would be the widest gap
    found = fairness.measure(exam(answered(records, skill=skill)))
    tones = attribute(found, "skin_tone:milk")
    dark = named(tones, "0")
    assert dark["muted"] and dark["n"] == 29 and not dark["compared"]
    assert dark["figures"]["malignant_auc"]["value"] is not None
    assert not any("0" in (gap["highest"], gap["lowest"]) for gap in tones["gaps"])
    section = page.section(found)
    forest = next(b for b in section.blocks if isinstance(b, Forest) and "skin tone" in b.title)
    assert {name: faint for name, _, faint in forest.rows}["0"]
    assert " 0 " not in section.lead.replace("0 very dark", "")


def test_one_group_is_not_measured():
    records = [record(n, CLASSES[n % 4], sex=Sex.MALE) for n in range(100)]
    found = fairness.measure(exam(answered(records)))
    assert attribute(found, "sex")["status"] == "not measured: only one group with n >= 30"
    assert attribute(found, "skin_tone")["status"] == "not measured: no picture states it"
    assert found["looks"] == 0 and not page.section(found).measured
    assert "n >= 30" in page.section(found).lead


def test_small_groups_alone_are_not_measured():
    found = fairness.measure(exam(answered(people(40))))
    assert attribute(found, "sex")["status"] == "not measured: no group with n >= 30"
    assert not attribute(found, "sex")["gaps"]


def test_no_pictures_at_all():
    found = fairness.measure(exam(answered([])))
    assert found["overall"]["n"] == 0 and not page.section(found).measured
    json.dumps(found, allow_nan=False)


def test_few_malignant_pictures_leave_the_sensitivity_out():
    records = [record(n, Diagnosis.MEL if n < 9 else Diagnosis.NV, sex=Sex.FEMALE) for n in range(60)]
    records += [record(100 + n, CLASSES[n % 4], sex=Sex.MALE) for n in range(60)]
    by_sex = attribute(fairness.measure(exam(answered(records))), "sex")
    compared = {gap["metric"] for gap in by_sex["gaps"]}
    assert "specificity_medium" in compared and "sensitivity_medium" not in compared
    assert by_sex["equalised_odds"] is None and "sensitivity_medium" not in named(by_sex, "female")["compared"]


def test_what_is_not_stated_is_its_own_group_and_is_not_compared():
    records = people(120) + [record(1000 + n, CLASSES[n % 4]) for n in range(60)]
    found = fairness.measure(exam(answered(records, skill=[4.0] * 120 + [-4.0] * 60)))
    for key in ("sex", "age", "site", "centre", "skin_tone:milk"):
        one = attribute(found, key)
        assert one["groups"][-1]["name"] == "not stated" and one["groups"][-1]["n"] == 60
        assert not any("not stated" in (gap["highest"], gap["lowest"]) for gap in one["gaps"])


def test_refused_pictures_count_in_their_group():
    refused = [record(5000 + n, Diagnosis.NV, sex=Sex.FEMALE) for n in range(30)]
    by_sex = attribute(fairness.measure(exam(answered(people(), refused=refused))), "sex")
    rate = named(by_sex, "female")["figures"]["refused"]
    assert rate["value"] == pytest.approx(30 / 150) and rate["n"] == 150 and rate["low"] < 0.2 < rate["high"]
    (gap,) = [each for each in by_sex["gaps"] if each["metric"] == "refused"]
    assert gap["highest"] == "female" and gap["low"] > 0.1


def test_a_group_that_is_refused_altogether_is_shown():
    refused = [record(5000 + n, Diagnosis.NV, sex=Sex.FEMALE) for n in range(12)]
    men = [record(n, CLASSES[n % 4], sex=Sex.MALE) for n in range(60)]
    found = fairness.measure(exam(answered(men, refused=refused)))
    women = named(attribute(found, "sex"), "female")
    assert (women["n"], women["refused"], women["muted"]) == (0, 12, True)
    assert women["figures"]["refused"]["value"] == 1 and women["figures"]["refused"]["low"] < 0.8
    assert page.section(json.loads(json.dumps(found, allow_nan=False))).blocks


def test_what_the_gate_flags_is_called_however_small_its_probability():
    """40 sure naevi a sex; those of women are all flagged, as are their 20 melanomas that look like naevi."""
    records = [record(n, Diagnosis.NV if n < 80 else Diagnosis.MEL, sex=list(Sex)[n % 2]) for n in range(120)]
    shares = np.zeros((120, len(CODES)))
    shares[:, CODES.index(Diagnosis.NV)] = 1.0
    women = np.array([r.patient.sex is Sex.FEMALE for r in records])
    found = fairness.measure(exam(served(records, shares, ~women)))
    figures_ = {name: named(attribute(found, "sex"), name)["figures"] for name in ("female", "male")}
    values = {name: [each[f"{what}_medium"]["value"] for what in ("sensitivity", "specificity")]
              for name, each in figures_.items()}
    assert values == {"female": [1, 0], "male": [0, 1]}
    assert figures_["female"]["sensitivity_high"]["value"] == 0
    for own in attribute(found, "sex")["own_thresholds"]:
        for name in ("sensitivity", "specificity", "sensitivity_now", "specificity_now"):
            assert own[name]["low"] is None or own[name]["low"] < own[name]["high"]
    own = {each["name"]: each for each in attribute(found, "sex")["own_thresholds"]}
    assert own["female"]["specificity"]["value"] == 0 and own["female"]["sensitivity"]["value"] == 1


def test_no_interval_has_no_width():
    """Everybody is told the same and rightly: every resample agrees, which says nothing of others."""
    found = fairness.measure(exam(answered(people(240), skill=30.0)))

    def narrow(node):
        if isinstance(node, dict):
            if node.get("value") is not None and node.get("low") is not None and node["low"] == node["high"]:
                yield node
            for each in node.values():
                yield from narrow(each)
        elif isinstance(node, list):
            for each in node:
                yield from narrow(each)

    assert not list(narrow(found))


def test_wilson_is_scipys():
    stats = pytest.importorskip("scipy.stats")
    low, high = metrics.wilson(7, 40)
    assert stats.binomtest(7, 40).proportion_ci(method="wilson") == pytest.approx((low, high), abs=1e-6)


# -- scales and the proxy -----------------------------------------------------------------------------------------


def test_two_scales_are_never_mixed():
    records = [record(n, CLASSES[n % 4], tone=SkinTone(ToneScale.MILK if n % 2 else ToneScale.FITZPATRICK,
                                                       float(2 + n % 3))) for n in range(400)]
    found = fairness.measure(exam(answered(records)))
    for scale in ("milk", "fitzpatrick"):
        one = attribute(found, f"skin_tone:{scale}")
        assert one["scale"] == scale and named(one, "not stated")["n"] == 200
        assert sum(group["n"] for group in one["groups"]) == 400
    titles = [block.title for block in page.section(found).blocks if isinstance(block, Forest)]
    for title in titles:
        if "skin tone" in title:
            assert ("MILK10k's scale" in title) != ("Fitzpatrick's scale" in title)


def test_lumped_tones_keep_their_range():
    lumped = record(1, Diagnosis.NV, tone=SkinTone(ToneScale.FITZPATRICK, 1.0, 2.0))
    assert groups.tone(lumped, ToneScale.FITZPATRICK) == "1 to 2"
    assert groups.tone(lumped, ToneScale.MILK) == "not stated"


def test_the_proxy_is_used_where_no_label_is_and_is_called_one():
    records = [record(n, CLASSES[n % 4], tone=SkinTone(ToneScale.MILK, 3.0) if n < 100 else None) for n in range(300)]
    found = fairness.measure(exam(answered(records, tones=np.where(np.arange(300) % 2, 60.0, 20.0))))
    angle = attribute(found, "ita")
    assert angle["proxy"] and "proxy" in angle["title"]
    assert {group["name"]: group["n"] for group in angle["groups"]} == {"very light": 100, "tan": 100}
    assert all(group["figures"]["refused"]["value"] is None for group in angle["groups"])
    shown = [block for block in page.section(found).blocks if isinstance(block, Forest) and "ITA" in block.title]
    assert shown and all("proxy" in block.title for block in shown)


@pytest.mark.parametrize(("degrees", "name"), [
    (80, "very light"), (55.1, "very light"), (55, "light"), (42, "light"), (30, "intermediate"), (20, "tan"),
    (0, "brown"), (-30, "dark"), (-80, "dark"), (float("nan"), "not stated"),
])
def test_bands(degrees, name):
    assert groups.band(degrees) == name


def test_spearman_is_scipys():
    stats = pytest.importorskip("scipy.stats")
    rng = np.random.default_rng(0)
    one = rng.normal(size=80)
    other = np.round(one + rng.normal(size=80))
    assert proxy.spearman(one, other, np.ones((1, 80)))[0] == pytest.approx(stats.spearmanr(one, other)[0])
    times = rng.integers(0, 3, 80)
    repeated = stats.spearmanr(np.repeat(one, times), np.repeat(other, times))[0]
    assert proxy.spearman(one, other, times[None].astype(np.float32))[0] == pytest.approx(repeated, abs=1e-6)


def test_the_proxys_agreement_is_told_by_modality():
    records = [record(n, CLASSES[n % 4], tone=SkinTone(ToneScale.MILK, float(1 + n % 5)),
                      modality=list(Modality)[n // 100]) for n in range(200)]
    angles = [10.0 * (n % 5) if n // 100 else float(np.random.default_rng(n).normal()) for n in range(200)]
    found = fairness.measure(exam(answered(records, tones=angles)))
    by_kind = {each["modality"]: each["spearman"] for each in found["proxy"]}
    assert by_kind["clinical"]["value"] == pytest.approx(1) and by_kind["clinical"]["n"] == 100
    assert by_kind["dermoscopic"]["low"] < 0 < by_kind["dermoscopic"]["high"]
    table = next(b for b in page.section(found).blocks if isinstance(b, Table) and "follow" in b.title)
    assert "does not follow the label: dermoscopic" in table.note


def test_fitzpatricks_scale_runs_the_other_way():
    records = [record(n, CLASSES[n % 4], tone=SkinTone(ToneScale.FITZPATRICK, float(1 + n % 6))) for n in range(120)]
    found = fairness.measure(exam(answered(records, tones=[-float(n % 6) for n in range(120)])))
    assert found["proxy"][0]["spearman"]["value"] == pytest.approx(1)


# -- thresholds of their own, crossed groups, the section -----------------------------------------------------------


def test_a_threshold_of_its_own_reaches_the_sensitivity_in_the_group(measured):
    records = people(800)
    shy = answered(records, skill=[1.0 if r.patient.sex is Sex.FEMALE else 3.0 for r in records])
    asked = exam(shy)
    own = {each["name"]: each for each in attribute(fairness.measure(asked), "sex")["own_thresholds"]}
    aim = asked.bundle.thresholds.medium.sensitivity
    for each in own.values():
        assert each["sensitivity"]["value"] == pytest.approx(aim, abs=0.06)
    assert own["female"]["threshold"] < own["male"]["threshold"]
    assert own["female"]["specificity"]["value"] < own["male"]["specificity"]["value"]


def test_crossed_groups_only_where_there_are_enough():
    def keys(count):
        return [each["key"] for each in fairness.measure(exam(answered(people(count))))["attributes"]]

    assert "skin_tone:milk*sex" in keys(240) and "skin_tone:milk*sex" not in keys(120)


def test_the_section_says_the_finding_in_numbers(measured):
    _, found = measured
    section = page.section(json.loads(json.dumps(found, allow_nan=False)))
    assert isinstance(section, Section) and section.measured
    assert "MILK10k's scale" in section.lead and f"{found['looks']}" in section.lead and " to " in section.lead
    forests = [block for block in section.blocks if isinstance(block, Forest)]
    for key in ("sex", "age", "body site", "centre"):
        assert sum(f"by {key}" in block.title for block in forests) == 3
    tables = {block.title for block in section.blocks if isinstance(block, Table)}
    assert "Largest gap of each figure" in tables and "Equalised odds at the medium threshold" in tables


def test_the_lead_does_not_shout_at_the_widest_gap():
    found = fairness.measure(exam(answered(people(240), skill=3.0)))
    if not any(gap["holds"] for each in found["attributes"] for gap in each["gaps"]):
        assert "none shows a difference once their number is allowed for" in page.section(found).lead


def test_equalised_odds_needs_two_groups():
    assert gaps.equalised_odds([]) is None


def test_the_report_names_no_picture(measured):
    asked, found = measured
    assert f'"{asked.predictions.records[0].picture_id}"' not in json.dumps(found)
