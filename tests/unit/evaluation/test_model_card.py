from __future__ import annotations

import dataclasses
import json
import re
from functools import partial

import miniature
import pytest
from macule_testing import draw, write_bundle

from macule.analysis import bundle as bundles
from macule.analysis.bundle import Bundle
from macule.analysis.result import DISCLAIMER
from macule.cli.app import run
from macule.data import membership, sources
from macule.evaluation import card, card_text, outliers

PROVENANCE = {
    "recipe": {"backbone": "lite0", "frozen_blocks": 2, "seed": 7, "datasets": ["ham10000", "milk10k"]},
    "pictures": {"train": 1, "calibration": 1, "test": 4}, "lesions": {"train": 1, "calibration": 1, "test": 3},
    "left_out_for_exams": 5, "torch_onnx_difference": 1.2e-6,
    "versions": {"macule": "0.1", "torch": "2.13", "python": "3.11"},
}
THRESHOLDS = {
    "medium": {"probability": 0.213, "sensitivity": 0.95}, "high": {"probability": 0.654, "sensitivity": 0.8},
    "cannot_exclude": {}, "fitted_on": "calibration part", "n": 321,
}


def paint(path):
    """Something that can be judged; `dark` pictures cannot."""
    seed = sum(path.stem.encode())
    rgb = draw(seed=seed, spot=(90, 50 + seed % 60, 40))
    miniature.save(path, rgb // 8 if "dark" in path.stem else rgb)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    root = tmp_path_factory.mktemp("data")
    ham = [miniature.ham_row(str(n), str(n), dx) for n, dx in enumerate(("nv", "mel", "nv", "mel", "bcc"))]
    ham.append(miniature.ham_row("2", "dark", "nv"))
    miniature.ham10000(root / "HAM10000", ham, paint=paint)
    miniature.milk10k(root / "MILK10k", {"IL_1": "MEL", "IL_2": "NV"}, paint=paint)
    miniature.isic2018(root / "ISIC2018", "Validation", {"ISIC_1": "NV", "ISIC_2": "MEL"}, paint=paint)
    miniature.isic2017(root / "ISIC2017", "Test_v2", {"ISIC_3": (0, 0), "ISIC_4": (1, 0)}, paint=paint)
    return root


@pytest.fixture(autouse=True)
def _few_outliers(monkeypatch):
    """The pictures without a lesion have tests of their own."""
    monkeypatch.setattr(outliers, "measure", partial(outliers.measure, per_kind=1))


@pytest.fixture
def folder(tmp_path, data):
    folder = write_bundle(tmp_path / "tiny", provenance=PROVENANCE, thresholds=THRESHOLDS)
    ham, milk = (sources.load(name, data / sources.find(name).folder) for name in ("ham10000", "milk10k"))
    first, second = (next(r for r in ham if r.group == f"ham10000:HAM_{n}") for n in range(2))
    locked = [r for r in ham if r.group not in {first.group, second.group}]
    parts = {"train": [first], "calibration": [second], "test": locked + milk}
    membership.write(folder / membership.FILE, parts)
    return folder


@pytest.fixture
def written(folder, data):
    assert run(["card", "--data", str(data), "--bundle", str(folder)]) == 0
    return folder


def test_every_exam_is_written_into_the_bundle(written):
    loaded = bundles.load(written)
    exams = loaded.metrics["exams"]
    assert [exam["title"] for exam in exams] == [exam.title for exam in card.EXAMS]
    assert [exam["pictures"] for exam in exams] == [3, 3, 2, 2, 2, 2]
    assert [exam["refused"] for exam in exams] == [1, 1, 0, 0, 0, 0]
    assert {exam["leaky"] for exam in exams} == {False}
    assert [exam["modality"] for exam in exams] == ["any"] * 4 + ["dermoscopic", "clinical"]
    assert [exam["patient_data"] for exam in exams] == [True, False, True, True, True, True]


def shown(figure):
    interval = "" if figure["low"] is None else f" ({figure['low']:.3f}-{figure['high']:.3f})"
    return f"{figure['value']:.3f}{interval}"


def test_the_card_shows_each_figure_with_its_n_and_interval(written):
    text = bundles.load(written).card
    for exam in bundles.load(written).metrics["exams"]:
        row = next(line for line in text.splitlines() if line.startswith(f"| {exam['title']} | {exam['pictures']} /"))
        assert f"| {exam['pictures']} / {exam['lesions']} ({exam['refused']}) |" in row
        for name in ("balanced_accuracy", "accuracy", "macro_auc", "malignant_auc", "calibration_error"):
            assert f"| {shown(exam[name])} |" in row
        melanoma = exam["classes"]["mel"]["auc"]
        assert f"| {exam['title']} | {melanoma['positives']} | {shown(melanoma)} |" in text
        assert len(exam["exam_sha256"]) == 64 and f"`{exam['exam_sha256'][:12]}`" in text
        assert exam["command"] in text


def test_the_card_says_what_it_is_and_what_it_is_not(written):
    text = bundles.load(written).card
    assert DISCLAIMER in text
    assert "EfficientNet-Lite0" in text and "seed 7" in text and "differ by at most 1.2e-06" in text
    assert "0.213" in text and "0.654" in text and "95%" in text and "(321 pictures)" in text
    assert "5 pictures whose lesion stands in an exam too" in text
    assert "dark skin is not measured" in text


def test_a_class_without_pictures_is_called_not_measured(written):
    line = next(x for x in bundles.load(written).card.splitlines() if x.startswith("| vasc |"))
    assert re.fullmatch(r"\| vasc \| 0 \| not measured \| not measured \| [\d.]+ \([\d.]+-[\d.]+\) \|", line)


def test_the_risk_table_counts_every_judged_picture(written):
    for exam in bundles.load(written).metrics["exams"]:
        assert sum(n for row in exam["risk"].values() for n in row.values()) == exam["pictures"]


def test_the_commands_reproduce_their_row(written, data, capfd):
    for exam in bundles.load(written).metrics["exams"][1::4]:
        command = exam["command"].replace("DATA", str(data)).replace("--bundle tiny", f"--bundle {written}")
        assert run(command.split()[1:]) == 0
        printed = capfd.readouterr().out
        assert f"{exam['pictures']} pictures" in printed
        for name in ("accuracy", "macro_auc", "brier"):
            assert f"{exam[name]['value']:.3f}" in next(x for x in printed.splitlines() if name.replace("_", " ") in x)


def test_only_headlines_travel_in_the_bundle():
    figure = {"value": 0.8, "low": 0.7, "high": 0.9, "n": 50, "positives": 10}
    report = {
        "title": "an exam", "bundle": {"id": "x"}, "accuracy": figure, "leaky": False,
        "classes": {"mel": {"auc": figure}},
        "diagnosis": {"malignant": {"operating_points": {"medium": {"sensitivity": figure}}},
                      "curves": {"x": [0] * 200}},
        "calibration": {"malignant": {"after": {"slope": figure, "reliability": [0] * 200}}},
        "mistakes": {"pictures": ["ISIC_1"]}, "provenance": {"exam": {}}, "checklist": {"items": []},
        "said": {"fairness": "No gap holds.", "mistakes": "ISIC_1 was missed."},
    }
    kept = card.subset(report)
    assert set(kept) == {"title", "accuracy", "leaky", "classes", "chosen", "said"}
    assert kept["chosen"] == {"medium_sensitivity": figure, "calibration_slope": figure}
    assert kept["said"] == {"fairness": "No gap holds."}
    assert card.subset(kept) == kept


def test_what_a_report_measured_stands_in_the_card_and_what_not_is_said(written):
    whole = json.loads((written / "bundle.json").read_text())["metrics"]["exams"]
    exams = [{key: value for key, value in exam.items() if key not in ("chosen", "said")} for exam in whole]
    figure = {"value": 0.4, "low": 0.3, "high": 0.5, "n": 2}
    measured = exams[0] | {
        "diagnosis": {"malignant": {"operating_points": {"high": {"specificity": figure}}}},
        "calibration": {"malignant": {"after": {"slope": {"value": None, "low": None, "high": None, "n": 2}}}},
        "said": {"robustness": "Blur costs 0.1."}, "leaky": True,
    }
    card.write(written, [measured, *exams[1:]])
    text = bundles.load(written).card
    row = next(x for x in text.splitlines() if "LEAKY 0.400 (0.300-0.500)" in x)
    assert row.startswith("| HAM10000, locked lesions |") and row.count("LEAKY not measured") == 3
    assert "**Robustness**\n\n- HAM10000, locked lesions: LEAKY Blur costs 0.1." in text
    assert "**Fairness**: not measured." in text
    headings = [line[3:] for line in text.splitlines() if line.startswith("## ")]
    assert headings == ["Model details", "Intended use", "Factors", "Metrics", "Evaluation data", "Training data",
                        "Quantitative analyses", "Ethical considerations", "Caveats and recommendations", "Reproduce"]


def test_a_bundle_given_by_name_gets_its_own_card(folder, data, monkeypatch, tmp_path):
    """Not a folder of that name in the working directory."""
    monkeypatch.setattr(bundles, "_embedded", lambda: folder.parent)
    monkeypatch.chdir(tmp_path.parent)
    assert run(["card", "--data", str(data), "--bundle", "tiny"]) == 0
    assert "HAM10000, locked lesions" in (folder / "card.md").read_text(encoding="utf-8")


def test_a_repeated_training_is_compared_exam_by_exam(tiny_bundle: Bundle) -> None:
    figures = {name: {"value": 0.8} for name in card.HEADLINES}
    committed = dataclasses.replace(tiny_bundle, metrics={"exams": [{"title": "here and there"} | figures]})
    drifted = {"title": "here and there"} | figures | {"macro_auc": {"value": 0.8 + 2 * card.TOLERANCE}}
    unknown = {"title": "only here"} | figures

    changes = card.compare([drifted, unknown], committed)

    assert [change.figure for change in changes] == list(card.HEADLINES)
    assert [change.figure for change in changes if not change.within] == ["macro_auc"]


def test_a_card_without_exams_says_so(tiny_bundle: Bundle, folder) -> None:
    content = json.loads((folder / "bundle.json").read_text())
    content["metrics"] = {"exams": []}
    text = card_text.render(tiny_bundle, content)
    assert "Exam: not measured." in text and "resamples" not in text
