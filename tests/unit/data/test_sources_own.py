"""A folder tree of one's own, and any CSV by a mapping of its columns."""

from __future__ import annotations

import miniature
import pytest

from macule.analysis.patient import Modality, Patient, Sex, Site
from macule.data import sources
from macule.data.sources import Reading, cells
from macule.data.vocabulary import Confirmation, SkinTone, ToneScale
from macule.errors import DatasetError, UsageError
from macule.taxonomy import Diagnosis

# folder


def sort(root, *names):
    for name in names:
        miniature.flat(root / name)
    return root


def test_a_tree_of_benign_and_malignant(tmp_path):
    first, second = sources.load("folder", sort(tmp_path, "benign/a.jpg", "Malignant/2021/b.png"))
    assert (first.picture_id, first.malignant, first.labels) == ("Malignant/2021/b", True, cells.MALIGNANT)
    assert (second.picture_id, second.malignant, second.labels, second.part) == ("benign/a", False, cells.BENIGN, None)
    assert first.patient == Patient() and first.group == "folder:Malignant/2021/b"


def test_a_tree_in_parts(tmp_path):
    root = sort(tmp_path, "train/benign/a.jpg", "train/malignant/a.jpg", "valid/benign/c.jpg", "test/malignant/d.jpg")
    assert [(r.picture_id, r.part) for r in sources.read(Reading("folder", root))] == [
        ("test/malignant/d", "test"), ("train/benign/a", "train"), ("train/malignant/a", "train"),
        ("valid/benign/c", "val")]
    (only,) = sources.load("folder", root, part="val")
    assert only.picture_id == "valid/benign/c"
    (named, *_) = sources.read(Reading("folder", root, options={"modality": "clinical"}))
    assert named.patient.modality is Modality.CLINICAL


@pytest.mark.parametrize("stray", ["c.jpg", "unsure/c.jpg", "train/c.jpg", "train/unsure/benign/c.jpg"])
def test_a_picture_in_neither(tmp_path, stray):
    root = sort(tmp_path, "benign/a.jpg", stray)
    with pytest.raises(DatasetError, match=f"{stray}: this picture lies in neither benign/ nor malignant/"):
        sources.load("folder", root)
    reading = Reading("folder", root, keep_going=True)
    assert len(list(sources.read(reading))) == 1 and reading.rejects[0].row is None


def test_two_pictures_of_one_name(tmp_path):
    with pytest.raises(DatasetError, match=r"benign/a\.png: the picture benign/a already stands in benign/a\.jpg"):
        sources.load("folder", sort(tmp_path, "benign/a.jpg", "benign/a.png"))


# csv

HEAD = ("file", "label", "years", "gender", "where", "lesion", "person", "ska")
ROWS = [
    ("pictures/a.jpg", "Weird mole", "34", "F", "Back", "L1", "P1", "III"),
    ("pictures/b.jpg", "melanoma", "unknown", "m", "scalp", "L2", "P1", ""),
    ("pictures/c.jpg", "benign", "", "", "", "", "P2", "1"),
]
OPTIONS = {"picture": "file", "dx": "label", "age": "years", "sex": "gender", "site": "where", "lesion_id": "lesion",
           "patient_id": "person", "skin_tone": "ska", "skin_tone_scale": "fitzpatrick", "modality": "=clinical",
           "map:weird mole": "nv"}


def study(root, rows=ROWS, head=HEAD):
    miniature.table(root / "study.csv", head, rows)
    for row in rows:
        miniature.flat(root / row[0])
    return root


def read(root, options, **more):
    return list(sources.read(Reading("csv", root, options=options, **more)))


def test_a_csv_by_its_mapping(tmp_path):
    first, second, third = read(study(tmp_path), OPTIONS)
    assert (first.picture_id, first.diagnosis, first.dx_original) == ("pictures/a", Diagnosis.NV, "Weird mole")
    assert first.patient == Patient(34.0, Sex.FEMALE, Site.TRUNK, Modality.CLINICAL)
    assert (first.group, first.lesion_id, first.patient_id) == ("csv:L1", "L1", "P1")
    assert (first.skin_tone, second.skin_tone) == (SkinTone(ToneScale.FITZPATRICK, 3), None)
    assert (second.diagnosis, second.malignant, second.patient.age) == (Diagnosis.MEL, True, None)
    assert (third.labels, third.malignant, third.group) == (cells.BENIGN, False, "csv:pictures/c")


def test_the_csv_itself_as_the_root(tmp_path):
    assert len(read(study(tmp_path) / "study.csv", OPTIONS)) == 3


