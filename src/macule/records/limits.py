"""How often somebody may try: counted in the database, so that every process of an installation counts together."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import ceil

from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session

from macule.errors import TooManyAttempts
from macule.records.clinic import Clinic
from macule.records.database import alone
from macule.records.tables import Attempt

#: Nothing is counted for longer.
LONGEST = timedelta(days=1)


@dataclass(frozen=True)
class Backoff:
    """A delay that doubles with each failure after the first `free` ones, from `first` to `longest`.

    memory: failures older than this are forgotten.
    """

    free: int = 5
    first: timedelta = timedelta(seconds=30)
    longest: timedelta = timedelta(minutes=15)
    memory: timedelta = LONGEST

    def delay(self, failures: int) -> timedelta:
        if failures < self.free:
            return timedelta(0)
        return min(self.longest, self.first * (1 << min(failures - self.free, 20)))


def hit(clinic: Clinic, *, bucket: str, limit: int, per: timedelta) -> None:
    """Count one in `bucket` (`upload:<account>`, `upload:<address>`), unless `limit` were counted within `per`.

    Raises: TooManyAttempts, DatabaseAway.
    """
    key = _key(bucket)
    with _locked(clinic, key) as (session, now):
        _refuse_full(session, key, now, limit, per)
        session.add(Attempt(bucket=key, at=now))


def check(clinic: Clinic, *, bucket: str, limit: int, per: timedelta) -> None:
    """The same question without counting. Raises: TooManyAttempts, DatabaseAway."""
    with clinic.reading() as session:
        _refuse_full(session, _key(bucket), clinic.clock(), limit, per)


def remember(clinic: Clinic, *, bucket: str) -> None:
    """Note that something happened now, once; `remembered` knows it for LONGEST."""
    key = _key(bucket)
    with _locked(clinic, key) as (session, now):
        session.execute(delete(Attempt).where(Attempt.bucket == key))
        session.add(Attempt(bucket=key, at=now))


def remembered(clinic: Clinic, *, bucket: str) -> bool:
    recent = Attempt.bucket == _key(bucket), Attempt.at > clinic.clock() - LONGEST
    with clinic.reading() as session:
        return session.scalar(select(Attempt.at).where(*recent).limit(1)) is not None


def attempt(clinic: Clinic, *, bucket: str, backoff: Backoff) -> None:
    """Count one try before it is made, so that many at once are no way round; `forgive` it if it succeeds.

    Raises: TooManyAttempts until the delay since the last try is over; DatabaseAway.
    """
    key = _key(bucket)
    with _locked(clinic, key) as (session, now):
        within = Attempt.bucket == key, Attempt.at > now - backoff.memory
        failures, last = session.execute(select(func.count(), func.max(Attempt.at)).where(*within)).one()
        if last is not None:
            _refuse_until(last + backoff.delay(failures), now)
        session.add(Attempt(bucket=key, at=now))


def forgive(clinic: Clinic, *, bucket: str) -> None:
    """Forget the bucket's tries, after one that succeeded."""
    with clinic.database.writing() as session:
        session.execute(delete(Attempt).where(Attempt.bucket == _key(bucket)))


def uploads(clinic: Clinic, *, actor_id: str, address: str, per_minute: int) -> None:
    """Count one upload, by account and, ten times as generously, by address. Raises: TooManyAttempts, DatabaseAway."""
    minute = timedelta(minutes=1)
    hit(clinic, bucket=f"upload:actor:{actor_id}", limit=per_minute, per=minute)
    hit(clinic, bucket=f"upload:address:{address}", limit=10 * per_minute, per=minute)


def prune(clinic: Clinic) -> None:
    """Delete what no limit looks at any more."""
    with clinic.database.writing() as session:
        session.execute(delete(Attempt).where(Attempt.at < clinic.clock() - LONGEST))


def _key(bucket: str) -> str:
    """What follows the first colon is hashed: an e-mail address, or a password typed in its place, is not kept."""
    kind, _, about = bucket.partition(":")
    return f"{kind[:40]}:{hashlib.sha256(about.encode()).hexdigest()}"


def _refuse_full(session: Session, key: str, now: datetime, limit: int, per: timedelta) -> None:
    """Full is full until the oldest of the last `limit` has left the window."""
    newest = select(Attempt.at).where(Attempt.bucket == key, Attempt.at > now - per).order_by(Attempt.at.desc())
    oldest = session.scalar(newest.offset(limit - 1).limit(1))
    if oldest is not None:
        _refuse_until(oldest + per, now)


def _refuse_until(moment: datetime, now: datetime) -> None:
    if moment > now:
        seconds = max(1, ceil((moment - now).total_seconds()))
        raise TooManyAttempts(f"too many attempts: wait {_words(seconds)}, then try again.", retry_after=seconds)


def _words(seconds: int) -> str:
    if seconds < 120:
        return f"{seconds} seconds"
    return f"{ceil(seconds / 60)} minutes"


@contextmanager
def _locked(clinic: Clinic, key: str) -> Iterator[tuple[Session, datetime]]:
    """One bucket is counted by one process at a time."""
    with clinic.database.writing() as session:
        alone(session, key)
        yield session, clinic.clock()
