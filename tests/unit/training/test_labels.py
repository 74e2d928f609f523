from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch", reason="needs the training extra")

from macule.analysis.calibration import SUSPICIOUS
from macule.analysis.patient import Patient
from macule.data.record import Record
from macule.data.sources import cells
from macule.errors import ClassMissing, DatasetError
from macule.taxonomy import Diagnosis
from macule.training import labels
from macule.training.recipe import Targets

pytestmark = pytest.mark.training

CODES = list(Diagnosis)
BENIGN = frozenset(code for code, suspicious in zip(CODES, SUSPICIOUS, strict=True) if not suspicious)


def record(*codes, malignant=None):
    return Record(None, "made", "P1", frozenset(codes), "made:1", Patient(), dx_original="mole", malignant=malignant)


def allowed(*records, targets=Targets.DIAGNOSIS):
    return labels.allowed(records, targets)


def test_a_diagnosis_is_one_class_and_a_lump_is_several():
    found = allowed(record(Diagnosis.MEL), record(Diagnosis.NV, Diagnosis.BKL))
    assert [[CODES[k] for k in np.flatnonzero(row)] for row in found] == [
        [Diagnosis.MEL], sorted([Diagnosis.NV, Diagnosis.BKL], key=CODES.index)]


@pytest.mark.parametrize(("given", "expected"), [
    (record(Diagnosis.MEL), [False, True]), (record(Diagnosis.NV), [True, False]), (record(*BENIGN), [True, False]),
    (record(malignant=True), [False, True]), (record(malignant=False), [True, False]),
    (record(Diagnosis.AKIEC, malignant=False), [False, True]),
    (record(*cells.BENIGN, malignant=False), [True, False]), (record(*cells.MALIGNANT, malignant=True), [False, True]),
], ids=["melanoma", "naevus", "benign lump", "said malignant", "said benign", "indeterminate is suspicious",
        "a bare benign", "a bare malignant"])
def test_benign_from_malignant(given, expected):
    assert allowed(given, targets=Targets.MALIGNANT).tolist() == [expected]


@pytest.mark.parametrize(("given", "targets"), [
    (record(), Targets.DIAGNOSIS), (record(malignant=True), Targets.DIAGNOSIS), (record(*CODES), Targets.DIAGNOSIS),
    (record(), Targets.MALIGNANT), (record(Diagnosis.MEL, Diagnosis.NV), Targets.MALIGNANT),
], ids=["nothing", "only malignant", "anything", "nothing of two", "either of two"])
def test_a_label_that_says_nothing_is_refused(given, targets):
    message = r"2 pictures say nothing about the classes trained \(made P1 says 'mole'\)"
    with pytest.raises(DatasetError, match=message):
        allowed(record(Diagnosis.NV), given, given, targets=targets)


def test_no_pictures_have_a_shape_too():
    assert labels.rows([], Targets.DIAGNOSIS).shape == (0, 11) and labels.rows([], Targets.MALIGNANT).shape == (0, 2)


def test_a_lump_counts_for_its_classes_in_equal_shares():
    counts = labels.counts(allowed(record(Diagnosis.NV), record(Diagnosis.NV, Diagnosis.BKL)))
    assert counts[CODES.index(Diagnosis.NV)] == 1.5 and counts[CODES.index(Diagnosis.BKL)] == 0.5
    assert counts.sum() == 2


def test_a_class_that_is_only_in_the_other_parts_is_named():
    train = allowed(record(Diagnosis.NV), record(Diagnosis.MEL))
    labels.need(train, allowed(record(Diagnosis.NV)), Targets.DIAGNOSIS)
    labels.need(train, labels.rows([], Targets.DIAGNOSIS), Targets.DIAGNOSIS)
    with pytest.raises(ClassMissing, match="no picture of bcc, vasc: the network could never learn it"):
        labels.need(train, allowed(record(Diagnosis.VASC), record(Diagnosis.BCC)), Targets.DIAGNOSIS)


def test_two_classes_need_both():
    benign = allowed(record(Diagnosis.NV), targets=Targets.MALIGNANT)
    with pytest.raises(ClassMissing, match="no picture of malignant"):
        labels.need(benign, benign, Targets.MALIGNANT)
