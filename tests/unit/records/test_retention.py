"""Who was not seen for as long as the site keeps people is erased, and nobody else."""

from __future__ import annotations

from datetime import timedelta

import pytest
from clinic_testing import Clock, add_exam, add_lesion, add_user
from sqlalchemy import select

from macule.records import biopsies, consent, privacy, retention, reviews, site
from macule.records.clinic import Clinic
from macule.records.domain import SYSTEM, Role
from macule.records.tables import Erasure, Exam, Patient


def _keep(clinic: Clinic, days: int | None) -> None:
    with clinic.work(SYSTEM) as work:
        site.change(work, settings=site.SiteSettings(retention_days=days), version=site.version(work.session))


def _names(clinic: Clinic, clock: Clock, days: int) -> list[str]:
    with clinic.reading() as session:
        found = retention.overdue(session, now=clock.now, days=days)
        assert retention.count(session, now=clock.now, days=days) == len(found)
    return [each.pseudonym for each in found]


def test_every_kind_of_visit_counts(clinic: Clinic, clock: Clock) -> None:
    reader = add_user(clinic, Role.DERMATOLOGIST)
    spots = {name: add_lesion(clinic, pseudonym=name) for name in ("silent", "seen", "agreed", "read", "tested")}
    exams = {name: add_exam(clinic, lesion=spots[name]) for name in ("read", "tested")}
    with clinic.work(reader) as work:
        reviews.commit(work, exam_id=exams["tested"].id, own_code="nv")
        reviews.decide(work, exam_id=exams["tested"].id, version=None, decision="confirm", management="biopsy")
    clock.turn(days=90)
    add_exam(clinic, lesion=spots["seen"])
    with clinic.work(reader) as work:
        consent.give(work, patient_id=spots["agreed"].patient_id, scope="care")
        reviews.commit(work, exam_id=exams["read"].id, own_code="nv")
        reviews.decide(work, exam_id=exams["read"].id, version=None, decision="confirm", management="nothing")
        biopsies.record(work, exam_id=exams["tested"].id, version=None, code="nv", reported_on=clock.now.date(),
                        note=None)
    clock.turn(days=20)
    assert _names(clinic, clock, 100) == ["silent"]
    assert set(_names(clinic, clock, 15)) == set(spots)
    assert _names(clinic, clock, 200) == []


def test_a_look_changes_nothing_and_no_setting_keeps_everybody(clinic: Clinic, clock: Clock) -> None:
    lesion = add_lesion(clinic, pseudonym="old")
    clock.turn(days=4000)
    assert _names(clinic, clock, 30) == ["old"] and retention.apply(clinic) == 0
    with clinic.reading() as session:
        patient = session.get(Patient, lesion.patient_id)
        assert patient is not None and patient.erased_at is None


def test_the_worker_erases_once_a_day(clinic: Clinic, clock: Clock) -> None:
    _keep(clinic, 30)
    add_exam(clinic, lesion=add_lesion(clinic, pseudonym="old"))
    clock.turn(days=31)
    add_lesion(clinic, pseudonym="new")
    while retention.apply_when_due(clinic):
        pass
    with clinic.reading() as session:
        erasure = session.scalars(select(Erasure)).one()
        names = [name for name in session.scalars(select(Patient.pseudonym)) if not name.startswith("erased")]
    assert (erasure.reason, erasure.asked_by) == ("retention", "system") and erasure.finished_at is not None
    assert names == ["new"]
    clock.turn(days=31)  # `new` is overdue by now
    before = clock.now - timedelta(hours=1)
    clock.now = before - timedelta(days=31) + timedelta(hours=2)
    retention.apply_when_due(clinic)
    with clinic.reading() as session:
        assert len(list(session.scalars(select(Erasure)))) == 1  # not yet a day
    clock.now = before + timedelta(hours=1)
    retention.apply_when_due(clinic)
    with clinic.reading() as session:
        assert len(list(session.scalars(select(Erasure)))) == 2


def test_who_comes_in_while_others_are_erased_is_kept(
    clinic: Clinic, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    _keep(clinic, 30)
    spots = [add_lesion(clinic, pseudonym=name) for name in ("one", "two")]
    clock.turn(days=40)
    finish, came = privacy.finish, list[Exam]()

    def slowly(clinic: Clinic, *, erasure_id: str) -> None:
        with clinic.reading() as session:
            gone = session.get_one(Erasure, erasure_id).patient_id
        other = next(spot for spot in spots if spot.patient_id != gone)
        came.append(add_exam(clinic, lesion=other))  # while the first one's pictures are deleted
        finish(clinic, erasure_id=erasure_id)

    monkeypatch.setattr(privacy, "finish", slowly)
    assert retention.apply(clinic) == 1
    with clinic.reading() as session:
        assert session.get(Exam, came[0].id) is not None and clinic.store.get(came[0].picture)


def test_erased_patients_are_not_counted_again(clinic: Clinic, clock: Clock) -> None:
    _keep(clinic, 30)
    add_lesion(clinic)
    clock.turn(days=40)
    assert retention.apply(clinic) == 1 and retention.apply(clinic) == 0 and _names(clinic, clock, 30) == []
