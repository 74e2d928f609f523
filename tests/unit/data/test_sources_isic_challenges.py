"""The ISIC challenges of 2016 to 2020."""

from __future__ import annotations

import miniature
import miniature_sets
import pytest

from macule.analysis.patient import Modality, Patient, Sex, Site
from macule.data import sources
from macule.data.sources import Reading, cells
from macule.data.vocabulary import Confirmation
from macule.errors import DatasetError, UsageError
from macule.taxonomy import Diagnosis

# ISIC 2016


def test_isic2016_as_officially_shipped(tmp_path):
    miniature_sets.isic2016(tmp_path, "Training", {"ISIC_0000000": "benign", "ISIC_0000002": "malignant"})
    miniature_sets.isic2016(tmp_path, "Test", {"ISIC_0000003": "0.0", "ISIC_0000012": "1.0"})
    train, mole, test, cancer = sources.read(Reading("isic2016", tmp_path))
    assert [train.picture_id, mole.picture_id] == ["ISIC_0000000", "ISIC_0000002"]
    assert (train.labels, train.malignant, train.part) == (cells.BENIGN, False, "train")
    assert (mole.labels, mole.malignant, mole.dx_original) == ({Diagnosis.MEL}, True, "malignant")
    assert (test.labels, test.malignant, test.part) == (cells.BENIGN, False, "test")
    assert (cancer.labels, cancer.malignant) == ({Diagnosis.MEL}, True)
    assert train.mask.name == "ISIC_0000000_Segmentation.png" and train.mask.is_file()
    assert train.patient == Patient(modality=Modality.DERMOSCOPIC)


def test_isic2016_another_word(tmp_path):
    root = miniature_sets.isic2016(tmp_path, "Training", {"ISIC_1": "benign", "ISIC_2": "maybe"})
    with pytest.raises(DatasetError, match=r"GroundTruth\.csv row 2: column label is 'maybe'; one of benign, mal"):
        sources.load("isic2016", root)


# ISIC 2017


@pytest.mark.parametrize(("subset", "part"), [("Training", "train"), ("Validation", "val"), ("Test_v2", "test")])
def test_isic2017_as_officially_shipped(tmp_path, subset, part):
    marks = {"ISIC_3": (0.0, 0.0), "ISIC_1": (1.0, 0.0), "ISIC_2": (0.0, 1.0)}
    records = sources.load("isic2017", miniature.isic2017(tmp_path, subset, marks), part=part)
    assert [r.diagnosis for r in records] == [Diagnosis.MEL, Diagnosis.BKL, Diagnosis.NV]
    assert [r.group for r in records] == ["isic2017:ISIC_1", "isic2017:ISIC_2", "isic2017:ISIC_3"]
    assert records[0].patient == Patient(sex=Sex.FEMALE, modality=Modality.DERMOSCOPIC)


def test_isic2017_groups_by_lesion_then_by_duplicate(tmp_path):
    extra = {"ISIC_1": ("BCN_1", "palms/soles", "d1"), "ISIC_2": ("", "lower extremity", "d1")}
    marks = dict.fromkeys(("ISIC_1", "ISIC_2", "ISIC_3"), (0.0, 0.0))
    records = sources.load("isic2017", miniature.isic2017(tmp_path, "Test_v2", marks, extra=extra), part="test")
    assert [r.group for r in records] == ["isic2017:BCN_1", "isic2017:d1", "isic2017:ISIC_3"]
    assert [r.patient.site for r in records] == [None, Site.LOWER_EXTREMITY, None]


def test_isic2017_both_classes_marked(tmp_path):
    root = miniature.isic2017(tmp_path, "Test_v2", {"ISIC_1": (1.0, 1.0)})
    with pytest.raises(DatasetError, match=r"row 2: marked both melanoma and seborrhoeic keratosis"):
        sources.load("isic2017", root, part="test")


def test_isic2017_with_the_metadata_among_the_pictures(tmp_path):
    root = miniature.isic2017(tmp_path, "Training", {"ISIC_1": (1.0, 0.0)})
    table = root / "ISIC-2017_Training_Data_metadata.csv"
    table.rename(root / "ISIC-2017_Training_Data" / table.name)
    (record,) = sources.read(Reading("isic2017", root))
    assert record.patient.sex is Sex.FEMALE


# ISIC 2018


@pytest.mark.parametrize(("subset", "part"), [("Validation", "val"), ("Test", "test")])
def test_isic2018_as_officially_shipped(tmp_path, subset, part):
    root = miniature.isic2018(tmp_path, subset, {"ISIC_0034525": "MEL", "ISIC_0034524": "AKIEC"})
    first, second = sources.load("isic2018", root, part=part)
    assert (first.picture_id, first.diagnosis, second.diagnosis) == ("ISIC_0034524", Diagnosis.AKIEC, Diagnosis.MEL)
    assert first.group == "isic2018:ISIC_0034524"
    assert first.patient == Patient(modality=Modality.DERMOSCOPIC)


