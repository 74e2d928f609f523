"""The clinic's figures for one period: counts, agreement, turnaround, models, readers and work that waits.

Everything is counted by the database, exactly and at each call. `Board` keeps an answer for a minute, since a page on
a wall is asked for more often than it changes. docs/clinic-dashboard.md defines each figure for its readers.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import case, func, literal, or_, select
from sqlalchemy.orm import Session, aliased

from macule.analysis.result import Risk
from macule.records import systems
from macule.records.agreement import Biopsied, Call, Confusion, biopsies, call, classes
from macule.records.clinic import Clinic
from macule.records.domain import ExamState, ReviewState
from macule.records.figures import Share, Window
from macule.records.readings import Readings, readings
from macule.records.tables import BundleRecord, Exam, Review
from macule.records.trends import Trends, trends
from macule.records.turnaround import Turnaround, decisions, turnaround

#: The strip's periods, in days with today; None is everything.
STRIP: tuple[int | None, ...] = (1, 7, 30, 90, None)
#: Ages of waiting work, in days: below the first, below the second, ..., above the last.
AGES = (1, 3, 7, 14, 30)
FRESH = timedelta(seconds=60)
_LATER = aliased(Review)


@dataclass(frozen=True)
class Counts:
    """Exams received in a period. unanswered: why the refused and the failed have no answer.

    risk_of_decided: `by_risk` without the cases that a reader may still have to read.
    """

    received: int
    by_state: Mapping[ExamState, int]
    by_risk: Mapping[Risk, int]
    risk_of_decided: Mapping[Risk, int]
    decided: int
    unanswered: Mapping[str, int]

    @property
    def refused(self) -> Share:
        """Of what was answered or refused; what is waiting or no picture at all is in neither."""
        done = self.by_state[ExamState.REFUSED] + self.by_state[ExamState.ANSWERED]
        return Share(self.by_state[ExamState.REFUSED], done)


@dataclass(frozen=True)
class Model:
    """One bundle. first: when it was registered; last: of all its exams; the rest is of the period.

    with_readers: of people's last words; those of reading systems are left out.
    """

    sha256: str
    name: str
    first: datetime
    last: datetime | None
    exams: int
    with_readers: Share
    with_biopsy: Share
    sensitivity: Share


@dataclass(frozen=True)
class Waiting:
    """Answered exams without a decision. ages: one count an age band of AGES and one above, by risk."""

    ages: tuple[Mapping[Risk, int], ...]
    oldest: datetime | None
    unanswered: int

    @property
    def total(self) -> int:
        return sum(sum(band.values()) for band in self.ages)


@dataclass(frozen=True)
class Figures:
    """All of the page. as_of: when it was counted. medium, high: the malignant call from either risk upwards."""

    as_of: datetime
    window: Window
    strip: tuple[Counts, ...]
    period: Counts
    trends: Trends
    biopsied: Confusion
    medium: Call
    high: Call
    readings: Readings
    turnaround: Turnaround
    models: tuple[Model, ...]
    waiting: Waiting


def figures(session: Session, *, window: Window, now: datetime) -> Figures:
    """now: aware; what "today" and "waiting since" mean."""
    cube = _cube(session, window, now)
    chosen = [row for row in cube if window.bundle in (None, row.bundle)]
    found = biopsies(session, window=window)
    newest = decisions(session, window=window)
    return Figures(
        as_of=now, window=window,
        strip=tuple(_counts((row, row.within[place]) for row in chosen) for place in range(len(STRIP))),
        period=_counts((row, row.chosen) for row in chosen),
        trends=trends(session, window=window, now=now),
        biopsied=classes(found), medium=call(found, yes=Risk.MEDIUM), high=call(found, yes=Risk.HIGH),
        readings=readings(session, window=window, newest=newest),
        turnaround=turnaround(session, window=window, newest=newest),
        models=tuple(_models(session, window, cube, found)), waiting=_waiting(session, cube, now),
    )


@dataclass(frozen=True)
class _Cell:
    """Exams that are alike in what is counted. within: how many fall into each period of STRIP."""

    bundle: str | None
    state: ExamState
    unanswered_for: str | None
    risk: Risk | None
    review_state: str | None
    machine: str | None
    final: str | None
    within: tuple[int, ...]
    chosen: int


def _cube(session: Session, window: Window, now: datetime) -> list[_Cell]:
    """One pass over the index ix_exam_figures, whose order spares the sort."""
    columns = (Exam.bundle_sha256, Exam.state, Exam.unanswered_for, Exam.risk, Exam.review_state, Exam.top_code,
               Exam.final_code)
    within = [func.count().filter(Exam.created_at >= days_back(days, now)) for days in STRIP if days is not None]
    rows: list[Any] = list(session.execute(
        select(*columns, *within, func.count(), _chosen(window, now)).group_by(*columns)
    ))
    return [_Cell(row[0], ExamState(row[1]), row[2], Risk(row[3]) if row[3] else None, row[4], row[5], row[6],
                  tuple(row[7:7 + len(STRIP)]), row[7 + _place(window, now)]) for row in rows]


def _chosen(window: Window, now: datetime) -> Any:
    """What counts the window's exams, unless one of STRIP's periods is the same: a comparison a row costs time."""
    return literal(0) if _place(window, now) < len(STRIP) else func.count().filter(*window.holds(Exam.created_at))


def _place(window: Window, now: datetime) -> int:
    """Which of STRIP's periods the window is; their number where it is none of them."""
    starts = [days_back(days, now) if days is not None else None for days in STRIP]
    return starts.index(window.since) if window.until is None and window.since in starts else len(STRIP)


