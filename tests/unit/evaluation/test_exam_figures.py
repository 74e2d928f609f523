"""The sections diagnosis, calibration and decision, from answers whose figures can be worked out."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest

from macule.analysis.bundle import Threshold, Thresholds
from macule.analysis.calibrate import risk
from macule.analysis.calibration import SUSPICIOUS, Calibration, MalignantSum
from macule.analysis.patient import Patient
from macule.data.record import Record
from macule.evaluation import calibration, decision, diagnosis
from macule.evaluation.exam import Exam
from macule.evaluation.predictions import CODES, Predictions
from macule.exchange import sections, shown
from macule.exchange.blocks import Forest, Note, Plot, Table, Value
from macule.exchange.sections import calibration as calibration_section
from macule.exchange.sections import decision as decision_section
from macule.exchange.sections import diagnosis as diagnosis_section
from macule.exchange.sections import figures
from macule.taxonomy import Diagnosis as D

NV, MEL, BKL = (CODES.index(code) for code in (D.NV, D.MEL, D.BKL))
SECTIONS = ((diagnosis, diagnosis_section), (calibration, calibration_section), (decision, decision_section))


def record(place, labels, *, group=None, malignant=None):
    return Record(None, "isic2017", f"p{place}", frozenset(labels), group or f"isic2017:{place}", Patient(),
                  malignant=malignant)


@pytest.fixture
def exam(tiny_bundle):
    """Of pictures as (labels, probability of melanoma); the rest is a naevus's."""
    def build(pictures, *, groups=None, temperature=1.0, resamples=100, flagged=(), refused=(), failed=()):
        shares = np.zeros((len(pictures), len(CODES)))
        for place, (_, melanoma) in enumerate(pictures):
            shares[place, [MEL, NV]] = melanoma, 1 - melanoma
        records = [record(place, labels, group=groups[place] if groups else None)
                   for place, (labels, _) in enumerate(pictures)]
        limits = Thresholds(Threshold(0.2, 0.95), Threshold(0.6, 0.8), {})
        bundle = dataclasses.replace(tiny_bundle, thresholds=limits, calibration=Calibration(temperature))
        risks = [risk(score, limits, in_distribution=place not in flagged).value
                 for place, (_, score) in enumerate(pictures)]
        absent = [[record(f"{why}{place}", labels) for place, labels in enumerate(some)]
                  for why, some in (("r", refused), ("f", failed))]
        return Exam.of(bundle, Predictions(records, shares, risks, *absent), dataset="isic2017", part="test",
                       classes=tuple(sorted((NV, MEL, BKL))), resamples=resamples)

    return build


def drawn(count, *, seed=0):
    rng = np.random.default_rng(seed)
    scores = rng.uniform(0.01, 0.99, count)
    return [({D.MEL} if hit else {D.NV}, score) for score, hit in zip(scores, rng.random(count) < scores, strict=True)]


FEW = [({D.MEL}, 0.9), ({D.MEL}, 0.3), ({D.NV}, 0.7), ({D.NV}, 0.1), ({D.NV}, 0.1)]


def test_diagnosis_by_hand(exam):
    found = diagnosis.measure(exam(FEW))
    assert found["confusion"] == {"classes": ["bkl", "mel", "nv"], "rows": [[0, 0, 0], [0, 1, 1], [0, 1, 2]]}
    assert found["overall"]["accuracy"]["value"] == 0.6
    row = found["classes"]["mel"]
    assert {key: row[key]["value"] for key in ("sensitivity", "specificity", "precision", "npv")} == pytest.approx(
        {"sensitivity": 1 / 2, "specificity": 2 / 3, "precision": 1 / 2, "npv": 2 / 3}, abs=1e-4)
    points = found["malignant"]["operating_points"]
    assert (points["medium"]["sensitivity"]["value"], points["high"]["sensitivity"]["value"]) == (1.0, 0.5)
    assert points["medium"]["specificity"]["value"] == pytest.approx(2 / 3, abs=1e-4)
    assert (points["medium"]["fitted_sensitivity"], points["medium"]["called"]) == (0.95, 3)
    assert found["malignant"]["auc"]["value"] == pytest.approx(5 / 6, abs=1e-4)


