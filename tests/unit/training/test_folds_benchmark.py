"""Folds beside a bundle: what is easy, what is hard, and who is ahead of whom are told apart."""

from __future__ import annotations

import csv
import sys
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch", reason="needs the training extra")
sys.path.insert(0, str(Path(__file__).parents[3] / "benchmarks"))

import folds as benchmark

from macule.analysis.patient import Patient
from macule.data.record import Record
from macule.errors import DatasetError
from macule.taxonomy import Diagnosis
from macule.training.kfold import CODES

KINDS = (Diagnosis.NV, Diagnosis.MEL, Diagnosis.BCC)


@pytest.fixture
def asked():
    return [record(str(number), lesion=number // 2, labels={KINDS[number // 2 % 3]}) for number in range(240)]


def record(name, *, lesion, labels):
    return Record(None, "ham10000", name, frozenset(labels), f"ham10000:HAM_{lesion}", Patient())


def shares(asked, *, right):
    """Sure of the right class where `right` says so, else of the next one."""
    found = np.full((len(asked), len(CODES)), 0.01)
    for row, each, good in zip(found, asked, right, strict=True):
        place = KINDS.index(next(iter(each.labels)))
        row[CODES.index(KINDS[place if good else (place + 1) % 3])] = 0.9
    return found


def test_a_hard_locked_part_and_a_better_bundle_are_told_apart(asked):
    locked = np.arange(len(asked)) % 8 < 2  # a quarter of the lesions
    folds = shares(asked, right=~locked)
    there = [each for each, here in zip(asked, locked, strict=True) if here]
    row = benchmark.compare(asked, folds, locked, shares(there, right=np.ones(len(there))))["balanced accuracy"]
    assert {column: figure.value for column, figure in row.items()} == pytest.approx(
        dict(zip(benchmark.COLUMNS, (0.75, 1, 0, -1, 1, 1), strict=True)))
    assert row["folds, all"].low < 0.75 < row["folds, all"].high


def test_answers_are_matched_by_name_and_lumped_labels_left_out(asked, tmp_path):
    lumped = record("lumped", lesion=999, labels=KINDS[:2])
    with (tmp_path / "predictions.csv").open("w", newline="") as stream:
        table = csv.writer(stream)
        table.writerow(["image", "fold", *(code.value for code in CODES)])
        for number in (7, 3):
            table.writerow([f"ham10000:{number}", 0, *([number / 10] * len(CODES))])
        table.writerow(["ham10000:lumped", 0, *([0.5] * len(CODES))])
    found, answers = benchmark.answered(tmp_path, [*asked, lumped])
    assert [each.picture_id for each in found] == ["3", "7"]
    assert answers[:, 0].tolist() == [0.3, 0.7]


def test_folds_of_another_data_set_are_refused(asked, tmp_path):
    (tmp_path / "predictions.csv").write_text("image,fold\n")
    with pytest.raises(DatasetError, match="answers no picture of ham10000"):
        benchmark.answered(tmp_path, asked)
