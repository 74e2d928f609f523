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
from macule.data.sources import Reading, archive, cells, isic2020
from macule.data.vocabulary import Confirmation
from macule.errors import DatasetError
from macule.taxonomy import Diagnosis

CHECKOUT = Path(__file__).resolve().parents[2]
ROOT = Path(os.environ.get("MACULE_DATA") or CHECKOUT / ".." / "shared" / "data")


#: Those whose pictures are all at hand.
WHOLE = ("ham10000", "isic2017", "isic2018", "milk10k")


def folder(dataset):
    name = sources.find(dataset).folder
    if not (ROOT / name).is_dir():
        pytest.skip(f"{dataset} is not at hand: point MACULE_DATA at the folder that holds {name}")
    return ROOT / name


def read(dataset, **options):
    return sources.load(dataset, folder(dataset), **options)


def tables(dataset):
    """A set of which only the tables are at hand."""
    return list(sources.read(Reading(dataset, folder(dataset), tables_allowed=True)))


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


def test_isic2017_masks():
    assert sum(record.mask is not None and record.mask.is_file() for record in read("isic2017")) == 2_150


def test_milk10k():
    records = read("milk10k")
    assert (len(records), lesions(records)) == (6_292, 3_146)
    assert {record.diagnosis for record in records} == set(Diagnosis)
    assert Counter(record.patient.modality for record in records) == {
        Modality.CLINICAL: 3_146, Modality.DERMOSCOPIC: 3_146,
    }


def test_the_archive_s_tree_agrees_with_every_label_of_milk10k():
    """The supplement names a node by its last level; its branch is looked up in the tree itself."""
    disagree = {(record.dx_original, record.diagnosis.value) for record in read("milk10k")
                if record.diagnosis not in _by_last_level(record.dx_original)}
    assert disagree == set()


def _by_last_level(name):
    enum = pytest.importorskip("isic_metadata.fields").DiagnosisEnum
    (path,) = {member.value for member in enum if member.value.split(":")[-1] == name}
    return archive.classes(tuple(path.split(":")))


def test_pad_ufes_20():
    """Three pictures of 2,298 are at hand: the rest are rejects, one a row."""
    reading = Reading("pad-ufes-20", folder("pad-ufes-20"), keep_going=True)
    records = list(sources.read(reading))
    assert (len(records), len(reading.rejects)) == (3, 2_295)
    assert all("is listed but is not under" in reject.reason and reject.row for reject in reading.rejects)
    assert {record.confirmation for record in records} == {Confirmation.HISTOPATHOLOGY}
    with pytest.raises(DatasetError, match=r"metadata\.csv row 2: the picture PAT_1516_1765_530 is listed but"):
        read("pad-ufes-20")


def test_fitzpatrick17k():
    records = tables("fitzpatrick17k")
    assert len(records) == 16_577 and all(record.picture is None for record in records)
    # Groh et al. 2021: 565 pictures have no skin type; the publisher calls 17 wrongly labelled.
    tones = Counter(record.skin_tone.value if record.skin_tone else None for record in records)
    assert tones == {1: 2_947, 2: 4_808, 3: 3_308, 4: 2_781, 5: 1_533, 6: 635, None: 565}
    assert Counter(len(record.labels) for record in records) == {1: 13_743, 2: 2_817, 0: 17}
    assert {record.diagnosis for record in records if len(record.labels) == 1} == set(Diagnosis)


def test_isic2019():
    records = tables("isic2019")
    assert Counter(record.diagnosis.value for record in records) == {
        "nv": 12_875, "mel": 4_522, "bcc": 3_323, "bkl": 2_624, "akiec": 867, "sccka": 628, "vasc": 253, "df": 239,
    }
    assert Counter(record.centre for record in records) == {"BCN_20000": 12_413, "HAM10000": 10_015, "MSK": 819,
                                                            None: 2_084}


def test_isic2020():
    records = tables("isic2020")
    assert (len(records), len({record.patient_id for record in records})) == (33_126, 2_056)
    assert Counter(record.malignant for record in records) == {True: 584, False: 32_542}
    assert lesions(records) == 33_126 - 425  # the publisher's list of duplicates
    assert sum(record.labels == cells.BENIGN for record in records) == 27_124
    assert {record.dx_original for record in records} == set(isic2020.DISEASES)


@pytest.mark.parametrize("dataset", ["fitzpatrick17k", "isic2019", "isic2020"])
def test_tables_alone_have_to_be_asked_for(dataset):
    with pytest.raises(DatasetError, match=r"row 2: the picture .* is listed but is absent, as is every other"):
        read(dataset)


@pytest.mark.parametrize("dataset", WHOLE)
def test_no_picture_is_unlisted(dataset):
    reading = Reading(dataset, folder(dataset), keep_going=True)
    assert list(sources.read(reading)) and reading.rejects == []


@pytest.mark.parametrize("dataset", WHOLE)
def test_every_record_has_its_picture_once(dataset):
    records = read(dataset)
    assert len({record.picture for record in records}) == len({record.picture_id for record in records}) == len(records)
    assert all(record.picture.stem == record.picture_id for record in records)
    assert all(record.group.startswith(f"{dataset}:") for record in records)


@pytest.mark.parametrize("dataset", WHOLE)
def test_pictures_of_one_lesion_share_their_diagnosis(dataset):
    labels: dict[str, set[Diagnosis]] = {}
    for record in read(dataset):
        labels.setdefault(record.group, set()).add(record.diagnosis)
    assert [group for group, found in labels.items() if len(found) > 1] == []
