"""Whose object is it? The one place that knows how a path's id leads to a person."""

from __future__ import annotations

import re
from typing import Any

from sqlalchemy.orm import Session

from macule.errors import NoSuchRecord
from macule.records import policy
from macule.records.domain import Actor, Role
from macule.records.policy import Permission
from macule.records.tables import (
    ApiKey,
    Base,
    Batch,
    Biopsy,
    Comment,
    Consent,
    Exam,
    Lesion,
    Patient,
    Review,
    Ticket,
    User,
    Webhook,
)

#: What a path parameter names: `{exam_id}` is guarded by `allow(..., of="exam")`.
KINDS: dict[str, type[Base]] = {
    "batch": Batch, "biopsy": Biopsy, "comment": Comment, "consent": Consent, "exam": Exam, "key": ApiKey,
    "lesion": Lesion, "link": Ticket, "patient": Patient, "review": Review, "user": User, "webhook": Webhook,
}
_ID = re.compile(r"[0-9a-f]{32}(?:[0-9a-f]{32})?")


def require(session: Session, *, actor: Actor, permission: Permission, kind: str, key: str) -> None:
    """That it exists and is within the actor's reach.

    Raises: NoSuchRecord alike for what is not there and what is somebody else's, so that nobody learns what exists.
    """
    row = session.get(KINDS[kind], key) if _ID.fullmatch(key) else None
    patient_id = None if row is None else _patient_of(session, row)
    out_of_reach = actor.role is Role.PATIENT and patient_id is None
    if row is None or out_of_reach or not policy.may(actor, permission, patient_id=patient_id):
        raise NoSuchRecord(f"there is no {kind} {key[:64]!r} that you may see: check the address.")


def _patient_of(session: Session, row: Any) -> str | None:
    """None for what is nobody's: a batch, a key."""
    if isinstance(row, Patient):
        return row.id
    if isinstance(row, Biopsy | Comment | Review):
        exam = session.get(Exam, row.exam_id)
        return exam.patient_id if exam else None
    return getattr(row, "patient_id", None)
