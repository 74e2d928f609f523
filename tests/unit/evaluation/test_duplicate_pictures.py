from __future__ import annotations

from dataclasses import replace

from macule.evaluation.duplicates import duplicates
from macule.taxonomy import Diagnosis


def test_the_same_bytes_twice_are_counted(make_record):
    records = [make_record(f"nv-nv-{n}") for n in range(4)]
    for place in (1, 2):
        records[place].picture.write_bytes(records[0].picture.read_bytes())
    records[2] = replace(records[2], labels=frozenset({Diagnosis.MEL}))
    assert duplicates(records) == {"sets": 1, "surplus": 2, "several_lesions": 1, "several_labels": 1,
                                   "examples": [["nv-nv-0", "nv-nv-1", "nv-nv-2"]]}


def test_files_of_one_size_are_not_yet_the_same(make_record):
    """`nv-nv-1` and `nv-nv-2`: as long, and not alike; the third is as a row of the table without a picture."""
    records = [make_record("nv-nv-1"), make_record("nv-nv-2"), replace(make_record("nv-nv-3"), picture=None)]
    assert duplicates(records)["sets"] == 0


def test_what_cannot_be_read_is_passed_over(make_record):
    records = [make_record("nv-nv-1"), make_record("nv-nv-2")]
    records[0].picture.unlink()
    assert duplicates(records)["surplus"] == 0
