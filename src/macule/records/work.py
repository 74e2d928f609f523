"""A unit of work: one person's transaction, its time, and the audit rows that are written with it or not at all."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeVar

from sqlalchemy.orm import Session

from macule.errors import Conflict, NoSuchRecord
from macule.records import audit
from macule.records.domain import Actor, new_id
from macule.records.tables import Base

R = TypeVar("R", bound=Base)


@dataclass
class Work:
    """What every service takes first. Made by `Clinic.work`; its transaction ends with the block.

    now: aware, UTC; the same for everything in this block.
    """

    session: Session
    actor: Actor
    now: datetime
    entries: list[audit.Entry] = field(default_factory=list)

    def record(
        self, action: str, subject_kind: str, subject_id: str, *, patient_id: str | None = None, **details: Any
    ) -> None:
        """One audit row, written when the block ends well."""
        self.entries.append(audit.Entry(action, subject_kind, subject_id, patient_id, details))

    def new_id(self) -> str:
        return new_id(self.now)

    def get(self, kind: type[R], key: str) -> R:
        """The row. Raises: NoSuchRecord."""
        row = self.session.get(kind, key)
        if row is None:
            raise NoSuchRecord(f"there is no {kind.__tablename__.replace('_', ' ')} {key!r}: check the address.")
        return row


def expect(row: Any, version: int | None) -> None:
    """Refuse to change a row that is no longer the one that was read.

    version: of the row as the writer saw it; None if the writer did not say, which only machines may.
    Raises: Conflict.
    """
    if version is not None and row.version != version:
        raise Conflict("somebody else changed this meanwhile: load the page again and repeat your change.")
