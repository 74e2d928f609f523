"""Which rows name which addresses of the store, and how what no row names any more is deleted."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from sqlalchemy import select
from sqlalchemy.orm import Session

from macule.errors import NoSuchRecord
from macule.records.clinic import Clinic
from macule.records.sweep import ADDRESSES

#: Addresses of one question: SQLite bounds how many values a statement may carry.
_AT_ONCE = 400


def held(session: Session, addresses: Sequence[str]) -> set[str]:
    """Those that some row still names."""
    found: set[str] = set()
    for start in range(0, len(addresses), _AT_ONCE):
        part = addresses[start:start + _AT_ONCE]
        for column in ADDRESSES:
            found.update(address for address in session.scalars(select(column).where(column.in_(part))) if address)
    return found


def release(clinic: Clinic, addresses: Iterable[str]) -> int:
    """Delete what no row names. Returns: how many were deleted.

    Somebody may send the very same bytes at this moment: what a row names after the deletion is put back.
    Raises: StoreAway, KeyMissing, DatabaseAway; calling it again goes on.
    """
    deleted = 0
    for address in dict.fromkeys(addresses):
        with clinic.reading() as session:
            if held(session, [address]):
                continue
        try:
            content = clinic.store.get(address)
        except NoSuchRecord:
            continue  # gone already
        clinic.store.delete(address)
        deleted += 1
        with clinic.reading() as session:
            missed = bool(held(session, [address]))
        if missed:
            clinic.store.put(content)
            deleted -= 1
    return deleted
