from __future__ import annotations

import json
import shutil

import miniature
import pytest
from macule_testing import draw

from macule.cli.app import run
from macule.data import membership, sources


def paint(path):
    miniature.save(path, draw(seed=sum(path.stem.encode())))


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    rows = [miniature.ham_row(str(n), str(n), dx) for n, dx in enumerate(("nv", "mel", "nv"))]
    return miniature.ham10000(tmp_path_factory.mktemp("data") / "HAM10000", rows, paint=paint)


@pytest.fixture
def bundle(tiny_bundle, tmp_path, root):
    folder = shutil.copytree(tiny_bundle.folder, tmp_path / "tiny")
    first, second, third = sources.load("ham10000", root)
    membership.write(folder / membership.FILE, {"train": [first], "calibration": [second], "test": [third]})
    return folder


@pytest.fixture
def evaluate(bundle, root):
    given = ["evaluate", "--bundle", str(bundle), "--dataset", "ham10000", "--root", str(root)]
    return lambda *options: run([*given, *options])


def test_the_table_and_the_file(evaluate, tmp_path, capfd):
    assert evaluate("--split", "test", "--json", str(tmp_path / "report.json"), "--threads", "1") == 0
    shown = capfd.readouterr().out
    assert "ham10000 test: 1 pictures, 1 lesions, 0 refused" in " ".join(shown.split())
    assert "balanced accuracy" in shown and "mel: auc" in shown and "undefined" in shown
    report = json.loads((tmp_path / "report.json").read_text())
    assert report["split"] == "test" and report["accuracy"]["n"] == 1 and report["leaky"] is False


def test_a_leak_ends_the_command(evaluate, capfd):
    assert evaluate("--split", "all") == 1
    assert "fitted on 2 of these lesions" in capfd.readouterr().err


def test_a_leak_that_is_allowed_is_written_on_every_table(evaluate, capfd):
    assert evaluate("--split", "all", "--allow-leak") == 0
    assert "LEAKY ham10000 all: 3 pictures" in " ".join(capfd.readouterr().out.split())


def test_unknown_membership_is_said(evaluate, bundle, capfd):
    (bundle / membership.FILE).unlink()
    assert evaluate("--split", "all") == 0
    assert "LEAK UNKNOWN ham10000 all" in " ".join(capfd.readouterr().out.split())


@pytest.mark.parametrize(
    ("options", "status", "message"),
    [
        (("--split", "exam"), 2, "'exam'"),
        (("--split", "test", "--modality", "xray"), 2, "modality is 'xray'"),
        (("--split", "test", "--modality", "clinical"), 1, "no clinical picture"),
        (("--split", "test", "--bundle", "nowhere"), 3, "no bundle 'nowhere'"),
        (("--split", "test", "--dataset", "ham"), 1, "no data set 'ham'"),
        (("--split", "test", "--root", "nowhere"), 1, "nowhere is not a folder"),
    ],
)
def test_what_is_refused(evaluate, capfd, options, status, message):
    assert evaluate(*options) == status
    shown = capfd.readouterr()
    assert message in shown.err and "Traceback" not in shown.err
