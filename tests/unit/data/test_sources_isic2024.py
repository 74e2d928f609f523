"""SLICE-3D in its two layouts, and as one HDF5 file."""

from __future__ import annotations

import miniature_sets
import pytest

from macule.analysis.patient import Modality, Patient, Sex, Site
from macule.data import pictures, sources
from macule.data.sources import Reading, cells
from macule.errors import DatasetError, UnreadableImage
from macule.taxonomy import Diagnosis

ROWS = {
    miniature_sets.slice_row("1"): (0, "", miniature_sets.iddx("Benign")),
    miniature_sets.slice_row("2", licence="CC-0"): (1, "IL_2", miniature_sets.iddx(
        "Malignant", "Malignant adnexal epithelial proliferations - Follicular", "Basal cell carcinoma",
        "Basal cell carcinoma, Nodular")),
    miniature_sets.slice_row("3", patient="IP_2", licence="CC-BY-NC"): (0, "IL_3", miniature_sets.iddx(
        "Indeterminate", "Indeterminate epidermal proliferations", "Solar or actinic keratosis")),
}


def check(records):
    first, second, third = records
    assert [r.picture_id for r in records] == ["ISIC_1", "ISIC_2", "ISIC_3"]
    assert (first.labels, first.malignant, first.lesion_id) == (cells.BENIGN, False, None)
    assert first.group == "isic2024:ISIC_1"
    assert (second.labels, second.malignant, second.group) == ({Diagnosis.BCC}, True, "isic2024:IL_2")
    # The publisher's target counts an actinic keratosis as not malignant.
    assert (third.labels, third.malignant) == ({Diagnosis.AKIEC}, False)
    assert first.patient == Patient(60.0, Sex.MALE, Site.TRUNK, Modality.CLINICAL)
    assert [r.patient_id for r in records] == ["IP_1", "IP_1", "IP_2"]
    assert [r.licence for r in records] == ["CC BY 4.0", "CC0 1.0", "CC BY-NC 4.0"]
    assert first.centre == "Memorial Sloan Kettering Cancer Center"
    assert all(r.read().startswith(b"\xff\xd8") for r in records)


def test_as_kaggle_ships_it(tmp_path):
    check(list(sources.read(Reading("isic2024", miniature_sets.isic2024_kaggle(tmp_path, ROWS)))))


@pytest.mark.parametrize("stem", ["ISIC_2024_Training", "ISIC_2024_Permissive_Training"])
def test_as_the_challenge_ships_it(tmp_path, stem):
    check(list(sources.read(Reading("isic2024", miniature_sets.isic2024_challenge(tmp_path, ROWS, stem)))))


def test_without_the_supplement_only_the_target_is_known(tmp_path):
    root = miniature_sets.isic2024_challenge(tmp_path, ROWS)
    (root / "ISIC_2024_Training_Supplement.csv").unlink()
    first, second, _ = sources.load("isic2024", root)
    assert (first.labels, second.labels) == (cells.BENIGN, cells.MALIGNANT)
    assert (first.malignant, second.malignant) == (False, True)


def test_a_crop_without_ground_truth(tmp_path):
    root = miniature_sets.isic2024_challenge(tmp_path, ROWS)
    truth = root / "ISIC_2024_Training_GroundTruth.csv"
    truth.write_text("".join(truth.read_text().splitlines(keepends=True)[:3]))
    with pytest.raises(DatasetError, match=r"metadata\.csv row 4: the picture ISIC_3 is in the metadata but not in"):
        sources.load("isic2024", root)


def test_one_hdf5_file(tmp_path):
    pytest.importorskip("h5py")
    root = miniature_sets.isic2024_kaggle(tmp_path, ROWS, packed=True)
    records = list(sources.read(Reading("isic2024", root)))
    check(records)
    assert records[0].picture == root / "train-image.hdf5" / "ISIC_1"


def test_a_picture_that_the_hdf5_file_lacks(tmp_path):
    h5py = pytest.importorskip("h5py")
    root = miniature_sets.isic2024_kaggle(tmp_path, ROWS, packed=True)
    with h5py.File(root / "train-image.hdf5", "a") as file:
        del file["ISIC_2"]
        file["ISIC_8"] = file["ISIC_1"][()]
    reading = Reading("isic2024", root, keep_going=True)
    records = list(sources.read(reading))
    assert [r.picture_id for r in records] == ["ISIC_1", "ISIC_3"]
    assert [(r.row, r.picture_id) for r in reading.rejects] == [(3, "ISIC_2"), (None, "ISIC_8")]
    with pytest.raises(UnreadableImage, match="ISIC_2 cannot be read"):
        pictures.read(root / "train-image.hdf5" / "ISIC_2")


def test_a_damaged_hdf5_file(tmp_path):
    pytest.importorskip("h5py")
    root = miniature_sets.isic2024_kaggle(tmp_path, ROWS, packed=True)
    (root / "train-image.hdf5").write_bytes(b"not an HDF5 file")
    with pytest.raises(DatasetError, match=r"train-image\.hdf5 is damaged .*get the file again"):
        sources.load("isic2024", root)