def test_isic2018_with_metadata(tmp_path):
    about = [("ISIC_1", "IL_7", 60, "female", "anterior torso"), ("ISIC_2", "IL_7", "", "", "palms/soles"),
             ("ISIC_3", "", 0, "male", "head/neck")]
    root = miniature.isic2018(tmp_path, "Validation", dict.fromkeys(("ISIC_1", "ISIC_2", "ISIC_3"), "NV"), about=about)
    first, second, third = sources.load("isic2018", root, part="val")
    assert first.group == second.group == "isic2018:IL_7"
    assert third.group == "isic2018:ISIC_3"
    assert first.patient == Patient(60.0, Sex.FEMALE, Site.TRUNK, Modality.DERMOSCOPIC)
    assert second.patient == Patient(modality=Modality.DERMOSCOPIC)
    assert third.patient == Patient(0.0, Sex.MALE, Site.HEAD_NECK, Modality.DERMOSCOPIC)


def test_isic2018_all_takes_the_parts_that_are_there(tmp_path):
    root = miniature.isic2018(tmp_path, "Validation", {"ISIC_2": "NV"})
    assert len(sources.load("isic2018", root)) == 1
    miniature.isic2018(root, "Test", {"ISIC_1": "DF"})
    assert [r.picture_id for r in sources.load("isic2018", root)] == ["ISIC_1", "ISIC_2"]


@pytest.mark.parametrize(("values", "count"), [((1.0, 1.0), 2), ((0.0, 0.0), 0)])
def test_not_exactly_one_class_marked(tmp_path, values, count):
    root = miniature.isic2018(tmp_path, "Test", {"ISIC_1": "NV"})
    truth = root / "ISIC2018_Task3_Test_GroundTruth" / "ISIC2018_Task3_Test_GroundTruth.csv"
    miniature.table(truth, ("image", *miniature.ISIC2018_CLASSES), [("ISIC_1", *values, 0, 0, 0, 0, 0)])
    with pytest.raises(DatasetError, match=rf"GroundTruth\.csv row 2: {count} classes are marked; exactly one"):
        sources.load("isic2018", root, part="test")


def test_a_mark_that_is_no_number(tmp_path):
    root = miniature.isic2018(tmp_path, "Test", {"ISIC_1": "NV"})
    truth = root / "ISIC2018_Task3_Test_GroundTruth" / "ISIC2018_Task3_Test_GroundTruth.csv"
    miniature.table(truth, ("image", "MEL", "NV"), [("ISIC_1", "yes", "no")])
    with pytest.raises(DatasetError, match=r"row 2: column MEL is 'yes'; 0 or 1 is expected"):
        sources.load("isic2018", root, part="test")


def test_isic2018_groups_the_training_part_by_the_publisher_s_lesions(tmp_path):
    root = miniature.isic2018(tmp_path, "Training", {"ISIC_1": "NV", "ISIC_2": "NV"})
    miniature.table(root / "ISIC2018_Task3_Training_LesionGroupings.csv",
                    ("image", "lesion_id", "diagnosis_confirm_type"),
                    [("ISIC_1", "HAM_7", "serial imaging showing no change"), ("ISIC_2", "HAM_7", "histopathology")])
    first, second = sources.load("isic2018", root, part="train")
    assert first.group == second.group == "isic2018:HAM_7"
    assert (first.confirmation, second.confirmation) == (Confirmation.FOLLOW_UP, Confirmation.HISTOPATHOLOGY)


def test_isic2018_task_1_gives_its_masks_to_task_3(tmp_path):
    root = miniature.isic2018(tmp_path, "Training", {"ISIC_1": "NV", "ISIC_2": "MEL"})
    miniature_sets.isic2018_task1(root, "Training", ["ISIC_2", "ISIC_3"])
    first, second = sources.read(Reading("isic2018", root))
    assert first.mask is None and second.mask.name == "ISIC_2_segmentation.png"


def test_isic2018_task_1(tmp_path):
    miniature_sets.isic2018_task1(tmp_path, "Training", ["ISIC_2", "ISIC_3"])
    miniature_sets.isic2018_task1(tmp_path, "Test", ["ISIC_4"])
    records = list(sources.read(Reading("isic2018", tmp_path, options={"task": "1"})))
    assert [(r.picture_id, r.part, r.mask.name) for r in records] == [
        ("ISIC_2", "train", "ISIC_2_segmentation.png"), ("ISIC_3", "train", "ISIC_3_segmentation.png"),
        ("ISIC_4", "test", "ISIC_4_segmentation.png")]
    assert all(r.labels == frozenset() and r.malignant is None and r.licence == "CC0 1.0" for r in records)
    only = sources.read(Reading("isic2018", tmp_path, "test", options={"task": "1"}))
    assert [r.picture_id for r in only] == ["ISIC_4"]


def test_isic2018_task_1_without_one_mask(tmp_path):
    root = miniature_sets.isic2018_task1(tmp_path, "Training", ["ISIC_2", "ISIC_3"])
    (root / "ISIC2018_Task1_Training_GroundTruth" / "ISIC_3_segmentation.png").unlink()
    with pytest.raises(DatasetError, match=r"Input/ISIC_3: the picture has no mask ISIC_3_segmentation\.png"):
        list(sources.read(Reading("isic2018", root, options={"task": "1"})))
    reading = Reading("isic2018", root, keep_going=True, options={"task": "1"})
    assert [r.picture_id for r in sources.read(reading)] == ["ISIC_2"] and len(reading.rejects) == 1


