"""The clinic: records, pictures, keys and model together, handed to every route, verb and worker."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime

from sqlalchemy.orm import Session

from macule.records import audit
from macule.records.database import Database
from macule.records.domain import Actor
from macule.records.ports import Models, Seals, Store
from macule.records.work import Work


def utc_now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True)
class Clinic:
    """clock: the time, aware. Everything here is safe to share between threads."""

    database: Database
    store: Store
    seals: Seals
    models: Models
    clock: Callable[[], datetime] = field(default=utc_now)

    @contextmanager
    def work(self, actor: Actor) -> Iterator[Work]:
        """A transaction in somebody's name: committed with its audit rows when the block ends, else undone.

        Keep slow things (analysis, the store, the network) out of the block: on SQLite writers wait for each other.
        Raises: DatabaseAway, Conflict.
        """
        with self.database.writing() as session:
            work = Work(session, actor, self.clock())
            yield work
            session.flush()
            audit.append(session, actor=actor, now=work.now, entries=work.entries)

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """For lists and counts that leave no trace in the audit log. Raises: DatabaseAway."""
        with self.database.reading() as session:
            yield session
