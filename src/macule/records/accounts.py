"""Who works here: the first administrator, invitations, roles, passwords. No account is made with a password in it."""

from __future__ import annotations

import re
from datetime import timedelta

from sqlalchemy import exists, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from macule.errors import Conflict, RecordInvalid
from macule.records import limits, sessions, site, tickets, totp
from macule.records.clinic import Clinic
from macule.records.domain import SYSTEM, Actor, Role
from macule.records.passwords import Hasher, require_good
from macule.records.tables import User
from macule.records.tickets import PATHS, Purpose
from macule.records.work import Work, expect

_EMAIL = re.compile(r"[^@\s<>\"'(),;:\\\[\]\x00-\x1f]+@[^@\s<>\"'(),;:\\\[\]\x00-\x1f]+\.[^@\s.]{2,}")
_STAFF = ", ".join(role.value for role in Role if role.staff)


def first_link(clinic: Clinic, *, base_url: str) -> str | None:
    """A new link for the first administrator, valid for a day; earlier ones end. None once anybody has an account."""
    with clinic.reading() as session:
        if session.scalar(select(exists().where(User.id.is_not(None)))):
            return None
    with clinic.work(SYSTEM) as work:
        secret = tickets.issue(work, purpose=Purpose.SETUP, role=Role.ADMIN)
    return base_url.rstrip("/") + PATHS[Purpose.SETUP] + secret


def set_up(clinic: Clinic, *, secret: str, email: str, name: str, password: str, hasher: Hasher) -> Actor:
    """Make the first administrator. Raises: NoSuchRecord for a link that does not work, RecordInvalid."""
    with clinic.reading() as session:
        tickets.look(session, secret=secret, purpose=Purpose.SETUP, now=clinic.clock())
    email, name = checked_email(email), checked_name(name)
    kept = _hashed(clinic, password, (email, name), hasher)
    with clinic.work(SYSTEM) as work:
        tickets.use(work, secret=secret, purpose=Purpose.SETUP)
        user = add(work, email=email, name=name, role=Role.ADMIN)
        user.password_hash = kept
        work.record("user.set_up", "user", user.id, role=user.role)
    return sessions.actor_of(user)


def invite(work: Work, *, email: str, name: str, role: str) -> tuple[User, str]:
    """An account without a password. Returns: the row, and the secret of its link. Raises: RecordInvalid."""
    user = add(work, email=checked_email(email), name=checked_name(name), role=checked_role(role))
    work.record("user.invited", "user", user.id, role=user.role)
    return user, tickets.issue(work, purpose=Purpose.INVITE, user_id=user.id)


def add(work: Work, *, email: str, name: str, role: Role) -> User:
    """Raises: RecordInvalid if the address has an account."""
    user = User(id=work.new_id(), email=email, name=name, role=role.value, active=True, created_at=work.now)
    if by_email(work.session, email) is None:
        try:
            with work.session.begin_nested():
                work.session.add(user)
            tickets.end_setup(work)
            return user
        except IntegrityError:  # two at once, and the other was first
            pass
    raise RecordInvalid(f"{email!r} has an account already.", fields={"email": "This address has an account already."})


def choose_password(clinic: Clinic, *, secret: str, purpose: Purpose, password: str, hasher: Hasher) -> Actor:
    """By the link of an invitation or a reset. Every session of the account ends.

    Raises: NoSuchRecord for a link that does not work, RecordInvalid for a password that is refused.
    """
    with clinic.reading() as session:
        ticket = tickets.look(session, secret=secret, purpose=purpose, now=clinic.clock())
        user = session.get_one(User, ticket.user_id)
    kept = _hashed(clinic, password, (user.email, user.name), hasher)
    with clinic.work(sessions.actor_of(user)) as work:
        tickets.use(work, secret=secret, purpose=purpose)
        work.get(User, user.id).password_hash = kept
        sessions.end_all(work, user_id=user.id)
        work.record("user.password_set", "user", user.id, by=purpose.value)
    return sessions.actor_of(user)


def change_password(clinic: Clinic, *, user_id: str, current: str, new: str, hasher: Hasher) -> None:
    """Every session of the account ends, the caller's too, who gets a new one.

    Raises: RecordInvalid, TooManyAttempts.
    """
    user = confirm_password(clinic, user_id=user_id, password=current, hasher=hasher, field="current")
    kept = _hashed(clinic, new, (user.email, user.name), hasher, field="new")
    with clinic.work(sessions.actor_of(user)) as work:
        work.get(User, user_id).password_hash = kept
        sessions.end_all(work, user_id=user_id)
        work.record("user.password_changed", "user", user_id)


