"""Sets of close-up pictures, and the two small ones with a layout of their own: derm7pt and PH2."""

from __future__ import annotations

import miniature_sets
import pytest

from macule.analysis.patient import Modality, Patient, Sex, Site
from macule.data import sources
from macule.data.sources import Reading, cells, ddi, fitzpatrick17k
from macule.data.vocabulary import Confirmation, SkinTone, ToneScale
from macule.errors import DatasetError
from macule.taxonomy import Diagnosis

FITZPATRICK = ToneScale.FITZPATRICK


# PAD-UFES-20

PAD_ROWS = [
    ("PAT_46", 881, False, 55, "FEMALE", 3.0, "NECK", 6.0, "BCC", "PAT_46_881_939.png", True),
    ("PAT_1516", 1765, "", 8, "", "", "ARM", "", "NEV", "PAT_1516_1765_530.png", False),
    ("PAT_46", 881, False, 55, "FEMALE", 3.0, "NECK", 6.0, "BCC", "PAT_46_881_14.png", True),
]


@pytest.mark.parametrize("ending", [".png", ".jpg"])
def test_pad_ufes_20(tmp_path, ending):
    root = miniature_sets.pad_ufes_20(tmp_path, PAD_ROWS, ending=ending)
    first, second, third = sources.read(Reading("pad-ufes-20", root))
    assert first.picture_id == "PAT_46_881_939" and first.picture.suffix == ending
    assert first.group == third.group == "pad-ufes-20:881" and first.patient_id == "PAT_46"
    assert first.patient == Patient(55.0, Sex.FEMALE, Site.HEAD_NECK, Modality.CLINICAL)
    assert (first.skin_tone, second.skin_tone) == (SkinTone(FITZPATRICK, 3), None)
    assert (first.confirmation, second.confirmation) == (Confirmation.HISTOPATHOLOGY, Confirmation.CONSENSUS)
    assert (first.diagnosis, second.diagnosis) == (Diagnosis.BCC, Diagnosis.NV)


def test_pad_ufes_20_with_a_skin_tone_off_the_scale(tmp_path):
    rows = [(*PAD_ROWS[0][:5], 7.0, *PAD_ROWS[0][6:])]
    with pytest.raises(DatasetError, match=r"row 2: skin tone is '7.0' \(skin tone 7 lies outside the fitzpatrick"):
        sources.load("pad-ufes-20", miniature_sets.pad_ufes_20(tmp_path, rows))


# DDI


@pytest.mark.parametrize("folder", ["", "images"])
def test_ddi(tmp_path, folder):
    root = miniature_sets.ddi(tmp_path, [
        ("000001.png", "56", "True", "melanoma-in-situ"),
        ("000002.png", "12", "False", "nodular-melanoma-(nm)"),
        ("000003.png", "34", "False", "focal-acral-hyperkeratosis"),
    ], folder=folder)
    first, second, third = sources.read(Reading("ddi", root))
    assert (first.diagnosis, first.malignant) == (Diagnosis.MEL, True)
    assert first.skin_tone == SkinTone(FITZPATRICK, 5, 6) and second.skin_tone == SkinTone(FITZPATRICK, 1, 2)
    assert (second.diagnosis, second.malignant) == (Diagnosis.MEL, False)  # the publisher's own word stays
    assert (third.labels, third.malignant) == (cells.BENIGN, False)
    assert first.confirmation is Confirmation.HISTOPATHOLOGY and first.patient == Patient(modality=Modality.CLINICAL)


def test_ddi_has_78_diseases():
    assert len(ddi.DISEASES) == 78


@pytest.mark.parametrize(("row", "message"), [
    (("000001.png", "56", "True", "melanoma-in-sito"), "'melanoma-in-sito' is none of the 78 .* you mean 'melanoma in"),
    (("000001.png", "7", "True", "wart"), "column skin_tone is '7'; one of 12, 34, 56 is expected"),
    (("000001.png", "12", "perhaps", "wart"), "column malignant is 'perhaps'; true or false is expected"),
    (("000001.png", "12", "", "wart"), "column malignant is ''; True or False is expected"),
])
def test_ddi_with_a_word_that_is_not_its_own(tmp_path, row, message):
    with pytest.raises(DatasetError, match=rf"ddi_metadata\.csv row 2: .*{message}"):
        sources.load("ddi", miniature_sets.ddi(tmp_path, [row]))


# Fitzpatrick17k


