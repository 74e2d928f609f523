"""The baselines beside the model: known answers, paired leads, and a file that may be damaged."""

from __future__ import annotations

import itertools
import json

import numpy as np
import pytest
from made_exam import HAM, Answer, make, somebody

from macule.analysis.patient import Modality, Patient, Sex, Site, encode
from macule.errors import BundleInvalid
from macule.evaluation import baseline_file, baselines, scoring
from macule.evaluation.baseline_file import AGES, GRID, Baselines, Linear, cell, grid
from macule.evaluation.predictions import CODES
from macule.exchange.blocks import Note
from macule.exchange.sections import baselines as drawn
from macule.taxonomy import Diagnosis

NV, MEL, BCC = (CODES.index(Diagnosis(code)) for code in ("nv", "mel", "bcc"))


def flat(size: int) -> Linear:
    """Answers by the bias alone: nv before mel before bcc."""
    bias = np.zeros(len(CODES), np.float32)
    bias[[NV, MEL]] = 2.0, 1.0
    return Linear(np.zeros(size, np.float32), np.ones(size, np.float32), np.zeros((size, len(CODES)), np.float32), bias)


def fitted(*, probe: Linear | None = None) -> Baselines:
    priors = np.zeros(len(CODES))
    priors[[NV, MEL, BCC]] = 0.6, 0.3, 0.1
    table = np.tile(priors, (*GRID, 1)).astype(np.float16)
    return Baselines(100, priors, table, flat(4), probe or flat(3))


ANSWERS = [Answer("nv", "nv"), Answer("nv", "nv", 0.6), Answer("nv", "mel", 0.7), Answer("mel", "mel", 0.9),
           Answer("mel", "nv", 0.7), Answer("bcc", "bcc"), Answer("nv", "nv", 0.95), Answer("bcc", "mel", 0.5)] * 5


def measured(tmp_path, answers=ANSWERS, baselines_=None, **options):
    exam = make(tmp_path / "bundle", answers, **options)
    (baselines_ or fitted()).write(exam.bundle.folder / baselines.FILE)
    return exam, baselines.measure(exam)


def test_every_patient_has_a_cell_of_their_own_vector():
    rows = grid()
    assert rows.shape == (np.prod(GRID), 13)
    for age, sex, site, modality in itertools.product((*AGES[::7], None), (*Sex, None), (*Site, None),
                                                      (*Modality, None)):
        patient = Patient(age=age, sex=sex, site=site, modality=modality)
        assert rows[np.ravel_multi_index(cell(patient), GRID)] == pytest.approx(encode(patient))
    assert len(np.unique(rows, axis=0)) == len(rows)


@pytest.mark.parametrize(("age", "as_if"), [(52.0, 50.0), (52.5, 55.0), (0.0, 0.0), (120.0, 120.0), (53.0, 55.0)])
def test_ages_are_rounded_to_five_years(age, as_if):
    assert AGES[cell(Patient(age=age))[0]] == as_if


def test_the_models_row_is_what_the_report_says_elsewhere(tmp_path):
    exam, found = measured(tmp_path)
    said = scoring.score(exam.predictions, "ham10000", resamples=60)
    for key in ("accuracy", "balanced_accuracy", "macro_auc", "malignant_auc",
                "malignant_sensitivity_at_90%_specificity"):
        assert found["systems"]["model"][key]["value"] == pytest.approx(said[key]["value"], abs=1e-4)
    assert found["systems"]["model"]["melanoma_auc"]["value"] == said["classes"]["mel"]["auc"]["value"]


def test_chance_and_the_commonest_class(tmp_path):
    _, found = measured(tmp_path)
    random, majority = found["systems"]["random"], found["systems"]["majority"]
    assert random["accuracy"]["value"] == random["balanced_accuracy"]["value"] == pytest.approx(1 / 7, abs=1e-4)
    assert random["macro_auc"]["value"] == majority["macro_auc"]["value"] == 0.5
    assert majority["accuracy"]["value"] == pytest.approx(4 / 8)
    assert majority["balanced_accuracy"]["value"] == pytest.approx(1 / 3, abs=1e-4)
    assert majority["malignant_sensitivity_at_90%_specificity"]["value"] == 0


def test_patient_facts_are_looked_up(tmp_path):
    patients = [somebody(place) for place in range(20)]
    truths = ["mel" if place % 2 else "nv" for place in range(20)]
    table = fitted().metadata.copy()
    for patient, truth in zip(patients, truths, strict=True):
        table[cell(patient)] = np.eye(len(CODES))[CODES.index(Diagnosis(truth))]
    assert len({cell(patient) for patient in patients}) == 20
    known = Baselines(100, fitted().priors, table, flat(4), flat(3))
    answers = [Answer(truth, "nv", patient=patient) for truth, patient in zip(truths, patients, strict=True)]
    _, found = measured(tmp_path, answers, known)
    told = found["systems"]["metadata"]
    assert told["accuracy"]["value"] == told["balanced_accuracy"]["value"] == told["melanoma_auc"]["value"] == 1
    assert told["model_minus_this"]["accuracy"]["value"] == pytest.approx(-0.5)
    assert told["model_minus_this"]["accuracy"]["high"] < 0


