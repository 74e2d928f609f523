"""A person's right to be forgotten, in an order that a power cut may part anywhere.

1. One transaction removes every row, ends the patient's links, blanks the patient to a tombstone and writes down, in
   `Erasure`, which addresses of the store are still to go. Before it nothing has happened; after it no page shows the
   patient, and nobody can forget the pictures.
2. The pictures are deleted, but for those that another patient's rows name too.
3. The erasure is marked as finished, and its list of addresses is emptied.

A stop after 1 or within 2 leaves an unfinished erasure, which the page shows and the worker goes on with; doing 2
twice does no harm. Old backups still hold the patient: they are kept as long as the clinic keeps its backups.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from sqlalchemy import ColumnElement, delete, func, or_, select, update
from sqlalchemy.orm import Session

from macule.errors import NoSuchRecord, RecordInvalid
from macule.records import holdings, people
from macule.records.batches import ItemState
from macule.records.clinic import Clinic
from macule.records.domain import SYSTEM, Actor
from macule.records.tables import (
    AuditRow,
    BatchItem,
    Biopsy,
    Comment,
    Consent,
    Delivery,
    Erasure,
    Exam,
    Lesion,
    LoginSession,
    Patient,
    Review,
    Ticket,
)
from macule.records.words import choice
from macule.records.work import Work

#: Erasures that the page lists.
LISTED = 25


class ErasureReason(StrEnum):
    REQUEST = "request"  # the patient asked for it
    CONSENT_WITHDRAWN = "consent_withdrawn"
    MISTAKE = "mistake"  # never should have been here: a test, or somebody else's pictures
    RETENTION = "retention"  # not seen for as long as the site keeps people


@dataclass(frozen=True)
class Holding:
    """How much is kept of a patient."""

    patient: Patient
    lesions: int
    exams: int
    reviews: int
    comments: int
    biopsies: int
    consents: int
    audit_rows: int


def holding(session: Session, *, pseudonym: str) -> Holding:
    """What is kept of the patient of this pseudonym. Raises: NoSuchRecord."""
    patient = people.by_pseudonym(session, pseudonym)
    if patient is None:
        raise NoSuchRecord("there is no patient of this pseudonym: it must be the whole of it, capitals aside.")
    exams = select(Exam.id).where(Exam.patient_id == patient.id)

    def count(kind: type, condition: object) -> int:
        return session.scalar(select(func.count()).select_from(kind).where(condition)) or 0  # type: ignore[arg-type]

    return Holding(
        patient, lesions=count(Lesion, Lesion.patient_id == patient.id),
        exams=count(Exam, Exam.patient_id == patient.id),
        reviews=count(Review, Review.exam_id.in_(exams)), comments=count(Comment, Comment.exam_id.in_(exams)),
        biopsies=count(Biopsy, Biopsy.exam_id.in_(exams)), consents=count(Consent, Consent.patient_id == patient.id),
        audit_rows=count(AuditRow, AuditRow.patient_id == patient.id),
    )


def erase(clinic: Clinic, *, actor: Actor, patient_id: str, reason: str | None, typed: str) -> str:
    """Forget a patient: rows first, then pictures.

    typed: the pseudonym, as the person who erases typed it. Returns: the erasure's id.
    Raises: NoSuchRecord, RecordInvalid; then nothing is done. StoreAway, KeyMissing, DatabaseAway after the rows are
    gone: the worker then finishes it.
    """
    with clinic.work(actor) as work:
        patient = people.hold(work, patient_id)
        if typed.strip() != patient.pseudonym:
            message = f"Type {patient.pseudonym} exactly, to show that it is the patient you mean."
            raise RecordInvalid(message, fields={"typed": message})
        why = choice(ErasureReason, reason, field="reason", missing="Choose why the patient is erased.")
        erasure_id = forget(work, patient=patient, reason=why)
    finish(clinic, erasure_id=erasure_id)
    return erasure_id


def forget(work: Work, *, patient: Patient, reason: ErasureReason) -> str:
    """Step 1, within the caller's transaction. patient: from `people.hold`. Returns: the erasure's id, for `finish`."""
    exams = list(work.session.scalars(select(Exam.id).where(Exam.patient_id == patient.id)))
    items = _in_batches(patient)
    pictures = _addresses(work.session, patient.id, items)
    erasure = Erasure(
        id=work.new_id(), patient_id=patient.id, reason=reason.value, asked_at=work.now, asked_by=work.actor.id,
        exams=len(exams), pictures=pictures, deleted=0,
    )
    work.session.add(erasure)
    _remove_rows(work.session, patient.id, items)
    patient.pseudonym = f"erased-{patient.id}"
    patient.birth_year = patient.sex = patient.skin_type = None
    patient.erased_at = work.now
    work.record("patient.erased", "patient", patient.id, patient_id=patient.id, reason=reason.value, exams=len(exams),
                pictures=len(pictures), erasure=erasure.id)
    return erasure.id


def _in_batches(patient: Patient) -> ColumnElement[bool]:
    """Which files of batches are this patient's: by what became of them, or by whom they wait for."""
    exams = select(Exam.id).where(Exam.patient_id == patient.id)
    meant = func.lower(BatchItem.subject["pseudonym"].as_string()) == patient.pseudonym.lower()
    return or_(BatchItem.patient_id == patient.id, BatchItem.exam_id.in_(exams), meant)


