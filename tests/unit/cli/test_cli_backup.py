"""`macule backup`, `restore` and `keys` as somebody at a terminal, or cron, uses them."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from clinic_fixtures import sqlite_template  # noqa: F401 - a fixture
from clinic_testing import add_exam, make_clinic

from macule.analysis.pipeline import Analyzer
from macule.cli.app import run
from macule.records.opening import Place, open_clinic
from macule.records.store.keys import KeyRing
from macule.records.tables import Exam


@pytest.fixture
def home(tmp_path: Path, analyzer: Analyzer, monkeypatch: pytest.MonkeyPatch, sqlite_template: Path) -> Path:  # noqa: F811
    """A clinic with one exam."""
    (tmp_path / "home").mkdir()
    shutil.copy(sqlite_template, tmp_path / "home" / "macule.db")
    for name in ("HOME", "DATABASE", "STORE", "KEY_FILE", "KEY"):
        monkeypatch.delenv(f"MACULE_{name}", raising=False)
    clinic = make_clinic(tmp_path / "home", analyzer)
    add_exam(clinic)
    clinic.database.close()
    return tmp_path / "home"


def out(capsys: pytest.CaptureFixture[str]) -> str:
    captured = capsys.readouterr()
    return captured.out + captured.err


def test_there_and_back(home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "safe").mkdir()
    kept, keys = str(tmp_path / "monday.macule-backup"), str(tmp_path / "safe" / "keys")
    assert run(["backup", kept, "--home", str(home), "--with-keys", keys]) == 0
    assert "4 pictures" in out(capsys)
    assert run(["restore", kept, "--home", str(tmp_path / "new"), "--with-keys", keys, "--check"]) == 0
    assert "is whole" in out(capsys) and not (tmp_path / "new").exists()
    assert run(["restore", kept, "--home", str(tmp_path / "new"), "--with-keys", keys]) == 0
    clinic = open_clinic(Place(home=tmp_path / "new"))
    with clinic.reading() as session:
        exam = session.query(Exam).one()
    assert exam.state == "answered" and clinic.store.get(exam.picture)
    clinic.database.close()


def test_refusals_and_their_status(home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    kept = str(tmp_path / "a.macule-backup")
    assert run(["backup", kept, "--home", str(tmp_path / "nowhere")]) == 3
    assert run(["backup", kept, "--home", str(home), "--with-keys", str(tmp_path / "keys")]) == 2
    assert "one thief" in out(capsys)
    assert run(["backup", kept, "--home", str(home)]) == 0
    assert "keys are not in it" in out(capsys)
    assert run(["backup", kept, "--home", str(home)]) == 2
    assert run(["restore", kept, "--home", str(tmp_path / "new")]) == 3  # no keys
    assert run(["restore", kept, "--home", str(home)]) == 2
    assert "not empty" in out(capsys)
    Path(kept).write_bytes(Path(kept).read_bytes()[:-30])
    assert run(["restore", kept, "--home", str(tmp_path / "new"), "--key-file", str(home / "keys")]) == 1
    assert "damaged" in out(capsys)


def test_a_picture_that_is_lost_ends_with_a_status_for_cron(
    home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    picture = next(path for path in (home / "pictures").rglob("*") if len(path.name) == 64)
    picture.unlink()
    assert run(["backup", str(tmp_path / "a"), "--home", str(home)]) == 1
    assert picture.name in out(capsys) and (tmp_path / "a").exists()


def test_keys_from_show_to_retire(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    secret = (home / "keys").read_text().split()[-1]
    assert run(["keys", "show", "--home", str(home), "--count"]) == 0
    (first,) = KeyRing(home / "keys").ids()
    shown = out(capsys)
    assert f"{first}  seals and opens, needed 4 times" in shown and secret not in shown
    assert run(["keys", "rotate", "--home", str(home)]) == 0
    assert "4 pictures" in out(capsys)
    assert run(["keys", "retire", "--home", str(home)]) == 1
    assert "young" in out(capsys) and len(KeyRing(home / "keys").ids()) == 2
    assert run(["keys", "reseal", "--home", str(home)]) == 0


def test_keys_of_the_environment_are_changed_there(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MACULE_KEY", (home / "keys").read_text().split()[-1])
    assert run(["keys", "show", "--home", str(home)]) == 0
    assert run(["keys", "rotate", "--home", str(home)]) == 2
    assert "MACULE_KEY" in out(capsys)


def test_a_missing_key_is_shown(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (old,) = KeyRing(home / "keys").ids()
    (home / "keys").unlink()
    KeyRing.create(home / "keys")
    assert run(["keys", "show", "--home", str(home), "--count"]) == 1
    assert f"{old}  MISSING" in out(capsys)
