"""The heads benchmark on made-up embeddings: layers fitted anew, their calibration, and one answer a lesion."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch", reason="needs the training extra")

sys.path.insert(0, str(Path(__file__).parents[3] / "benchmarks"))

import heads_calibration as calibration
import heads_fit
import heads_pooling as pooling
import heads_scoring as scoring
from heads_embeddings import Linear
from heads_fit import Basis, Generalised, Material, Setting

from macule.analysis.calibration import SUSPICIOUS, softmax
from macule.analysis.patient import Modality, Patient, encode
from macule.data.record import Record
from macule.data.vocabulary import Confirmation
from macule.taxonomy import Diagnosis
from macule.training.recipe import Loss

pytestmark = [pytest.mark.training, pytest.mark.slow]

CODES = list(Diagnosis)
KINDS = [Diagnosis.MEL, Diagnosis.NV, Diagnosis.BKL]
WIDTH, COUNT = 24, 360


def record(number: int, code: Diagnosis, dataset: str = "ham10000", clinical: bool = False) -> Record:
    about = Patient(age=50.0, modality=Modality.CLINICAL if clinical else Modality.DERMOSCOPIC)
    proven = Confirmation.HISTOPATHOLOGY if number % 2 else Confirmation.FOLLOW_UP
    group = f"{dataset}:{number // 2 if dataset == 'ham10000' else number}"
    return Record(picture=None, dataset=dataset, picture_id=f"{number}{clinical}", labels=frozenset({code}),
                  group=group, patient=about, confirmation=proven)


@pytest.fixture(scope="module")
def material():
    """Three classes, far apart in the embedding; naevi are two of three."""
    rng = np.random.default_rng(0)
    kinds = [KINDS[0] if n % 6 == 0 else KINDS[2] if n % 6 == 1 else KINDS[1] for n in range(COUNT)]
    centres = {kind: 2 * rng.normal(size=WIDTH) for kind in KINDS}
    rows = np.stack([centres[kind] + rng.normal(size=WIDTH) for kind in kinds]).astype(np.float32)
    records = [record(n, kind) for n, kind in enumerate(kinds)]
    return Material(records, rows[None], np.array([[code is kind for code in CODES] for kind in kinds]))


@pytest.fixture(scope="module")
def layer():
    """A layer that knows nothing yet."""
    rng = np.random.default_rng(1)
    shapes = ((8, 13), (8,), (len(CODES), 8), (len(CODES),))
    parts = [(0.1 * rng.normal(size=shape)).astype(np.float32) for shape in shapes]
    return Linear((0.1 * rng.normal(size=(len(CODES), WIDTH))).astype(np.float32), np.zeros(len(CODES), np.float32),
                  (parts[0], parts[1], parts[2], parts[3]))


@pytest.fixture(scope="module")
def basis(material):
    return Basis.of(material.embedding[0], WIDTH)


def answered(layer: Linear, material: Material) -> np.ndarray:
    about = np.stack([encode(each.patient) for each in material.records])
    return layer.logits(material.embedding[0], about)


@pytest.mark.parametrize("loss", [Loss(), Loss(kind="focal"), Loss(kind="symmetric"), Loss(kind="logit_adjusted"),
                                  Generalised()])
def test_every_loss_learns_what_can_be_learnt(loss, material, layer, basis):
    found = heads_fit.fit(material, layer, basis, Setting(loss=loss, l2=1e-3))
    right = answered(found, material).argmax(axis=1) == material.allowed.argmax(axis=1)
    assert right.mean() > 0.95
    assert (answered(layer, material).argmax(axis=1) == material.allowed.argmax(axis=1)).mean() < 0.9


def test_a_strong_tether_leaves_the_layer_where_it_is(material, layer, basis):
    found = heads_fit.fit(material, layer, basis, Setting(l2=1e6, tether=True, patient="kept"))
    assert found.weight == pytest.approx(layer.weight, abs=1e-4)
    assert found.patient is not None
    assert all((one == other).all() for one, other in zip(found.patient, layer.patient, strict=True))


def test_without_the_patient_the_answer_knows_nothing_of_him(material, layer, basis):
    assert heads_fit.fit(material, layer, basis, Setting(patient="none")).patient is None


def test_only_naevi_without_histology_are_doubted(material):
    doubted = heads_fit.unproven(material.records)
    assert {each.diagnosis for each, is_so in zip(material.records, doubted, strict=True) if is_so} == {Diagnosis.NV}
    weights = heads_fit.weights(material, Setting(unproven=0.0))
    assert (weights[doubted] == 0).all()
    assert (weights[~doubted] > 0).all()
    assert weights.mean() == pytest.approx(1)


def test_adjusting_takes_the_prior_off(material, layer, basis):
    plain, adjusted = (heads_fit.fit(material, layer, basis, Setting(tau=tau)) for tau in (0.0, 1.0))
    moved = adjusted.bias - plain.bias
    mel, nv = CODES.index(Diagnosis.MEL), CODES.index(Diagnosis.NV)
    assert moved[mel] - moved[nv] == pytest.approx(np.log(4), abs=1e-3)


def exam_of(material: Material) -> scoring.Exam:
    return scoring.Exam(material.records, [each.group for each in material.records], 50)


def test_folds_keep_lesions_whole(material):
    exam = exam_of(material)
    assert all(len(set(exam.folds[np.array(exam.lesion) == name])) == 1 for name in set(exam.lesion))
    assert set(exam.folds) == set(range(scoring.FOLDS))


@pytest.mark.parametrize("name", calibration.METHODS)
def test_each_calibration_gives_probabilities_and_mends_a_wrong_prior(name, material):
    rng = np.random.default_rng(2)
    truth = material.allowed.argmax(axis=1)
    logits = rng.normal(size=(COUNT, len(CODES))) + 2.0 * material.allowed + 3.0 * SUSPICIOUS
    shares = calibration.crossed(calibration.METHODS[name], logits, exam_of(material))
    assert shares.sum(axis=1) == pytest.approx(1)
    assert (shares >= 0).all()
    plain = softmax(logits)[:, SUSPICIOUS].sum(axis=1)
    far = [abs(each.mean() - SUSPICIOUS[truth].mean()) for each in (shares[:, SUSPICIOUS].sum(axis=1), plain)]
    assert far[0] <= far[1] + 0.01
    if "malignant" in name:
        assert far[0] < 0.05 < far[1]


def test_the_grouped_calibration_keeps_the_order_inside_the_groups(material):
    rng = np.random.default_rng(3)
    logits = rng.normal(size=(COUNT, len(CODES))) + 2.0 * material.allowed
    exam = exam_of(material)
    calibrated = calibration.fitted(calibration.METHODS[calibration.GROUPED], logits, exam)
    found = calibrated(logits, calibration.modality(exam))
    for group in (SUSPICIOUS, ~SUSPICIOUS):
        assert (found[:, group].argmax(axis=1) == logits[:, group].argmax(axis=1)).all()


def test_a_lesion_with_one_picture_is_not_pooled():
    records = [record(0, Diagnosis.MEL, "milk10k", clinical=True), record(0, Diagnosis.MEL, "milk10k"),
               record(1, Diagnosis.NV, "milk10k")]
    exam = scoring.Exam(records, [each.group for each in records], 10)
    assert pooling.several(exam, "milk10k") == [[1, 0]]  # the dermoscopic picture first


def test_pooling_ways_differ_as_they_say():
    logits = np.zeros((2, len(CODES)))
    logits[0, CODES.index(Diagnosis.MEL)], logits[1, CODES.index(Diagnosis.NV)] = 4.0, 8.0
    found = {name.split(" (")[0]: way(logits) for name, way in pooling.ways("milk10k").items()}
    assert found["mean logits"].argmax() == CODES.index(Diagnosis.NV)
    assert found["mean probability"] == pytest.approx(softmax(logits).mean(axis=0))
    assert found["the picture with the largest malignant probability"] == pytest.approx(softmax(logits)[0])
    assert found["the clinical picture"] == pytest.approx(softmax(logits)[1])


def test_an_arm_that_equals_the_first_is_neither_better_nor_worse(material):
    kinds = ([Modality.CLINICAL] * 6 + [Modality.DERMOSCOPIC] * 6) * 10  # every class in both
    records = [replace(each, dataset="milk10k", patient=replace(each.patient, modality=kind))
               for each, kind in zip(material.records[:120], kinds, strict=True)]
    exam = scoring.Exam([*material.records, *records], [str(n // 2) for n in range(COUNT + 120)], 50)
    logits = np.random.default_rng(4).normal(size=(COUNT + 120, len(CODES)))
    wrong, right = softmax(logits), softmax(logits + 6.0 * exam.allowed)
    rows = scoring.compare(exam, {"first": wrong, "same": wrong, "better": right})
    assert not rows[0].ahead
    assert scoring.clear(rows[1]) == "same"
    assert scoring.clear(rows[2]) == "better"
    assert len(list(scoring.table(rows, [scoring.SCORE], "arm"))) == 6


def test_a_figure_that_cannot_be_measured_is_not_called_the_same(material):
    exam = exam_of(material)  # of HAM10000 alone
    shares = softmax(np.zeros((COUNT, len(CODES))))
    rows = scoring.compare(exam, {"first": shares, "other": shares + 0.0})
    assert scoring.clear(rows[1]) == "not measured"
