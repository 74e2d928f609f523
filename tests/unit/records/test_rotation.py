"""A new key for everything, from where it stopped, and old keys gone only when nothing needs them."""

from __future__ import annotations

import os
import threading
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from clinic_testing import Clock, add_exam, add_user
from sqlalchemy import select

from macule.errors import Conflict, KeyMissing, StoreAway
from macule.records import rotation
from macule.records.clinic import Clinic
from macule.records.domain import Role
from macule.records.store.keys import KeyRing
from macule.records.tables import AuditRow, User, Webhook

SECRET = b"the second factor"


#: Where the database makes no difference.
on_sqlite = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


@pytest.fixture(autouse=True)
def _today(clock: Clock) -> None:
    clock.now = datetime.now(UTC)  # the key file bears the real time


@pytest.fixture
def ring(clinic: Clinic) -> KeyRing:
    assert isinstance(clinic.seals, KeyRing)
    return clinic.seals


@pytest.fixture
def user(clinic: Clinic, ring: KeyRing) -> str:
    actor = add_user(clinic, Role.NURSE)
    with clinic.work(actor) as work:
        work.get(User, actor.id).totp_secret = ring.seal(SECRET, context=f"totp:{actor.id}".encode())
        work.session.add(Webhook(
            id=work.new_id(), url="https://example.org", events=["exam.answered"], created_at=work.now,
            created_by=actor.id, secret=b"",
        ))
    with clinic.work(actor) as work:
        hook = work.session.scalars(select(Webhook)).one()
        hook.secret = ring.seal(SECRET, context=f"webhook:{hook.id}".encode())
    return actor.id


def test_everything_is_sealed_anew_and_the_old_key_retires(
    clinic: Clinic, ring: KeyRing, user: str, clock: Clock
) -> None:
    exam = add_exam(clinic)
    old = ring.ids()[0]
    assert rotation.uses(clinic) == {old: 6}
    done = rotation.rotate(clinic, ring)
    assert (done.pictures, done.secrets, done.damaged) == (4, 2, ())
    new = ring.ids()[-1]
    assert rotation.uses(clinic) == {new: 6} and new != old
    clock.turn(minutes=5)
    with pytest.raises(Conflict, match="young"):
        rotation.retire(clinic, ring)
    clock.turn(hours=1)
    assert rotation.retire(clinic, ring) == (old,) and ring.ids() == (new,)
    assert rotation.retire(clinic, ring) == ()
    assert clinic.store.get(exam.picture)
    with clinic.reading() as session:
        found = session.get(User, user)
        assert found is not None and found.totp_secret is not None and found.version == 2  # nobody's form is refused
        assert ring.unseal(found.totp_secret, context=f"totp:{user}".encode()) == SECRET
        hook = session.scalars(select(Webhook)).one()
        assert ring.unseal(hook.secret, context=f"webhook:{hook.id}".encode()) == SECRET
        actions = session.scalars(select(AuditRow.action).where(AuditRow.subject_kind == "ring")).all()
    assert actions == ["keys.added", "keys.resealed", "keys.retired"]


@on_sqlite
def test_a_rotation_that_was_broken_off_goes_on(clinic: Clinic, ring: KeyRing, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(4):
        clinic.store.put(bytes([number]))
    put, calls = clinic.store.put, []

    def broken(content: bytes) -> str:
        calls.append(content)
        if len(calls) == 3:
            raise StoreAway("full")
        return put(content)

    monkeypatch.setattr(clinic.store, "put", broken)
    with pytest.raises(StoreAway):
        rotation.rotate(clinic, ring)
    assert sorted(rotation.uses(clinic).values()) == [2, 2]
    assert rotation.rotate(clinic, ring).pictures == 2
    assert len(ring.ids()) == 2 and rotation.uses(clinic) == {ring.ids()[-1]: 4}


@on_sqlite
def test_a_key_that_is_needed_is_kept(clinic: Clinic, ring: KeyRing, clock: Clock) -> None:
    clinic.store.put(b"one")
    ring.add()
    clinic.store.discard(clinic.store.put(b"two"))
    clock.turn(hours=2)
    with pytest.raises(Conflict, match=f"{ring.ids()[0]} by 1"):
        rotation.retire(clinic, ring)
    assert len(ring.ids()) == 2


@on_sqlite
def test_a_store_that_shows_nothing_lets_no_key_go(clinic: Clinic, ring: KeyRing, clock: Clock, tmp_path: Path) -> None:
    add_exam(clinic)
    ring.add()
    clock.turn(hours=2)
    (tmp_path / "pictures").rename(tmp_path / "elsewhere")
    with pytest.raises(StoreAway):
        rotation.retire(clinic, ring)
    assert len(ring.ids()) == 2


@on_sqlite
def test_a_damaged_picture_is_named_and_left(clinic: Clinic, ring: KeyRing, tmp_path: Path) -> None:
    address, whole = clinic.store.put(b"one"), clinic.store.put(b"two")
    path = tmp_path / "pictures" / address[:2] / address[2:4] / address
    path.write_bytes(path.read_bytes()[:-1])
    before = path.read_bytes()
    assert rotation.rotate(clinic, ring).damaged == (address,)
    assert path.read_bytes() == before and clinic.store.key_of(whole) == ring.ids()[-1]


@on_sqlite
def test_pictures_come_and_go_meanwhile(clinic: Clinic, ring: KeyRing) -> None:
    """A clinic at work: uploads, readings and removals while keys are changed and retired."""
    stop, faults, kept = threading.Event(), [], []
    doomed = [clinic.store.put(os.urandom(500)) for _ in range(30)]
    kept += [clinic.store.put(os.urandom(500)) for _ in range(30)]

    def busy() -> None:
        try:
            while not stop.is_set():
                kept.append(clinic.store.put(os.urandom(500)))
                clinic.store.get(kept[len(kept) // 2])
                if doomed:
                    clinic.store.delete(doomed.pop())
        except Exception as fault:  # shown by the assertion below
            faults.append(fault)

    threads = [threading.Thread(target=busy) for _ in range(2)]
    for thread in threads:
        thread.start()
    rotation.rotate(clinic, ring)
    stop.set()
    for thread in threads:
        thread.join()
    assert faults == []
    rotation.reseal(clinic, ring)
    assert set(rotation.uses(clinic)) == {ring.ids()[-1]}
    for address in kept:
        clinic.store.get(address)


@on_sqlite
def test_the_services_seal_with_the_contexts_that_rotation_opens(clinic: Clinic, ring: KeyRing) -> None:
    from macule.records import totp, webhooks

    user: Any = type("User", (), {"id": "7"})
    assert rotation.COLUMNS[0].context(user.id) == totp._kept(user.id)
    assert rotation.COLUMNS[1].context("7") == webhooks._context("7")


@on_sqlite
def test_a_missing_key_is_told_and_nothing_changes(clinic: Clinic, ring: KeyRing, tmp_path: Path) -> None:
    clinic.store.put(b"one")
    (tmp_path / "keys").rename(tmp_path / "elsewhere")
    with pytest.raises(KeyMissing):
        rotation.rotate(clinic, ring)