def confirm_password(clinic: Clinic, *, user_id: str, password: str, hasher: Hasher, field: str = "password") -> User:
    """That it is still they who sit there, before something that would lock them out.

    Raises: RecordInvalid, TooManyAttempts.
    """
    limits.attempt(clinic, bucket=f"password:{user_id}", backoff=limits.Backoff())
    with clinic.reading() as session:
        user = session.get_one(User, user_id)
    if not hasher.verify(user.password_hash, password):
        raise RecordInvalid("the present password is not right.", fields={field: "This is not your present password."})
    limits.forgive(clinic, bucket=f"password:{user_id}")
    return user


def reset(work: Work, *, user_id: str) -> str:
    """A link to a new password. The old one works until the link is used. Returns: its secret. Raises: NoSuchRecord."""
    user = work.get(User, user_id)
    if not user.active:
        raise Conflict("this account is closed: open it again first.")
    work.record("user.reset_offered", "user", user.id)
    purpose = Purpose.INVITE if _new(user) else Purpose.RESET
    return tickets.issue(work, purpose=purpose, user_id=user.id, valid_for=timedelta(hours=24))


def change_role(work: Work, *, user_id: str, role: str, version: int | None) -> None:
    """Every session of the account ends. Raises: NoSuchRecord, RecordInvalid, Conflict for the last administrator."""
    user, wanted = work.get(User, user_id), checked_role(role)
    expect(user, version)
    if wanted is not Role.ADMIN:
        _keep_an_administrator(work, user)
    if user.role != wanted.value:
        work.record("user.role_changed", "user", user.id, before=user.role, after=wanted.value)
        user.role = wanted.value
        sessions.end_all(work, user_id=user.id)


def set_active(work: Work, *, user_id: str, active: bool, version: int | None) -> None:
    """Close or open an account; a closed one loses its sessions and links. Raises: NoSuchRecord, Conflict."""
    user = work.get(User, user_id)
    expect(user, version)
    if not active:
        _keep_an_administrator(work, user)
        sessions.end_all(work, user_id=user.id)
        tickets.end_of_user(work, user_id=user.id)
    if user.active != active:
        user.active = active
        work.record("user.opened" if active else "user.closed", "user", user.id)


def remove_second_factor(work: Work, *, user_id: str) -> None:
    """For who lost their phone and their recovery codes. Raises: NoSuchRecord."""
    totp.remove(work, user=work.get(User, user_id))
    sessions.end_all(work, user_id=user_id)


def by_email(session: Session, email: str) -> User | None:
    return session.scalar(select(User).where(User.email == email.strip().casefold()))


def get(session: Session, user_id: str) -> User:
    return session.get_one(User, user_id)


def listed(session: Session) -> list[User]:
    """Everybody, who works here before who no longer does. Reading systems sign with their keys and are not people."""
    people = select(User).where(User.role != Role.MACHINE.value)
    return list(session.scalars(people.order_by(User.active.desc(), User.name, User.id)))


def checked_email(email: str) -> str:
    """Raises: RecordInvalid."""
    email = email.strip().casefold()
    if len(email) > 254 or not _EMAIL.fullmatch(email):
        message = "Enter an e-mail address, such as name@clinic.example."
        raise RecordInvalid(f"e-mail is {email[:60]!r}, which is no address.", fields={"email": message})
    return email


def checked_name(name: str) -> str:
    """Raises: RecordInvalid."""
    name = " ".join(name.split())
    if not 1 <= len(name) <= 80 or not name.isprintable():
        raise RecordInvalid(f"name has {len(name)} characters.", fields={"name": "Enter a name of 1 to 80 characters."})
    return name


def checked_role(role: str) -> Role:
    """Raises: RecordInvalid."""
    if role not in [known.value for known in Role if known.staff]:
        message = f"Choose one of {_STAFF}."
        raise RecordInvalid(f"role is {role[:40]!r}; it is one of {_STAFF}.", fields={"role": message})
    return Role(role)


def _new(user: User) -> bool:
    """Invited, and never came."""
    return user.password_hash is None and user.oidc_subject is None


def _hashed(clinic: Clinic, password: str, about: tuple[str, ...], hasher: Hasher, *, field: str = "password") -> str:
    with clinic.reading() as session:
        place = site.read(session).name
    require_good(password, about=(*about, place), field=field)
    return hasher.hash(password)


def _keep_an_administrator(work: Work, leaving: User) -> None:
    if leaving.role != Role.ADMIN.value or not leaving.active:
        return
    # Locked: of two who remove each other at once, the second must see what the first did.
    rows = work.session.scalars(
        select(User).where(User.role == Role.ADMIN.value, User.active.is_(True)).order_by(User.id)
        .with_for_update().execution_options(populate_existing=True)
    )
    if not any(user.id != leaving.id and not _new(user) for user in rows):
        raise Conflict("this is the last administrator who can sign in: make somebody else one first.")
