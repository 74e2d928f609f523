"""Signing in: password, then second factor. What fails says the same, takes the same time, and is counted."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import update

from macule.errors import NotSignedIn
from macule.records import accounts, limits, sessions, totp
from macule.records.clinic import Clinic
from macule.records.domain import SYSTEM
from macule.records.limits import Backoff
from macule.records.passwords import Hasher
from macule.records.sessions import Opened, Signed
from macule.records.tables import User
from macule.records.work import Work

WRONG = "The e-mail address or the password is not right."
WRONG_CODE = "This code is not right, or it was used already. Wait for the next one."
#: Failures of one account from one address: each further try waits longer.
PAIR = Backoff()
#: Failures of one account from everywhere (OWASP ASVS 2.2.1 asks for at most 100 an hour), and from one address. The
#: second stops nobody who signed in from there within a day: behind one address there may be a whole hospital.
PER_ACCOUNT, PER_ADDRESS = 50, 100
HOUR = timedelta(hours=1)


def by_password(
    clinic: Clinic, *, email: str, password: str, address: str, hasher: Hasher, replaces: str | None = None
) -> tuple[Opened, bool]:
    """Sign somebody in.

    address: the client's. replaces: token that the browser came with.
    Returns: the session, and whether its second factor is due. Raises: NotSignedIn, TooManyAttempts, DatabaseAway.
    """
    email = email.strip().casefold()
    account, place = f"login-account:{email}", f"login-address:{address}"
    limits.check(clinic, bucket=account, limit=PER_ACCOUNT, per=HOUR)
    if not limits.remembered(clinic, bucket=f"login-known:{email} {address}"):
        limits.check(clinic, bucket=place, limit=PER_ADDRESS, per=HOUR)
    limits.attempt(clinic, bucket=f"login:{email} {address}", backoff=PAIR)
    with clinic.reading() as session:
        user = accounts.by_email(session, email)
    right = hasher.verify(user.password_hash if user else None, password)
    if user is None or not right or not user.active:
        _failed(clinic, user, address, (account, place))
        raise NotSignedIn(WRONG)
    limits.forgive(clinic, bucket=f"login:{email} {address}")
    limits.remember(clinic, bucket=f"login-known:{email} {address}")
    limits.prune(clinic)
    if user.password_hash is not None and hasher.outdated(user.password_hash):
        _rehash(clinic, user, hasher.hash(password))
    return first_step(clinic, user, how="password", replaces=replaces)


def first_step(clinic: Clinic, user: User, *, how: str, replaces: str | None) -> tuple[Opened, bool]:
    """Open a session for somebody who has shown who they are; it is half way (True) where a code is still to come."""
    half = user.totp_secret is not None
    with clinic.work(sessions.actor_of(user)) as work:
        opened = sessions.begin(work, user_id=user.id, half=half, replaces=replaces)
        if not half:
            came_in(work, user, how)
    return opened, half


def by_code(clinic: Clinic, *, half: Signed, token: str, code: str) -> Opened:
    """The second step. half: the session of the first, which ends. token: its cookie's.

    Raises: NotSignedIn for a wrong code, TooManyAttempts, KeyMissing.
    """
    bucket = f"code:{half.actor.id}"
    limits.attempt(clinic, bucket=bucket, backoff=PAIR)
    with clinic.work(half.actor) as work:
        user = work.get(User, half.actor.id)
        if totp.check(clinic, work, user=user, code=code):
            opened = sessions.begin(work, user_id=user.id, replaces=token)
            came_in(work, user, "password and code")
        else:
            opened = None
            work.record("login.failed", "user", user.id, step="code")
    if opened is None:
        raise NotSignedIn(WRONG_CODE)
    limits.forgive(clinic, bucket=bucket)
    return opened


def half_way(clinic: Clinic, *, token: str | None, idle: timedelta) -> Signed | None:
    """Who gave the right password with this token and still owes the code."""
    if not token:
        return None
    with clinic.reading() as session:
        found = sessions.find(session, token=token, now=clinic.clock(), idle=idle)
    return found if found is not None and found.half else None


def renew(clinic: Clinic, *, user_id: str, replaces: str | None, because: str) -> Opened:
    """A session with a new token for who just proved to be this person: a new password, a first link."""
    with clinic.reading() as session:
        user = accounts.get(session, user_id)
    with clinic.work(sessions.actor_of(user)) as work:
        opened = sessions.begin(work, user_id=user_id, replaces=replaces)
        came_in(work, user, because)
    return opened


def came_in(work: Work, user: User, how: str) -> None:
    # Past the row's version: signing in must not make an administrator's open form a conflict.
    work.session.execute(update(User).where(User.id == user.id).values(last_login_at=work.now))
    work.record("session.opened", "user", user.id, how=how)


def _failed(clinic: Clinic, user: User | None, address: str, buckets: tuple[str, str]) -> None:
    with clinic.work(SYSTEM) as work:
        work.record("login.failed", "user", user.id if user else "unknown", step="password", address=address)
    for bucket, limit in zip(buckets, (PER_ACCOUNT, PER_ADDRESS), strict=True):
        limits.hit(clinic, bucket=bucket, limit=limit, per=HOUR)


def _rehash(clinic: Clinic, user: User, kept: str) -> None:
    same = User.id == user.id, User.password_hash == user.password_hash
    with clinic.database.writing() as session:
        session.execute(update(User).where(*same).values(password_hash=kept))
