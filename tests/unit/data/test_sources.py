from __future__ import annotations

import miniature
import pytest

from macule.analysis.patient import Modality, Patient, Sex, Site
from macule.data import sources
from macule.errors import DatasetError
from macule.taxonomy import Diagnosis


@pytest.fixture
def ham(tmp_path):
    return miniature.ham10000(tmp_path / "HAM10000", [
        miniature.ham_row("0000002", "0000003", "bkl", age="", sex="unknown", site="unknown"),
        miniature.ham_row("0000001", "0000001", "nv", age="0.0", sex="female", site="lower extremity"),
        miniature.ham_row("0000001", "0000002", "nv", age="85.0", sex="male", site="acral"),
    ])


def rewrite(path, old, new):
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")


# HAM10000


def test_ham10000(ham):
    first, second, third = sources.load("ham10000", ham)
    assert [r.picture_id for r in (first, second, third)] == ["ISIC_0000001", "ISIC_0000002", "ISIC_0000003"]
    assert first.group == second.group == "ham10000:HAM_0000001" != third.group
    assert first.diagnosis is Diagnosis.NV and third.labels == {Diagnosis.BKL}
    assert first.patient == Patient(0.0, Sex.FEMALE, Site.LOWER_EXTREMITY, Modality.DERMOSCOPIC)
    assert second.patient == Patient(85.0, Sex.MALE, None, Modality.DERMOSCOPIC)
    assert third.patient == Patient(None, None, None, Modality.DERMOSCOPIC)
    assert all(r.picture.is_file() and r.dataset == "ham10000" for r in (first, second, third))
    assert {r.picture.parent.name for r in (first, third)} == {"HAM10000_images_part_1", "HAM10000_images_part_2"}


def test_a_byte_order_mark_does_not_hide_a_column(ham):
    path = ham / "HAM10000_metadata.csv"
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    assert len(sources.load("ham10000", ham)) == 3


def test_a_missing_table(ham):
    (ham / "HAM10000_metadata.csv").unlink()
    with pytest.raises(DatasetError, match=r"HAM10000_metadata\.csv is missing"):
        sources.load("ham10000", ham)


def test_a_missing_column(ham):
    rewrite(ham / "HAM10000_metadata.csv", ",dx,", ",diagnosis,")
    with pytest.raises(DatasetError, match=r"lacks the column\(s\) dx; it has .*'diagnosis'"):
        sources.load("ham10000", ham)


def test_an_empty_table(ham):
    (ham / "HAM10000_metadata.csv").write_text("", encoding="utf-8")
    with pytest.raises(DatasetError, match="lacks the column"):
        sources.load("ham10000", ham)


def test_a_missing_picture(ham):
    (ham / "HAM10000_images_part_2" / "ISIC_0000001.jpg").unlink()
    with pytest.raises(DatasetError, match="ISIC_0000001 is listed in the table but its picture is not under"):
        sources.load("ham10000", ham)


def test_no_picture_folder(ham):
    for place in (1, 2):
        (ham / f"HAM10000_images_part_{place}").rename(ham / f"pictures{place}")
    with pytest.raises(DatasetError, match="holds no picture folder"):
        sources.load("ham10000", ham)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (",nv,", ",mole,", "ISIC_000000[12] has the label 'mole', which is in no vocabulary"),
        (",85.0,", ",850,", "ISIC_0000002: age is 850.0; a number from 0 to 120"),
        (",85.0,", ",old,", "ISIC_0000002: age is 'old'"),
        (",female,", ",diverse,", "ISIC_0000001: sex is 'diverse'"),
        (",lower extremity,", ",tail,", "ISIC_0000001: site is 'tail'"),
        ("vidir_modern", "vidir,modern", "row 2 has more cells than the table has columns"),
    ],
)
def test_a_cell_that_is_in_no_vocabulary(ham, old, new, message):
    rewrite(ham / "HAM10000_metadata.csv", old, new)
    with pytest.raises(DatasetError, match=message):
        sources.load("ham10000", ham)


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
    assert [r.picture_id for r in sources.load("isic2018", root)] == ["ISIC_2", "ISIC_1"]