def test_isic2018_task_1_without_pictures(tmp_path):
    with pytest.raises(DatasetError, match="ISIC2018_Task1-2_Training_Input is missing: unzip"):
        list(sources.read(Reading("isic2018", tmp_path, options={"task": "1"})))


def test_isic2018_has_no_other_task(tmp_path):
    with pytest.raises(UsageError, match="the option task is '2'; 1"):
        list(sources.read(Reading("isic2018", tmp_path, options={"task": "2"})))


# ISIC 2019


def test_isic2019_as_officially_shipped(tmp_path):
    miniature_sets.isic2019(tmp_path, "Training", {"ISIC_2_downsampled": "SCC", "ISIC_1": "AK", "ISIC_3": "NV"}, about={
        "ISIC_1": (85, "head/neck", "BCN_0000001", "male"), "ISIC_2_downsampled": ("", "", "", ""),
        "ISIC_3": (30, "lateral torso", "HAM_0000002", "female")})
    miniature_sets.isic2019(tmp_path, "Test", {"ISIC_9": "UNK"}, about={"ISIC_9": (40, "palms/soles", "female")})
    first, second, third, fourth = sorted(sources.read(Reading("isic2019", tmp_path)), key=lambda r: r.picture_id)
    assert (first.diagnosis, second.diagnosis) == (Diagnosis.AKIEC, Diagnosis.SCCKA)
    assert (first.group, first.lesion_id, first.centre) == ("isic2019:BCN_0000001", "BCN_0000001", "BCN_20000")
    assert (second.group, second.lesion_id, second.centre) == ("isic2019:ISIC_2_downsampled", None, None)
    assert third.centre == "HAM10000" and third.patient.site is Site.TRUNK and third.part == "train"
    assert fourth.labels == {Diagnosis.BEN_OTH, Diagnosis.INF, Diagnosis.MAL_OTH}
    assert (fourth.malignant, fourth.part, fourth.site_original) == (None, "test", "palms/soles")


# ISIC 2020

ISIC2020_ROWS = [
    ("ISIC_1", "IP_1", "male", 45.0, "head/neck", "unknown", "benign", 0),
    ("ISIC_2", "IP_1", "female", "", "", "melanoma", "malignant", 1),
    ("ISIC_3", "IP_2", "", 50.0, "palms/soles", "lentigo NOS", "benign", 0),
    ("ISIC_4", "IP_2", "male", 50.0, "oral/genital", "nevus", "benign", 0),
]


def test_isic2020_first_edition(tmp_path):
    root = miniature_sets.isic2020(tmp_path, ISIC2020_ROWS, duplicates=[("ISIC_1", "ISIC_4")])
    first, second, third, fourth = sources.load("isic2020", root)
    assert (first.labels, first.malignant, first.patient_id) == (cells.BENIGN, False, "IP_1")
    assert (second.labels, second.malignant) == ({Diagnosis.MEL}, True)
    assert (second.confirmation, first.confirmation) == (Confirmation.HISTOPATHOLOGY, None)
    assert third.labels == {Diagnosis.BKL, Diagnosis.NV} and third.malignant is False
    assert first.group == fourth.group != second.group and first.lesion_id is None
    assert fourth.patient == Patient(50.0, Sex.MALE, Site.GENITAL, Modality.DERMOSCOPIC)
    assert all(record.part == "train" for record in (first, second, third, fourth))


def test_isic2020_second_edition_is_preferred(tmp_path):
    lesions = {"ISIC_1": "IL_1", "ISIC_2": "IL_2", "ISIC_3": "IL_1", "ISIC_4": "IL_4"}
    miniature_sets.isic2020(tmp_path, ISIC2020_ROWS)
    first, _, third, _ = sources.load("isic2020", miniature_sets.isic2020(tmp_path, ISIC2020_ROWS, lesions=lesions))
    assert first.group == third.group == "isic2020:IL_1" and first.lesion_id == "IL_1"


@pytest.mark.parametrize("folder", ["ISIC_2020_Training_JPEG/train", "jpeg/train"])
def test_isic2020_wherever_its_archive_puts_the_pictures(tmp_path, folder):
    root = miniature_sets.isic2020(tmp_path, ISIC2020_ROWS)
    (root / folder).parent.mkdir()
    (root / "train").rename(root / folder)
    assert len(list(sources.read(Reading("isic2020", root)))) == 4


def test_isic2020_whose_two_columns_contradict_each_other(tmp_path):
    root = miniature_sets.isic2020(tmp_path, [("ISIC_1", "IP_1", "", "", "", "nevus", "malignant", 1)])
    with pytest.raises(DatasetError, match=r"row 2: benign_malignant is 'malignant' and diagnosis 'nevus'"):
        sources.load("isic2020", root)
