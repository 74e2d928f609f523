from __future__ import annotations

import dataclasses
from pathlib import Path

import miniature
import miniature_sets
import pytest
from scripted_analyzer import FakeAnalyzer

from macule.analysis.patient import Modality
from macule.data import links, membership
from macule.data.record import Record
from macule.errors import DatasetError, LeakingSplit, UsageError
from macule.evaluation import service
from macule.taxonomy import Diagnosis


@pytest.fixture
def root(tmp_path):
    rows = [miniature.ham_row(f"000000{n}", f"000000{n}", dx) for n, dx in enumerate(("nv", "mel", "nv", "bcc"))]
    return miniature.ham10000(tmp_path / "HAM10000", rows, paint=_sign)


@pytest.fixture
def bundle(tiny_bundle, tmp_path):
    """Trained on HAM_0000000, calibrated on HAM_0000001, with HAM_0000002 locked."""
    folder = tmp_path / "bundle"
    folder.mkdir()
    parts = {"train": [_lesion("0000000")], "calibration": [_lesion("0000001")], "test": [_lesion("0000002")]}
    membership.write(folder / membership.FILE, parts)
    return dataclasses.replace(tiny_bundle, folder=folder)


def _sign(path):
    """A picture that is its own name, which the scripted analyzer answers by."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(path.stem.encode())


def _lesion(name):
    return Record(Path("x.jpg"), "ham10000", name, frozenset({Diagnosis.NV}), f"ham10000:HAM_{name}", None)


@pytest.fixture
def evaluate(monkeypatch, root, bundle):
    """Answers `naevus` to every picture and refuses the last one."""
    class Naevus(FakeAnalyzer):
        def __init__(self, _bundle, **_):
            super().__init__()

        def analyze(self, source, *, patient):
            answer = b"refused" if source.endswith(b"3") else b"nv"
            return super().analyze(b"any-" + answer, patient=patient)

    monkeypatch.setattr(service, "Analyzer", Naevus)

    def run(**options):
        return service.evaluate(**{"bundle": bundle, "dataset": "ham10000", "root": root, "part": "test",
                                   "resamples": 20, **options})

    return run


def test_the_locked_part(evaluate):
    report = evaluate()
    assert (report["pictures"], report["split"], report["leaky"]) == (1, "test", False)
    assert report["bundle"]["id"] == "tiny" and len(report["bundle"]["sha256"]) == 64
    assert report["dataset"] == "ham10000" and report["modality"] == "any" and report["patient_data"] is True


@pytest.mark.parametrize("part", ["train", "val", "all"])
def test_what_was_fitted_on_is_refused(evaluate, part):
    with pytest.raises(LeakingSplit, match=r"tiny was fitted on [12] of these lesions.*HAM_000000[01].*--allow-leak"):
        evaluate(part=part)


@pytest.mark.parametrize(("part", "pictures", "refused"), [("train", 1, 0), ("val", 1, 0), ("all", 3, 1)])
def test_a_leak_that_is_allowed_is_marked(evaluate, part, pictures, refused):
    report = evaluate(part=part, allow_leak=True)
    assert report["leaky"] is True
    assert (report["pictures"], report["refused"]) == (pictures, refused)


def test_what_leaks_can_be_left_out_and_is_counted(evaluate):
    report = evaluate(part="all", drop_leaks=True)
    assert (report["leaky"], report["dropped_leaks"]) == (False, 2)
    assert report["pictures"] + report["refused"] == 2
    with pytest.raises(DatasetError, match="tiny was fitted on kin of all 1 pictures: score another set"):
        evaluate(part="train", drop_leaks=True)


def test_a_link_to_what_was_fitted_on_is_a_leak(evaluate, tmp_path):
    path = tmp_path / "pairs.csv"
    miniature.table(path, links.COLUMNS, [("ham10000", "ISIC_0000002", "ham10000:HAM_0000002",
                                           "ham10000", "ISIC_0000000", "ham10000:HAM_0000000")])
    pairs = links.read(path)
    with pytest.raises(LeakingSplit, match="near duplicate 1"):
        evaluate(pairs=pairs)
    report = evaluate(part="all", pairs=pairs, drop_leaks=True)
    assert (report["dropped_leaks"], report["refused"]) == (3, 1)


def test_a_bundle_that_does_not_say_what_it_saw_is_not_called_clean(evaluate, bundle):
    (bundle.folder / membership.FILE).unlink()
    assert evaluate(part="all")["leaky"] is None
    with pytest.raises(DatasetError, match=r"bundle tiny has no split\.csv\.gz that says what is in 'test'"):
        evaluate(part="test")


def test_only_one_modality(evaluate):
    assert evaluate(modality=Modality.DERMOSCOPIC)["modality"] == "dermoscopic"
    with pytest.raises(DatasetError, match="has no clinical picture in the part 'test' of bundle tiny"):
        evaluate(modality=Modality.CLINICAL)


def test_a_part_that_there_is_not(evaluate):
    with pytest.raises(UsageError, match="the part is 'tset'; one of train, val, test, all"):
        evaluate(part="tset")


def test_the_publishers_parts_come_first(evaluate, tmp_path):
    """ISIC 2018's own test part, whatever the bundle calls test."""
    root = miniature.isic2018(tmp_path / "ISIC2018", "Test", {"ISIC_1": "NV", "ISIC_2": "MEL"})
    report = evaluate(dataset="isic2018", root=root, part="test")
    assert (report["pictures"], report["leaky"]) == (2, False)


