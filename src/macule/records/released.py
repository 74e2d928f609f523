"""What of an exam may be shown to whom, and the doctor's word on it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum

from sqlalchemy import select
from sqlalchemy.orm import Session

from macule.errors import Conflict
from macule.records import blinding, site
from macule.records.domain import Actor, ExamState, ReviewState, Role
from macule.records.tables import Biopsy, Exam, Review
from macule.taxonomy import Diagnosis


class Sight(StrEnum):
    """WAITING, REFUSED, FAILED: as the exam's state. HIDDEN: from a reader who has yet to commit.

    REVIEW: a patient's, answered by the machine, not yet released by a dermatologist. ANSWERED: all of it.
    """

    WAITING = "waiting"
    REFUSED = "refused"
    FAILED = "failed"
    HIDDEN = "hidden"
    REVIEW = "review"
    ANSWERED = "answered"


#: Answered, or to be answered soon.
_TO_READ = (ExamState.ANSWERED.value, ExamState.WAITING.value)


@dataclass(frozen=True)
class Word:
    """What the readers decided. management: domain.Management. tissue, tissue_on: the laboratory's finding."""

    code: Diagnosis
    management: str | None
    reader: str
    decided_at: datetime
    tissue: Diagnosis | None = None
    tissue_on: date | None = None


def sight(session: Session, *, actor: Actor, exam: Exam) -> Sight:
    """What this actor is shown of the exam; whether they may see it at all was asked at the door."""
    if exam.state != ExamState.ANSWERED.value:
        return Sight(exam.state)
    if blinding.hidden(session, actor=actor, exam_id=exam.id):
        return Sight.HIDDEN
    at_once = site.read(session).release == "at_once"
    if actor.role is Role.PATIENT and not at_once and exam.review_state != ReviewState.DECIDED.value:
        return Sight.REVIEW
    return Sight.ANSWERED


def check_link(session: Session, *, actor: Actor, patient_id: str) -> None:
    """Whether this actor may make a link for the patient: where answers are released at once, it shows them to whoever
    opens it, also to a reader who has yet to commit. Raises: Conflict."""
    if site.read(session).release != "at_once":
        return
    to_read = select(Exam.id).where(Exam.patient_id == patient_id, Exam.state.in_(_TO_READ))
    if blinding.hidden_among(session, actor=actor, exam_ids=session.scalars(to_read)):
        raise Conflict("this patient's link would show you answers before your own diagnosis: read the patient's cases "
                       "first, or ask a nurse for the link.")


def word(session: Session, exam: Exam) -> Word | None:
    """The readers' last word; None while there is none, or while a second reader is awaited."""
    if exam.review_state != ReviewState.DECIDED.value:
        return None
    last = session.scalar(
        select(Review).where(Review.exam_id == exam.id, Review.decided_at.is_not(None))
        .order_by(Review.second.desc(), Review.decided_at.desc()).limit(1)
    )
    if last is None or last.final_code is None or last.decided_at is None:
        return None
    tissue = session.scalar(select(Biopsy).where(Biopsy.exam_id == exam.id))
    return Word(
        Diagnosis(last.final_code), last.management, last.reader.name, last.decided_at,
        tissue=Diagnosis(tissue.code) if tissue else None, tissue_on=tissue.reported_on if tissue else None,
    )