@pytest.mark.parametrize(("values", "count"), [((1.0, 1.0), 2), ((0.0, 0.0), 0)])
def test_not_exactly_one_class_marked(tmp_path, values, count):
    root = miniature.isic2018(tmp_path, "Test", {"ISIC_1": "NV"})
    truth = root / "ISIC2018_Task3_Test_GroundTruth" / "ISIC2018_Task3_Test_GroundTruth.csv"
    miniature.table(truth, ("image", "MEL", "NV"), [("ISIC_1", *values)])
    with pytest.raises(DatasetError, match=f"ISIC_1 has {count} classes marked; exactly one"):
        sources.load("isic2018", root, part="test")


def test_a_mark_that_is_no_number(tmp_path):
    root = miniature.isic2018(tmp_path, "Test", {"ISIC_1": "NV"})
    truth = root / "ISIC2018_Task3_Test_GroundTruth" / "ISIC2018_Task3_Test_GroundTruth.csv"
    miniature.table(truth, ("image", "MEL", "NV"), [("ISIC_1", "yes", "no")])
    with pytest.raises(DatasetError, match="ISIC_1 has 'yes' where a class is marked by 0 or 1"):
        sources.load("isic2018", root, part="test")


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
    with pytest.raises(DatasetError, match="ISIC_1 is marked both melanoma and seborrhoeic keratosis"):
        sources.load("isic2017", root, part="test")


# MILK10k


def test_milk10k(tmp_path):
    root = miniature.milk10k(tmp_path, {"IL_2": "SCCKA", "IL_1": "BEN_OTH"})
    records = sources.load("milk10k", root)
    assert [r.picture_id for r in records] == sorted(r.picture_id for r in records)
    assert {(r.group, r.diagnosis) for r in records} == {("milk10k:IL_2", Diagnosis.SCCKA),
                                                        ("milk10k:IL_1", Diagnosis.BEN_OTH)}
    kinds = {r.group: set() for r in records}
    for record in records:
        kinds[record.group].add(record.patient.modality)
        assert record.picture.is_file() and record.picture.parent.name == record.group.split(":")[1]
        assert record.patient.site is Site.HEAD_NECK and record.patient.age == 70
    assert all(kind == {Modality.CLINICAL, Modality.DERMOSCOPIC} for kind in kinds.values())


def test_milk10k_without_a_picture(tmp_path):
    root = miniature.milk10k(tmp_path, {"IL_1": "MEL"})
    next(root.glob("MILK10k_Training_Input/IL_1/*.jpg")).unlink()
    with pytest.raises(DatasetError, match=r"IL_1.*is listed in the table but is not there"):
        sources.load("milk10k", root)


def test_milk10k_leaves_out_lesions_without_a_label(tmp_path):
    root = miniature.milk10k(tmp_path, {"IL_1": "MEL", "IL_2": "NV"})
    truth = root / "MILK10k_Training_GroundTruth.csv"
    truth.write_text("".join(truth.read_text().splitlines(keepends=True)[:2]))
    assert {r.group for r in sources.load("milk10k", root)} == {"milk10k:IL_1"}


# Any


def test_an_unknown_data_set(tmp_path):
    with pytest.raises(DatasetError, match=r"no data set 'ham'; known: ham10000, isic2017, isic2018, milk10k"):
        sources.load("ham", tmp_path)


@pytest.mark.parametrize("dataset", sources.READERS)
def test_a_root_that_is_not_there(tmp_path, dataset):
    with pytest.raises(DatasetError, match="is not a folder"):
        sources.load(dataset, tmp_path / "nowhere")


@pytest.mark.parametrize("dataset", sources.READERS)
def test_an_empty_root(tmp_path, dataset):
    with pytest.raises(DatasetError, match="unzip"):
        sources.load(dataset, tmp_path)


@pytest.mark.parametrize(("dataset", "part"), [("isic2018", "train"), ("isic2017", "Test_v2")])
def test_a_part_that_the_publisher_does_not_have(tmp_path, dataset, part):
    with pytest.raises(DatasetError, match=f"{dataset} has no part '{part}'; it has: .*all"):
        sources.load(dataset, tmp_path, part=part)


def test_a_lumped_label_has_no_single_diagnosis(ham):
    record = sources.load("ham10000", ham)[0]
    lumped = type(record)(**{**vars(record), "labels": frozenset({Diagnosis.NV, Diagnosis.BKL})})
    with pytest.raises(ValueError, match="too many values"):
        _ = lumped.diagnosis