def test_balanced_answers_are_lifted_by_the_share_of_training(tmp_path):
    """The colours say nv .70, mel .26, and .04 bcc to each: only the lift over .6, .3, .1 picks another class."""
    bias = np.log(np.array([1e-9] * len(CODES)))
    bias[[NV, MEL, BCC]] = np.log([0.5, 0.25, 0.25])
    colours = Linear(np.zeros(4, np.float32), np.ones(4, np.float32), np.zeros((4, len(CODES)), np.float32),
                     bias.astype(np.float32))
    told = Baselines(100, fitted().priors, fitted().metadata, colours, flat(3))
    _, found = measured(tmp_path, [Answer("bcc", "bcc")] * 10 + [Answer("nv", "nv")] * 30, told)
    assert found["systems"]["colours"]["accuracy"]["value"] == 0.75  # the most probable is nv
    assert found["systems"]["colours"]["balanced_accuracy"]["value"] == 0.5
    assert found["systems"]["model"]["balanced_accuracy"]["value"] == 1


def test_a_baseline_that_answers_as_the_model_is_level_in_every_resample(tmp_path):
    exam = make(tmp_path / "bundle", ANSWERS)
    fitted().write(exam.bundle.folder / baselines.FILE)
    found = baselines.measure(exam, more={"imagenet": exam.predictions.shares})
    lead = found["systems"]["imagenet"]["model_minus_this"]["malignant_auc"]
    assert lead["value"] == 0
    assert lead["low"] is lead["high"] is None  # no resample tells them apart
    own = found["systems"]["model"]["malignant_auc"]
    assert own["low"] < own["value"] < own["high"]


def test_labels_that_lump_classes_count_only_where_they_say_enough(tmp_path):
    lumped = [Answer("mel bcc", "mel"), Answer("nv df", "nv"), Answer("mel nv", "nv")]
    _, found = measured(tmp_path, ANSWERS + lumped)
    model = found["systems"]["model"]
    assert model["accuracy"]["n"] == len(ANSWERS)
    assert model["malignant_auc"]["n"] == len(ANSWERS) + 2
    assert model["malignant_auc"]["positives"] == 20 + 1


def test_without_a_class_to_tell_apart_nothing_is_made_up(tmp_path):
    _, found = measured(tmp_path, [Answer("nv", "nv"), Answer("nv", "mel")])
    for system in found["systems"].values():
        assert system["malignant_auc"]["value"] is None and system["melanoma_auc"]["value"] is None
    assert json.loads(json.dumps(found, allow_nan=False)) == found


def test_a_bundle_without_baselines_says_how_to_make_them(tmp_path):
    found = baselines.measure(make(tmp_path / "bundle", ANSWERS))
    assert found["measured"] is False and "macule refit" in found["why"]
    assert drawn.section(found).measured is False


def test_no_answered_picture(tmp_path):
    _, found = measured(tmp_path, [])
    assert found == {"measured": False, "why": "No picture was answered."}


def test_the_file_comes_back_as_it_went(tmp_path):
    made = fitted()
    made.write(tmp_path / "a.npz")
    made.write(tmp_path / "b.npz")
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()
    found = baselines.load(tmp_path / "a.npz")
    assert found.pictures == 100 and (found.metadata == made.metadata).all() and (found.priors == made.priors).all()


@pytest.mark.parametrize("damage", ["cut", "shape", "nan", "format", "missing"])
def test_a_damaged_file_is_refused(tmp_path, damage):
    path = tmp_path / "baselines.npz"
    fitted().write(path)
    with np.load(path) as file:
        arrays = dict(file)
    changes = {"shape": {"priors": np.zeros(3)}, "nan": {"probe_bias": np.full(11, np.nan)}, "format": {"format": 2}}
    if damage == "missing":
        del arrays["probe_mean"]
    np.savez(path, **(arrays | changes.get(damage, {})))
    if damage == "cut":
        path.write_bytes(path.read_bytes()[:500])
    with pytest.raises(BundleInvalid, match="baselines"):
        baseline_file.load(path)


def test_baselines_of_another_network_are_refused(tmp_path):
    with pytest.raises(BundleInvalid, match="embeddings of 7 numbers; 3 are found"):
        measured(tmp_path, baselines_=fitted(probe=flat(7)))


def test_the_section_says_who_is_ahead(tmp_path):
    answers = [Answer("nv", "nv"), Answer("mel", "mel"), Answer("bcc", "bcc")] * 40
    exam = make(tmp_path / "bundle", answers)
    fitted().write(exam.bundle.folder / baselines.FILE)
    found = baselines.measure(exam, more={"imagenet": np.roll(exam.predictions.shares, 1, axis=1)})
    section = drawn.section(found)
    assert "balanced accuracy is 1.000" in section.lead
    assert not any(isinstance(block, Note) and block.tone == "warning" for block in section.blocks)
    better = baselines.measure(make(tmp_path / "bundle", [Answer("nv", "mel"), Answer("mel", "nv")] * 40))
    assert any(isinstance(block, Note) and "ahead of the model" in block.text for block in drawn.section(better).blocks)


def test_too_few_pictures_headline_nothing(tmp_path):
    _, found = measured(tmp_path, ANSWERS[:8])
    assert "too few" in drawn.section(found).lead


def test_all_classes_of_the_set_are_drawn_among(tmp_path):
    exam, found = measured(tmp_path)
    assert exam.classes == HAM
    assert list(found["systems"]) == ["model", "random", "majority", "metadata", "colours", "probe"]