@pytest.mark.parametrize("folder", ["images", "data/finalfitz17k"])
def test_fitzpatrick17k(tmp_path, folder):
    root = miniature_sets.fitzpatrick17k(tmp_path, [
        ("a1", "3", "psoriasis", "non-neoplastic", ""),
        ("a2", "-1", "mycosis fungoides", "malignant", "1 Diagnostic"),
        ("a3", "6", "vitiligo", "non-neoplastic", ""),
        ("a4", "1", "becker nevus", "benign", ""),
        ("a5", "1", "melanoma", "malignant", "3 Wrongly labelled"),
    ], folder=folder)
    first, second, third, fourth, fifth = sources.load("fitzpatrick17k", root)
    assert (first.diagnosis, first.malignant, first.skin_tone) == (Diagnosis.INF, False, SkinTone(FITZPATRICK, 3))
    assert (second.diagnosis, second.malignant, second.skin_tone) == (Diagnosis.MAL_OTH, True, None)
    assert third.labels == {Diagnosis.INF, Diagnosis.BEN_OTH} and third.dx_original == "vitiligo"
    assert fourth.diagnosis is Diagnosis.BEN_OTH
    assert (fifth.labels, fifth.malignant) == (frozenset(), None)
    assert first.centre == "DermaAmin"


def test_fitzpatrick17k_has_114_conditions():
    assert len(fitzpatrick17k.CONDITIONS) == 114


@pytest.mark.parametrize(("label", "group", "message"), [
    ("psoriasiss", "non-neoplastic", "the label 'psoriasiss' is none of the 114 .* did you mean 'psoriasis'"),
    ("zebra stripes", "benign", "the label 'zebra stripes' is none of the 114 .* add the label to the reader's table"),
    ("psoriasis", "dubious", "column three_partition_label is 'dubious'; one of malignant, benign, non-neoplastic"),
])
def test_fitzpatrick17k_with_a_label_that_is_not_its_own(tmp_path, label, group, message):
    with pytest.raises(DatasetError, match=rf"fitzpatrick17k\.csv row 2: .*{message}"):
        sources.load("fitzpatrick17k", miniature_sets.fitzpatrick17k(tmp_path, [("a1", "1", label, group, "")]))


# derm7pt

DERM7PT_CASES = [
    ("basal cell carcinoma", "abdomen", "female", "NEL/NEL025.JPG", "NEL/Nel026.jpg"),
    ("melanoma (in situ)", "lower limbs", "male", "AAL/aal010.jpg", "AAL/Aal011.jpg"),
    ("lentigo", "genital areas", "female", "FAL/fal001.jpg", "FAL/Fal002.jpg"),
    ("clark nevus", "buttocks", "male", "AAL/Aal010.jpg", "AAL/Aal013.jpg"),  # the clinical picture of case 2
]
DERM7PT_PARTS = {"train": [0, 3], "valid": [1], "test": [2]}


def test_derm7pt(tmp_path):
    records = list(sources.read(Reading("derm7pt", miniature_sets.derm7pt(tmp_path, DERM7PT_CASES, DERM7PT_PARTS))))
    assert [(r.picture_id, r.patient.modality.value, r.part) for r in records] == [
        ("NEL/Nel026", "dermoscopic", "train"), ("NEL/NEL025", "clinical", "train"),
        ("AAL/Aal011", "dermoscopic", "val"), ("AAL/aal010", "clinical", "val"),
        ("FAL/Fal002", "dermoscopic", "test"), ("FAL/fal001", "clinical", "test"),
        ("AAL/Aal013", "dermoscopic", "train")]
    assert all(r.picture.is_file() for r in records)
    assert records[0].group == records[1].group == "derm7pt:1"
    # Cases 2 and 4 share a photograph, so they may not be parted.
    assert {r.group for r in records if r.lesion_id in ("2", "4")} == {"derm7pt:2"}
    assert (records[0].diagnosis, records[2].diagnosis) == (Diagnosis.BCC, Diagnosis.MEL)
    assert records[4].labels == {Diagnosis.BKL, Diagnosis.NV} and records[4].malignant is False
    assert [r.patient.site for r in records[2::2]] == [Site.LOWER_EXTREMITY, Site.GENITAL, Site.TRUNK]


def test_derm7pt_in_parts(tmp_path):
    root = miniature_sets.derm7pt(tmp_path, DERM7PT_CASES, DERM7PT_PARTS)
    reading = Reading("derm7pt", root / "release_v0", "train")
    assert [r.picture_id for r in sources.read(reading)] == ["NEL/Nel026", "NEL/NEL025", "AAL/Aal013"]


