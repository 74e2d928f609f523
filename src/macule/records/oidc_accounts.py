"""From somebody whom the identity provider vouches for to an account here."""

from __future__ import annotations

from sqlalchemy import select

from macule.errors import NotSignedIn, RecordInvalid
from macule.records import accounts
from macule.records.clinic import Clinic
from macule.records.domain import SYSTEM, Role
from macule.records.oidc import Person
from macule.records.sessions import Opened
from macule.records.sign_in import first_step
from macule.records.tables import User
from macule.records.work import Work

UNKNOWN = "You are not known here yet. Ask an administrator of this clinic to invite your e-mail address."


def sign_in(clinic: Clinic, *, person: Person, replaces: str | None) -> tuple[Opened, bool]:
    """Where a claim decides on roles, who has none has no place here, whatever they had before.

    Returns: the session, and whether its second factor is due.
    Raises: NotSignedIn for who has no place here, Conflict if the claim would take the last administrator's role.
    """
    user = None
    with clinic.work(SYSTEM) as work:
        if not person.by_claim or person.role is not None:
            user = _known(work, person) or _linked(work, person) or _made(work, person)
        if user is None or not user.active:
            work.record("login.failed", "user", user.id if user else "unknown", step="provider")
        elif person.role is not None:
            accounts.change_role(work, user_id=user.id, role=person.role, version=None)
    if user is None or not user.active:
        raise NotSignedIn(UNKNOWN)
    return first_step(clinic, user, how="provider", replaces=replaces)


def _known(work: Work, person: Person) -> User | None:
    return work.session.scalar(select(User).where(User.oidc_subject == person.subject))


def _linked(work: Work, person: Person) -> User | None:
    """Who was invited, or had a password: joined once, by an address that the provider has verified."""
    user = accounts.by_email(work.session, person.email) if person.email else None
    if user is None or not user.active or user.oidc_subject is not None:
        return None
    user.oidc_subject = person.subject
    work.record("user.linked", "user", user.id)
    return user


def _made(work: Work, person: Person) -> User | None:
    """Only where a claim says what they are; others are invited first."""
    if person.email is None or person.role is None:
        return None
    try:
        email, role = accounts.checked_email(person.email), accounts.checked_role(person.role)
        user = accounts.add(work, email=email, name=accounts.checked_name(person.name), role=Role(role))
    except RecordInvalid:
        return None
    user.oidc_subject = person.subject
    work.record("user.made", "user", user.id, role=user.role, by="provider")
    return user
