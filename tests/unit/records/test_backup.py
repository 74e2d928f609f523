"""A backup of a clinic at work holds whole exams only, opens with the keys alone, and goes back on either database."""

from __future__ import annotations

import hashlib
import itertools
import json
import secrets
import shutil
import threading
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from clinic_fixtures import BACKENDS, _execute
from clinic_testing import add_exam, add_lesion, add_user, blurred, make_clinic, png
from sqlalchemy import select

from macule.analysis.pipeline import Analyzer
from macule.errors import AuditBroken, InputError, InputNotFound, KeyMissing, UsageError
from macule.records import audit, backup, intake, restore, rows, sweep
from macule.records.clinic import Clinic
from macule.records.database import Database
from macule.records.domain import SYSTEM, Role
from macule.records.store.keys import KeyRing
from macule.records.tables import Batch, BatchItem, Exam, Patient, User

#: Where the database makes no difference.
on_sqlite = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


@pytest.fixture
def target(tmp_path: Path, analyzer: Analyzer, sqlite_template: Path) -> Clinic:
    """A new clinic with the same keys."""
    folder = tmp_path / "new"
    folder.mkdir()
    shutil.copy(tmp_path / "keys", folder)
    shutil.copy(sqlite_template, folder / "macule.db")
    return make_clinic(folder, analyzer)