def test_derm7pt_miscellaneous_says_nothing(tmp_path):
    root = miniature_sets.derm7pt(tmp_path, [("miscellaneous", "acral", "male", "N/a.jpg", "N/b.jpg")], {"train": [0]})
    derm, clinic = sources.read(Reading("derm7pt", root))
    assert derm.labels == clinic.labels == frozenset() and derm.malignant is None and derm.patient.site is None


@pytest.mark.parametrize(("parts", "message"), [
    ({"train": [0, 1, 2]}, r"meta\.csv row 5: the case stands in none of meta/\{train,valid,test\}_indexes\.csv"),
])
def test_derm7pt_with_a_case_in_no_part(tmp_path, parts, message):
    with pytest.raises(DatasetError, match=message):
        sources.load("derm7pt", miniature_sets.derm7pt(tmp_path, DERM7PT_CASES, parts))


def test_derm7pt_with_another_diagnosis(tmp_path):
    root = miniature_sets.derm7pt(tmp_path, [("mole", "back", "male", "N/a.jpg", "N/b.jpg")], {"train": [0]})
    with pytest.raises(DatasetError, match=r"meta\.csv row 2: column diagnosis is 'mole'; one of basal cell"):
        sources.load("derm7pt", root)


# PH2

PH2_CASES = {"IMD002": ("Compound nevus", 1), "IMD003": ("", 0), "IMD058": ("Melanoma in situ", 2)}


@pytest.mark.parametrize("sheet", [False, True])
def test_ph2(tmp_path, sheet):
    root = miniature_sets.ph2(tmp_path, PH2_CASES, sheet=sheet)
    first, second, third = sources.read(Reading("ph2", root))
    assert [r.picture_id for r in (first, second, third)] == list(PH2_CASES)
    assert [r.diagnosis for r in (first, second, third)] == [Diagnosis.NV, Diagnosis.NV, Diagnosis.MEL]
    assert [r.dx_original for r in (first, second, third)] == ["Compound nevus", "Common Nevus", "Melanoma in situ"]
    assert (first.confirmation, second.confirmation) == (Confirmation.HISTOPATHOLOGY, Confirmation.CLINICAL)
    assert first.mask.name == "IMD002_lesion.bmp" and first.picture.name == "IMD002.bmp"
    assert len(sources.load("ph2", root / "PH2Dataset")) == 3


def test_ph2_with_another_code(tmp_path):
    root = miniature_sets.ph2(tmp_path, {**PH2_CASES, "IMD061": ("", 3)})
    with pytest.raises(DatasetError, match=r"PH2_dataset\.txt row 5: the clinical diagnosis is '3'; 0, 1 or 2"):
        sources.load("ph2", root)
    reading = Reading("ph2", root, keep_going=True)
    assert len(list(sources.read(reading))) == 3
    assert (reading.rejects[0].row, reading.rejects[0].picture_id) == (5, "IMD061")


@pytest.mark.parametrize(("rows", "message"), [
    ([["Image Name", "Histological Diagnosis", "Common Nevus", "Atypical Nevus", "Melanom"], ["IMD002"]],
     r"xlsx row 1 lacks the column\(s\) Melanoma \(renamed to Melanom\?\)"),
    ([["Image Name", "Histological Diagnosis", "Common Nevus", "Atypical Nevus", "Melanoma"],
      ["IMD002", "", "X", "", "X"]], "row 2: the diagnosis is 'Common Nevus and Melanoma'; one of"),
    ([], r"xlsx row 1 lacks the column\(s\) .*; it has none"),
])
def test_ph2_with_a_bad_sheet(tmp_path, rows, message):
    root = miniature_sets.ph2(tmp_path, PH2_CASES, sheet=True)
    miniature_sets.spreadsheet(root / "PH2Dataset" / "PH2_dataset.xlsx", rows)
    with pytest.raises(DatasetError, match=message):
        sources.load("ph2", root)


def test_ph2_with_a_sheet_that_is_none(tmp_path):
    root = miniature_sets.ph2(tmp_path, PH2_CASES, sheet=True)
    (root / "PH2Dataset" / "PH2_dataset.xlsx").write_bytes(b"PK\x03\x04 not a package")
    with pytest.raises(DatasetError, match=r"PH2_dataset\.xlsx is no readable spreadsheet"):
        sources.load("ph2", root)
