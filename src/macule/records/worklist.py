"""The cases that wait for a reader, in the order in which they should be read.

The order: each case is due some days after it came, by its risk (ALLOWED); what is due first stands first. So high
risk comes first, within a risk the oldest, and a case that has waited over its limit rises above newer ones.
In commit-first mode the order would give the machine's answer away, so it is the age of the case alone, unless the
site lets urgent cases come first (docs/clinic-reading.md).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, func, or_, select, union_all
from sqlalchemy.orm import Session, defer, joinedload

from macule.analysis.patient import Modality, Site
from macule.analysis.result import Risk
from macule.records import blinding, site
from macule.records.domain import Actor, ReviewState
from macule.records.site import SiteSettings
from macule.records.tables import Exam, Lesion, Patient, Review, User

PAGE = 25
MOST_PATIENTS = 200
#: After this time a case that somebody began and did not decide is offered to the others too.
LEFT = timedelta(days=1)
#: Days from the picture to the reading. A suspected cancer is seen within two weeks; its picture is read in two days.
ALLOWED: dict[Risk, timedelta] = {
    Risk.HIGH: timedelta(days=2), Risk.MEDIUM: timedelta(days=14), Risk.LOW: timedelta(days=28),
}
#: By age alone.
BLIND: dict[Risk, timedelta] = dict.fromkeys(Risk, timedelta(days=14))
URGENT_FIRST: dict[Risk, timedelta] = BLIND | {Risk.HIGH: ALLOWED[Risk.HIGH]}


class Show(StrEnum):
    """OPEN: nobody has begun, or who began has left it. MINE: my own diagnosis is stored, my decision is to come.

    SECOND: I may be the second.
    """

    OPEN = "open"
    MINE = "mine"
    SECOND = "second"
    DECIDED = "decided"
    ALL = "all"

    @property
    def states(self) -> tuple[ReviewState, ...]:
        if self is Show.ALL:
            return tuple(ReviewState)
        if self is Show.OPEN:
            return ReviewState.OPEN, ReviewState.COMMITTED
        return (ReviewState.COMMITTED if self is Show.MINE else ReviewState(self.value),)

    @property
    def newest_first(self) -> bool:
        """Lists of what is done, or of everything, are for finding; the others are for working off."""
        return self in (Show.DECIDED, Show.ALL)


@dataclass(frozen=True)
class Filters:
    """risk: in commit-first mode, only among the cases whose answer this reader has seen. unlike: only pictures unlike
    those of the training. waited: at least so many days. patient: a pseudonym, or the beginning of one."""

    show: Show = Show.OPEN
    risk: Risk | None = None
    modality: Modality | None = None
    body_site: Site | None = None
    unlike: bool = False
    waited: int | None = None
    patient: str = ""


@dataclass(frozen=True)
class Cursor:
    """The last row of the page before: its place in the order, and its id among those of the same moment."""

    at: datetime
    exam_id: str

    def __str__(self) -> str:
        return f"{int(self.at.timestamp() * 1_000_000)}-{self.exam_id}"


@dataclass(frozen=True)
class Case:
    """A row of the list. risk to final_code: None while the machine's answer is hidden from this reader.

    urgent: what an unblinded order tells; None where the order tells nothing. late: not decided, and over its limit.
    """

    exam_id: str
    patient_id: str
    pseudonym: str
    lesion_label: str
    age: float | None
    sex: str | None
    body_site: str | None
    modality: str | None
    created_at: datetime
    review_state: ReviewState
    late: bool
    urgent: bool | None
    shown: bool
    own_code: str | None
    in_distribution: bool | None
    risk: str | None
    malignant: float | None
    top_code: str | None
    final_code: str | None


@dataclass(frozen=True)
class Page:
    cases: tuple[Case, ...]
    following: Cursor | None


@dataclass(frozen=True)
class View:
    """How one reader sees the list. blind: answers are hidden until the own diagnosis is stored."""

    actor: Actor
    blind: bool
    settings: SiteSettings
    now: datetime

    @property
    def allowed(self) -> Mapping[Risk, timedelta]:
        if not self.blind:
            return ALLOWED
        return URGENT_FIRST if self.settings.urgent_first else BLIND


def view(session: Session, *, actor: Actor, now: datetime) -> View:
    return View(actor, blinding.reads_first(session, actor=actor), site.read(session), now)


def page(
    session: Session, *, view: View, filters: Filters, after: Cursor | None = None, size: int = PAGE
) -> Page:
    """One page in order. after: `following` of the page before."""
    patients = matching(session, filters.patient)
    found = ranked(session, view, filters, patients=patients, after=after, size=size + 1)
    ids = [exam_id for _, exam_id in found[:size]]
    rows = {exam.id: exam for exam in session.scalars(_with_people().where(Exam.id.in_(ids)))}
    mine = {review.exam_id: review for review in session.scalars(
        select(Review).where(Review.exam_id.in_(ids), Review.reader_id == view.actor.id))}
    hidden = blinding.hidden_among(session, actor=view.actor, exam_ids=ids)
    cases = tuple(_case(rows[key], mine.get(key), view, shown=key not in hidden) for key in ids)
    return Page(cases, Cursor(*found[size - 1]) if len(found) > size else None)


def _with_people() -> Any:
    long = (defer(Exam.result), defer(Exam.error), defer(Exam.embedding))
    return select(Exam).options(joinedload(Exam.lesion).joinedload(Lesion.patient), *long)


def following(session: Session, *, view: View, exam_id: str) -> str | None:
    """The case to read next: of the open ones, else of mine, else one that wants a second reader."""
    for show in (Show.OPEN, Show.MINE, Show.SECOND):
        for _, key in ranked(session, view, Filters(show=show), size=2):
            if key != exam_id:
                return key
    return None


def matching(session: Session, pseudonym: str) -> tuple[str, ...] | None:
    """Ids of the patient of that pseudonym, else of those whose begin so; None if no pseudonym was asked for."""
    if not pseudonym:
        return None
    exact = session.scalar(select(Patient.id).where(Patient.pseudonym == pseudonym))
    if exact is not None:
        return (exact,)
    begins = Patient.pseudonym.istartswith(pseudonym, autoescape=True)
    return tuple(session.scalars(select(Patient.id).where(begins).limit(MOST_PATIENTS)))


def ranked(
    session: Session, view: View, filters: Filters, *, patients: tuple[str, ...] | None = None,
    after: Cursor | None = None, size: int,
) -> list[tuple[datetime, str]]:
    """The first `size` (place in the order, exam id).

    One range of the index for each state and risk, at most `size` rows of each: the page costs the same however many
    cases there are.
    """
    risks = [filters.risk] if filters.risk else list(Risk)
    allowed = dict.fromkeys(Risk, timedelta()) if filters.show.newest_first else view.allowed
    where, backwards = conditions(view, filters, patients), filters.show.newest_first
    ranges = [_range(state, risk, where, allowed=allowed[risk], after=after, size=size, newest_first=backwards)
              for state in filters.show.states for risk in risks]
    query = union_all(*ranges) if patients is None else select(Exam.id, Exam.risk, Exam.created_at).where(
        *where, among(Exam.review_state, filters.show.states), among(Exam.risk, risks))
    found = [(row.created_at + allowed[Risk(row.risk)], row.id) for row in session.execute(query)]
    if after is not None and patients is not None:  # few enough to be sorted and cut here
        last = (after.at, after.exam_id)
        found = [each for each in found if (each < last if backwards else each > last)]
    return sorted(found, reverse=backwards)[:size]


def among(column: Any, values: Iterable[StrEnum]) -> ColumnElement[bool]:
    """One of the values, said so that a database takes the patient's index and not the worklist's."""
    condition: ColumnElement[bool] = func.coalesce(column, "").in_([value.value for value in values])
    return condition


def _range(state: ReviewState, risk: Risk, where: list[ColumnElement[bool]], *, allowed: timedelta,
           after: Cursor | None, size: int, newest_first: bool) -> Select[Any]:
    query = select(Exam.id, Exam.risk, Exam.created_at).where(
        Exam.review_state == state.value, Exam.risk == risk.value, *where)
    if after is not None:
        at = after.at - allowed
        query = query.where(_beyond(at, after.exam_id, newest_first))
    order = (Exam.created_at.desc(), Exam.id.desc()) if newest_first else (Exam.created_at, Exam.id)
    # A subquery, because SQLite takes no ORDER BY and LIMIT within a UNION.
    part = query.order_by(*order).limit(size).subquery()
    return select(part.c.id, part.c.risk, part.c.created_at)


def _beyond(at: datetime, exam_id: str, newest_first: bool) -> ColumnElement[bool]:
    # The first comparison alone bounds the range in the index.
    if newest_first:
        return and_(Exam.created_at <= at, or_(Exam.created_at < at, Exam.id < exam_id))
    return and_(Exam.created_at >= at, or_(Exam.created_at > at, Exam.id > exam_id))


def conditions(view: View, filters: Filters, patients: tuple[str, ...] | None) -> list[ColumnElement[bool]]:
    """What a case must fulfil beside its state and risk."""
    chosen: list[tuple[bool, ColumnElement[bool]]] = [
        (filters.show is Show.OPEN, or_(Exam.review_state != ReviewState.COMMITTED.value, _left(view))),
        (filters.show is Show.MINE, _mine(view, Review.own_code.is_not(None), Review.decided_at.is_(None)) > 0),
        (filters.show is Show.SECOND, _mine(view, Review.decided_at.is_not(None)) == 0),
        (filters.risk is not None and view.blind,
         _mine(view, blinding.opened()) > 0),
        (filters.modality is not None, Exam.modality == filters.modality),
        (filters.body_site is not None, Exam.body_site == filters.body_site),
        (filters.unlike, Exam.in_distribution.is_(False)),
        (filters.waited is not None, Exam.created_at <= view.now - timedelta(days=filters.waited or 0)),
        (patients is not None, Exam.patient_id.in_(patients or ())),
    ]
    return [condition for wanted, condition in chosen if wanted]


def _mine(view: View, *where: ColumnElement[bool]) -> ColumnElement[int]:
    """How many reviews of an exam are this reader's, and so.

    Not EXISTS: PostgreSQL would join with all of the reader's reviews, for a page of which it needs a few.
    """
    query = select(func.count()).select_from(Review).where(
        Review.exam_id == Exam.id, Review.reader_id == view.actor.id, *where)
    return query.correlate(Exam).scalar_subquery()


def _left(view: View) -> ColumnElement[bool]:
    """Of a case that was begun: not by this reader, nor within LEFT by somebody whose account still works."""
    at_it = or_(Review.reader_id == view.actor.id, and_(Review.own_at > view.now - LEFT, User.active.is_(True)))
    query = select(func.count()).select_from(Review).join(User, User.id == Review.reader_id).where(
        Review.exam_id == Exam.id, Review.own_code.is_not(None), at_it)
    return query.correlate(Exam).scalar_subquery() == 0


def _case(exam: Exam, mine: Review | None, view: View, *, shown: bool) -> Case:
    own = mine.own_code if mine else None
    state, risk = ReviewState(str(exam.review_state)), Risk(str(exam.risk))
    late = state is not ReviewState.DECIDED and view.now > exam.created_at + view.allowed[risk]
    urgent = risk is Risk.HIGH if view.blind and view.settings.urgent_first else None
    return Case(
        exam_id=exam.id, patient_id=exam.patient_id, pseudonym=exam.lesion.patient.pseudonym,
        lesion_label=exam.lesion.label, age=exam.age, sex=exam.sex, body_site=exam.body_site, modality=exam.modality,
        created_at=exam.created_at, review_state=state, late=late, urgent=urgent, shown=shown, own_code=own,
        in_distribution=exam.in_distribution, risk=exam.risk if shown else None,
        malignant=exam.malignant if shown else None, top_code=exam.top_code if shown else None,
        final_code=exam.final_code if shown else None,
    )
