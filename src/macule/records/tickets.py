"""Links with a secret: the first administrator's, invitations, new passwords, and a patient's way to their own records.

The secret is 256 random bits, shown once and never stored: a row's id is its hash. All but a patient's link work once.
"""

from __future__ import annotations

import hashlib
import secrets
from datetime import datetime, timedelta
from enum import StrEnum

from sqlalchemy import exists, select, update
from sqlalchemy.orm import Session

from macule.errors import NoSuchRecord
from macule.records.domain import Role
from macule.records.tables import LoginSession, Patient, Ticket, User
from macule.records.work import Work


class Purpose(StrEnum):
    SETUP = "setup"
    INVITE = "invite"
    RESET = "reset"
    PATIENT = "patient"


#: Where each link leads, below the server's address.
PATHS: dict[Purpose, str] = {
    Purpose.SETUP: "/setup/", Purpose.INVITE: "/invite/", Purpose.RESET: "/reset/", Purpose.PATIENT: "/p/",
}
VALID_FOR: dict[Purpose, timedelta] = {
    Purpose.SETUP: timedelta(hours=24), Purpose.INVITE: timedelta(days=7), Purpose.RESET: timedelta(hours=24),
    Purpose.PATIENT: timedelta(days=90),
}


def digest(secret: str) -> str:
    """What is stored of a secret of 256 random bits: one SHA-256, as nobody can guess through that many."""
    return hashlib.sha256(secret.encode()).hexdigest()


def issue(
    work: Work, *, purpose: Purpose | str, valid_for: timedelta | None = None, role: Role | None = None,
    user_id: str | None = None, patient_id: str | None = None,
) -> str:
    """A new link. Earlier ones of the same purpose end, unless they are a patient's.

    valid_for: None for VALID_FOR's. Returns: the secret; `PATHS[purpose]` goes before it. It cannot be read again.
    """
    purpose = Purpose(purpose)
    if purpose is not Purpose.PATIENT:
        _end_earlier(work, purpose, user_id)
    secret = secrets.token_urlsafe(32)
    ticket = Ticket(
        id=digest(secret), purpose=purpose.value, role=role.value if role else None, user_id=user_id,
        patient_id=patient_id, created_by=work.actor.id, created_at=work.now,
        expires_at=work.now + (valid_for or VALID_FOR[purpose]),
    )
    work.session.add(ticket)
    work.record("ticket.issued", "ticket", ticket.id, patient_id=patient_id, purpose=purpose.value, user=user_id,
                expires=ticket.expires_at.isoformat())
    return secret


def _end_earlier(work: Work, purpose: Purpose, user_id: str | None) -> None:
    same = Ticket.user_id.is_(None) if user_id is None else Ticket.user_id == user_id
    work.session.execute(
        update(Ticket).where(Ticket.purpose == purpose.value, same, Ticket.used_at.is_(None),
                             Ticket.revoked_at.is_(None)).values(revoked_at=work.now)
    )


def look(session: Session, *, secret: str, purpose: Purpose, now: datetime) -> Ticket:
    """The ticket, which stays as it is: a mail scanner that opens a link must not use it up.

    Raises: NoSuchRecord, with one wording for a link that never was, was used, was revoked or has expired.
    """
    ticket = session.get(Ticket, digest(secret))
    if ticket is None or ticket.purpose != purpose.value or not valid(session, ticket, now=now):
        raise NoSuchRecord("this link does not work, or not any more: ask whoever gave it to you for a new one.")
    return ticket


def valid(session: Session, ticket: Ticket, *, now: datetime) -> bool:
    """Whether it still opens anything. A patient who was erased has no way in."""
    if ticket.revoked_at is not None or ticket.expires_at <= now:
        return False
    if ticket.purpose == Purpose.SETUP.value and session.scalar(select(exists().where(User.id.is_not(None)))):
        return False  # whoever came first, by whatever way, invites the others
    if ticket.purpose != Purpose.PATIENT.value:
        return ticket.used_at is None
    patient = session.get(Patient, ticket.patient_id) if ticket.patient_id else None
    return patient is not None and patient.erased_at is None


def use(work: Work, *, secret: str, purpose: Purpose) -> Ticket:
    """Raises: NoSuchRecord, as `look`; also for the second of two who use it at once."""
    ticket = look(work.session, secret=secret, purpose=purpose, now=work.now)
    once = [] if purpose is Purpose.PATIENT else [Ticket.used_at.is_(None), Ticket.revoked_at.is_(None)]
    taken = work.session.execute(update(Ticket).where(Ticket.id == ticket.id, *once).values(used_at=work.now))
    if taken.rowcount != 1:  # type: ignore[attr-defined] # of a cursor result, which an UPDATE gives
        raise NoSuchRecord("this link was used or ended already: ask for a new one.")
    return ticket


def revoke(work: Work, *, ticket_id: str) -> None:
    """End a link and every visit that it opened. Raises: NoSuchRecord."""
    ticket = work.get(Ticket, ticket_id)
    if ticket.revoked_at is None:
        ticket.revoked_at = work.now
        work.record("ticket.revoked", "ticket", ticket.id, patient_id=ticket.patient_id, purpose=ticket.purpose)
    for open_session in work.session.scalars(select(LoginSession).where(LoginSession.ticket_id == ticket.id)):
        work.session.delete(open_session)


def of_patient(session: Session, *, patient_id: str, now: datetime) -> list[Ticket]:
    """A patient's links that still work, newest first."""
    rows = session.scalars(
        select(Ticket).where(Ticket.patient_id == patient_id, Ticket.purpose == Purpose.PATIENT.value,
                             Ticket.revoked_at.is_(None), Ticket.expires_at > now).order_by(Ticket.created_at.desc())
    )
    return list(rows)


def end_setup(work: Work) -> None:
    """The first administrator's links, once anybody has an account."""
    _end_earlier(work, Purpose.SETUP, None)


def end_of_user(work: Work, *, user_id: str) -> None:
    """Links that somebody was given and has not used."""
    open_ones = (Ticket.user_id == user_id, Ticket.used_at.is_(None), Ticket.revoked_at.is_(None))
    work.session.execute(update(Ticket).where(*open_ones).values(revoked_at=work.now))
