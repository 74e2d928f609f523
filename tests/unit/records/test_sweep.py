"""Only pictures that no row names are swept, and never one of an upload on its way."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path

import pytest
from clinic_testing import Clock, add_exam, add_lesion, png
from sqlalchemy import String, select

from macule.errors import NoSuchRecord
from macule.records import intake, sweep
from macule.records.clinic import Clinic
from macule.records.domain import SYSTEM
from macule.records.tables import AuditRow, Base, Exam

#: 64 characters that are no address in the store, besides what is called a hash.
NO_ADDRESS = {
    "login_session.id", "login_session.csrf", "login_session.ticket_id", "ticket.id", "patient.pseudonym",
    "audit.previous", "audit.subject_id", "audit.action", "bundle.sha256",
}


#: Where the database makes no difference.
on_sqlite = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


@pytest.fixture(autouse=True)
def _today(clock: Clock) -> None:
    clock.now = datetime.now(UTC)  # files bear the real time


def orphan(clinic: Clinic) -> str:
    return clinic.store.put(os.urandom(50))


def test_every_column_that_may_hold_an_address_is_known() -> None:
    known = {f"{column.class_.__tablename__}.{column.key}" for column in sweep.ADDRESSES}
    found = {
        f"{table.name}.{column.name}" for table in Base.metadata.tables.values() for column in table.columns
        if isinstance(column.type, String) and column.type.length == 64
        and not column.name.endswith(("hash", "_sha256"))
    }
    assert found - NO_ADDRESS == known


def test_an_old_picture_without_a_row_goes_in_two_steps(clinic: Clinic, clock: Clock) -> None:
    exam = add_exam(clinic)
    address, kept = orphan(clinic), {exam.picture, exam.thumbnail, exam.heatmap}
    clock.turn(hours=23)
    assert sweep.sweep(clinic) == sweep.Swept()
    clock.turn(hours=2)
    assert sweep.sweep(clinic) == sweep.Swept(discarded=1)
    assert address not in clinic.store.addresses() and clinic.store.get(address)
    clock.turn(hours=2)
    assert sweep.sweep(clinic) == sweep.Swept(removed=1)
    with pytest.raises(NoSuchRecord):
        clinic.store.get(address)
    assert kept < set(clinic.store.addresses()) and len(list(clinic.store.addresses())) == 4  # and the bundle
    with clinic.reading() as session:
        assert len(session.scalars(select(AuditRow).where(AuditRow.action == "store.swept")).all()) == 2


@on_sqlite
def test_a_picture_that_a_row_names_after_all_comes_back(clinic: Clinic, clock: Clock) -> None:
    """The upload of a picture that had lain without a row met the broom."""
    lesion = add_lesion(clinic)
    exam_id = intake.receive(clinic, actor=SYSTEM, submission=intake.Submission(lesion.id, png(), "a.png"))
    with clinic.reading() as session:
        address = session.scalars(select(Exam.picture)).one()
    clinic.store.discard(address)
    intake.answer(clinic, exam_id=exam_id)  # served from the trash meanwhile
    clock.turn(hours=2)
    assert sweep.sweep(clinic).brought_back == 1
    assert address in clinic.store.addresses() and list(clinic.store.discarded()) == []


@on_sqlite
def test_a_picture_that_is_sent_again_becomes_young(clinic: Clinic, clock: Clock, tmp_path: Path) -> None:
    content = os.urandom(50)
    address = clinic.store.put(content)
    path = tmp_path / "pictures" / address[:2] / address[2:4] / address
    os.utime(path, (0, 0))
    clinic.store.put(content)
    assert sweep.sweep(clinic) == sweep.Swept()


@on_sqlite
def test_what_a_crash_left_unfinished_goes(clinic: Clinic, clock: Clock, tmp_path: Path) -> None:
    orphan(clinic)
    half = tmp_path / "pictures" / "incoming" / "half"
    half.write_bytes(b"half a pict")
    sweep.sweep(clinic)
    assert half.exists()
    os.utime(half, (0, 0))
    sweep.sweep(clinic)
    assert not half.exists()


@on_sqlite
def test_the_worker_sweeps_once_an_hour(clinic: Clinic, clock: Clock) -> None:
    orphan(clinic)
    assert not sweep.sweep_when_due(clinic)
    clock.turn(days=2)
    assert sweep.sweep_when_due(clinic)
    clock.turn(minutes=30)
    assert not sweep.sweep_when_due(clinic)
