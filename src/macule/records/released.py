"""What of an exam may be shown to whom, and the doctor's word on it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum

from sqlalchemy import select
from sqlalchemy.orm import Session

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
