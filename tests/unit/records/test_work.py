"""A unit of work is whole or nothing, and the audit chain follows it."""

from __future__ import annotations

import pytest
from clinic_testing import add_user
from sqlalchemy import select

from macule.errors import Conflict, NoSuchRecord
from macule.records import audit, site
from macule.records.clinic import Clinic
from macule.records.domain import SYSTEM, Role
from macule.records.tables import AuditRow, Patient, User


def _patient(clinic: Clinic, pseudonym: str) -> Patient:
    with clinic.work(SYSTEM) as work:
        patient = Patient(id=work.new_id(), pseudonym=pseudonym, created_at=work.now, created_by="system")
        work.session.add(patient)
        work.record("patient.added", "patient", patient.id, patient_id=patient.id)
    return patient


def test_a_failed_block_leaves_neither_rows_nor_audit(clinic: Clinic) -> None:
    with pytest.raises(RuntimeError), clinic.work(SYSTEM) as work:
        work.session.add(Patient(id=work.new_id(), pseudonym="P-1", created_at=work.now, created_by="system"))
        work.record("patient.added", "patient", "x")
        raise RuntimeError
    with clinic.reading() as session:
        assert session.scalars(select(Patient)).all() == []
        assert session.scalars(select(AuditRow)).all() == []


def test_audit_rows_form_a_chain(clinic: Clinic) -> None:
    for number in range(3):
        _patient(clinic, f"P-{number}")
    with clinic.reading() as session:
        rows = session.scalars(select(AuditRow).order_by(AuditRow.seq)).all()
    assert [row.seq for row in rows] == [1, 2, 3]
    assert [row.previous for row in rows] == [audit.GENESIS, rows[0].hash, rows[1].hash]
    assert all(audit.digest(row) == row.hash for row in rows)


def test_the_second_of_two_writers_is_told(clinic: Clinic) -> None:
    user = add_user(clinic, Role.NURSE)
    with clinic.reading() as session:
        stale = session.get(User, user.id)
    assert stale is not None
    with clinic.work(SYSTEM) as work:
        work.get(User, user.id).name = "First"
    with pytest.raises(Conflict), clinic.work(SYSTEM) as work:
        work.session.add(stale)
        stale.name = "Second"
    with clinic.reading() as session:
        found = session.get(User, user.id)
        assert found is not None and found.name == "First"


def test_a_missing_row_is_named(clinic: Clinic) -> None:
    with pytest.raises(NoSuchRecord, match="no patient 'nobody'"), clinic.work(SYSTEM) as work:
        work.get(Patient, "nobody")


def test_settings_of_the_site_are_kept_and_locked(clinic: Clinic) -> None:
    with clinic.work(SYSTEM) as work:
        site.change(work, settings=site.SiteSettings(name="North"), version=0)
    with clinic.work(SYSTEM) as work:
        site.change(work, settings=site.SiteSettings(name="South"), version=1)
    with clinic.reading() as session:
        assert site.read(session).name == "South"
        assert site.version(session) == 2
    with pytest.raises(Conflict), clinic.work(SYSTEM) as work:
        site.change(work, settings=site.SiteSettings(name="East"), version=1)
