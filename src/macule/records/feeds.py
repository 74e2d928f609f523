"""Lists for machines: read onward from a place (keyset), so that nothing is missed or told twice while rows come in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, TypeVar

from sqlalchemy import select
from sqlalchemy.orm import Session

from macule.records.domain import ExamState
from macule.records.tables import Biopsy, Exam, Lesion, Patient, Review, User
from macule.records.work import Work

R = TypeVar("R", Exam, Patient)
MOST = 200


@dataclass(frozen=True)
class Page(Generic[R]):
    """after: id of the last row if there are more; None at the end."""

    rows: Sequence[R]
    after: str | None


def patients(session: Session, *, after: str | None, limit: int) -> Page[Patient]:
    """The oldest first, without those who were erased."""
    return _page(session, Patient, [Patient.erased_at.is_(None)], after=after, limit=limit)


def exams(
    session: Session, *, after: str | None = None, limit: int = 50, since: datetime | None = None,
    state: ExamState | None = None, patient_id: str | None = None, lesion_id: str | None = None,
) -> Page[Exam]:
    """The oldest first. since: received at this time or later."""
    wanted: list[Any] = [] if since is None else [Exam.created_at >= since]
    wanted += [] if state is None else [Exam.state == state.value]
    wanted += [] if patient_id is None else [Exam.patient_id == patient_id]
    wanted += [] if lesion_id is None else [Exam.lesion_id == lesion_id]
    return _page(session, Exam, wanted, after=after, limit=limit)


def _page(session: Session, kind: type[R], wanted: list[Any], *, after: str | None, limit: int) -> Page[R]:
    # An id begins with its time: the order of ids is the order of time.
    if after is not None:
        wanted = [*wanted, kind.id > after]
    rows = session.scalars(select(kind).where(*wanted).order_by(kind.id).limit(limit + 1)).all()
    return Page(rows[:limit], rows[limit - 1].id if len(rows) > limit else None)


def exam_by_key(session: Session, key: str | None) -> Exam | None:
    """The exam that an earlier request made. key: as `intake.scoped` gives it."""
    return session.scalar(select(Exam).where(Exam.idempotency_key == key))


def lesion_by_label(session: Session, *, patient_id: str, label: str) -> Lesion | None:
    return session.scalars(select(Lesion).where(Lesion.patient_id == patient_id, Lesion.label == label)).first()


def reviews(session: Session, exam_id: str) -> list[tuple[Review, str]]:
    """Each review with its reader's name, the oldest first."""
    query = select(Review, User.name).join(User, User.id == Review.reader_id).where(Review.exam_id == exam_id)
    return [(review, name) for review, name in session.execute(query.order_by(Review.created_at, Review.id))]


def ensure_reader(work: Work) -> None:
    """A reading system signs its reviews with an account of its own, which nobody can sign in with."""
    key = work.actor
    if work.session.get(User, key.id) is None:
        work.session.add(User(
            id=key.id, email=f"{key.id}@key.invalid", name=key.name, role=key.role.value, active=False,
            created_at=work.now,
        ))
        work.session.flush()


def biopsy(session: Session, exam_id: str) -> Biopsy | None:
    return session.scalar(select(Biopsy).where(Biopsy.exam_id == exam_id))