def test_a_class_without_a_picture_keeps_its_row(exam):
    row = diagnosis.measure(exam(FEW))["classes"]["bkl"]
    assert (row["pictures"], row["answered"]) == (0, 0)
    for name in ("sensitivity", "precision", "f1", "auc", "average_precision", "specificity_at_90%_sensitivity"):
        assert row[name]["value"] is None and row[name]["positives"] == 0, name


def test_lumped_labels_count_only_where_they_say_something(exam):
    """Keratosis or naevus is benign; naevus or melanoma, and nothing, do not say."""
    vague = [({D.NV, D.BKL}, 0.05), ({D.NV, D.MEL}, 0.9), (set(), 0.5)]
    found = diagnosis.measure(exam(FEW + vague))
    assert (found["single_class"], found["without_single_class"]) == (5, 3)
    assert (found["malignancy_known"], found["malignancy_unknown"]) == (6, 2)
    assert (found["overall"]["accuracy"]["value"], found["overall"]["accuracy"]["n"]) == (0.6, 5)
    assert (found["malignant"]["n"], found["malignant"]["positives"]) == (6, 2)
    said = diagnosis_section.section(found)
    assert any("3 pictures have no single class" in getattr(block, "text", "") for block in said.blocks)


@pytest.mark.parametrize("label", [D.NV, D.MEL])
def test_one_class_alone(exam, label):
    pictures = [({label}, score) for score in (0.1, 0.4, 0.8)]
    found = diagnosis.measure(exam(pictures))
    assert found["overall"]["macro_auc"]["value"] is None and found["malignant"]["auc"]["value"] is None
    assert found["overall"]["matthews"]["value"] is None
    assert found["curves"]["malignant"]["roc"] == [] and decision.measure(exam(pictures))["thresholds"] == []
    slope = calibration.measure(exam(pictures))["malignant"]["after"]["slope"]
    assert slope["value"] is None


def test_one_lesion_has_values_and_no_intervals(exam):
    found = diagnosis.measure(exam(FEW, groups=["isic2017:a"] * 5))
    for figure in (found["overall"]["accuracy"], found["malignant"]["auc"], found["classes"]["mel"]["sensitivity"],
                   found["malignant"]["operating_points"]["medium"]["specificity"]):
        assert figure["value"] is not None and figure["low"] is None and figure["high"] is None
    word = calibration.measure(exam(FEW, groups=["isic2017:a"] * 5))["malignant"]["after"]
    assert word["brier"]["low"] is None and set(word["reliability"]["low"]) == {None}


def test_a_class_of_one_lesion_has_no_interval_among_many(exam):
    pictures = [({D.MEL}, 0.9), ({D.MEL}, 0.8), *[({D.NV}, score) for score in (0.1, 0.2, 0.85, 0.3)]]
    groups = ["isic2017:m", "isic2017:m", *[f"isic2017:{n}" for n in range(4)]]
    row = diagnosis.measure(exam(pictures, groups=groups))["classes"]["mel"]
    assert (row["sensitivity"]["value"], row["sensitivity"]["low"], row["auc"]["low"]) == (1.0, None, None)
    assert row["specificity"]["low"] is not None


def test_nothing_was_answered(exam):
    empty = exam([])
    for measured, drawing in SECTIONS:
        found = measured.measure(empty)
        json.dumps(found, allow_nan=False)
        assert not drawing.section(found).measured


def test_the_report_says_if_the_malignant_sum_is_calibrated_apart(exam):
    plain = exam(drawn(200))
    apart = dataclasses.replace(plain.bundle, calibration=Calibration(1.0, MalignantSum(1.0, tuple(-1.0 * SUSPICIOUS))))
    for given, told in ((plain, False), (dataclasses.replace(plain, bundle=apart), True)):
        found = calibration.measure(given)
        assert found["malignant_apart"] is told
        (words, *_) = calibration_section.section(found).blocks
        assert ("a shift of each class" in words.text) is told
        # The shift takes from the malignant classes, so that without it they have more.
        change = found["malignant"]["change"]["intercept"]["value"]
        assert (change > 0.5) is told


