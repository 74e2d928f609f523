from __future__ import annotations

from pathlib import Path

import pytest

from macule import bundles
from macule.analysis.patient import Patient
from macule.data import guard, membership
from macule.data.kinship import Kind
from macule.data.record import Record
from macule.taxonomy import Diagnosis


def record(number, group):
    return Record(Path(f"{number}.jpg"), "ham10000", str(number), frozenset({Diagnosis.NV}), group, Patient())


PARTS = {
    "train": [record(1, "ham10000:b"), record(2, "ham10000:b"), record(3, "milk10k:a, with a comma")],
    "calibration": [record(4, "ham10000:c")],
    "test": [record(5, "ham10000:ä")],
}


def test_round_trip(tmp_path):
    path = tmp_path / membership.FILE
    membership.write(path, PARTS)
    assert membership.read(path) == {
        "ham10000:b": "train", "milk10k:a, with a comma": "train", "ham10000:c": "calibration", "ham10000:ä": "test",
    }


def test_equal_parts_give_equal_bytes(tmp_path):
    turned = {part: records[::-1] for part, records in reversed(PARTS.items())}
    membership.write(tmp_path / "one", PARTS)
    membership.write(tmp_path / "other", turned)
    content = (tmp_path / "one").read_bytes()
    assert content == (tmp_path / "other").read_bytes()
    # RFC 1952: the time of writing; the bundle's SHA-256 must not depend on it.
    assert content[4:8] == bytes(4)
    assert list(membership.read(tmp_path / "one")) == sorted(membership.read(tmp_path / "one"))


def test_a_bundle_that_does_not_say(tmp_path):
    assert membership.read(tmp_path / membership.FILE) == {}


def test_what_was_calibrated_on_counts_as_seen():
    assert {"train", "calibration"} == membership.FITTED


# Of single pictures


def fine(number, group, *, lesion=None, patient=None, dataset="ham10000"):
    return Record(Path(f"{number}.jpg"), dataset, str(number), frozenset({Diagnosis.NV}), group, Patient(),
                  lesion_id=lesion, patient_id=patient)


HASHES = {"ham10000:1": "ab" * 32, "ham10000:2": "cd" * 32, "milk10k:3": "ef" * 32}
FINE = {
    "train": [fine(1, "ham10000:HAM_0000001", lesion="HAM_0000001", patient="P")],
    "calibration": [fine(2, "ham10000:2")],
    "test": [fine(3, "milk10k:IL_0000009", lesion="IL_0000009", dataset="milk10k")],
}


@pytest.fixture
def known(tmp_path):
    membership.write(tmp_path / membership.FILE, FINE, sha256=HASHES)
    return membership.load(tmp_path / membership.FILE)


def leaking(known, record, **options):
    (leak,) = guard.check({"seen": known.fitted(), "scored": known.scored([record], **options)}).leaks
    return {kind for kind, count in leak.by_kind.items() if count}


def test_single_pictures(known, tmp_path):
    assert known.fine and not known.leaky
    assert known.pictures == {"ham10000:1": "train", "ham10000:2": "calibration", "milk10k:3": "test"}
    assert membership.read(tmp_path / membership.FILE) == {
        "ham10000:2": "calibration", "ham10000:HAM_0000001": "train", "milk10k:IL_0000009": "test"}
    assert [known.part_of(record) for record in (FINE["train"][0], fine(9, "ham10000:HAM_0000001"))] == ["train", None]


@pytest.mark.parametrize(
    ("record", "digest", "expected"),
    [
        (fine(1, "ham10000:HAM_0000001", lesion="HAM_0000001"), None, {Kind.LESION}),
        (fine(8, "isic2019:HAM_0000001", lesion="HAM_0000001", dataset="isic2019"), None, {Kind.LESION}),
        (fine(8, "ham10000:8", patient="P"), None, {Kind.PATIENT}),
        (fine(8, "pad:8", patient="P", dataset="pad"), None, set()),
        (fine(8, "folder:8", dataset="folder"), "cd" * 32, {Kind.PICTURE}),
        (fine(8, "folder:8", dataset="folder"), "ef" * 32, set()),
        (fine(3, "milk10k:IL_0000009", lesion="IL_0000009", dataset="milk10k"), "ef" * 32, set()),
    ],
)
def test_what_was_fitted_on_is_known_by_bytes_lesion_and_patient(known, record, digest, expected):
    hashes = {f"{record.dataset}:{record.picture_id}": digest} if digest else None
    assert leaking(known, record, sha256=hashes) == expected


def test_the_older_format_is_compared_by_lesions_of_the_same_set(tmp_path):
    membership.write(tmp_path / membership.FILE, FINE)
    known = membership.load(tmp_path / membership.FILE)
    assert not known.fine and known.part_of(fine(9, "ham10000:HAM_0000001")) == "train"
    assert leaking(known, fine(9, "ham10000:HAM_0000001", lesion="HAM_0000001")) == {Kind.LESION}
    assert leaking(known, fine(9, "isic2019:HAM_0000001", lesion="HAM_0000001", dataset="isic2019")) == set()


def test_a_leaking_bundle_says_so(tmp_path):
    """A lesion in two parts counts as fitted on."""
    both = {"train": [fine(1, "ham10000:a")], "test": [fine(2, "ham10000:a")]}
    membership.write(tmp_path / membership.FILE, both, sha256=HASHES, leaky=True)
    known = membership.load(tmp_path / membership.FILE)
    assert known.leaky and known.parts == {"ham10000:a": "train"} and known.pictures["ham10000:2"] == "test"


@pytest.mark.parametrize("folder", sorted(path.parent for path in Path(bundles.__file__).parent.glob("*/bundle.json")),
                         ids=lambda folder: folder.name)
def test_every_embedded_bundle_knows_its_pictures(folder):
    known = membership.load(folder / membership.FILE)
    assert known.fine and not known.leaky
    assert {"train", "calibration", "test"} == set(known.pictures.values())
    assert set(known.unnamed.values()) <= membership.FITTED
