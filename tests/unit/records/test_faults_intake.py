"""What is away is told in plain words, nothing is lost or half there, and the next try goes through once it is back."""

from __future__ import annotations

import errno
import os
import shutil
import sqlite3
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from clinic_fixtures import _as_postgres, _program
from clinic_testing import Clock, add_lesion, make_clinic, png
from macule_testing import write_bundle
from sqlalchemy import func, select

from macule.analysis.pipeline import Analyzer
from macule.errors import BundleNotFound, DatabaseAway, EnvironmentFault, KeyMissing, StoreAway
from macule.records import database, intake
from macule.records.clinic import Clinic
from macule.records.domain import SYSTEM, ExamState
from macule.records.models import LazyModel
from macule.records.tables import Exam

Change = Callable[[str], None]


#: Where the database makes no difference.
on_sqlite = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[tuple[Path, Change]]:
    """A real, small file system, and what changes its mount options."""
    folder = tmp_path / "disk"
    folder.mkdir()

    def mount(*options: str) -> bool:
        return subprocess.run(["mount", *options, str(folder)], capture_output=True, check=False).returncode == 0

    if os.geteuid() != 0 or shutil.which("mount") is None or not mount("-t", "tmpfs", "-o", "size=8m", "tmpfs"):
        pytest.skip("no file system can be mounted here")

    def change(options: str) -> None:
        assert mount("-o", f"remount,{options}")

    try:
        yield folder, change
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def ask(lesion_id: str, *, seed: int = 0) -> intake.Submission:
    return intake.Submission(lesion_id, png(seed=seed), "a.png", idempotency_key=f"once-{seed}")


def receive(clinic: Clinic, lesion_id: str, *, seed: int = 0) -> str:
    return intake.receive(clinic, actor=SYSTEM, submission=ask(lesion_id, seed=seed))


def state(clinic: Clinic, exam_id: str) -> str:
    with clinic.reading() as session:
        return session.get_one(Exam, exam_id).state


def exams(clinic: Clinic) -> int:
    with clinic.reading() as session:
        return session.scalar(select(func.count()).select_from(Exam)) or 0


def recovers(clinic: Clinic, lesion_id: str, waiting: str) -> None:
    """The same upload goes through, and the exam that waited is answered."""
    assert state(clinic, waiting) == ExamState.WAITING
    again = receive(clinic, lesion_id, seed=1)
    for exam_id in (waiting, again):
        intake.answer(clinic, exam_id=exam_id)
        assert state(clinic, exam_id) == ExamState.ANSWERED
    assert exams(clinic) == 2


def refuses(clinic: Clinic, lesion_id: str, waiting: str, error: type[EnvironmentFault], words: str) -> None:
    with pytest.raises(error, match=words):
        receive(clinic, lesion_id, seed=1)
    with pytest.raises(error, match=words):
        intake.answer(clinic, exam_id=waiting)


def test_the_key_is_missing(clinic: Clinic, tmp_path: Path) -> None:
    lesion = add_lesion(clinic).id
    waiting, before = receive(clinic, lesion), list(clinic.store.addresses())
    (tmp_path / "keys").rename(tmp_path / "taken")
    refuses(clinic, lesion, waiting, KeyMissing, "put it back")
    assert list(clinic.store.addresses()) == before and exams(clinic) == 1
    (tmp_path / "taken").rename(tmp_path / "keys")
    recovers(clinic, lesion, waiting)


@on_sqlite
def test_the_store_is_gone(clinic: Clinic, tmp_path: Path) -> None:
    lesion = add_lesion(clinic).id
    waiting = receive(clinic, lesion)
    (tmp_path / "pictures").rename(tmp_path / "unplugged")
    refuses(clinic, lesion, waiting, StoreAway, "not there")
    assert exams(clinic) == 1 and not (tmp_path / "pictures").exists()
    (tmp_path / "unplugged").rename(tmp_path / "pictures")
    recovers(clinic, lesion, waiting)


@on_sqlite
def test_the_model_is_missing(clinic: Clinic, tmp_path: Path) -> None:
    clinic = replace(clinic, models=LazyModel(str(tmp_path / "model")))
    lesion = add_lesion(clinic).id
    waiting = receive(clinic, lesion)  # kept all the same: it is answered later
    for _ in range(2):
        with pytest.raises(BundleNotFound):
            intake.answer(clinic, exam_id=waiting)
    write_bundle(tmp_path / "model")
    recovers(clinic, lesion, waiting)


def test_the_disk_of_the_store_is_read_only(disk: tuple[Path, Change], analyzer: Analyzer, tmp_path: Path) -> None:
    folder, change = disk
    clinic = make_clinic(folder, analyzer, url=f"sqlite:///{tmp_path / 'macule.db'}")
    lesion = add_lesion(clinic).id
    waiting, before = receive(clinic, lesion), sorted(folder.rglob("*"))
    change("ro")
    refuses(clinic, lesion, waiting, StoreAway, "read-only")
    assert clinic.store.get(next(iter(clinic.store.addresses())))  # what is there can be read
    change("rw")
    assert sorted(folder.rglob("*")) == before and exams(clinic) == 1
    recovers(clinic, lesion, waiting)