def test_calibration_of_honest_and_of_boastful_probabilities(exam):
    """The scores are the chances; a temperature of 2 has made them from bolder ones."""
    honest = calibration.measure(exam(drawn(1500, seed=2)))["malignant"]
    assert honest["after"]["slope"]["low"] < 1 < honest["after"]["slope"]["high"]
    assert honest["after"]["intercept"]["low"] < 0 < honest["after"]["intercept"]["high"]
    assert honest["before"] == honest["after"]
    bold = calibration.measure(exam(drawn(1500, seed=2), temperature=2.0))["malignant"]
    # Before: the logits were twice as far from 0, so the slope is half.
    assert bold["before"]["slope"]["value"] == pytest.approx(honest["after"]["slope"]["value"] / 2, abs=1e-3)
    assert bold["after"] == honest["after"]
    assert bold["change"]["ece"]["high"] < 0 and bold["change"]["log_loss"]["high"] < 0
    bins = bold["after"]["reliability"]
    assert sum(bins["pictures"]) == 1500 and set(bins["pictures"]) == {100}
    assert all(low < seen < high for low, seen, high in zip(bins["low"], bins["observed"], bins["high"], strict=True)
               if 0 < seen < 1)


def test_the_brier_score_of_the_malignant_probability(exam):
    found = calibration.measure(exam(FEW))["malignant"]["after"]
    errors = [0.1**2, 0.7**2, 0.7**2, 0.1**2, 0.1**2]
    assert found["brier"]["value"] == pytest.approx(np.mean(errors), abs=1e-4)


def test_decision_curve_of_a_useful_probability(exam):
    found = decision.measure(exam(drawn(1000)))
    assert (len(found["thresholds"]), found["thresholds"][0], found["thresholds"][-1]) == (99, 0.01, 0.99)
    first, last = max(found["useful"], key=lambda ends: ends[1] - ends[0])
    assert first < 0.35 and last > 0.65
    # Everybody, from 1 % on: nearly the share of malignant pictures.
    assert found["everyone"][0] == pytest.approx(found["prevalence"] - (1 - found["prevalence"]) / 99, abs=1e-4)
    assert found["operating_points"]["high"]["gain"]["value"] > 0


def test_a_probability_that_knows_nothing_is_of_no_use(exam):
    rng = np.random.default_rng(3)
    pictures = [({D.MEL} if hit else {D.NV}, 0.5) for hit in rng.random(300) < 0.3]
    found = decision.measure(exam(pictures))
    assert found["useful"] == []
    assert "At no threshold, each" in decision_section.section(found).lead


def test_the_sections_say_it_in_words(exam):
    told = {name.__name__.rpartition(".")[2]: drawing.section(name.measure(exam(drawn(200)))) for name, drawing in
            SECTIONS}
    assert "AUC of 0." in told["diagnosis"].lead and "bundle's own threshold" in told["diagnosis"].lead
    assert "on average over 200 pictures" in told["calibration"].lead
    assert "better than acting on every picture or on none" in told["decision"].lead
    for part in told.values():
        for plot in (block for block in part.blocks if isinstance(block, Plot)):
            assert plot.series and all(len(each.x) == len(each.y) <= 200 for each in plot.series)
            assert all(len(each.band) in (0, len(each.x)) for each in plot.series)
    assert sections.__doc__


def test_classes_with_few_pictures_are_faint(exam):
    """Forty melanomas, five naevi and no keratosis."""
    pictures = [({D.MEL}, 0.6 + n / 200) for n in range(40)] + [({D.NV}, 0.1 + n / 50) for n in range(5)]
    said = diagnosis_section.section(diagnosis.measure(exam(pictures)))
    (forest,) = (block for block in said.blocks if isinstance(block, Forest))
    assert [faint for _, _, faint in forest.rows] == [True, False, True]
    tables = [block for block in said.blocks if isinstance(block, Table) and block.head[0] == "Class"]
    assert len(tables) == 3 and all(table.muted == (0, 2) for table in tables)


def test_three_pictures_are_too_few_for_words(exam):
    for measured, drawing in SECTIONS:
        found = measured.measure(exam(FEW))
        assert "too few" in drawing.section(found).lead


def test_indeterminate_classes_count_as_malignant():
    assert SUSPICIOUS[CODES.index(D.AKIEC)]


