from __future__ import annotations

from pathlib import Path

from macule.analysis.patient import Patient
from macule.data import membership
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
