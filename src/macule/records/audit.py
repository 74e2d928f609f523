"""The log of who saw or changed what: append-only, each row sealed with the hash of the one before it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from macule.records.database import alone
from macule.records.domain import Actor
from macule.records.tables import AuditRow

#: What the first row names as the hash before it.
GENESIS = "0" * 64
#: What a transaction holds alone while it appends.
CHAIN = "audit chain"
#: Patients that one row names at most: an export of everybody is a count and a filter.
MOST_LISTED = 1000


@dataclass(frozen=True)
class Entry:
    """One thing that happened. action: `exam.seen`, `review.decided`: subject and past participle.

    details: what a later reader needs, JSON values only. Never a picture, and no free text that a person typed.
    """

    action: str
    subject_kind: str
    subject_id: str
    patient_id: str | None = None
    details: Mapping[str, Any] = field(default_factory=dict)


def listed(patients: Iterable[str | None]) -> dict[str, Any]:
    """The patients of a list, as details of its row: each id once, or only how many if there are over MOST_LISTED."""
    known = sorted({each for each in patients if each is not None})
    return {"patients": known} if len(known) <= MOST_LISTED else {"patients": None, "patients_over": MOST_LISTED}


def append(session: Session, *, actor: Actor, now: datetime, entries: Iterable[Entry]) -> None:
    """Put the entries at the end of the chain, in this transaction. Call it last: others wait until it ends."""
    waiting = list(entries)
    if not waiting:
        return
    alone(session, CHAIN)
    last = session.execute(select(AuditRow.seq, AuditRow.hash).order_by(AuditRow.seq.desc()).limit(1)).first()
    seq, previous = (last.seq, last.hash) if last else (0, GENESIS)
    for entry in waiting:
        seq += 1
        row = _row(seq, previous, actor, now, entry)
        previous = row.hash
        session.add(row)
    session.flush()


def _row(seq: int, previous: str, actor: Actor, now: datetime, entry: Entry) -> AuditRow:
    row = AuditRow(
        seq=seq, at=now, actor_kind=actor.kind.value, actor_id=actor.id, actor_name=actor.name, action=entry.action,
        subject_kind=entry.subject_kind, subject_id=entry.subject_id, patient_id=entry.patient_id,
        details=json.dumps(dict(entry.details), sort_keys=True, ensure_ascii=True, separators=(",", ":")),
        previous=previous, hash="",
    )
    row.hash = digest(row)
    return row


def digest(row: AuditRow) -> str:
    """SHA-256 over a row's fields in a fixed order, as JSON; 64 hexadecimal digits."""
    fields = [
        row.seq, row.at.isoformat(timespec="microseconds"), row.actor_kind, row.actor_id, row.actor_name, row.action,
        row.subject_kind, row.subject_id, row.patient_id, row.details, row.previous,
    ]
    return hashlib.sha256(json.dumps(fields, ensure_ascii=True, separators=(",", ":")).encode()).hexdigest()