@pytest.fixture
def across(target: Clinic, database_url: str, request: pytest.FixtureRequest) -> Clinic:
    """The same on the other database: PostgreSQL for SQLite, if it is there."""
    if database_url.startswith("postgresql") or "postgresql" not in BACKENDS:
        return target
    server, template = request.getfixturevalue("postgres"), request.getfixturevalue("postgres_template")
    name = f"r_{secrets.token_hex(6)}"
    _execute(server, f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
    return replace(target, database=Database(server.format(name=name)))


def everything(clinic: Clinic) -> dict[str, list[dict[str, Any]]]:
    with clinic.database.snapshot() as session:
        return {table.name: [row for _, lines in rows.chunks(session, table) for row in rows.parse(table, lines)]
                for table in rows.tables()}


def brought(path: Path, target: Clinic) -> restore.Manifest:
    with restore.opened(path, seals=target.seals) as found:
        restore.check(found, seals=target.seals, store=target.store)
        restore.put_back(found, target)
        return found.manifest


def test_every_row_and_picture_comes_back(clinic: Clinic, across: Clinic, tmp_path: Path) -> None:
    lesion = add_lesion(clinic)
    first = add_exam(clinic, lesion=lesion)
    add_exam(clinic, lesion=lesion, picture=blurred())
    user = add_user(clinic, Role.DERMATOLOGIST, name="Zoë O'Brien 😀\n")
    with clinic.work(user) as work:
        work.session.add(Exam(
            id="0" * 32, patient_id=first.patient_id, lesion_id=first.lesion_id, state="waiting", created_at=work.now,
            created_by=user.id, retake_of=first.id, picture=first.picture, file_name="first by id.png",
        ))
        work.get(User, user.id).totp_secret = clinic.seals.seal(b"\0\xff", context=b"x")
        batch = Batch(id=work.new_id(), name="b", created_at=work.now, created_by=user.id, consent_language="en")
        batch.items = [BatchItem(position=n, name=f"{n}", state="waiting", file=first.picture) for n in range(3)]
        work.session.add(batch)
    made = backup.make(clinic, to=tmp_path / "a.macule-backup")
    before = everything(clinic)
    brought(tmp_path / "a.macule-backup", across)
    after = everything(across)
    assert before["audit"].pop()["action"] == "backup.made"
    assert after["audit"].pop()["action"] == "backup.restored"
    assert before == after
    with across.reading() as session:
        needed = sweep.named(session)
    assert made.missing == () and made.pictures == len(needed) == 6  # 2 pictures and thumbnails, a heatmap, the model
    for address in needed:
        assert across.store.get(address) == clinic.store.get(address)
    with across.work(SYSTEM) as work:  # ids go on behind those that were put
        work.session.add(BatchItem(batch_id=batch.id, position=9, name="9", state="waiting"))
    add_exam(across, lesion=lesion)


@on_sqlite
def test_nothing_of_anybody_can_be_read_in_it(clinic: Clinic, tmp_path: Path) -> None:
    exam = add_exam(clinic, lesion=add_lesion(clinic, pseudonym="P-very-secret"))
    backup.make(clinic, to=tmp_path / "a")
    content = (tmp_path / "a").read_bytes()
    key = KeyRing(tmp_path / "keys")
    assert b"P-very-secret" not in content and exam.id.encode() not in content
    assert (tmp_path / "keys").read_text().split()[-1].encode() not in content and key.ids()[0].encode() in content
    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o600


def test_a_backup_under_load_has_whole_exams_only(clinic: Clinic, across: Clinic, tmp_path: Path) -> None:
    lesion, stop, sent = add_lesion(clinic), threading.Event(), []

    def upload() -> None:
        while not stop.is_set():
            sent.append(intake.submit(clinic, actor=SYSTEM, submission=intake.Submission(
                lesion.id, png(seed=len(sent)), "a.png")))

    add_exam(clinic)
    worker = threading.Thread(target=upload)
    worker.start()
    try:
        while len(sent) < 2:
            stop.wait(0.01)
        made = backup.make(clinic, to=tmp_path / "a", tick=lambda: stop.wait(0.02))
    finally:
        stop.set()
        worker.join()
    assert made.missing == ()
    brought(tmp_path / "a", across)
    with across.reading() as session:
        exams = session.scalars(select(Exam)).all()
    assert 2 <= len(exams) < 1 + len(sent)
    for exam in exams:
        assert hashlib.sha256(across.store.get(exam.picture)).hexdigest() == exam.picture
        assert exam.state == "waiting" or (exam.result and across.store.get(exam.thumbnail))
        intake.answer(across, exam_id=exam.id)


@on_sqlite
def test_pictures_erased_meanwhile_take_their_rows_along(
    clinic: Clinic, target: Clinic, tmp_path: Path
) -> None:
    exams = [add_exam(clinic, picture=png(seed=seed)) for seed in range(2)]
    last = max(exams, key=lambda exam: exam.picture)
    ticks: list[None] = []

    def erase() -> None:
        ticks.append(None)
        if len(ticks) == 1:
            with clinic.work(SYSTEM) as work:
                work.session.delete(work.get(Exam, last.id))
            clinic.store.delete(last.picture)

    assert backup.make(clinic, to=tmp_path / "a", tick=erase).missing == ()
    brought(tmp_path / "a", target)
    with target.reading() as session:
        assert [exam.id for exam in session.scalars(select(Exam))] == [exam.id for exam in exams if exam is not last]


@on_sqlite
def test_a_picture_that_is_lost_is_named_and_the_rest_is_saved(clinic: Clinic, target: Clinic, tmp_path: Path) -> None:
    exam = add_exam(clinic)
    clinic.store.delete(exam.picture)
    assert backup.make(clinic, to=tmp_path / "a").missing == (exam.picture,)
    assert brought(tmp_path / "a", target).missing == {exam.picture}


@on_sqlite
def test_a_full_target_is_refused(clinic: Clinic, target: Clinic, tmp_path: Path) -> None:
    add_exam(clinic)
    backup.make(clinic, to=tmp_path / "a")
    with pytest.raises(UsageError, match="not empty"):
        brought(tmp_path / "a", clinic)
    target.store.put(b"a stranger")
    with pytest.raises(UsageError, match="another clinic"):
        brought(tmp_path / "a", target)


@on_sqlite
def test_a_restore_that_was_broken_off_is_begun_again(clinic: Clinic, target: Clinic, tmp_path: Path) -> None:
    add_exam(clinic)
    backup.make(clinic, to=tmp_path / "a")

    def broken() -> None:
        raise KeyboardInterrupt

    with restore.opened(tmp_path / "a", seals=target.seals) as found:
        with pytest.raises(KeyboardInterrupt):
            restore.put_back(found, target, tick=broken)
        restore.put_back(found, target)
    assert len(everything(target)["exam"]) == 1


def rewritten(path: Path, change: Callable[[str, bytes], bytes | None], *, manifest: bool = False) -> Path:
    """A copy of the archive with changed files; with `manifest` its hashes are made to fit, but not its seal."""
    copy = path.with_name("changed")
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(copy, "w") as new:
        files = {}
        for name in old.namelist():
            content = change(name, old.read(name))
            if manifest and name == backup.MANIFEST:
                content = json.dumps(json.loads(content or b"") | {"files": files}).encode()
            if content is not None:
                new.writestr(name, content)
                files[name] = hashlib.sha256(content).hexdigest()
    return copy


@on_sqlite
def test_what_was_changed_is_noticed_before_anything_is_written(
    clinic: Clinic, target: Clinic, tmp_path: Path
) -> None:
    add_exam(clinic)
    backup.make(clinic, to=tmp_path / "a")
    for part, how in itertools.product(
        ["rows/exam/", "rows/audit/", "pictures/", backup.MANIFEST, backup.SEAL], ["flipped", "gone", "hashed"]
    ):
        def change(name: str, content: bytes, part: str = part, how: str = how) -> bytes | None:
            if not name.startswith(part):
                return content
            return None if how == "gone" else content[:-5] + bytes([content[-5] ^ 1]) + content[-4:]

        copy = rewritten(tmp_path / "a", change, manifest=how == "hashed" and part != backup.MANIFEST)
        with pytest.raises(InputError):
            brought(copy, target)
    assert list(target.store.addresses()) == [] and everything(target)["patient"] == []


@on_sqlite
def test_a_changed_audit_log_is_noticed(
    clinic: Clinic, target: Clinic, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(audit, "digest", lambda _: "0" * 64)
        add_exam(clinic)
    backup.make(clinic, to=tmp_path / "a")
    with pytest.raises(AuditBroken, match="row 1"):
        brought(tmp_path / "a", target)


@on_sqlite
def test_without_the_keys_it_is_worth_nothing(clinic: Clinic, tmp_path: Path) -> None:
    backup.make(clinic, to=tmp_path / "a")
    ids, others = KeyRing(tmp_path / "keys").ids(), KeyRing.create(tmp_path / "others")
    with pytest.raises(KeyMissing, match=ids[0]), restore.opened(tmp_path / "a", seals=others):
        pass


@pytest.mark.parametrize("content", [b"", b"not a zip", b"PK\x05\x06" + bytes(18)])
def test_what_is_no_backup_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a").write_bytes(content)
    with pytest.raises(InputError), restore.opened(tmp_path / "a", seals=KeyRing.create(tmp_path / "keys")):
        pass
    with pytest.raises(InputNotFound), restore.opened(tmp_path / "b", seals=KeyRing.create(tmp_path / "keys")):
        pass


@on_sqlite
def test_no_half_backup_is_left(clinic: Clinic, tmp_path: Path) -> None:
    add_exam(clinic)
    (tmp_path / "backups").mkdir()

    def broken() -> None:
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space"):
        backup.make(clinic, to=tmp_path / "backups" / "a", tick=broken)
    assert list((tmp_path / "backups").iterdir()) == []
    backup.make(clinic, to=tmp_path / "backups" / "a")
    with pytest.raises(UsageError, match="never overwritten"):
        backup.make(clinic, to=tmp_path / "backups" / "a")
    assert [path.name for path in (tmp_path / "backups").iterdir()] == ["a"]


def test_rows_longer_than_a_chunk(
    clinic: Clinic, across: Clinic, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rows, "CHUNK", 10)
    with clinic.work(SYSTEM) as work:
        work.session.add_all(
            Patient(id=work.new_id(), pseudonym=f"P-{n}", created_at=work.now, created_by="x") for n in range(25)
        )
    assert backup.make(clinic, to=tmp_path / "a").rows == 25
    brought(tmp_path / "a", across)
    assert everything(across)["patient"] == everything(clinic)["patient"]
