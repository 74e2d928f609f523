"""How long people are kept: whoever was not seen for the site's `retention_days` is erased, once a day.

Seen is: registered, a picture taken, consent given, a decision, or a biopsy's result. No setting, no erasure.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from weakref import WeakKeyDictionary

from sqlalchemy import Select, case, func, select
from sqlalchemy.orm import Session

from macule.errors import NoSuchRecord
from macule.records import batch_work, people, privacy, site
from macule.records.clinic import Clinic
from macule.records.database import Database
from macule.records.domain import SYSTEM
from macule.records.privacy import ErasureReason
from macule.records.tables import Biopsy, Consent, Exam, Lesion, Patient
from macule.records.work import Work

EVERY = timedelta(days=1)
#: Patients of one turn, so that the worker's other jobs have theirs.
AT_ONCE = 20

#: When each clinic of this process is gone through next. By its database, which is the process's own.
_due: WeakKeyDictionary[Database, datetime] = WeakKeyDictionary()


@dataclass(frozen=True)
class Overdue:
    patient_id: str
    pseudonym: str
    last_seen: datetime
    exams: int


def overdue(session: Session, *, now: datetime, days: int, limit: int | None = None) -> list[Overdue]:
    """Who would be erased, the longest unseen first. Nothing is changed."""
    before = now - timedelta(days=days)
    wanted = _unseen(before)
    rows = session.execute(wanted if limit is None else wanted.limit(limit)).all()
    return [Overdue(patient.id, patient.pseudonym, seen, exams) for patient, seen, exams in rows]


def count(session: Session, *, now: datetime, days: int) -> int:
    """How many would be erased."""
    inner = _unseen(now - timedelta(days=days)).order_by(None).subquery()
    return session.scalar(select(func.count()).select_from(inner)) or 0


def _unseen(before: datetime) -> Select[Any]:
    """(patient, last seen, exams). One question a kind of event: each has its index by patient or exam."""
    exams = select(Exam.patient_id.label("patient_id"), func.max(Exam.created_at).label("taken"),
                   func.max(Exam.decided_at).label("decided"), func.count().label("exams")
                   ).group_by(Exam.patient_id).subquery()
    consents = select(Consent.patient_id.label("patient_id"), func.max(Consent.given_at).label("given")
                      ).group_by(Consent.patient_id).subquery()
    results = select(Lesion.patient_id.label("patient_id"), func.max(Biopsy.recorded_at).label("recorded")
                     ).join(Lesion, Lesion.id == Biopsy.lesion_id).group_by(Lesion.patient_id).subquery()
    moments = (exams.c.taken, exams.c.decided, consents.c.given, results.c.recorded)
    latest: Any = Patient.created_at
    for moment in moments:
        # No `greatest` on SQLite, and its `max` of two knows no NULL.
        latest = _later(latest, moment)
    seen = latest.label("seen")
    return (
        select(Patient, seen, func.coalesce(exams.c.exams, 0))
        .outerjoin(exams, exams.c.patient_id == Patient.id).outerjoin(consents, consents.c.patient_id == Patient.id)
        .outerjoin(results, results.c.patient_id == Patient.id)
        .where(Patient.erased_at.is_(None), Patient.created_at < before, seen < before).order_by(seen, Patient.id)
    )


def _later(one: Any, other: Any) -> Any:
    return case((other > one, other), else_=one)


def apply(clinic: Clinic) -> int:
    """Erase who is overdue, some at a time. Returns: how many. Raises: StoreAway, KeyMissing, DatabaseAway."""
    with clinic.reading() as session:
        days = site.read(session).retention_days
        found = [] if days is None else overdue(session, now=clinic.clock(), days=days, limit=AT_ONCE)
    return sum(_erased(clinic, each.patient_id) for each in found)


def _erased(clinic: Clinic, patient_id: str) -> bool:
    """Erase one of the list, unless they were seen since it was made, or erased by another process."""
    with clinic.work(SYSTEM) as work:
        try:
            patient = people.hold(work, patient_id)
        except NoSuchRecord:
            return False
        days = site.read(work.session).retention_days
        if days is None or not _still(work, patient, days):
            return False
        erasure_id = privacy.forget(work, patient=patient, reason=ErasureReason.RETENTION)
    privacy.finish(clinic, erasure_id=erasure_id)
    return True


def _still(work: Work, patient: Patient, days: int) -> bool:
    wanted = _unseen(work.now - timedelta(days=days)).where(Patient.id == patient.id)
    return work.session.execute(wanted).first() is not None


def apply_when_due(clinic: Clinic) -> bool:
    """A job of the worker: once a day, and again at once while there are more. Forgets failed files of batches too."""
    now = clinic.clock()
    if now < _due.get(clinic.database, now):
        return False
    batch_work.forget_files(clinic)
    if apply(clinic):
        return True
    _due[clinic.database] = now + EVERY
    return False