def with_a_carcinoma(exam):
    """The first picture's first class of all is basal cell carcinoma, which no label of this set can be."""
    shares = exam.predictions.shares.copy()
    shares[0] = 0
    shares[0, [MEL, CODES.index(D.BCC), NV]] = 0.4, 0.5, 0.1
    return dataclasses.replace(exam, predictions=dataclasses.replace(exam.predictions, shares=shares))


def test_what_is_served_stands_beside_the_closed_set(exam):
    found = diagnosis.measure(with_a_carcinoma(exam(FEW)))
    assert found["classes"]["mel"]["sensitivity"]["value"] == 0.5
    served = found["served"]
    assert served["sensitivity"]["mel"] == {"value": 0.0, "low": 0.0, "high": 0.6576, "n": 5, "positives": 2}
    assert (served["accuracy"]["value"], served["of_other_classes"], served["classes"]) == (0.4, 1, 11)
    assert served["balanced_accuracy"]["value"] == pytest.approx(1 / 3, abs=1e-4)
    said = diagnosis_section.section(diagnosis.measure(with_a_carcinoma(exam(drawn(60)))))
    (table,) = (block for block in said.blocks if getattr(block, "title", "").startswith("What is served"))
    assert [row[0] for row in table.rows] == ["Accuracy", "Balanced accuracy", "Sensitivity, bkl", "Sensitivity, mel",
                                              "Sensitivity, nv"]
    assert "by the first of all 11 classes, which is what is served, it is" in said.lead


def test_a_set_of_all_classes_is_served_as_it_is_scored(exam):
    everything = dataclasses.replace(exam(FEW), classes=tuple(range(len(CODES))))
    found = diagnosis.measure(everything)
    assert found["served"] is None
    assert "served, it is" not in diagnosis_section.section(found).lead


def test_refusals_do_not_flatter(exam):
    """Two melanomas and a naevus without an answer, and one picture whose label does not say."""
    found = diagnosis.measure(exam(FEW, refused=[{D.MEL}, {D.NV}, set()], failed=[{D.MEL}]))
    assert found["refused"] == {"refused": {"suspicious": 1, "benign": 1, "unknown": 1},
                                "unreadable": {"suspicious": 1, "benign": 0, "unknown": 0}}
    counted, plain = found["with_refusals"], found["malignant"]["operating_points"]
    assert (plain["medium"]["sensitivity"]["value"], counted["medium"]["sensitivity"]["value"]) == (1.0, 0.5)
    assert counted["medium"]["specificity"]["value"] == 0.5 and counted["high"]["sensitivity"]["value"] == 0.25
    assert counted["medium"]["sensitivity"]["low"] is not None
    assert (counted["n"], counted["positives"], counted["medium"]["sensitivity"]["n"]) == (8, 4, 8)


def test_refusals_are_said_and_shown(exam):
    measured = diagnosis.measure(exam(drawn(60), refused=[{D.MEL}] * 5))
    said = diagnosis_section.section(measured)
    assert "5 pictures were refused or could not be read; where these count as not found" in said.lead
    titles = [getattr(block, "title", "") for block in said.blocks]
    assert "Pictures that got no answer, by their label" in titles
    assert any(title.startswith("With those that got no answer") for title in titles)


def test_without_refusals_the_figures_are_the_same(exam):
    found = diagnosis.measure(exam(drawn(80), flagged=(1, 2)))
    for level, point in found["malignant"]["operating_points"].items():
        for name in ("sensitivity", "specificity"):
            assert found["with_refusals"][level][name] == point[name]
    assert "refused" not in diagnosis_section.section(found).lead


def test_all_were_refused(exam):
    found = diagnosis.measure(exam([], refused=[{D.MEL}, {D.NV}, {D.NV}]))
    said = diagnosis_section.section(found)
    assert not said.measured and "3 were refused or could not be read (1 malignant or indeterminate, 2 ben" in said.lead
    assert found["with_refusals"]["medium"]["sensitivity"]["value"] == 0.0


