"""How long each step took: received, answered, decided, biopsy entered.

Of the NEWEST events of the window: medians need every single time, and those of years ago say little about today.
Each step counts the events that ended in the window, so that cases still waiting do not make it look short.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from macule.records.figures import Spread, Window, spread
from macule.records.tables import Biopsy, Exam, Review

NEWEST = 1000


@dataclass(frozen=True)
class Decided:
    """One decision. spent_s: from opening the case; waited_s: from the machine's answer, None of a second reader."""

    reader: str
    spent_s: float
    waited_s: float | None


@dataclass(frozen=True)
class Turnaround:
    """answer: received to answered or refused. decision: answered to the first reader's decision.

    biopsy: the exam's decision to the day that the result was entered.
    """

    answer: Spread
    decision: Spread
    biopsy: Spread


def decisions(session: Session, *, window: Window) -> list[Decided]:
    """The newest decisions of the window."""
    columns = (Review.reader_id, Review.second, Review.created_at, Review.decided_at, Exam.answered_at)
    query = select(*columns).join(Exam, Exam.id == Review.exam_id).where(
        Review.decided_at.is_not(None), *window.holds(Review.decided_at)).order_by(Review.decided_at.desc())
    if window.bundle is not None:
        query = query.where(Review.bundle_sha256 == window.bundle)
    rows = session.execute(query.limit(NEWEST))
    return [
        Decided(reader, (decided - opened).total_seconds(),
                None if second or answered is None else (decided - answered).total_seconds())
        for reader, second, opened, decided, answered in rows if decided is not None
    ]


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
