"""Which rows name which addresses of the store, and how what no row names any more is deleted.

The same bytes have one address, whoever sends them. So a picture may be named anew at the very moment at which its last
row went: its sender has put it, the deletion has asked the rows and found none, the sender's row is written, and then
the picture goes. One lock closes that window: the transactions that name addresses share it (`secure`), a deletion has
it alone from its question to its end (`release`). Whichever comes first, the other one sees what it did. A crash
changes nothing: a lock ends with its transaction, a deletion writes no row, and what was put and not named is swept.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from sqlalchemy import select
from sqlalchemy.orm import Session

from macule.records.clinic import Clinic
from macule.records.database import alone
from macule.records.sweep import ADDRESSES
from macule.records.work import Work

#: Addresses of one question: SQLite bounds how many values a statement may carry.
_AT_ONCE = 400
NAMING = "store: naming"


def held(session: Session, addresses: Sequence[str]) -> set[str]:
    """Those that some row still names."""
    found: set[str] = set()
    for start in range(0, len(addresses), _AT_ONCE):
        part = addresses[start:start + _AT_ONCE]
        for column in ADDRESSES:
            found.update(address for address in session.scalars(select(column).where(column.in_(part))) if address)
    return found


def secure(clinic: Clinic, work: Work, contents: Mapping[str, bytes]) -> None:
    """Call it in the transaction that names these addresses, before its rows: they are there once it has ended.

    contents: what was put, by address; put again where somebody released it since. To look is all that it takes
    otherwise, which is why the store may be asked within a transaction here.
    Raises: StoreAway, KeyMissing.
    """
    naming(work)
    for address, content in contents.items():
        if not clinic.store.has(address):
            clinic.store.put(content)


def naming(work: Work) -> None:
    """As `secure`, for who no longer has the bytes: ask `missing` once the transaction has ended."""
    alone(work.session, NAMING, shared=True)


def missing(clinic: Clinic, addresses: Iterable[str]) -> set[str]:
    """Those that the store does not have. Raises: StoreAway."""
    return {address for address in addresses if not clinic.store.has(address)}


def release(clinic: Clinic, addresses: Iterable[str]) -> int:
    """Delete what no row names. Returns: how many were deleted.

    Raises: StoreAway, DatabaseAway; calling it again goes on.
    """
    return sum(_released(clinic, address) for address in dict.fromkeys(addresses))


def _released(clinic: Clinic, address: str) -> bool:
    # One address a transaction: others wait no longer than one deletion takes.
    with clinic.database.writing() as session:
        alone(session, NAMING)
        if held(session, [address]) or not clinic.store.has(address):
            return False
        clinic.store.delete(address)
        return True
