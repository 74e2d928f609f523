"""HAM10000, and DermaMNIST that was made of it."""

from __future__ import annotations

import cv2
import miniature
import miniature_sets
import numpy as np
import pytest

from macule.analysis.patient import Modality, Patient, Sex, Site
from macule.data import pictures, sources
from macule.data.sources import Reading
from macule.data.vocabulary import Confirmation
from macule.errors import DatasetError, UnreadableImage, UsageError
from macule.taxonomy import Diagnosis

ROWS = [
    miniature.ham_row("0000002", "0000003", "bkl", age="", sex="unknown", site="unknown"),
    miniature.ham_row("0000001", "0000001", "nv", age="0.0", sex="female", site="lower extremity"),
    miniature.ham_row("0000001", "0000002", "nv", age="85.0", sex="male", site="acral"),
]


@pytest.fixture
def ham(tmp_path):
    return miniature.ham10000(tmp_path / "HAM10000", ROWS)


def test_ham10000(ham):
    first, second, third = sources.load("ham10000", ham)
    assert [r.picture_id for r in (first, second, third)] == ["ISIC_0000001", "ISIC_0000002", "ISIC_0000003"]
    assert first.group == second.group == "ham10000:HAM_0000001" != third.group
    assert first.diagnosis is Diagnosis.NV and third.labels == {Diagnosis.BKL}
    assert first.patient == Patient(0.0, Sex.FEMALE, Site.LOWER_EXTREMITY, Modality.DERMOSCOPIC)
    assert second.patient == Patient(85.0, Sex.MALE, None, Modality.DERMOSCOPIC)
    assert second.site_original == "acral"
    assert third.patient == Patient(None, None, None, Modality.DERMOSCOPIC)
    assert all(r.picture.is_file() and r.dataset == "ham10000" for r in (first, second, third))
    assert {r.picture.parent.name for r in (first, third)} == {"HAM10000_images_part_1", "HAM10000_images_part_2"}
    assert (first.lesion_id, first.patient_id, first.malignant, first.mask) == ("HAM_0000001", None, False, None)
    assert (first.confirmation, first.centre) == (Confirmation.HISTOPATHOLOGY, "vidir_modern")


def test_masks(ham):
    mask = ham / "HAM10000_segmentations_lesion_tschandl" / "ISIC_0000001_segmentation.png"
    miniature.flat(mask)
    first, second, _ = sources.load("ham10000", ham)
    assert (first.mask, second.mask) == (mask, None)


def test_dataverse_s_own_form_of_the_table(ham):
    path = ham / "HAM10000_metadata.csv"
    path.rename(path.with_suffix(".tab"))
    tab = path.with_suffix(".tab")
    tab.write_text(tab.read_text(encoding="utf-8").replace(",", "\t"), encoding="utf-8")
    assert len(sources.load("ham10000", ham)) == 3


# DermaMNIST


@pytest.fixture
def derma(tmp_path):
    return miniature_sets.dermamnist(tmp_path / "dermamnist.npz", {"train": [5, 4, 0], "val": [1], "test": [2, 3, 6]})


def test_dermamnist(derma):
    records = sources.load("dermamnist", derma)
    assert len(records) == 7
    by_id = {record.picture_id: record for record in records}
    names = ("train/0", "train/1", "train/2", "val/0", "test/0", "test/1", "test/2")
    assert [by_id[name].diagnosis for name in names] == [
        Diagnosis.NV, Diagnosis.MEL, Diagnosis.AKIEC, Diagnosis.BCC, Diagnosis.BKL, Diagnosis.DF, Diagnosis.VASC]
    record = by_id["train/1"]
    assert (record.part, record.group, record.dx_original) == ("train", "dermamnist:train/1", "melanoma")
    assert record.picture == derma / "train" / "1"
    assert cv2.imdecode(np.frombuffer(record.read(), np.uint8), cv2.IMREAD_COLOR).tolist() == [[[1, 1, 1]] * 28] * 28
    assert [r.part for r in sources.load("dermamnist", derma, part="test")] == ["test"] * 3


def test_dermamnist_takes_the_largest_size_or_the_one_that_is_asked_for(derma):
    miniature_sets.dermamnist(derma.with_name("dermamnist_64.npz"), {"val": [0]}, side=64)
    (record,) = sources.load("dermamnist", derma.parent, part="val")
    assert record.picture.parent.parent.name == "dermamnist_64.npz"
    small, *_ = sources.read(Reading("dermamnist", derma.parent, "val", options={"size": "28"}))
    assert small.picture.parent.parent.name == "dermamnist.npz"
    with pytest.raises(UsageError, match=r"the option size is '224'; .* has 28, 64\."):
        list(sources.read(Reading("dermamnist", derma.parent, options={"size": "224"})))


def test_a_label_that_dermamnist_does_not_have(tmp_path):
    path = miniature_sets.dermamnist(tmp_path / "dermamnist.npz", {"train": [5, 7], "val": [0], "test": [0]})
    with pytest.raises(DatasetError, match=r"dermamnist\.npz train row 1: the label is 7; 0 to 6 is expected"):
        list(sources.read(Reading("dermamnist", path)))
    reading = Reading("dermamnist", path, keep_going=True)
    assert len(list(sources.read(reading))) == 3 and len(reading.rejects) == 1


def test_an_npz_that_was_got_again_is_read_again(derma):
    assert len(sources.load("dermamnist", derma, part="train")) == 3
    derma.unlink()
    miniature_sets.dermamnist(derma, {"train": [1], "val": [1], "test": [1]})
    assert [r.diagnosis for r in sources.load("dermamnist", derma, part="train")] == [Diagnosis.BCC]


def test_a_damaged_npz(derma):
    derma.write_bytes(derma.read_bytes()[:200])
    with pytest.raises(DatasetError, match=r"dermamnist\.npz is damaged, or lacks train_images or train_labels"):
        sources.load("dermamnist", derma)


def test_an_npz_without_one_part(tmp_path):
    path = tmp_path / "dermamnist.npz"
    np.savez(path, train_images=np.zeros((1, 2, 2, 3), np.uint8), train_labels=np.zeros((2, 1), np.uint8))
    with pytest.raises(DatasetError, match="1 train_images but 2 train_labels"):
        sources.load("dermamnist", path, part="train")
    with pytest.raises(DatasetError, match="lacks val_images or val_labels"):
        sources.load("dermamnist", path, part="val")


@pytest.mark.parametrize("name", ["train/3", "train/x", "exam/0", "train"])
def test_a_member_that_is_not_there(derma, name):
    with pytest.raises(UnreadableImage, match=r"dermamnist\.npz/.* cannot be read"):
        pictures.read(derma / name)


def test_an_npz_with_python_objects_is_not_unpickled(tmp_path):
    path = tmp_path / "dermamnist.npz"
    np.savez(path, train_images=np.array([{"a": 1}], object), train_labels=np.zeros((1, 1), np.uint8))
    with pytest.raises(DatasetError, match="Python objects"):
        sources.load("dermamnist", path, part="train")
