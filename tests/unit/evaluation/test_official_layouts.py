"""Exams that others will run: `macule evaluate` on the publishers' layouts, unchanged."""

from __future__ import annotations

import json

import miniature
import miniature_sets
import pytest

from macule.cli.app import run
from macule.data import pictures
from macule.evaluation import service


def repaint(root):
    """Pictures that can be judged, another one each, but for the lesions' outlines."""
    paint = miniature.drawn(size=(320, 240))
    for path in sorted(root.rglob("*")):
        if path.suffix in pictures.SUFFIXES and not path.stem.endswith("_lesion"):
            paint(path)
    return root


@pytest.fixture
def evaluate(tiny_bundle, tmp_path):
    def report(dataset, root, *options):
        out = tmp_path / "report.json"
        status = run(["evaluate", "--bundle", str(tiny_bundle.folder), "--dataset", dataset, "--root", str(root),
                      "--json", str(out), "--threads", "1", *options])
        assert status == 0
        return json.loads(out.read_text())

    return report


@pytest.fixture
def examine(tiny_bundle):
    """Only the figures, for the variants of a layout."""
    def report(dataset, root, part):
        return service.evaluate(bundle=tiny_bundle, dataset=dataset, root=root, part=part, threads=1, resamples=20)

    return report


LABELS = {"ISIC_0034524": "NV", "ISIC_0034525": "MEL", "ISIC_0034526": "BCC", "ISIC_0034527": "NV"}


def test_isic2018_test(evaluate, tmp_path):
    root = miniature.isic2018(tmp_path / "ISIC2018", "Test", LABELS)
    for folder in ("Input", "GroundTruth"):  # what stands in the publisher's archives beside pictures and table
        for name in ("ATTRIBUTION.txt", "LICENSE.txt"):
            (root / f"ISIC2018_Task3_Test_{folder}" / name).write_text("CC BY-NC 4.0")
    report = evaluate("isic2018", repaint(root), "--split", "test")
    assert report["pictures"] + report["refused"] == 4 and report["failed"] == 0 and report["pictures"] > 0
    diagnosis = report["diagnosis"]
    assert set(diagnosis["classes"]) == {"akiec", "bcc", "bkl", "df", "mel", "nv", "vasc"}
    # A class that no picture has keeps its row, without a figure.
    assert diagnosis["classes"]["df"]["pictures"] == 0 and diagnosis["classes"]["df"]["sensitivity"]["value"] is None
    assert sum(map(sum, diagnosis["confusion"]["rows"])) == report["pictures"]


def test_isic2018_test_without_the_extras_and_one_picture(examine, tmp_path):
    root = repaint(miniature.isic2018(tmp_path / "ISIC2018", "Test", LABELS))
    (root / "ISIC2018_Task3_Test_Input" / "ISIC_0034524.jpg").unlink()
    report = examine("isic2018", root, "test")
    assert report["pictures"] + report["refused"] == 3


CASES = [("melanoma (in situ)", "back", "male", "NEL/Nel1.jpg", "NEL/Nel2.jpg"),
         ("clark nevus", "back", "female", "NEL/Nel3.jpg", "NEL/Nel4.jpg"),
         ("lentigo", "upper limbs", "female", "NEL/Nel5.jpg", "NEL/Nel6.jpg"),
         ("miscellaneous", "back", "female", "NEL/Nel7.jpg", "NEL/Nel8.jpg")]


def test_derm7pt(evaluate, tmp_path):
    root = miniature_sets.derm7pt(tmp_path / "derm7pt", CASES, {"train": [], "valid": [], "test": [0, 1, 2, 3]})
    report = evaluate("derm7pt", repaint(root), "--split", "test")
    found = report["diagnosis"]
    assert report["pictures"] + report["refused"] == 8
    # "lentigo" is a keratosis or a naevus: benign, but of no single class; "miscellaneous" says nothing.
    assert found["single_class"] + found["without_single_class"] == report["pictures"]
    assert found["without_single_class"] > 0
    assert found["malignancy_known"] > found["single_class"]


PH2 = {"IMD003": ("", 0), "IMD009": ("", 1), "IMD058": ("Melanoma", 2)}


def test_ph2(evaluate, tmp_path):
    report = evaluate("ph2", repaint(miniature_sets.ph2(tmp_path / "PH2", PH2, sheet=True)))
    assert report["pictures"] + report["refused"] == 3
    assert set(report["classes"]) == {"mel", "nv"}


def test_ph2_with_the_text_table(examine, tmp_path):
    report = examine("ph2", repaint(miniature_sets.ph2(tmp_path / "PH2", PH2)), "all")
    assert report["pictures"] + report["refused"] == 3


DDI = [("000001.png", "56", "True", "melanoma"), ("000002.png", "12", "False", "melanocytic-nevi"),
       ("000003.png", "34", "False", "hyperpigmentation")]


def test_ddi_with_the_pictures_in_a_folder(examine, tmp_path):
    report = examine("ddi", repaint(miniature_sets.ddi(tmp_path / "DDI", DDI, folder="images")), "all")
    assert report["pictures"] + report["refused"] == 3


def test_ddi(evaluate, tmp_path):
    report = evaluate("ddi", repaint(miniature_sets.ddi(tmp_path / "DDI", DDI)))
    found = report["diagnosis"]
    assert report["pictures"] + report["refused"] == 3
    assert found["malignancy_unknown"] == 0 and found["without_single_class"] <= 1