def _counts(cells: Iterable[tuple[_Cell, int]]) -> Counts:
    states, risks, told, reasons = Counter[ExamState](), Counter[Risk](), Counter[Risk](), Counter[str]()
    decided = 0
    for cell, count in cells:
        if not count:
            continue
        states[cell.state] += count
        if cell.risk is not None:
            risks[cell.risk] += count
            told[cell.risk] += count * (cell.review_state == ReviewState.DECIDED.value)
        if cell.unanswered_for is not None:
            reasons[cell.unanswered_for] += count
        decided += count * (cell.review_state == ReviewState.DECIDED.value)
    return Counts(
        received=states.total(), by_state={state: states[state] for state in ExamState},
        by_risk={risk: risks[risk] for risk in Risk}, risk_of_decided={risk: told[risk] for risk in Risk},
        decided=decided, unanswered=dict(reasons.most_common()),
    )


def _models(session: Session, window: Window, cube: list[_Cell], found: list[Biopsied]) -> list[Model]:
    def last(sha256: str) -> datetime | None:
        return session.scalar(select(func.max(Exam.created_at)).where(Exam.bundle_sha256 == sha256))

    programs = _words_of_programs(session, window)
    return [_model(record, last(record.sha256), [cell for cell in cube if cell.bundle == record.sha256],
                   [group for group in found if group.bundle == record.sha256], programs)
            for record in session.scalars(select(BundleRecord).order_by(BundleRecord.first_used_at.desc()))]


def _words_of_programs(session: Session, window: Window) -> Counter[tuple[str | None, bool]]:
    """Exams of the window whose last word is a reading system's, by model and whether it was the machine's."""
    later = select(func.count()).select_from(_LATER).where(
        _LATER.exam_id == Review.exam_id, _LATER.second, _LATER.decided_at.is_not(None)).scalar_subquery()
    agrees = case((Exam.final_code == Exam.top_code, 1), else_=0)
    query = select(Exam.bundle_sha256, agrees, func.count()).select_from(Review).join(Exam, Exam.id == Review.exam_id)
    query = query.where(
        Review.reader_id.in_(systems.readers()), Review.decided_at.is_not(None), Exam.final_code.is_not(None),
        Exam.top_code.is_not(None), or_(Review.second, later == 0), *window.holds(Exam.created_at))
    return Counter({(bundle, bool(agreed)): count
                    for bundle, agreed, count in session.execute(query.group_by(Exam.bundle_sha256, agrees))})


def _model(record: BundleRecord, last: datetime | None, cells: list[_Cell], found: list[Biopsied],
           programs: Mapping[tuple[str | None, bool], int]) -> Model:
    read = [cell for cell in cells if cell.final is not None and cell.machine is not None]
    alike = programs.get((record.sha256, True), 0)
    agreed = sum(cell.chosen for cell in read if cell.final == cell.machine) - alike
    words = sum(cell.chosen for cell in read) - alike - programs.get((record.sha256, False), 0)
    return Model(
        sha256=record.sha256, name=record.name, exams=sum(cell.chosen for cell in cells),
        first=record.first_used_at, last=last,
        with_readers=Share(agreed, words), with_biopsy=classes(found).agreed,
        sensitivity=call(found, yes=Risk.MEDIUM).sensitivity,
    )


def _waiting(session: Session, cube: list[_Cell], now: datetime) -> Waiting:
    """Whatever the period: old work is what must be seen."""
    limits = [(Exam.created_at > now - timedelta(days=days), place) for place, days in enumerate(AGES)]
    band = case(*limits, else_=len(AGES))
    open_states = [state.value for state in ReviewState if state is not ReviewState.DECIDED]
    query = select(Exam.risk, band, func.count(), func.min(Exam.created_at))
    query = query.where(Exam.review_state.in_(open_states)).group_by(Exam.risk, band)
    rows = [(Risk(risk), place, count, oldest) for risk, place, count, oldest in session.execute(query) if risk]
    ages = tuple({risk: sum(n for r, p, n, _ in rows if (r, p) == (risk, place)) for risk in Risk}
                 for place in range(len(AGES) + 1))
    unanswered = sum(cell.within[-1] for cell in cube if cell.state is ExamState.WAITING)
    return Waiting(ages, min((oldest for *_, oldest in rows), default=None), unanswered)


class Board:
    """Figures that are counted at most once a minute for each window, however many people look."""

    def __init__(self, *, fresh: timedelta = FRESH, most: int = 32) -> None:
        """fresh: how old an answer may be; zero counts each time. most: windows kept."""
        self._fresh, self._most = fresh, most
        self._kept: dict[Window, Figures] = {}
        self._counting = threading.Lock()

    def figures(self, clinic: Clinic, *, window: Window) -> Figures:
        """Raises: DatabaseAway."""
        now = clinic.clock()
        found = self._kept.get(window)
        if found is not None and self._good(found, now):
            return found
        with self._counting:  # who comes meanwhile waits for the same answer instead of counting it again
            found = self._kept.get(window)
            if found is None or not self._good(found, now):
                with clinic.reading() as session:
                    found = figures(session, window=window, now=now)
                self._keep(found)
        return found

    def _good(self, found: Figures, now: datetime) -> bool:
        # The day as well: just after midnight "today" is another one.
        return found.as_of.date() == now.date() and now - found.as_of < self._fresh

    def _keep(self, found: Figures) -> None:
        self._kept.pop(found.window, None)
        self._kept[found.window] = found
        while len(self._kept) > self._most:
            del self._kept[next(iter(self._kept))]


def days_back(days: int, now: datetime) -> datetime:
    """Midnight UTC from which so many days count, today included."""
    return now.replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=days - 1)
