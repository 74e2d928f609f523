"""A job of the worker: keeps what the database knows of its own tables fresh."""

from __future__ import annotations

from datetime import datetime, timedelta
from weakref import WeakKeyDictionary

from macule.records.clinic import Clinic
from macule.records.database import Database

EVERY = timedelta(hours=1)

_due: WeakKeyDictionary[Database, datetime] = WeakKeyDictionary()


def tend_when_due(clinic: Clinic) -> bool:
    """Once an hour, the first time at start. Returns: False; there is never more of it to do at once."""
    now = clinic.clock()
    if now >= _due.get(clinic.database, now):
        _due[clinic.database] = now + EVERY
        clinic.database.tend()
    return False
