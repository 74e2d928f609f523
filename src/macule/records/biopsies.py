"""What the laboratory found: recorded once an exam, corrected in the open."""

from __future__ import annotations

from datetime import date

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from macule.errors import Conflict
from macule.records import webhooks
from macule.records.tables import Biopsy, Exam
from macule.records.webhooks import Event
from macule.records.words import choice, invalid, text
from macule.records.work import Work, expect
from macule.taxonomy import Diagnosis

MAX_NOTE = 2000


def record(
    work: Work, *, exam_id: str, version: int | None, code: str | None, reported_on: date | str | None,
    note: str | None = None,
) -> Biopsy:
    """Record the result, or correct it.

    version: of the result as the writer saw it; 0 if there was none. reported_on: a date, or one as YYYY-MM-DD.
    Raises: RecordInvalid, NoSuchRecord, Conflict.
    """
    exam = work.get(Exam, exam_id)
    found = choice(Diagnosis, code, field="code", missing="Choose what the laboratory found.")
    day = _day(reported_on, exam, work)
    words = text(note, field="note", most=MAX_NOTE)
    biopsy = work.session.scalar(select(Biopsy).where(Biopsy.exam_id == exam_id).with_for_update())
    if biopsy is None:
        return _first(work, exam, version=version, code=found, day=day, note=words)
    expect(biopsy, version)
    work.record("biopsy.corrected", "exam", exam.id, patient_id=exam.patient_id, old_code=biopsy.code,
                new_code=found.value, old_reported_on=biopsy.reported_on.isoformat(), reported_on=day.isoformat())
    biopsy.code, biopsy.reported_on, biopsy.note = found.value, day, words
    biopsy.recorded_at, biopsy.recorded_by = work.now, work.actor.id
    webhooks.announce(work, event=Event.BIOPSY_RECORDED, exam=exam)
    return biopsy


def _first(work: Work, exam: Exam, *, version: int | None, code: Diagnosis, day: date, note: str | None) -> Biopsy:
    if version not in (None, 0):
        raise Conflict("the result that you were correcting is no longer there: load the page again.")
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


def _day(value: date | str | None, exam: Exam, work: Work) -> date:
    if not value:
        raise invalid("reported_on", "Enter the date of the laboratory's report.")
    try:
        day = date.fromisoformat(value) if isinstance(value, str) else value
    except ValueError:
        raise invalid("reported_on", f"{str(value)[:20]!r} is not a date: write it as 2026-11-30.") from None
    # A day of grace on both sides: the clinic's own midnight is not UTC's.
    if (day - work.now.date()).days > 1:
        raise invalid("reported_on", f"{day} lies ahead: enter the date that stands on the report.")
    if (exam.created_at.date() - day).days > 1:
        raise invalid("reported_on", f"{day} is before the picture was taken: check the date, or choose its own exam.")
    return day
