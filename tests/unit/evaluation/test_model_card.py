from __future__ import annotations

import dataclasses
import json
import re
import shutil
from functools import partial

import miniature
import pytest
from macule_testing import draw, write_bundle

from macule.analysis import bundle as bundles
from macule.analysis import shelf
from macule.analysis.bundle import Bundle
from macule.analysis.pipeline import Analyzer
from macule.analysis.result import DISCLAIMER
from macule.cli.app import run
from macule.data import links, membership, sources
from macule.evaluation import card, card_tables, card_text, not_lesions, outliers, service

PROVENANCE = {
    "recipe": {"name": "tiny", "backbone": "lite0", "frozen_blocks": 2, "seed": 7,
               "datasets": ["ham10000", "milk10k"]},
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
    miniature.milk10k(root / "MILK10k", {"IL_1": "MEL", "IL_2": "NV", "IL_3": "BCC"}, paint=paint)
    # IL_3 is a locked lesion of HAM10000 too.
    miniature.table(root / "pairs.csv", links.COLUMNS, [
        ("milk10k", "ISIC_9000004", "milk10k:IL_3", "ham10000", "ISIC_4", "ham10000:HAM_4")])
    miniature.isic2018(root / "ISIC2018", "Validation", {"ISIC_1": "NV", "ISIC_2": "MEL"}, paint=paint)
    miniature.isic2017(root / "ISIC2017", "Test_v2", {"ISIC_3": (0, 0), "ISIC_4": (1, 0)}, paint=paint)
    return root


@pytest.fixture(scope="module", autouse=True)
def _few_outliers():
    """The pictures without a lesion have tests of their own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(not_lesions, "kinds", lambda: ("noise", "text"))
        patch.setattr(outliers, "measure", partial(outliers.measure, per_kind=1))
        yield


@pytest.fixture(scope="module")
def template(tmp_path_factory, data):
    folder = write_bundle(tmp_path_factory.mktemp("bundle") / "tiny", provenance=PROVENANCE, thresholds=THRESHOLDS)
    ham, milk = (sources.load(name, data / sources.find(name).folder) for name in ("ham10000", "milk10k"))
    first, second = (next(r for r in ham if r.group == f"ham10000:HAM_{n}") for n in range(2))
    locked = [r for r in ham if r.group not in {first.group, second.group}]
    parts = {"train": [first], "calibration": [second], "test": locked + milk}
    membership.write(folder / membership.FILE, parts)
    return folder


@pytest.fixture(scope="module")
def written(template, data, tmp_path_factory):
    """Only to be read: see `folder` for one that may be changed."""
    folder = shutil.copytree(template, tmp_path_factory.mktemp("written") / "tiny")
    assert run(["card", "--data", str(data), "--bundle", str(folder), "--links", str(data / "pairs.csv")]) == 0
    return folder


@pytest.fixture
def folder(written, tmp_path):
    return shutil.copytree(written, tmp_path / "tiny")


def test_every_exam_is_written_into_the_bundle(written):
    loaded = bundles.load(written)
    exams = loaded.metrics["exams"]
    titles = [exam["title"] for exam in exams]
    assert titles == [exam.title for exam in card.EXAMS]
    assert [exam["pictures"] for exam in exams] == [3, 3, 3, 2, 2, 3, 3, 6, 2, 2, 4]
    assert [exam["lesions"] for exam in exams] == [3, 3, 3, 2, 2, 3, 3, 3, 2, 2, 2]
    assert [exam["refused"] for exam in exams] == [1, 1, 1, *[0] * 8]
    assert {exam["leaky"] for exam in exams} == {False} and {exam["views"] for exam in exams} == {1}
    assert [exam["modality"] for exam in exams] == ["any"] * 5 + ["dermoscopic", "clinical", "any"] * 2
    assert [exam["patient_data"] for exam in exams] == [True, False, *[True] * 9]
    assert [exam["by"] == "lesion" for exam in exams] == [title.endswith("together") for title in titles]
    assert [exam.get("linked_elsewhere", 0) for exam in exams] == [*[0] * 8, 1, 1, 2]


def test_a_lesions_pictures_are_counted_as_they_are(written):
    ham, both = (bundles.load(written).metrics["exams"][place] for place in (2, 7))
    assert both["title"] == "MILK10k, locked lesions, both pictures together"
    assert both["together"] == {"pictures": 6, "lesions": 3, "several": 3, "partly": 0, "unanswered": 0, "differing": 0}
    assert both["malignant_auc"]["n"] == 3 and both["malignant_auc"]["positives"] == 2
    assert ham["together"]["partly"] == 1  # HAM_2 has one more, which was refused


def test_a_picture_of_several_exams_is_judged_once(template, data, tmp_path, monkeypatch):
    asked = []
    judge = Analyzer.analyze
    monkeypatch.setattr(Analyzer, "analyze", lambda self, source, **given: asked.append(source) or judge(
        self, source, **given))
    folder = shutil.copytree(template, tmp_path / "tiny")
    card.measure(folder, data, links=data / "pairs.csv", threads=1)
    assert len(asked) == 4 + 4 + 2 + 2 + 6  # HAM10000 with and without patient, ISIC 2018, ISIC 2017, MILK10k


def test_without_links_no_exam_claims_to_be_apart_from_another_set(template, data, tmp_path):
    folder = shutil.copytree(template, tmp_path / "tiny")
    titles = [report["title"] for report in card.measure(folder, data, threads=1)]
    assert titles == [exam.title for exam in card.EXAMS if not exam.apart] and len(titles) == 8


def test_a_title_does_not_deny_what_was_trained_on(template, data, tmp_path):
    folder = shutil.copytree(template, tmp_path / "tiny")
    (one, *_) = sources.load("isic2018", data / "ISIC2018")
    other = dataclasses.replace(one, dataset="isic2017", group="isic2017:far")
    membership.write(folder / membership.FILE, {"train": [other], "calibration": [], "test": []})
    asked = next(exam for exam in card.EXAMS if exam.dataset == "isic2017")
    assert asked.titled({"ham10000"}) == asked.title and "not trained on" in asked.title
    assert "not trained on" not in asked.titled({"isic2017"})
    assert card.fitted(bundles.load(folder)) == {"isic2017"}


def test_another_number_of_views_stands_in_the_report_and_its_command(template, data, tmp_path, monkeypatch):
    monkeypatch.setattr(card, "EXAMS", card.EXAMS[:1])
    asked, real = [], service.Analyzer
    monkeypatch.setattr(service, "Analyzer", lambda bundle, views: asked.append(views) or real(bundle, views=views))
    (report,) = card.measure(shutil.copytree(template, tmp_path / "tiny"), data, threads=1, views=4)
    assert report["views"] == 4 and " --views 4" in report["command"]
    (alone,) = card.measure(tmp_path / "tiny", data, threads=1)
    assert alone["views"] == 1 and "--views" not in alone["command"]
    assert asked == [4, None]


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
        answers = exam["lesions"] if exam["by"] == "lesion" else exam["pictures"]
        assert sum(n for row in exam["risk"].values() for n in row.values()) == answers


def test_the_commands_reproduce_their_row(written, data, capfd):
    for exam in bundles.load(written).metrics["exams"][1::9]:
        command = exam["command"].replace("DATA", str(data)).replace("--bundle tiny", f"--bundle {written}")
        command = command.replace("--links pairs.csv", f"--links {data / 'pairs.csv'}")
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
        "uncertainty": {"conformal": {"classes": {"mel": {"wilson": figure, "lesions": 40, "size": figure},
                                                  "df": {"wilson": figure | {"n": 0}, "lesions": 0}}}},
        "outliers": {"kinds": [
            {"kind": "text", "learnable": False, "n": 5, "answered": 1, "flagged": 2, "quality": 2, "places": [0]},
            {"kind": "noise", "learnable": True, "n": 5, "answered": 5, "flagged": 0, "quality": 0, "places": []}]},
        "mistakes": {"pictures": ["ISIC_1"]}, "provenance": {"exam": {}}, "checklist": {"items": []},
        "said": {"fairness": "No gap holds.", "mistakes": "ISIC_1 was missed."},
    }
    kept = card.subset(report)
    assert set(kept) == {"title", "accuracy", "leaky", "classes", "chosen", "said", "coverage", "not_lesions"}
    assert kept["coverage"] == {"mel": figure | {"lesions": 40}}
    assert kept["not_lesions"] == {"n": 5, "answered": 1, "flagged": 2}
    assert kept["chosen"] == {"medium_sensitivity": figure, "calibration_slope": figure}
    assert kept["said"] == {"fairness": "No gap holds."}
    assert card.subset(kept) == kept


def test_what_a_report_measured_stands_in_the_card_and_what_not_is_said(folder):
    whole = json.loads((folder / "bundle.json").read_text())["metrics"]["exams"]
    exams = [{key: value for key, value in exam.items() if key not in ("chosen", "said")} for exam in whole]
    figure = {"value": 0.4, "low": 0.3, "high": 0.5, "n": 2}
    measured = exams[0] | {
        "diagnosis": {"malignant": {"operating_points": {"high": {"specificity": figure}}}},
        "calibration": {"malignant": {"after": {"slope": {"value": None, "low": None, "high": None, "n": 2}}}},
        "said": {"robustness": "Blur costs 0.1."}, "leaky": True,
    }
    card.write(folder, [measured, *exams[1:]])
    text = bundles.load(folder).card
    row = next(x for x in text.splitlines() if "LEAKY 0.400 (0.300-0.500)" in x)
    assert row.startswith("| HAM10000, locked lesions |") and row.count("LEAKY not measured") == 3
    assert "**Robustness**\n\n- HAM10000, locked lesions: LEAKY Blur costs 0.1." in text
    assert "**Fairness**: not measured." in text
    headings = [line[3:] for line in text.splitlines() if line.startswith("## ")]
    assert headings == ["Model details", "Intended use", "Factors", "Metrics", "Evaluation data", "Training data",
                        "Quantitative analyses", "Aims and what is", "Ethical considerations",
                        "Caveats and recommendations", "Reproduce"]


def test_a_bundle_given_by_name_gets_its_own_card(folder, data, monkeypatch, tmp_path):
    """Not a folder of that name in the working directory."""
    monkeypatch.setattr(shelf, "embedded", lambda: folder.parent)
    monkeypatch.chdir(tmp_path.parent)
    monkeypatch.setattr(card, "EXAMS", card.EXAMS[:1])
    (folder / "card.md").unlink()
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


def test_the_figures_are_printed_without_scoring_anew(folder, capsys, monkeypatch):
    monkeypatch.setattr(card, "measure", None)
    before = (folder / "bundle.json").read_bytes(), (folder / "card.md").read_bytes()
    assert run(["card", "--bundle", str(folder), "--table", "--aims"]) == 0
    lines = capsys.readouterr().out.splitlines()
    for exam in bundles.load(folder).metrics["exams"]:
        row = next(line for line in lines if line.startswith(f"| {exam['title']} | {exam['pictures']} / "))
        melanoma = exam["classes"]["mel"]
        for figure in (exam["accuracy"], exam["malignant_auc"], melanoma["auc"],
                       melanoma["sensitivity_at_90%_specificity"]):
            assert f"| {shown(figure) if figure['value'] is not None else 'not measured'} |" in row
    assert any(line.startswith("| balanced accuracy | HAM10000, locked lesions | at least 0.85 |") for line in lines)
    assert before == ((folder / "bundle.json").read_bytes(), (folder / "card.md").read_bytes())


@pytest.mark.parametrize(("options", "words"), [((), "give --data"), (("--table", "--against", "tiny"), "--against")])
def test_what_cannot_be_done_without_data(folder, capfd, options, words):
    assert run(["card", "--bundle", str(folder), *options]) == 2
    assert words in capfd.readouterr().err


@pytest.mark.parametrize("name", shelf.names(shelf.embedded()))
def test_an_embedded_card_is_what_its_bundle_says(name, tmp_path):
    shutil.copytree(shelf.embedded() / name, tmp_path / name)
    card.rewrite(tmp_path / name)
    assert (tmp_path / name / "card.md").read_text() == (shelf.embedded() / name / "card.md").read_text()


def test_figures_out_of_fold_are_added_to_the_card(folder, tmp_path, capfd):
    exam = json.loads((folder / "bundle.json").read_text())["metrics"]["exams"][0]
    part = {key: exam[key] for key in ("pictures", "lesions", "refused", "failed", "classes", *card.HEADLINES,
                                       "calibration_error")}
    part["balanced_accuracy"] = {"value": 0.8642, "low": 0.8, "high": 0.9, "n": 3}
    told = {"recipe": "tiny", "leaky": False, "folds": [{}] * 5,
            "sets": [{"dataset": name, "modality": kind} | part
                     for name, kind in (("ham10000", None), ("milk10k", "clinical"))]}
    (tmp_path / "metrics.json").write_text(json.dumps(told))
    assert run(["card", "--bundle", str(folder), "--folds", str(tmp_path)]) == 0
    text = (folder / "card.md").read_text(encoding="utf-8")
    ham = "HAM10000, out of fold, recipe tiny"
    assert f"| {ham} | 3 / 3 | 0.864 (0.800-0.900) |" in text and "one of 5 networks of the recipe `tiny`" in text
    assert "| MILK10k, out of fold, clinical, recipe tiny |" in text
    assert f"| balanced accuracy | {ham} | at least 0.85 | 0.864 (0.800-0.900), n 3 | met |" in text
    (tmp_path / "metrics.json").write_text(json.dumps({"folds": []}))
    assert run(["card", "--bundle", str(folder), "--folds", str(tmp_path)]) == 1
    assert "holds no figures out of fold" in capfd.readouterr().err


def test_coverage_is_shown_of_classes_with_enough_pictures():
    figure = {"value": 0.9, "low": 0.77, "high": 0.96, "n": 40, "lesions": 40}
    exams = [{"title": "one", "coverage": {"mel": figure, "df": figure | {"n": 29}}},
             {"title": "two", "leaky": True, "coverage": {"mel": figure | {"n": 30}}}, {"title": "without limits"}]
    lines = card_tables.coverage(exams)
    assert lines[0].endswith("| mel |") and lines[2:4] == ["| one | 0.900 (0.770-0.960), n 40 |",
                                                          "| two | LEAKY 0.900 (0.770-0.960), n 30 |"]
    assert card_tables.coverage([{"title": "one", "coverage": {"df": figure | {"n": 29}}}])[0].endswith("not measured.")


def test_a_table_with_a_leak_does_not_say_that_there_is_none(written):
    metrics = bundles.load(written).metrics
    assert card_tables.summary(metrics)[0].startswith("| Exam (no lesion of it was trained")
    leaky = {"exams": [exam | {"leaky": True} for exam in metrics["exams"]]}
    assert card_tables.summary(leaky)[0].startswith("| Exam |") and "LEAKY" in card_tables.summary(leaky)[2]