def test_a_set_that_only_says_benign_or_malignant_is_scored_by_that(evaluate, tmp_path):
    for name in ("benign/a.jpg", "benign/b.jpg", "malignant/c.jpg"):
        miniature.flat(tmp_path / "sorted" / name)
    report = evaluate(dataset="folder", root=tmp_path / "sorted", part="all")
    assert (report["pictures"], report["without_single_class"]) == (3, 3)
    assert report["accuracy"] == {"value": None, "low": None, "high": None, "n": 0}
    assert (report["malignant_auc"]["n"], report["malignant_auc"]["positives"]) == (3, 1)
    assert report["malignant_auc"]["value"] == 0.5  # every picture gets one answer
    assert report["risk"]["low"] == {"suspicious": 1, "benign": 2}


def test_labels_that_say_nothing_at_all_are_refused(evaluate, tmp_path):
    root = miniature_sets.derm7pt(tmp_path, [("miscellaneous", "back", "male", "a/1.jpg", "a/2.jpg")], {"test": [0]})
    with pytest.raises(DatasetError, match=r"none of the 2 pictures of derm7pt has a diagnosis.*says 'miscellaneous'"):
        evaluate(dataset="derm7pt", root=root, part="all")


def test_rows_without_a_picture_are_counted_and_the_rest_scored(bundle, tmp_path):
    root = miniature.isic2018(tmp_path / "ISIC2018", "Test", {"ISIC_1": "NV", "ISIC_2": "MEL"})
    (root / "ISIC2018_Task3_Test_Input" / "ISIC_2.jpg").unlink()
    first, second = service.select(bundle, "isic2018", root, part="test")
    assert first.picture is not None and second.picture is None
    (root / "ISIC2018_Task3_Test_Input" / "ISIC_1.jpg").unlink()
    with pytest.raises(DatasetError, match=r"none of the 2 pictures that isic2018 lists is under .*unzip the pictures"):
        service.select(bundle, "isic2018", root, part="test")


def test_an_id_that_stands_twice_is_refused(bundle, tmp_path):
    root = miniature.isic2018(tmp_path / "ISIC2018", "Test", {"ISIC_1": "NV", "ISIC_2": "MEL"})
    table = root / "ISIC2018_Task3_Test_GroundTruth" / "ISIC2018_Task3_Test_GroundTruth.csv"
    lines = table.read_text().splitlines()
    table.write_text("\n".join([*lines, lines[-1]]) + "\n")
    with pytest.raises(DatasetError, match=r"ISIC_2 already stands in .*GroundTruth\.csv row 3: keep one row"):
        service.select(bundle, "isic2018", root, part="test")


def test_progress(evaluate):
    counts, ticks = [], []

    def start(count):
        counts.append(count)
        return lambda: ticks.append(1)

    evaluate(part="all", allow_leak=True, start=start)
    assert counts == [4] and len(ticks) == 4
