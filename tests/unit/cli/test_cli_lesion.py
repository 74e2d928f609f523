"""`macule predict --lesion` and `--views`, through the command line in this process."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from macule_testing import CODES, draw, encode

from macule.analysis.bundle import ENVIRONMENT, Bundle
from macule.cli.app import run


@pytest.fixture
def predict(
    tiny_bundle: Bundle, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, str, str]]:
    """Runs `macule predict`. Returns: (exit status, standard output, standard error)."""
    monkeypatch.setenv(ENVIRONMENT, str(tiny_bundle.folder))

    def call(*arguments: object) -> tuple[int, str, str]:
        status = run(["predict", *(str(argument) for argument in arguments)])
        return status, *capfd.readouterr()

    return call


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "lesion"
    folder.mkdir()
    for name, spot in (("a.png", (20, 10, 5)), ("b.png", (160, 120, 100))):
        (folder / name).write_bytes(encode(draw(spot=spot)))
    return folder


def test_json_is_one_object(predict: Callable, folder: Path) -> None:
    status, out, _ = predict(folder, "--lesion", "--json", "--modality", "dermoscopic, clinical", "--age", 60)
    told = json.loads(out)
    assert status == 0 and set(told) == {"bundle", "pictures", "diagnoses", "malignant", "risk", "cannot_exclude",
                                         "in_distribution", "agreement", "advice", "disclaimer"}
    assert [(Path(one["image"]).name, one["modality"], one["counted"]) for one in told["pictures"]] == [
        ("a.png", "dermoscopic", True), ("b.png", "clinical", True)]
    assert set(told["pictures"][0]) == {"image", "counted", "modality", "quality", "first", "malignant", "risk",
                                        "in_distribution"}


def test_one_picture_is_answered_as_without_the_option(predict: Callable, picture: Path) -> None:
    together, alone = (json.loads(predict(picture, "--json", *option)[1]) for option in (["--lesion"], []))
    shared = set(together) & set(alone)
    assert {"diagnoses", "risk", "advice"} <= shared
    assert {key: together[key] for key in shared} == {key: alone[key] for key in shared}


def test_the_order_of_the_pictures_does_not_matter(predict: Callable, folder: Path) -> None:
    one, other = (json.loads(predict("--lesion", "--json", *(folder / name for name in names))[1])
                  for names in (("a.png", "b.png"), ("b.png", "a.png")))
    assert one["diagnoses"] == other["diagnoses"] and one["pictures"] == other["pictures"][::-1]


def test_the_table_tells_each_picture_and_all_together(
    predict: Callable, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)  # short paths, which the table does not fold
    (folder / "c.png").write_bytes((folder / "a.png").read_bytes())
    status, out, error = predict("a.png", "b.png", "c.png", "--lesion", "--modality", "clinical", "--views", 8)
    assert status == 0 and not error
    for words in ("a.png (given 2 times, counted once)", "clinical", "2 pictures together", "on the first diagnosis",
                  "8 views", "Melanoma", "not a medical device"):
        assert words in out


def test_csv_heatmaps_and_report(predict: Callable, folder: Path, tmp_path: Path) -> None:
    (folder / "small.png").write_bytes(encode(np.zeros((1, 1, 3), np.uint8)))
    (folder / "text.jpg").write_bytes(b"This is a text.")
    status, _, _ = predict(folder, "--lesion", "--csv", tmp_path / "out.csv", "--heatmaps", tmp_path / "heat",
                           "--report", tmp_path / "page")
    rows = list(csv.DictReader((tmp_path / "out.csv").open(newline="")))
    assert status == 1
    assert [*rows[0]] == ["image", *CODES, "malignant", "risk", "usable", "error", "kind"]
    assert [(row["kind"], row["usable"], row["error"]) for row in rows] == [
        ("picture", "true", ""), ("picture", "true", ""), ("picture", "false", ""),
        ("picture", "", "unreadable_image"), ("lesion", "true", "")]
    first, second, lesion = (float(rows[place]["malignant"]) for place in (0, 1, -1))
    assert second < lesion < first and sum(float(rows[-1][code]) for code in CODES) == pytest.approx(1, abs=1e-5)
    assert sorted(path.name for path in (tmp_path / "heat").iterdir()) == ["a.heatmap.png", "b.heatmap.png"]
    assert "One lesion, 4 pictures" in (tmp_path / "page" / "index.html").read_text()


@pytest.mark.parametrize(("options", "word"), [
    (("--lesion", "--modality", "clinical,clinical,clinical"), "3 modalities are given for 2 pictures"),
    (("--lesion", "--modality", "clinical,x-ray"), "x-ray"),
    (("--modality", "clinical,dermoscopic"), "clinical,dermoscopic"),
    (("--views", "3"), "1, 2, 4, 8"),
    (("--lesion", "--views", "12"), "1, 2, 4, 8"),
    (("--lesion", "--report", "/dev/null/x"), "cannot be made"),
])
def test_wrong_usage_is_status_2(predict: Callable, folder: Path, options: tuple[str, ...], word: str) -> None:
    status, out, error = predict(folder, "--json", *options)
    assert status == 2 and not out and word in error.replace("\n", " ")


def test_no_picture_that_can_be_judged_is_status_1(predict: Callable, tmp_path: Path) -> None:
    (tmp_path / "text.jpg").write_bytes(b"This is a text.")
    (tmp_path / "empty").mkdir()
    status, out, _ = predict(tmp_path / "text.jpg", "--lesion", "--json")
    assert status == 1 and "diagnoses" not in json.loads(out)
    status, out, error = predict(tmp_path / "empty", "--lesion", "--json")
    assert status == 1 and not out and "holds no pictures" in error