def test_what_the_gate_flagged_is_called_as_it_is_served(exam):
    """The last naevus is far below the threshold for medium risk, and is medium all the same."""
    point = diagnosis.measure(exam(FEW, flagged=(4,)))["malignant"]["operating_points"]
    assert (point["medium"]["called"], point["medium"]["called_by_the_gate_alone"]) == (4, 1)
    assert point["medium"]["specificity"]["value"] == pytest.approx(1 / 3, abs=1e-4)
    assert (point["high"]["called"], point["high"]["called_by_the_gate_alone"]) == (2, 0)
    asked, flagged = (decision.measure(exam(FEW, flagged=some))["operating_points"] for some in ((), (4,)))
    assert asked["high"] == flagged["high"]
    # One more false alarm of five, at the price of the threshold.
    assert asked["medium"]["net_benefit"]["value"] - flagged["medium"]["net_benefit"]["value"] == pytest.approx(
        0.2 / 0.8 / 5, abs=2e-4)


def test_a_constant_answer_gains_nothing_from_classes_that_go_missing(exam):
    """One keratosis: a resample without it has a mean over two classes, in which a constant answer is worth a half."""
    pictures = [({D.NV}, 0.1)] * 20 + [({D.MEL}, 0.1)] * 20 + [({D.BKL}, 0.1)]
    found = diagnosis.measure(exam(pictures))
    balanced = found["overall"]["balanced_accuracy"]
    assert balanced["value"] == pytest.approx(1 / 3, abs=1e-4) and balanced["low"] is None
    assert 40 < found["resamples_with_every_class"] < 90
    assert found["classes_of_few_lesions"] == ["bkl"]
    assert found["overall"]["balanced_accuracy_of_classes_with_5_lesions"]["value"] == 0.5
    notes = [block.text for block in diagnosis_section.section(found).blocks if isinstance(block, Note)]
    assert any("bkl (1 lesion)" in text and "50.0 %" in text for text in notes)
    assert any("of 100 resamples hold every class" in text for text in notes)


def test_no_note_where_every_class_has_lesions_enough(exam):
    found = diagnosis.measure(exam(drawn(200)))
    assert found["classes_of_few_lesions"] == [] and found["resamples_with_every_class"] == 100
    assert not any(name.startswith("balanced_accuracy_of") for name in found["overall"])
    assert not any(isinstance(block, Note) for block in diagnosis_section.section(found).blocks)


def test_a_partial_area_has_no_rail(exam):
    said = diagnosis_section.section(diagnosis.measure(exam(drawn(100))))
    cells = [(row[0], head, cell) for block in said.blocks if isinstance(block, Table) for row in block.rows
             for head, cell in zip(block.head, row, strict=True) if isinstance(cell, Value)]
    partial = [cell for row, head, cell in cells if "pAUC" in row + head]
    assert len(partial) == 4 and all(shown.figure(cell).at is None for cell in partial)
    assert all(shown.figure(cell).at is not None for row, head, cell in cells if row == "AUC" and cell.value)


def test_an_interval_without_width_is_not_shown():
    figure = {"value": 0.9999, "low": 0.9998, "high": 0.9999, "n": 9}
    assert shown.figure(figures.value(figure)).interval == "" and figures.number(figure) == "1.000 (no interval)"
    assert figures.share(figure) == "100.0 % (no interval)"
    assert figures.share(figure | {"low": 0.5}) == "100.0 % (50.0 to 100.0 %)"


def test_one_kind_alone_is_said_in_a_sentence(exam):
    said = diagnosis_section.section(diagnosis.measure(exam([({D.NV}, 0.1 + n / 100) for n in range(40)])))
    texts = [getattr(block, "text", "") for block in said.blocks]
    assert any("All 40 pictures whose label says which are benign" in text for text in texts)
    assert not any("By the malignant probability" in getattr(block, "head", ()) for block in said.blocks)


def test_words_on_the_calibration_and_on_thresholds(exam):
    measured = calibration.measure(exam(drawn(200)))
    measured["malignant"]["change"]["ece"] = {"value": 0.01, "low": -0.02, "high": 0.03, "n": 200}
    assert "The calibration does not clearly change it (difference 0.010 (−0.020 to 0.030))." in (
        calibration_section.section(measured).lead)
    assert decision_section.section(decision.measure(exam(drawn(500)))).lead.startswith("At each threshold by itself")
