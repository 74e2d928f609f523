"""How long each step took: received, answered, decided, biopsy entered.

Of the NEWEST events of the window: medians need every single time, and those of years ago say little about today.
Answers count by the day on which the picture came, of those that are answered; decisions and biopsies by the day on
which they were made or entered, so that cases still waiting do not make them look short. Decisions are those of people;
a case that was reopened is left out of them, for its times tell of the reopening.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from macule.records import systems
from macule.records.figures import Spread, Window, spread
from macule.records.tables import AuditRow, Biopsy, Exam, Review

NEWEST = 1000


@dataclass(frozen=True)
class Decided:
    """One decision. spent_s: from the own diagnosis, None if there was none; waited_s: from the machine's answer, None
    of a second reader."""

    reader: str
    spent_s: float | None
    waited_s: float | None


@dataclass(frozen=True)
class Turnaround:
    """answer: received to answered or refused. decision: answered to the first reader's decision, unless reopened.

    biopsy: the exam's decision to the day that the result was entered.
    """

    answer: Spread
    decision: Spread
    biopsy: Spread


def decisions(session: Session, *, window: Window) -> list[Decided]:
    """The newest decisions of the window."""
    columns = (Review.exam_id, Review.reader_id, Review.second, Review.own_at, Review.decided_at, Exam.answered_at)
    query = select(*columns).join(Exam, Exam.id == Review.exam_id).where(
        Review.decided_at.is_not(None), Review.reader_id.not_in(systems.readers()), *window.holds(Review.decided_at))
    if window.bundle is not None:
        query = query.where(Review.bundle_sha256 == window.bundle)
    rows = session.execute(query.order_by(Review.decided_at.desc()).limit(NEWEST)).all()
    again = _reopened(session, {row[0] for row in rows})
    return [
        Decided(reader, _between(own_at, decided), None if second else _between(answered, decided))
        for exam_id, reader, second, own_at, decided, answered in rows if exam_id not in again
    ]


def _reopened(session: Session, exam_ids: set[str]) -> set[str]:
    """Those of the exams that were ever reopened, as the log tells."""
    return set(session.scalars(select(AuditRow.subject_id).where(
        AuditRow.action == "review.reopened", AuditRow.subject_id.in_(exam_ids))))


def _between(start: datetime | None, end: datetime | None) -> float | None:
    return None if start is None or end is None else (end - start).total_seconds()


def turnaround(session: Session, *, window: Window, newest: list[Decided]) -> Turnaround:
    """newest: what `decisions` gave for the same window."""
    return Turnaround(
        answer=spread(_answers(session, window)),
        decision=spread([each.waited_s for each in newest if each.waited_s is not None]),
        biopsy=spread(_biopsies(session, window)),
    )


def _answers(session: Session, window: Window) -> list[float]:
    query = select(Exam.created_at, Exam.answered_at).where(Exam.answered_at.is_not(None))
    query = query.where(*window.holds(Exam.created_at)).order_by(Exam.created_at.desc())
    if window.bundle is not None:
        query = query.where(Exam.bundle_sha256 == window.bundle)
    return [(answered - received).total_seconds()
            for received, answered in session.execute(query.limit(NEWEST)) if answered is not None]


def _biopsies(session: Session, window: Window) -> list[float]:
    """A case that was decided anew after its biopsy has no such time."""
    query = select(Exam.decided_at, Biopsy.recorded_at).join(Exam, Exam.id == Biopsy.exam_id)
    query = query.where(Exam.decided_at <= Biopsy.recorded_at, *window.holds(Biopsy.recorded_at),
                        *window.of_model(Exam.bundle_sha256))
    rows = session.execute(query.order_by(Biopsy.recorded_at.desc()).limit(NEWEST))
    return [(entered - decided).total_seconds() for decided, entered in rows if decided is not None]
