"""The readers on real sets, counted against the README of the folder that holds them (resized, partly thinned copies).

Skipped where that folder is not at hand: MACULE_DATA names it, else it is looked for beside the checkout.
"""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path

import pytest

from macule.analysis.patient import Modality
from macule.data import sources
from macule.taxonomy import Diagnosis

CHECKOUT = Path(__file__).resolve().parents[2]
ROOT = Path(os.environ.get("MACULE_DATA") or CHECKOUT / ".." / "shared" / "data")


def read(dataset, **options):
    root = ROOT / sources.FOLDERS[dataset]
    if not root.is_dir():
        pytest.skip(f"{dataset} is not at hand: point MACULE_DATA at the folder that holds {sources.FOLDERS[dataset]}")
    return sources.load(dataset, root, **options)


def lesions(records):
    return len({record.group for record in records})


def test_ham10000():
    records = read("ham10000")
    assert (len(records), lesions(records)) == (10_015, 7_470)
    # Tschandl et al. 2018, table 2.
    assert Counter(record.diagnosis.value for record in records) == {
        "nv": 6_705, "mel": 1_113, "bkl": 1_099, "bcc": 514, "akiec": 327, "vasc": 142, "df": 115,
    }
    assert max(record.patient.age for record in records if record.patient.age is not None) == 85


def test_isic2018_validation():
    records = read("isic2018", part="val")
    assert len(records) == 193
    assert Counter(record.diagnosis for record in records)[Diagnosis.DF] == 1
    assert Counter(record.diagnosis for record in records)[Diagnosis.VASC] == 3


@pytest.mark.parametrize(
    ("part", "total", "melanomas", "keratoses"),
    # Codella et al. 2017, table 1.
    [("train", 2_000, 374, 254), ("val", 150, 30, 42), ("test", None, 117, 90)],
)
def test_isic2017(part, total, melanomas, keratoses):
    records = read("isic2017", part=part)
    counts = Counter(record.diagnosis for record in records)
    assert (counts[Diagnosis.MEL], counts[Diagnosis.BKL]) == (melanomas, keratoses)
    assert total in (None, len(records))


def test_isic2017_in_all():
    assert len(read("isic2017")) == 2_745


def test_milk10k():
    records = read("milk10k")
    assert (len(records), lesions(records)) == (6_292, 3_146)
    assert {record.diagnosis for record in records} == set(Diagnosis)
    assert Counter(record.patient.modality for record in records) == {
        Modality.CLINICAL: 3_146, Modality.DERMOSCOPIC: 3_146,
    }


@pytest.mark.parametrize("dataset", sources.READERS)
def test_every_record_has_its_picture_once(dataset):
    records = read(dataset)
    assert len({record.picture for record in records}) == len({record.picture_id for record in records}) == len(records)
    assert all(record.picture.stem == record.picture_id for record in records)
    assert all(record.group.startswith(f"{dataset}:") for record in records)


@pytest.mark.parametrize("dataset", sources.READERS)
def test_pictures_of_one_lesion_share_their_diagnosis(dataset):
    labels: dict[str, set[Diagnosis]] = {}
    for record in read(dataset):
        labels.setdefault(record.group, set()).add(record.diagnosis)
    assert [group for group, found in labels.items() if len(found) > 1] == []
