"""Aims beside what is: from the figures of a bundle alone, and never better than they are."""

from __future__ import annotations

from pathlib import Path

import pytest
from macule_testing import write_bundle

from macule.analysis import bundle as bundles
from macule.analysis import inventory
from macule.evaluation import aims
from macule.evaluation.aims import AIMS, MET, NOT_MET, Aim
from macule.evaluation.card_exams import EXAMS
from macule.evaluation.markdown import MISSING

HAM = "HAM10000, locked lesions"


def figure(value, n=50, **more):
    return {"value": value, "low": 0.8, "high": 0.9, "n": n} | more


def found(bundle, *exams):
    return {(row.figure, row.exam): row for row in aims.measure(bundle, {"exams": list(exams)})}


def test_every_aim_is_of_an_exam_that_is_sat():
    titles = {exam.title for exam in EXAMS} | {"HAM10000, out of fold"}
    assert {aim.exam for aim in AIMS} <= titles and set(aims.COVERED) <= titles


@pytest.mark.parametrize(("value", "verdict"), [(0.85, MET), (0.8499, NOT_MET), (None, MISSING)])
def test_met_by_the_value(tiny_bundle, value, verdict):
    row = found(tiny_bundle, {"title": HAM, "balanced_accuracy": figure(value)})["balanced accuracy", HAM]
    assert (row.aim, row.verdict) == ("at least 0.85", verdict)
    assert row.value == (MISSING if value is None else f"{value:.3f} (0.800-0.900)") + ", n 50"


def test_a_leaking_exam_meets_nothing(tiny_bundle):
    row = found(tiny_bundle, {"title": HAM, "leaky": True, "balanced_accuracy": figure(0.99)})["balanced accuracy", HAM]
    assert row.verdict == MISSING and row.value.startswith("LEAKY 0.990")


def test_without_exams_nothing_is_measured_but_the_size(tiny_bundle):
    rows = aims.measure(tiny_bundle, {})
    assert {row.verdict for row in rows if row.figure != "bundle's size"} == {MISSING}
    assert next(row for row in rows if row.figure == "bundle's size").verdict == MET
    assert len(aims.table(rows)) == len(rows) + 2


def test_what_no_exam_measures_is_measured_by_a_program_that_is_there():
    root = Path(__file__).parents[3]
    for _, _, program in aims.ELSEWHERE:
        assert (root / program.strip("`")).is_file()


def test_the_size_is_the_one_that_the_list_of_bundles_tells(tmp_path):
    bundle = bundles.load(write_bundle(tmp_path / "tiny"))
    (bundle.folder / ".hidden").write_bytes(bytes(9_000_000))
    row = next(row for row in aims.measure(bundle, {}) if row.figure == "bundle's size")
    assert inventory.size(bundle.folder) < 9_000_000
    assert row.value == f"{inventory.size(bundle.folder) / 1e6:.1f} MB, 4 files"


@pytest.mark.parametrize(("value", "verdict"), [(0.88, MET), (0.92, MET), (0.9201, NOT_MET), (0.7, NOT_MET)])
def test_coverage_is_of_every_class_that_has_enough_pictures(tiny_bundle, value, verdict):
    exam = {"title": HAM, "coverage": {"mel": figure(value, n=30), "df": figure(0.1, n=29)}}
    rows = found(tiny_bundle, exam)
    assert rows["conformal coverage, mel", HAM].verdict == verdict
    assert ("conformal coverage, df", HAM) not in rows


def test_pictures_without_a_lesion(tiny_bundle):
    name = next(row for row in aims.measure(tiny_bundle, {}) if "no lesion" in row.figure)
    for counts, verdict in (((0, 0), MET), ((0, 1), NOT_MET), ((1, 0), NOT_MET)):
        exam = {"title": HAM, "not_lesions": {"n": 60, "answered": counts[0], "flagged": counts[1]}}
        row = found(tiny_bundle, exam)[name.figure, name.exam]
        assert row.verdict == verdict and row.value.startswith(f"{sum(counts)} of 60")


def test_an_error_is_to_be_small():
    assert Aim("error", HAM, (), most=0.03).verdict(0.03) == MET
    assert Aim("error", HAM, (), most=0.03).verdict(0.031) == NOT_MET
