"""Events a day or a week, for small charts."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, String, cast, func, select
from sqlalchemy.orm import InstrumentedAttribute, Session

from macule.records.figures import Window
from macule.records.tables import Biopsy, Exam, Review

#: Up to so many days are drawn one by one, more by the week; of more than a year only the last.
BY_DAY = 45
LONGEST = 364


@dataclass(frozen=True)
class Trends:
    """Counts a step of `days` days; the last step ends with `until`, and may be cut short by now.

    starts: the first day (UTC) of each step.
    """

    days: int
    starts: tuple[date, ...]
    received: tuple[int, ...]
    decided: tuple[int, ...]
    biopsies: tuple[int, ...]


def trends(session: Session, *, window: Window, now: datetime) -> Trends:
    first, last = _range(session, window, now)
    span = (last - first).days + 1
    step = 1 if span <= BY_DAY else 7
    steps = -(-span // step)
    starts = tuple(last - timedelta(days=step * back - 1) for back in range(steps, 0, -1))
    since = datetime(starts[0].year, starts[0].month, starts[0].day, tzinfo=UTC)

    def counted(column: InstrumentedAttribute[Any]) -> tuple[int, ...]:
        found = [0] * steps
        for day, count in _days(session, column, window, max(since, window.since or since)):
            found[min((date.fromisoformat(day) - starts[0]).days // step, steps - 1)] += count
        return tuple(found)

    return Trends(step, starts, counted(Exam.created_at), counted(Review.decided_at), counted(Biopsy.recorded_at))


def _range(session: Session, window: Window, now: datetime) -> tuple[date, date]:
    """First and last day. An open beginning is the first exam's."""
    last = (window.until - timedelta(microseconds=1) if window.until else now).date()
    since = window.since or session.scalar(select(func.min(Exam.created_at))) or now
    return min(max(since.date(), last - timedelta(days=LONGEST - 1)), last), last


def _days(session: Session, column: InstrumentedAttribute[Any], window: Window,
          since: datetime) -> list[tuple[str, int]]:
    day = _day(session, column)
    query = select(day, func.count()).where(*Window(since, window.until).holds(column)).group_by(day)
    if window.bundle is not None:
        if column.class_ is Biopsy:
            query = query.join(Exam, Exam.id == Biopsy.exam_id).where(*window.of_model(Exam.bundle_sha256))
        else:
            query = query.where(column.class_.bundle_sha256 == window.bundle)
    return list(session.execute(query))


def _day(session: Session, column: InstrumentedAttribute[Any]) -> ColumnElement[str]:
    """The day in UTC as YYYY-MM-DD. SQLite keeps moments as text in UTC; PostgreSQL shows them in its session's."""
    if session.get_bind().dialect.name == "sqlite":
        return func.substr(cast(column, String), 1, 10)
    return func.to_char(func.timezone("UTC", column), "YYYY-MM-DD")
