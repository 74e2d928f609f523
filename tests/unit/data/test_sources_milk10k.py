"""MILK10k, and the ISIC archive's tree of diagnoses that its classes were drawn from."""

from __future__ import annotations

import miniature
import miniature_sets
import pytest

from macule.analysis.patient import Modality, Site
from macule.data import sources
from macule.data.sources import Reading, archive, cells
from macule.data.vocabulary import Confirmation, SkinTone, ToneScale
from macule.errors import DatasetError
from macule.taxonomy import Diagnosis


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
        assert record.skin_tone == SkinTone(ToneScale.MILK, 3)
    assert all(kind == {Modality.CLINICAL, Modality.DERMOSCOPIC} for kind in kinds.values())


def test_milk10k_without_a_picture(tmp_path):
    root = miniature.milk10k(tmp_path, {"IL_1": "MEL"})
    next(root.glob("MILK10k_Training_Input/IL_1/*.jpg")).unlink()
    with pytest.raises(DatasetError, match=r"Metadata\.csv row [23]: the picture ISIC_9\d+ is listed but is not under"):
        sources.load("milk10k", root)


def test_milk10k_leaves_out_lesions_without_a_label(tmp_path):
    root = miniature.milk10k(tmp_path, {"IL_1": "MEL", "IL_2": "NV"})
    truth = root / "MILK10k_Training_GroundTruth.csv"
    truth.write_text("".join(truth.read_text().splitlines(keepends=True)[:2]))
    assert {r.group for r in sources.load("milk10k", root)} == {"milk10k:IL_1"}


# BCN20000, from figshare and from the archive

BCN_ROWS = [
    ("BCN_0000000001.jpg", 55.0, "anterior torso", "MEL", "BCN_0003884", "2012-05-16", "male", "train"),
    ("BCN_0000000002.jpg", "", "", "AK", "BCN_0003884", "2012-05-16", "", "train"),
]


def test_bcn20000_from_figshare(tmp_path):
    test = ("BCN_0000000009.jpg", 40.0, "head/neck", "", "BCN_0000009", "2013-01-01", "female", "test")
    records = list(sources.read(Reading("bcn20000", miniature_sets.bcn20000(tmp_path, BCN_ROWS, [test]))))
    first, second, third = records
    assert (first.picture_id, first.diagnosis, second.diagnosis) == ("BCN_0000000001", Diagnosis.MEL, Diagnosis.AKIEC)
    assert first.group == second.group == "bcn20000:BCN_0003884"
    assert (third.labels, third.malignant, third.part) == (frozenset(), None, "test")
    assert first.centre == "Hospital Clínic de Barcelona" and first.licence == "CC BY 4.0"


def archived(name, *path, lesion="IL_1", confirm="histopathology", licence="CC-BY-NC"):
    levels = (*path, *[""] * (5 - len(path)))
    return (name, "Hospital Clínic", licence, 60, "posterior torso", *levels, confirm, "dermoscopic", lesion, "female")


def test_bcn20000_from_the_archive(tmp_path):
    miniature_sets.archive(tmp_path, [
        archived("ISIC_1", "Malignant", "Malignant melanocytic proliferations (Melanoma)", "Melanoma Invasive"),
        archived("ISIC_2", "Indeterminate", "Indeterminate epidermal proliferations", "Solar or actinic keratosis"),
        archived("ISIC_3", "Benign", lesion="", confirm="", licence="CC-0"),
    ])
    first, second, third = sources.read(Reading("bcn20000", tmp_path))
    assert (first.diagnosis, second.diagnosis) == (Diagnosis.MEL, Diagnosis.AKIEC)
    assert first.group == second.group == "bcn20000:IL_1" and third.group == "bcn20000:ISIC_3"
    assert first.dx_original == "Malignant:Malignant melanocytic proliferations (Melanoma):Melanoma Invasive"
    assert (first.malignant, second.malignant) == (True, True)
    assert (third.labels, third.malignant, third.confirmation) == (cells.BENIGN, None, None)
    assert first.confirmation is Confirmation.HISTOPATHOLOGY
    assert (first.licence, third.licence) == ("CC BY-NC 4.0", "CC0 1.0")


def test_an_image_type_that_is_no_skin_picture(tmp_path):
    row = list(archived("ISIC_1", "Benign"))
    row[11] = "RCM: mosaic"
    with pytest.raises(DatasetError, match=r"metadata\.csv row 2: column image_type is 'RCM: mosaic'; one of derm"):
        sources.load("bcn20000", miniature_sets.archive(tmp_path, [row]))


@pytest.mark.parametrize(
    ("path", "codes"),
    [
        ("", ""),
        ("Benign:Benign epidermal proliferations:Clear cell acanthoma", "bkl"),
        ("Benign:Benign epidermal proliferations:Porokeratosis", "inf"),
        ("Benign:Benign epidermal proliferations", "ben_oth bkl inf"),
        ("Benign:Benign melanocytic proliferations:Nevus:Blue nevus:Blue nevus, Cellular", "nv"),
        ("Benign:Benign melanocytic proliferations:Lentigo simplex", "bkl nv"),
        ("Benign:Benign soft tissue proliferations - Fibro-histiocytic:Dermatofibroma:Dermatofibroma, Atypical", "df"),
        ("Benign:Benign soft tissue proliferations - Fibro-histiocytic:Scar:Scar, Keloid", "ben_oth"),
        ("Benign:Benign soft tissue proliferations - Vascular:Hemangioma:Hemangioma, Cherry", "vasc"),
        ("Benign:Benign soft tissue proliferations - Vascular", "ben_oth vasc"),
        ("Benign:Inflammatory or infectious diseases:Verruca", "inf"),
        ("Indeterminate", "akiec mel nv"),
        ("Indeterminate:Indeterminate melanocytic proliferations:Atypical Spitz tumor", "mel nv"),
        ("Malignant:Malignant adnexal epithelial proliferations - Follicular:Basal cell carcinoma", "bcc"),
        ("Malignant:Malignant epidermal proliferations:Squamous cell carcinoma in situ:"
         "Squamous cell carcinoma in situ, Bowens disease", "akiec"),
        ("Malignant:Malignant epidermal proliferations:Keratoacanthoma", "sccka"),
        ("Malignant:Malignant epidermal proliferations", "akiec sccka"),
        ("Malignant:Merkel cell proliferation:Merkel cell carcinoma", "mal_oth"),
    ],
)
def test_the_tree_of_diagnoses(path, codes):
    assert archive.classes(tuple(path.split(":"))) == {Diagnosis(code) for code in codes.split()}


def test_another_trunk():
    with pytest.raises(DatasetError, match="'Dubious:Nevus' starts with none of Benign, Indeterminate, Malignant"):
        archive.classes(("Dubious", "Nevus"))


def test_every_diagnosis_of_the_archive_has_its_place():
    enum = pytest.importorskip("isic_metadata.fields").DiagnosisEnum
    for member in enum:
        path = tuple(member.value.split(":"))
        codes = archive.classes(path)
        assert codes
        if path[0] == "Malignant":
            assert all(code.suspicious for code in codes), path
        if path[0] == "Benign" and len(path) > 1:
            assert not any(code.suspicious for code in codes), path
        # Below the second level, only these stay lumped.
        if len(codes) > 1 and len(path) > 2:
            lumped = {"Lentigo simplex", "Lentiginous melanocytic proliferation", "Lentigo NOS",
                      "Baso-squamous carcinoma"}
            assert path[1].startswith("Indeterminate melanocytic") or path[2] in lumped, path
