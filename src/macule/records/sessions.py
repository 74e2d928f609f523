"""Who is signed in: sessions kept here, not in the browser, which holds a random token and nothing else."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import delete, update
from sqlalchemy.orm import Session

from macule.errors import DatabaseAway
from macule.records import site
from macule.records.clinic import Clinic
from macule.records.domain import Actor, ActorKind, Role
from macule.records.tables import LoginSession, Ticket, User
from macule.records.tickets import digest, valid
from macule.records.work import Work

#: However busy somebody is, they sign in again after this long (NIST SP 800-63B, AAL2).
ABSOLUTE = timedelta(hours=12)
#: From the password to the second factor.
HALFWAY = timedelta(minutes=5)
#: A session's last use is written no more often, so that reading pages stays reading.
TOUCH = timedelta(minutes=1)


@dataclass(frozen=True)
class Opened:
    """token: for the cookie, and nowhere else. csrf: for this session's forms."""

    token: str
    csrf: str


@dataclass(frozen=True)
class Signed:
    """Who a token belongs to.

    half: the password was right, the second factor is still due. stale: its use is to be written down.
    must_set_up: the site asks for a second factor, and this person has none.
    """

    id: str
    csrf: str
    actor: Actor
    half: bool = False
    stale: bool = False
    must_set_up: bool = False


def begin(
    work: Work, *, user_id: str | None = None, ticket_id: str | None = None, half: bool = False,
    replaces: str | None = None,
) -> Opened:
    """A session with a new token. One of the two ids is given.

    replaces: token that the browser came with; its session ends, so that a planted one opens nothing.
    """
    if replaces:
        work.session.execute(delete(LoginSession).where(LoginSession.id == digest(replaces)))
    opened = Opened(secrets.token_urlsafe(32), secrets.token_hex(32))
    work.session.add(LoginSession(
        id=digest(opened.token), user_id=user_id, ticket_id=ticket_id, csrf=opened.csrf, second_factor_due=half,
        created_at=work.now, seen_at=work.now,
    ))
    work.session.execute(delete(LoginSession).where(LoginSession.seen_at < work.now - ABSOLUTE))
    return opened


def find(session: Session, *, token: str, now: datetime, idle: timedelta) -> Signed | None:
    """None if there is no such session, it has ended, or whoever opened it may no longer come in."""
    row = session.get(LoginSession, digest(token))
    if row is None or row.seen_at <= now - idle or row.created_at <= now - ABSOLUTE:
        return None
    if row.second_factor_due and row.created_at <= now - HALFWAY:
        return None
    stale = now - row.seen_at >= TOUCH
    if row.ticket_id is not None:
        actor = _of_link(session, row.ticket_id, now)
        return None if actor is None else Signed(row.id, row.csrf, actor, stale=stale)
    user = session.get(User, row.user_id) if row.user_id else None
    if user is None or not user.active or not Role(user.role).staff:
        return None
    # Who comes by the hospital's own sign-in has no password here; their second factor is asked for there.
    bare = user.password_hash is not None and user.totp_secret is None
    return Signed(row.id, row.csrf, actor_of(user), half=row.second_factor_due, stale=stale,
                  must_set_up=bare and site.read(session).require_totp)


def actor_of(user: User) -> Actor:
    return Actor(ActorKind.USER, user.id, user.name, Role(user.role))


def _of_link(session: Session, ticket_id: str, now: datetime) -> Actor | None:
    ticket = session.get(Ticket, ticket_id)
    if ticket is None or not valid(session, ticket, now=now):
        return None
    # Half of the hash says in the audit log which link it was, and no pseudonym outlives an erasure there.
    return Actor(ActorKind.LINK, ticket.id[:32], "Patient's link", Role.PATIENT, patient_id=ticket.patient_id)


def touch(clinic: Clinic, *, session_id: str) -> None:
    """Note that it was used. A database that cannot be written to ends a session early; it must not stop a reader."""
    try:
        with clinic.database.writing() as session:
            session.execute(update(LoginSession).where(LoginSession.id == session_id).values(seen_at=clinic.clock()))
    except DatabaseAway:
        return


def end(work: Work, *, session_id: str) -> None:
    work.session.execute(delete(LoginSession).where(LoginSession.id == session_id))
    work.record("session.closed", "session", session_id[:32], patient_id=work.actor.patient_id)


def end_all(work: Work, *, user_id: str, but: str | None = None) -> int:
    """End a person's sessions. but: id of the one to keep. Returns: how many there were."""
    kept = [] if but is None else [LoginSession.id != but]
    ended = work.session.execute(delete(LoginSession).where(LoginSession.user_id == user_id, *kept))
    return int(ended.rowcount)  # type: ignore[attr-defined] # of a cursor result, which a DELETE gives


def count(session: Session, *, user_id: str, now: datetime, idle: timedelta) -> int:
    """How many of a person's sessions are alive."""
    used, begun = LoginSession.seen_at > now - idle, LoginSession.created_at > now - ABSOLUTE
    alive = (LoginSession.user_id == user_id, used, begun)
    return session.query(LoginSession).where(*alive).count()
