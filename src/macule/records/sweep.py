"""Pictures that no row names: a crash between picture and row, an exam that was erased, a send that failed.

They go in two steps, so that an upload on its way is never robbed. A picture that is older than a day goes to the
trash, where the store still finds it; an hour later it is removed, or brought back if a row names it by then.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from datetime import datetime, timedelta
from weakref import WeakKeyDictionary

from sqlalchemy import select
from sqlalchemy.orm import Session

from macule.errors import NoSuchRecord
from macule.records.clinic import Clinic
from macule.records.database import Database
from macule.records.domain import SYSTEM
from macule.records.tables import BatchItem, BundleRecord, Exam

KEEP = timedelta(days=1)
TRASH_KEEP = timedelta(hours=1)
EVERY = timedelta(hours=1)

#: Every column that holds an address in the store. A test finds one that is missing here.
ADDRESSES = (Exam.picture, Exam.thumbnail, Exam.heatmap, BundleRecord.archive, BatchItem.file)

#: When each clinic of this process is swept next. By its database, which is the process's own.
_due: WeakKeyDictionary[Database, datetime] = WeakKeyDictionary()


@dataclass(frozen=True)
class Swept:
    """Counts of pictures: put into the trash, removed from it, brought back."""

    discarded: int = 0
    removed: int = 0
    brought_back: int = 0


def named(session: Session) -> frozenset[str]:
    """Every address that a row names; 120 MB of memory for a million."""
    found: set[str] = set()
    for column in ADDRESSES:
        found.update(session.scalars(select(column).where(column.is_not(None)).execution_options(yield_per=5000)))
    return frozenset(found)


def sweep(clinic: Clinic) -> Swept:
    """One turn of the broom. Raises: StoreAway, DatabaseAway."""
    now = clinic.clock()
    clinic.store.tidy(now - KEEP)
    # The store first: what a row names afterwards was put before, or is too young to be in this list.
    old = [address for address, put in clinic.store.entries() if put < now - KEEP]
    ripe = [address for address, since in clinic.store.discarded() if since < now - TRASH_KEEP]
    with clinic.reading() as session:
        needed = named(session) if old or ripe else frozenset()
    done = Swept(
        discarded=sum(_discard(clinic, address) for address in old if address not in needed),
        removed=sum(_remove(clinic, address) for address in ripe if address not in needed),
        brought_back=sum(_bring_back(clinic, address) for address in ripe if address in needed),
    )
    if done != Swept():
        with clinic.work(SYSTEM) as work:
            work.record("store.swept", "store", "pictures", discarded=done.discarded, removed=done.removed,
                        brought_back=done.brought_back)
    return done


def sweep_when_due(clinic: Clinic) -> bool:
    """A job of the worker: once an hour."""
    now = clinic.clock()
    if now < _due.get(clinic.database, now):
        return False
    _due[clinic.database] = now + EVERY
    return sweep(clinic) != Swept()


def _discard(clinic: Clinic, address: str) -> bool:
    with contextlib.suppress(NoSuchRecord):  # erased meanwhile, or another process sweeps too
        clinic.store.discard(address)
        return True
    return False


def _remove(clinic: Clinic, address: str) -> bool:
    clinic.store.empty(address)
    return True


def _bring_back(clinic: Clinic, address: str) -> bool:
    with contextlib.suppress(NoSuchRecord):
        clinic.store.bring_back(address)
        return True
    return False
