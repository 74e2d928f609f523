"""Reading the audit log: is its chain whole, where does it end, and who did what.

A row's hash covers its content and the hash before it, so a changed, missing, inserted or moved row breaks the chain
where it happened. Rows cut off the end leave a shorter chain that is whole: that is what an anchor, kept elsewhere, is
for. It also shows a chain that was written anew from some row on.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, cast

from sqlalchemy import Select, func, or_, select
from sqlalchemy.orm import Session

from macule.errors import RecordInvalid
from macule.records import audit
from macule.records.tables import AuditRow
from macule.records.work import Work

#: Rows that are held in memory at once.
BATCH = 5000
CHECKED = "audit.checked"


class Break(StrEnum):
    """What is wrong with a chain at its first bad row."""

    CHANGED = "changed"
    MISSING = "missing"
    OUT_OF_PLACE = "out_of_place"
    CUT = "cut"
    REWRITTEN = "rewritten"


WORDS = {
    Break.CHANGED: "its content does not fit its hash: it was changed, or moved here from elsewhere",
    Break.MISSING: "it is missing",
    Break.OUT_OF_PLACE: "it does not follow the row before it: one of the two was put in or replaced",
    Break.CUT: "the log ends before it, but the anchor has seen it: the end was cut off",
    Break.REWRITTEN: "its hash is not the anchor's: the log was written anew",
}


@dataclass(frozen=True)
class Anchor:
    """The end of the chain at some time. rows: how many there were; hash: of the last."""

    rows: int
    hash: str

    def to_json(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Anchor:
        """Raises: RecordInvalid for what is no anchor."""
        try:
            content = json.loads(text)
            rows, digest = content["rows"], content["hash"]
        except (ValueError, KeyError, TypeError) as error:
            raise RecordInvalid("this is no anchor: give a file that `macule audit anchor` wrote.") from error
        if type(rows) is not int or rows < 0 or not isinstance(digest, str) or len(digest) != 64:
            raise RecordInvalid("this is no anchor: give a file that `macule audit anchor` wrote.")
        return cls(rows, digest)


@dataclass(frozen=True)
class Verdict:
    """anchor: the end of what was found whole. bad: seq of the first bad row, None if there is none."""

    anchor: Anchor
    bad: int | None = None
    fault: Break | None = None

    @property
    def whole(self) -> bool:
        return self.bad is None

    @property
    def words(self) -> str:
        if self.fault is None:
            return f"{self.anchor.rows} rows, the chain is whole"
        return f"row {self.bad}: {WORDS[self.fault]}"


def anchor(session: Session) -> Anchor:
    """Where the chain ends now. It is not verified."""
    last = session.execute(select(AuditRow.seq, AuditRow.hash).order_by(AuditRow.seq.desc()).limit(1)).first()
    return Anchor(last.seq, last.hash) if last else Anchor(0, audit.GENESIS)


def verify(
    session: Session, *, known: Anchor | None = None, progress: Callable[[int], None] = lambda _: None
) -> Verdict:
    """Walk the whole chain, a batch at a time.

    known: an earlier end of it, kept elsewhere. progress: is told how many rows are done.
    """
    end = Anchor(0, audit.GENESIS)
    for rows in _batches(session):
        for row in rows:
            fault = _fault(row, end, known)
            if fault is not None:
                return Verdict(end, end.rows + 1, fault)
            end = Anchor(row.seq, row.hash)
        progress(end.rows)
    if known is not None and known.rows > end.rows:
        return Verdict(end, end.rows + 1, Break.CUT)
    return Verdict(end)


def _fault(row: AuditRow, end: Anchor, known: Anchor | None) -> Break | None:
    if row.seq < end.rows + 1:
        return Break.OUT_OF_PLACE
    if row.seq > end.rows + 1:
        return Break.MISSING
    if audit.digest(row) != row.hash:
        return Break.CHANGED
    if row.previous != end.hash:
        return Break.OUT_OF_PLACE
    if known is not None and known.rows == row.seq and known.hash != row.hash:
        return Break.REWRITTEN
    return None


def _batches(session: Session) -> Iterator[Sequence[AuditRow]]:
    # Columns instead of objects: a third of the time. From below 1, in case somebody put a row there.
    after: int | None = None
    while True:
        page = select(*AuditRow.__table__.columns).order_by(AuditRow.seq).limit(BATCH)
        rows = session.execute(page if after is None else page.where(AuditRow.seq > after)).all()
        if not rows:
            return
        yield cast("Sequence[AuditRow]", rows)
        after = rows[-1].seq


def note(work: Work, *, verdict: Verdict) -> None:
    """Write the check itself into the log."""
    work.record(CHECKED, "audit", str(verdict.anchor.rows), rows=verdict.anchor.rows, bad=verdict.bad,
                fault=verdict.fault.value if verdict.fault else None)


@dataclass(frozen=True)
class Check:
    """An earlier check, as the log has it. rows: up to which the chain was whole."""

    at: datetime
    by: str
    rows: int
    bad: int | None
    words: str | None


def last_check(session: Session) -> Check | None:
    row = session.scalar(select(AuditRow).where(AuditRow.action == CHECKED).order_by(AuditRow.seq.desc()).limit(1))
    if row is None:
        return None
    told = json.loads(row.details)
    fault = told["fault"]
    return Check(row.at, row.actor_name, told["rows"], told["bad"], WORDS[Break(fault)] if fault else None)


@dataclass(frozen=True)
class Wanted:
    """Which rows; None is all. actor, patient_id: ids; exam_id: of the subject. action: `exam.seen`, or `exam.`.

    Of a patient also the lists in which they were one of several. since, until: aware; until is not included.
    """

    actor: str | None = None
    action: str | None = None
    patient_id: str | None = None
    exam_id: str | None = None
    since: datetime | None = None
    until: datetime | None = None


def newest(session: Session, *, wanted: Wanted, before: int | None = None, most: int = 50) -> Sequence[AuditRow]:
    """The newest rows first. before: only rows older than this seq."""
    query = _chosen(wanted).order_by(AuditRow.seq.desc()).limit(most)
    return session.scalars(query if before is None else query.where(AuditRow.seq < before)).all()


def oldest(session: Session, *, wanted: Wanted) -> Iterator[AuditRow]:
    """Every row that is wanted, in their order, a batch at a time."""
    after = -1
    while rows := session.scalars(
        _chosen(wanted).where(AuditRow.seq > after).order_by(AuditRow.seq).limit(BATCH)
    ).all():
        yield from rows
        after = rows[-1].seq
        session.expunge_all()


def actors(session: Session) -> list[tuple[str, str]]:
    """(id, name) of everybody in the log, by name; the name as it was last."""
    last = select(func.max(AuditRow.seq)).group_by(AuditRow.actor_id)
    rows = session.execute(select(AuditRow.actor_id, AuditRow.actor_name).where(AuditRow.seq.in_(last))).all()
    return sorted(((row.actor_id, row.actor_name) for row in rows), key=lambda pair: pair[1].lower())


def actions(session: Session) -> list[str]:
    return list(session.scalars(select(AuditRow.action).distinct().order_by(AuditRow.action)))


def _chosen(wanted: Wanted) -> Select[Any]:
    query = select(AuditRow)
    if wanted.actor is not None:
        query = query.where(AuditRow.actor_id == wanted.actor)
    if wanted.action is not None:
        ends_open = wanted.action.endswith(".")
        query = query.where(AuditRow.action.startswith(wanted.action, autoescape=True) if ends_open
                            else AuditRow.action == wanted.action)
    if wanted.patient_id is not None:
        among = AuditRow.details.contains(f'"{wanted.patient_id}"', autoescape=True)  # of a list that was shown
        query = query.where(or_(AuditRow.patient_id == wanted.patient_id, among))
    if wanted.exam_id is not None:
        query = query.where(AuditRow.subject_kind == "exam", AuditRow.subject_id == wanted.exam_id)
    if wanted.since is not None:
        query = query.where(AuditRow.at >= wanted.since)
    return query if wanted.until is None else query.where(AuditRow.at < wanted.until)