def test_the_disk_of_the_store_is_full(disk: tuple[Path, Change], analyzer: Analyzer, tmp_path: Path) -> None:
    folder, _ = disk
    clinic = make_clinic(folder, analyzer, url=f"sqlite:///{tmp_path / 'macule.db'}")
    lesion = add_lesion(clinic).id
    waiting = receive(clinic, lesion)
    fill(folder / "filler", leave=40_000)  # room for a part of the picture
    before = sorted(folder.rglob("*"))
    with pytest.raises(StoreAway, match="full"):
        receive(clinic, lesion, seed=1)
    assert sorted(folder.rglob("*")) == before and exams(clinic) == 1
    (folder / "filler").unlink()
    recovers(clinic, lesion, waiting)


def fill(path: Path, *, leave: int) -> None:
    space = os.statvfs(path.parent)
    path.write_bytes(bytes(max(0, space.f_bavail * space.f_frsize - leave)))


def test_the_disk_of_the_database_is_full_or_read_only(
    disk: tuple[Path, Change], analyzer: Analyzer, tmp_path: Path
) -> None:
    folder, change = disk
    clinic = make_clinic(tmp_path, analyzer, url=f"sqlite:///{folder / 'macule.db'}")
    lesion = add_lesion(clinic).id
    waiting = receive(clinic, lesion)
    fill(folder / "filler", leave=0)
    with pytest.raises(DatabaseAway):
        receive(clinic, lesion, seed=1)
    (folder / "filler").unlink()
    assert exams(clinic) == 1
    clinic.database.close()  # SQLite keeps its files open for writing, and those cannot be remounted
    change("ro")
    refuses(clinic, lesion, waiting, DatabaseAway, "does not answer")
    change("rw")
    recovers(clinic, lesion, waiting)
    clinic.database.close()


@on_sqlite
def test_a_full_disk_while_a_picture_is_written(
    clinic: Clinic, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As above without a mount: the disk takes the first kilobytes."""
    lesion = add_lesion(clinic).id
    waiting = receive(clinic, lesion)
    before, write, taken = sorted((tmp_path / "pictures").rglob("*")), os.write, []

    def short(descriptor: int, content: bytes) -> int:
        if taken:
            raise OSError(errno.ENOSPC, "No space left on device")
        taken.append(write(descriptor, content[:4096]))
        return taken[0]

    with monkeypatch.context() as patch:
        patch.setattr("macule.records.store.durable.os.write", short)
        with pytest.raises(StoreAway, match="full"):
            receive(clinic, lesion, seed=1)
    assert taken and sorted((tmp_path / "pictures").rglob("*")) == before and exams(clinic) == 1
    recovers(clinic, lesion, waiting)


def test_sqlite_is_locked_by_another_program(
    analyzer: Analyzer, tmp_path: Path, sqlite_template: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "PATIENCE_S", 0.1)
    shutil.copy(sqlite_template, tmp_path / "macule.db")
    clinic = make_clinic(tmp_path, analyzer)
    lesion = add_lesion(clinic).id
    waiting = receive(clinic, lesion)
    other = sqlite3.connect(tmp_path / "macule.db", isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    refuses(clinic, lesion, waiting, DatabaseAway, "does not answer")
    other.execute("ROLLBACK")
    recovers(clinic, lesion, waiting)
    clinic.database.close()


def test_postgresql_is_stopped(
    analyzer: Analyzer, tmp_path: Path, request: pytest.FixtureRequest, clock: Clock
) -> None:
    """The real server is stopped at once, as by a crash, and started again."""
    if "postgresql" not in os.environ.get("MACULE_TEST_DATABASES", "postgresql"):
        pytest.skip("PostgreSQL was left out")
    from clinic_fixtures import _execute

    server, template = request.getfixturevalue("postgres"), request.getfixturevalue("postgres_template")
    _execute(server, f'CREATE DATABASE "t_stopped" TEMPLATE "{template}"')
    clinic = make_clinic(tmp_path, analyzer, url=server.format(name="t_stopped"), clock=clock)
    lesion = add_lesion(clinic).id
    waiting = receive(clinic, lesion)
    folder, pg_ctl = server.partition("host=")[2], _program("pg_ctl") or ""
    flags = f"-k {folder} -c listen_addresses= -c fsync=off -c full_page_writes=off -c max_connections=200"
    _as_postgres(pg_ctl, "-D", f"{folder}/data", "-m", "immediate", "-w", "stop")
    try:
        refuses(clinic, lesion, waiting, DatabaseAway, "does not answer|broke")
    finally:
        _as_postgres(pg_ctl, "-D", f"{folder}/data", "-o", flags, "-w", "-l", f"{folder}/log", "start")
    recovers(clinic, lesion, waiting)
    clinic.database.close()
