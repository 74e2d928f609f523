"""What readers made of the machine's answers: before and after, overrides, and each reader's own row.

A reading is one person's decision on one exam; those of reading systems (`systems`) stand in rows of their own. Faulty
answers mislead experts as well as novices (Tschandl et al., Nature Medicine 2020), so switches are counted apart by
whether the machine was right, where a biopsy tells.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from macule.records import systems
from macule.records.agreement import Confusion
from macule.records.domain import Decision, OverrideReason, Role
from macule.records.figures import Share, Spread, Window, spread
from macule.records.tables import Biopsy, Review, User
from macule.records.turnaround import Decided


@dataclass(frozen=True)
class Reading:
    """One group of readings that went alike. own: before the machine's answer, None if there was none.

    found: the laboratory's diagnosis, None where it was not asked for here.
    """

    reader: str
    own: str | None
    machine: str | None
    final: str
    decision: str | None
    reason: str | None
    count: int
    found: str | None = None


@dataclass(frozen=True)
class Switches:
    """Readings with an own diagnosis before the machine's.

    towards: of those who first differed from the machine, who ended with its diagnosis.
    away: of those who first agreed, who ended with another. elsewhere: differed first, and ended with a third.
    """

    readings: int
    towards: Share
    away: Share
    elsewhere: int

    @property
    def changed(self) -> Share:
        return Share(self.towards.count + self.away.count + self.elsewhere, self.readings)


@dataclass(frozen=True)
class Effect:
    """What the machine's answer did to readings that a biopsy can judge: wrong before and right after, and reverse."""

    readings: int
    mended: int
    spoilt: int


@dataclass(frozen=True)
class ReaderRow:
    """agreed_before: own diagnosis was the machine's. agreed_after: the final one was. right: final was the biopsy's.

    spent: seconds from the own diagnosis to the decision, of the newest. system: a program, counted nowhere else.
    """

    id: str
    name: str
    system: bool
    readings: int
    agreed_before: Share
    agreed_after: Share
    right: Share
    spent: Spread


@dataclass(frozen=True)
class Readings:
    """before, after: readers in the rows, the machine in the columns. by_truth: switches where it was right, wrong."""

    total: int
    before: Confusion
    after: Confusion
    switches: Switches
    right: Switches
    wrong: Switches
    effect: Effect
    decisions: dict[Decision, int]
    overrides: dict[OverrideReason, int]
    readers: tuple[ReaderRow, ...]


def readings(session: Session, *, window: Window, newest: Iterable[Decided]) -> Readings:
    """Decisions made in the window. newest: decided reviews with their times, for the readers' rows."""
    everyones, everyones_judged = _groups(session, window), _judged(session, window)
    programs = set(session.scalars(systems.readers()))
    groups = [group for group in everyones if group.reader not in programs]
    judged = [group for group in everyones_judged if group.reader not in programs]
    return Readings(
        total=sum(group.count for group in groups),
        before=_confusion(groups, lambda group: group.own), after=_confusion(groups, lambda group: group.final),
        switches=switches(groups),
        right=switches([group for group in judged if group.machine == group.found]),
        wrong=switches([group for group in judged if group.machine != group.found]),
        effect=_effect(judged),
        decisions={kind: sum(group.count for group in groups if group.decision == kind) for kind in Decision},
        overrides={why: sum(group.count for group in groups if group.reason == why) for why in OverrideReason},
        readers=tuple(_rows(session, everyones, everyones_judged, newest)),
    )


def _groups(session: Session, window: Window) -> list[Reading]:
    columns = (Review.reader_id, Review.own_code, Review.top_code, Review.final_code, Review.decision, Review.reason)
    query = select(*columns, func.count()).where(Review.final_code.is_not(None), *window.holds(Review.decided_at))
    if window.bundle is not None:
        query = query.where(Review.bundle_sha256 == window.bundle)
    rows = session.execute(query.group_by(*columns))
    return [Reading(reader, own, machine, final, decision, reason, count)
            for reader, own, machine, final, decision, reason, count in rows if final is not None]


def _judged(session: Session, window: Window) -> list[Reading]:
    """The same readings where a biopsy is known by now."""
    columns = (Review.reader_id, Review.own_code, Review.top_code, Review.final_code, Biopsy.code)
    query = select(*columns, func.count()).select_from(Biopsy).join(Review, Review.exam_id == Biopsy.exam_id)
    query = query.where(Review.final_code.is_not(None), *window.holds(Review.decided_at))
    if window.bundle is not None:
        query = query.where(Review.bundle_sha256 == window.bundle)
    rows = session.execute(query.group_by(*columns))
    return [Reading(reader, own, machine, final, None, None, count, found)
            for reader, own, machine, final, found, count in rows if final is not None]


def _sum(groups: Iterable[Reading], chosen: Callable[[Reading], bool]) -> int:
    return sum(group.count for group in groups if chosen(group))


def _confusion(groups: Iterable[Reading], reader: Callable[[Reading], str | None]) -> Confusion:
    cells: Counter[tuple[str, str]] = Counter()
    for group in groups:
        said = reader(group)
        if said is not None and group.machine is not None:
            cells[said, group.machine] += group.count
    return Confusion(dict(cells))


def switches(groups: Iterable[Reading]) -> Switches:
    told = [group for group in groups if group.own is not None and group.machine is not None]
    agreed = [group for group in told if group.own == group.machine]
    differed = [group for group in told if group.own != group.machine]
    return Switches(
        readings=_sum(told, lambda _: True),
        towards=Share(_sum(differed, lambda g: g.final == g.machine), _sum(differed, lambda _: True)),
        away=Share(_sum(agreed, lambda g: g.final != g.machine), _sum(agreed, lambda _: True)),
        elsewhere=_sum(differed, lambda g: g.final not in (g.machine, g.own)),
    )


def _effect(judged: Iterable[Reading]) -> Effect:
    told = [group for group in judged if group.own is not None and group.machine is not None]
    return Effect(
        readings=_sum(told, lambda _: True),
        mended=_sum(told, lambda g: g.own != g.found and g.final == g.found),
        spoilt=_sum(told, lambda g: g.own == g.found and g.final != g.found),
    )


def _rows(session: Session, groups: Iterable[Reading], judged: Iterable[Reading],
          newest: Iterable[Decided]) -> Iterable[ReaderRow]:
    of, truth, times = defaultdict(list), defaultdict(list), defaultdict(list)
    for group in groups:
        of[group.reader].append(group)
    for group in judged:
        truth[group.reader].append(group)
    for each in newest:
        if each.spent_s is not None:
            times[each.reader].append(each.spent_s)
    users = {user.id: user for user in session.scalars(select(User).where(User.id.in_(of)))}
    rows = [_row(key, users.get(key), of[key], truth[key], times[key]) for key in of]
    return sorted(rows, key=lambda row: (row.system, -row.readings, row.name))


def _row(key: str, user: User | None, of: list[Reading], truth: list[Reading], seconds: list[float]) -> ReaderRow:
    told = [group for group in of if group.own is not None and group.machine is not None]
    shown = [group for group in of if group.machine is not None]
    return ReaderRow(
        id=key, name=user.name if user else "No longer here",
        system=user is not None and user.role == Role.MACHINE.value, readings=_sum(of, lambda _: True),
        agreed_before=Share(_sum(told, lambda g: g.own == g.machine), _sum(told, lambda _: True)),
        agreed_after=Share(_sum(shown, lambda g: g.final == g.machine), _sum(shown, lambda _: True)),
        right=Share(_sum(truth, lambda g: g.final == g.found), _sum(truth, lambda _: True)),
        spent=spread(seconds),
    )
