"""Keys for machines: a secret of 256 bits, a list of what it may do, an end."""

from __future__ import annotations

import secrets
from collections.abc import Collection
from datetime import datetime, timedelta

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from macule.errors import DatabaseAway, RecordInvalid
from macule.records.clinic import Clinic
from macule.records.domain import Actor, ActorKind, Role
from macule.records.policy import BY_SCOPE
from macule.records.tables import ApiKey
from macule.records.tickets import digest
from macule.records.work import Work

#: So that programs which search code and logs for leaked keys recognise one.
MARK = "macule_"
SHOWN = len(MARK) + 6
LONGEST = timedelta(days=730)
TOUCH = timedelta(minutes=1)


def create(work: Work, *, name: str, scopes: Collection[str], valid_for: timedelta | None) -> tuple[ApiKey, str]:
    """valid_for: None for no end. Returns: the row and the key, which cannot be read again. Raises: RecordInvalid."""
    wrong: dict[str, str] = {}
    if not 1 <= len(name) <= 80:
        wrong["name"] = f"The name has {len(name)} characters; use 1 to 80."
    unknown = sorted(set(scopes) - BY_SCOPE.keys())
    if unknown or not scopes:
        wrong["scopes"] = f"{', '.join(unknown) or 'Nothing'} is chosen; choose among {', '.join(BY_SCOPE)}."
    if valid_for is not None and not timedelta(0) < valid_for <= LONGEST:
        wrong["valid_for"] = f"The key would be valid for {valid_for.days} days; use 1 to {LONGEST.days}."
    if wrong:
        raise RecordInvalid("the key was not made: " + " ".join(wrong.values()), fields=wrong)
    secret = MARK + secrets.token_urlsafe(32)
    key = ApiKey(
        id=work.new_id(), name=name, prefix=secret[:SHOWN], key_hash=digest(secret), scopes=sorted(set(scopes)),
        created_by=work.actor.id, created_at=work.now, expires_at=work.now + valid_for if valid_for else None,
    )
    work.session.add(key)
    work.record("key.created", "key", key.id, scopes=key.scopes,
                expires=key.expires_at.isoformat() if key.expires_at else None)
    return key, secret


def revoke(work: Work, *, key_id: str) -> None:
    """Raises: NoSuchRecord."""
    key = work.get(ApiKey, key_id)
    if key.revoked_at is None:
        key.revoked_at = work.now
        work.record("key.revoked", "key", key.id)


def actor_of(session: Session, *, secret: str, now: datetime) -> Actor | None:
    """Who speaks with this key; None if nobody does, or no longer."""
    key = session.scalar(select(ApiKey).where(ApiKey.key_hash == digest(secret)))
    if key is None or key.revoked_at is not None or (key.expires_at is not None and key.expires_at <= now):
        return None
    return Actor(ActorKind.KEY, key.id, key.name, Role.MACHINE, scopes=frozenset(key.scopes))


def touch(clinic: Clinic, *, key_id: str) -> None:
    """Note that it was used, at most once a minute; a database that cannot be written to stops no reader."""
    now = clinic.clock()
    with clinic.reading() as session:
        last = session.scalar(select(ApiKey.last_used_at).where(ApiKey.id == key_id))
    if last is not None and now - last < TOUCH:
        return
    try:
        with clinic.database.writing() as session:
            session.execute(update(ApiKey).where(ApiKey.id == key_id).values(last_used_at=now))
    except DatabaseAway:
        return


def listed(session: Session) -> list[ApiKey]:
    """Every key, newest first."""
    return list(session.scalars(select(ApiKey).order_by(ApiKey.created_at.desc())))