def test_a_csv_that_uses_our_names_needs_no_mapping(tmp_path):
    miniature.flat(tmp_path / "a.jpg")
    miniature.table(tmp_path / "own.csv",
                    ("picture", "picture_id", "dx", "malignant", "confirmation", "part", "licence"),
                    [("a.jpg", "one", "bkl", "yes", "biopsy", "Validation", "CC-BY")])
    (record,) = read(tmp_path, {})
    assert (record.picture_id, record.diagnosis, record.part) == ("one", Diagnosis.BKL, "val")
    assert record.malignant is True  # the table's own word goes before the class's
    assert (record.confirmation, record.licence) == (Confirmation.HISTOPATHOLOGY, "CC BY 4.0")
    assert read(tmp_path, {}, part="train") == []


def test_a_csv_with_only_malignant_or_not(tmp_path):
    rows = [("a.jpg", "1"), ("b.jpg", "0"), ("c.jpg", "")]
    first, second, third = read(study(tmp_path, rows, ("picture", "cancer")), {"malignant": "cancer"})
    assert [(r.labels, r.malignant) for r in (first, second, third)] == [
        (cells.MALIGNANT, True), (cells.BENIGN, False), (frozenset(), None)]


def test_a_folder_of_pictures_and_names_without_ending(tmp_path):
    miniature.table(tmp_path / "study.csv", ("picture", "dx"), [("A", "nv"), ("sub/b.JPG", "mel")])
    for name in ("a.jpg", "sub/B.jpg"):
        miniature.flat(tmp_path / "pics" / name)
    assert [r.picture.name for r in read(tmp_path, {"images": "pics"})] == ["a.jpg", "B.jpg"]
    miniature.flat(tmp_path / "pics" / "unlisted.jpg")
    with pytest.raises(DatasetError, match=r"pics/unlisted\.jpg: this picture is in no row"):
        read(tmp_path, {"images": "pics"})


def test_another_delimiter(tmp_path):
    (tmp_path / "study.csv").write_text("picture;dx\na.jpg;nv\n", encoding="utf-8")
    miniature.flat(tmp_path / "a.jpg")
    assert len(read(tmp_path, {"delimiter": ";"})) == 1


@pytest.mark.parametrize(("options", "message"), [
    ({"diagnosis": "label"}, "the csv set has no option 'diagnosis'"),
    ({"pictures": "file"}, "no option 'pictures': did you mean picture"),
    ({"map:x": "mole"}, "the option map:x is 'mole'; one of akiec, .*benign, unknown is needed"),
    ({"skin_tone": "ska"}, "skin_tone needs skin_tone_scale"),
    ({"skin_tone_scale": "gray"}, "skin_tone_scale is 'gray'; one of fitzpatrick, milk, monk, ita"),
])
def test_an_option_that_makes_no_sense(tmp_path, options, message):
    with pytest.raises(UsageError, match=message):
        read(study(tmp_path), options)


@pytest.mark.parametrize(("row", "options", "message"), [
    (("a.jpg", "a weird thing"), {}, r"study\.csv row 2: the label 'a weird thing' is in no vocabulary"),
    (("../a.jpg", "nv"), {}, r"row 2: the path '\.\./a\.jpg' leads out of"),
    (("/a.jpg", "nv"), {}, "leads out of"),
    (("", "nv"), {}, "row 2: the picture's cell is empty; its path is expected"),
    (("gone.jpg", "nv"), {}, "row 2: the picture gone.jpg is listed but is not under .*option images"),
    (("a.jpg", "nv"), {"age": "years"}, r"row 1 lacks the column\(s\) years; it has picture, dx"),
    (("a.jpg", "nv"), {"modality": "=xray"}, "row 2: the modality is 'xray'; one of clinical"),
    (("a.jpg", "nv"), {"part": "=exam"}, "row 2: the part is 'exam'; one of train"),
])
def test_a_csv_with_a_mistake(tmp_path, row, options, message):
    miniature.flat(tmp_path / "a.jpg")
    miniature.table(tmp_path / "study.csv", ("picture", "dx"), [row])
    with pytest.raises(DatasetError, match=message):
        read(tmp_path, options)


def test_two_csvs_in_one_folder(tmp_path):
    study(tmp_path)
    miniature.table(tmp_path / "second.csv", ("picture",), [])
    with pytest.raises(DatasetError, match=r"should hold one CSV and holds second\.csv, study\.csv: give the CSV"):
        read(tmp_path, OPTIONS)


def test_a_csv_alone(tmp_path):
    miniature.table(tmp_path / "study.csv", ("picture", "dx"), [("a.jpg", "nv")])
    (record,) = read(tmp_path, {}, tables_allowed=True)
    assert record.picture is None


def test_a_csv_without_rows_is_not_one_without_the_part(tmp_path):
    miniature.flat(tmp_path / "a.jpg")
    miniature.table(tmp_path / "study.csv", ("picture", "dx", "part"), [("a.jpg", "nv", "train")])
    assert list(sources.read(Reading("csv", tmp_path, "val"))) == []
    miniature.table(tmp_path / "study.csv", ("picture", "dx", "part"), [])
    for part in ("all", "val"):
        with pytest.raises(DatasetError, match=r"study\.csv: the table has no rows"):
            list(sources.read(Reading("csv", tmp_path, part)))