def _addresses(session: Session, patient_id: str, items: ColumnElement[bool]) -> list[str]:
    """Of everything in the store that the patient's rows name."""
    found: dict[str, None] = {}
    columns = (Exam.picture, Exam.thumbnail, Exam.heatmap)
    for row in session.execute(select(*columns).where(Exam.patient_id == patient_id)):
        found.update(dict.fromkeys(address for address in row if address))
    waiting = select(BatchItem.file).where(items, BatchItem.file.is_not(None))
    found.update(dict.fromkeys(address for address in session.scalars(waiting) if address))
    return list(found)


def _remove_rows(session: Session, patient_id: str, items: ColumnElement[bool]) -> None:
    """Leaves before branches: the order in which nothing points to what is gone."""
    exams = select(Exam.id).where(Exam.patient_id == patient_id)
    tickets = select(Ticket.id).where(Ticket.patient_id == patient_id)
    session.execute(delete(Delivery).where(Delivery.payload["exam"]["patient_id"].as_string() == patient_id))
    session.execute(
        update(BatchItem).where(items)
        # The file's name may be a person's; its place in the batch stays, so that the batch's figures still add up.
        .values(name="(erased)", file=None, subject=None, exam_id=None, patient_id=None, error=None,
                state=ItemState.TAKEN.value),
        execution_options={"synchronize_session": False},
    )
    for kind in (Comment, Review, Biopsy):
        session.execute(delete(kind).where(kind.exam_id.in_(exams)))
    session.execute(update(Exam).where(Exam.patient_id == patient_id).values(retake_of=None))
    session.execute(delete(Exam).where(Exam.patient_id == patient_id))
    session.execute(delete(Lesion).where(Lesion.patient_id == patient_id))
    session.execute(delete(Consent).where(Consent.patient_id == patient_id))
    session.execute(delete(LoginSession).where(LoginSession.ticket_id.in_(tickets)))
    session.execute(delete(Ticket).where(Ticket.patient_id == patient_id))


def finish(clinic: Clinic, *, erasure_id: str) -> None:
    """Steps 2 and 3; again as often as it takes. Raises: StoreAway, KeyMissing, DatabaseAway."""
    with clinic.reading() as session:
        erasure = session.get(Erasure, erasure_id)
    if erasure is None or erasure.finished_at is not None:
        return
    deleted = holdings.release(clinic, erasure.pictures)
    with clinic.work(SYSTEM) as work:
        row = work.session.get_one(Erasure, erasure_id, with_for_update=True)
        if row.finished_at is None:  # another process may have been quicker
            row.deleted, row.pictures, row.finished_at = row.deleted + deleted, [], work.now
            work.record("patient.erasure_finished", "patient", row.patient_id, patient_id=row.patient_id,
                        erasure=row.id, deleted=row.deleted)


def finish_erasures(clinic: Clinic) -> bool:
    """A job of the worker: go on where an erasure was stopped. Raises: StoreAway, KeyMissing, DatabaseAway."""
    with clinic.reading() as session:
        waiting = list(session.scalars(select(Erasure.id).where(Erasure.finished_at.is_(None)).limit(10)))
    for erasure_id in waiting:
        finish(clinic, erasure_id=erasure_id)
    return bool(waiting)


def erasures(session: Session) -> list[Erasure]:
    """The newest first."""
    return list(session.scalars(select(Erasure).order_by(Erasure.asked_at.desc(), Erasure.id.desc()).limit(LISTED)))
