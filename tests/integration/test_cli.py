"""The command line through its own process boundary: what is printed, written and returned."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from macule_testing import CODES, draw, encode
from PIL import Image

from macule import __version__, examples
from macule.analysis.bundle import ENVIRONMENT, Bundle
from macule.cli.app import run

COMMAND = [sys.executable, "-m", "macule"]
KEYS = {
    "image",
    "bundle",
    "quality",
    "diagnoses",
    "malignant",
    "risk",
    "cannot_exclude",
    "in_distribution",
    "advice",
    "disclaimer",
}


@pytest.fixture
def macule(
    tiny_bundle: Bundle, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, str, str]]:
    """Runs a command in this process. Returns: (exit status, standard output, standard error)."""
    monkeypatch.setenv(ENVIRONMENT, str(tiny_bundle.folder))

    def call(*arguments: object) -> tuple[int, str, str]:
        status = run([str(argument) for argument in arguments])
        return status, *capfd.readouterr()

    return call


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """One good picture, and every bad input that a folder can hold."""
    folder = tmp_path / "in"
    folder.mkdir()
    good, frames = encode(draw()), [Image.new("RGB", (300, 300), colour) for colour in ("red", "blue")]
    contents = {
        "animated.webp": encode(frames[0], "WEBP", save_all=True, append_images=frames[1:]),
        "cmyk.jpg": encode(Image.fromarray(draw()).convert("CMYK"), "JPEG"),
        "empty.jpg": b"",
        "good.png": good,
        "huge.png": encode(Image.new("1", (20_000, 20_000))),
        "one.png": encode(np.zeros((1, 1, 3), np.uint8)),
        "renamed.jpg": good,
        "text.jpg": b"This is a text.",
        "truncated.png": good[: len(good) // 2],
        "notes.txt": b"not a picture, and not named as one",
    }
    for name, content in contents.items():
        (folder / name).write_bytes(content)
    return folder


EXPECTED = {
    "animated.webp": "unsupported_image",
    "cmyk.jpg": "judged",
    "empty.jpg": "unreadable_image",
    "good.png": "judged",
    "huge.png": "image_too_large",
    "one.png": "refused",
    "renamed.jpg": "judged",
    "text.jpg": "unreadable_image",
    "truncated.png": "unreadable_image",
}


def outcome(answer: dict[str, dict[str, str]]) -> str:
    return answer["error"]["code"] if "error" in answer else "judged" if "diagnoses" in answer else "refused"


def test_json_has_one_object_a_line_and_nothing_is_lost(macule: Callable, folder: Path) -> None:
    status, out, _ = macule("predict", folder, "--json")
    answers = [json.loads(line) for line in out.splitlines()]
    assert status == 1
    assert {Path(answer["image"]).name: outcome(answer) for answer in answers} == EXPECTED
    assert [answer["image"] for answer in answers] == [str(folder / name) for name in EXPECTED]
    assert all(set(answer) == KEYS for answer in answers if outcome(answer) == "judged")
    assert all(answer["error"]["message"] for answer in answers if "error" in answer)


def test_csv(macule: Callable, folder: Path, tmp_path: Path) -> None:
    path = tmp_path / "out.csv"
    status, _, _ = macule("predict", folder, "--csv", path)
    rows = list(csv.reader(path.open(newline="")))
    assert status == 1
    assert rows[0] == ["image", *CODES, "malignant", "risk", "usable", "error"]
    by_name = {Path(row[0]).name: dict(zip(rows[0], row, strict=True)) for row in rows[1:]}
    assert by_name.keys() == EXPECTED.keys()
    good = by_name["good.png"]
    assert sum(float(good[code]) for code in CODES) == pytest.approx(1, abs=1e-5)
    assert (good["usable"], good["error"], good["risk"]) == ("true", "", "medium")
    assert (by_name["one.png"]["usable"], by_name["one.png"]["mel"]) == ("false", "")
    assert by_name["empty.jpg"]["error"] == "unreadable_image"


def test_heatmaps_and_report(macule: Callable, folder: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    (other / "good.png").write_bytes(encode(draw(seed=9)))
    macule("predict", folder, other, "--heatmaps", tmp_path / "heat", "--report", tmp_path / "report")
    assert sorted(path.name for path in (tmp_path / "heat").iterdir()) == [
        "cmyk.heatmap.png",
        "good.2.heatmap.png",
        "good.heatmap.png",
        "renamed.heatmap.png",
    ]
    assert Image.open(tmp_path / "heat" / "good.heatmap.png").size == (400, 300)
    assert "truncated.png" in (tmp_path / "report" / "index.html").read_text()


def test_a_single_picture_is_answered_in_full(macule: Callable, picture: Path) -> None:
    status, out, error = macule(
        "predict", picture, "--age", 54, "--sex", "female", "--site", "back", "--modality", "clinical"
    )
    assert status == 0 and error == ""
    for words in ("medium", "Melanoma", "not a diagnosis", "not a medical device"):
        assert words in out


def test_check_needs_no_model(macule: Callable, folder: Path, picture: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(ENVIRONMENT, "/nonexistent")
    status, out, _ = macule("check", folder, "--json")
    answers = {Path(answer["image"]).name: answer for answer in map(json.loads, out.splitlines())}
    assert status == 1 and answers.keys() == EXPECTED.keys()
    assert answers["good.png"]["quality"]["usable"] is True
    assert answers["one.png"]["quality"]["usable"] is False
    assert answers["huge.png"]["error"]["code"] == "image_too_large"
    status, out, _ = macule("check", picture)
    assert status == 0 and "usable" in out


@pytest.mark.parametrize(
    "options",
    [
        ("--age", "-3"),
        ("--age", "400"),
        ("--age", "NaN"),
        ("--age", "old"),
        ("--site", "moon"),
        ("--sex", "x"),
        ("--modality", "x-ray"),
        ("--threads", "0"),
        ("--nonsense",),
        ("--csv", "/nonexistent/out.csv"),
        ("--report", "/dev/null/x"),
    ],
)
def test_wrong_usage_is_status_2(macule: Callable, picture: Path, options: tuple[str, ...]) -> None:
    status, out, error = macule("predict", picture, "--json", *options)
    assert status == 2 and error and not out


def test_no_path_is_wrong_usage(macule: Callable) -> None:
    assert macule("predict")[0] == 2
    assert macule("fly")[0] == 2


def test_a_missing_model_is_status_3(macule: Callable, picture: Path) -> None:
    status, out, error = macule("predict", picture, "--bundle", "nope")
    assert status == 3 and not out and "nope" in error


def test_a_missing_picture_is_status_1_and_the_others_run(macule: Callable, picture: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    status, out, _ = macule("predict", "--json", tmp_path / "gone.jpg", picture, tmp_path / "empty")
    answers = [json.loads(line) for line in out.splitlines()]
    assert status == 1
    assert [outcome(answer) for answer in answers] == ["input_not_found", "judged", "input_not_found"]


def test_an_old_csv_survives_a_failure(macule: Callable, picture: Path, tmp_path: Path) -> None:
    path = tmp_path / "out.csv"
    path.write_text("old")
    assert macule("predict", picture, "--csv", path, "--report", picture)[0] == 2
    assert path.read_text() == "old" and sorted(tmp_path.iterdir()) == [picture, path]


@pytest.mark.parametrize(("options", "word"), [
    (("--database", "mysql://somewhere/x"), "mysql"),
    (("--clinic", "--plain-http", "--host", "0.0.0.0"), "0.0.0.0"),  # noqa: S104
    (("--plain-http",), "--clinic"),
])
def test_serve_refuses_what_would_not_do(
    macule: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: tuple[str, ...], word: str
) -> None:
    monkeypatch.chdir(tmp_path)
    status, _, error = macule("serve", *options)
    assert status == 2 and word in error


def test_a_clinic_whose_key_is_gone_is_not_given_a_new_one(macule: Callable, tmp_path: Path) -> None:
    sealed = tmp_path / "pictures" / "ab"
    sealed.mkdir(parents=True)
    status, _, error = macule("serve", "--home", str(tmp_path))
    assert status == 3 and "put it back" in error
    assert not (tmp_path / "keys").exists()


def test_version_and_help(macule: Callable) -> None:
    assert macule("--version")[:2] == (0, f"macule {__version__}\n")
    assert "not a medical device" in macule("--help")[1].replace("\n", " ").replace("  ", " ")


@pytest.mark.parametrize("module", ["macule.cli", "macule"])
def test_start_leaves_torch_and_the_runtime_out(module: str) -> None:
    heavy = ("torch", "onnxruntime", "cv2", "numpy", "uvicorn")
    code = f"import sys, {module}; print([m for m in {heavy} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_predicting_and_serving_leave_torch_out(picture: Path, tiny_bundle: Bundle) -> None:
    code = (
        "import sys, macule, macule.cli, macule.web, macule.web.app\n"
        f"macule.analyze({str(picture)!r}, bundle={str(tiny_bundle.folder)!r})\n"
        "print('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_a_reader_that_goes_away_is_no_failure(tiny_bundle: Bundle, tmp_path: Path) -> None:
    for number in range(30):
        (tmp_path / f"{number:02d}.png").write_bytes(encode(draw(seed=number)))
    command = [*COMMAND, "predict", str(tmp_path), "--json", "--bundle", str(tiny_bundle.folder)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None and process.stderr is not None
    assert json.loads(process.stdout.readline())["risk"]
    process.stdout.close()
    assert process.wait(60) == 0 and process.stderr.read() == ""
    process.stderr.close()


def test_ctrl_c_ends_at_once_without_a_traceback(tiny_bundle: Bundle, tmp_path: Path) -> None:
    output, content = tmp_path / "out.csv", encode(draw(width=800, height=600))
    for number in range(200):
        (tmp_path / f"{number:03d}.png").write_bytes(content)
    command = [*COMMAND, "predict", str(tmp_path), "--json", "--csv", str(output), "--bundle", str(tiny_bundle.folder)]
    # A test run that a shell put in the background ignores SIGINT, and its children inherit that.
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=os.environ,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509  # no lock is taken between
    )
    assert process.stdout is not None
    process.stdout.readline()
    started = time.monotonic()
    process.send_signal(signal.SIGINT)
    _, error = process.communicate(timeout=60)
    assert process.returncode == 130 and "Traceback" not in error
    assert time.monotonic() - started < 30 and not output.exists()
    assert not list(tmp_path.glob(".out.csv*"))


def test_the_python_face(picture: Path, tiny_bundle: Bundle) -> None:
    import macule

    result = macule.analyze(picture, patient=macule.Patient(age=54), bundle=tiny_bundle)
    assert isinstance(result, macule.Result) and result.assessment is not None
    with pytest.raises(AttributeError):
        _ = macule.nothing


def test_the_embedded_model_answers_from_the_command_line(default_bundle: Bundle, tmp_path: Path) -> None:
    picture = tmp_path / "naevus.png"
    picture.write_bytes(encode(examples.draw(examples.preset("naevus"), size=(400, 300), seed=0)))
    done = subprocess.run([*COMMAND, "predict", str(picture), "--json"], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout)["bundle"]["id"] == default_bundle.id
