"""What the laboratory found: recorded once an exam, after it was decided; corrected in the open."""

from __future__ import annotations

from datetime import date

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from macule.errors import Conflict, NotAllowed
from macule.records import blinding, webhooks, words
from macule.records.domain import ReviewState
from macule.records.tables import AuditRow, Biopsy, Exam
from macule.records.webhooks import Event
from macule.records.words import choice, invalid, text
from macule.records.work import Work, expect
from macule.taxonomy import Diagnosis

MAX_NOTE = 2000


def record(
    work: Work, *, exam_id: str, version: int | None, code: str | None, reported_on: date | str | None,
    note: str | None = None,
) -> Biopsy:
    """Record the result, or correct it. It tells the answer, so no reader records it before the own diagnosis.

    version: of the result as the writer saw it; 0 if there was none. reported_on: a date, or one as YYYY-MM-DD.
    Raises: RecordInvalid, NoSuchRecord, NotAllowed while the answer is hidden from the writer, Conflict, also unless
    a reader has decided the exam.
    """
    exam = work.get(Exam, exam_id)
    if blinding.hidden(work.session, actor=work.actor, exam_id=exam_id):
        raise NotAllowed("this site reads first: store your own diagnosis before you record the laboratory's result.")
    found = choice(Diagnosis, code, field="code", missing="Choose what the laboratory found.")
    day = _day(reported_on, exam, work)
    kept = text(note, field="note", most=MAX_NOTE)
    biopsy = work.session.scalar(select(Biopsy).where(Biopsy.exam_id == exam_id).with_for_update())
    if biopsy is None:
        return _first(work, exam, version=version, code=found, day=day, note=kept)
    expect(biopsy, version)
    work.record("biopsy.corrected", "exam", exam.id, patient_id=exam.patient_id, old_code=biopsy.code,
                new_code=found.value, old_reported_on=biopsy.reported_on.isoformat(), reported_on=day.isoformat())
    biopsy.code, biopsy.reported_on, biopsy.note = found.value, day, kept
    biopsy.recorded_at, biopsy.recorded_by = work.now, work.actor.id
    webhooks.announce(work, event=Event.BIOPSY_RECORDED, exam=exam)
    return biopsy


def _first(work: Work, exam: Exam, *, version: int | None, code: Diagnosis, day: date, note: str | None) -> Biopsy:
    if version not in (None, 0):
        raise Conflict("the result that you were correcting is no longer there: load the page again.")
    if not _was_decided(work, exam):
        raise Conflict("no reader has decided this exam: the laboratory's result is recorded after the decision.")
    biopsy = Biopsy(id=work.new_id(), exam_id=exam.id, lesion_id=exam.lesion_id, code=code.value, note=note,
                    reported_on=day, recorded_at=work.now, recorded_by=work.actor.id)
    try:
        with work.session.begin_nested():
            work.session.add(biopsy)
    except IntegrityError as error:
        raise Conflict("somebody else recorded a result meanwhile: load the page again and compare.") from error
    work.record("biopsy.recorded", "exam", exam.id, patient_id=exam.patient_id, code=code.value,
                reported_on=day.isoformat())
    webhooks.announce(work, event=Event.BIOPSY_RECORDED, exam=exam)
    return biopsy


def _was_decided(work: Work, exam: Exam) -> bool:
    """Whether a reader has decided, or had before the case was reopened: for a result that changes the decision."""
    if exam.review_state in (ReviewState.DECIDED.value, ReviewState.SECOND.value):
        return True
    reopened = select(AuditRow.seq).where(AuditRow.subject_kind == "exam", AuditRow.subject_id == exam.id,
                                          AuditRow.action == "review.reopened")
    return work.session.scalar(reopened.limit(1)) is not None


def _day(value: date | str | None, exam: Exam, work: Work) -> date:
    if not value:
        raise invalid("reported_on", "Enter the date of the laboratory's report.")
    day = words.day(value) if isinstance(value, str) else value
    if day is None:
        raise invalid("reported_on", words.not_a_day(str(value)))
    # A day of grace on both sides: the clinic's own midnight is not UTC's.
    if (day - work.now.date()).days > 1:
        raise invalid("reported_on", f"{day} lies ahead: enter the date that stands on the report.")
    if (exam.created_at.date() - day).days > 1:
        raise invalid("reported_on", f"{day} is before the picture was taken: check the date, or choose its own exam.")
    return day
