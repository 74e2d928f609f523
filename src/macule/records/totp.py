"""The second factor: six digits that change every 30 seconds (RFC 6238), and codes for the day a phone is lost."""

from __future__ import annotations

import base64
import hmac
import secrets
from dataclasses import dataclass
from datetime import datetime

from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.hazmat.primitives.twofactor.totp import TOTP
from sqlalchemy import or_, update

from macule.errors import PictureDamaged, RecordInvalid
from macule.records.clinic import Clinic
from macule.records.ports import Seals
from macule.records.tables import User
from macule.records.tickets import digest
from macule.records.work import Work

STEP_S, DIGITS = 30, 6
#: A phone's clock may be a step early or late (RFC 6238, 5.2).
SLACK = (0, -1, 1)
#: 160 bits, as RFC 4226 recommends for HMAC-SHA-1; authenticator apps know no other hash reliably.
SECRET_BYTES = 20
RECOVERY_CODES = 10


@dataclass(frozen=True)
class Offer:
    """A secret on its way into somebody's phone. sealed: for the form that comes back, unreadable and for them only."""

    uri: str
    typed: str
    sealed: str


def offer(seals: Seals, *, user_id: str, email: str, issuer: str) -> Offer:
    """A new secret, not yet anybody's. Raises: KeyMissing."""
    secret = secrets.token_bytes(SECRET_BYTES)
    sealed = base64.urlsafe_b64encode(seals.seal(secret, context=_offered(user_id))).decode()
    typed = base64.b32encode(secret).decode()
    return Offer(_code(secret).get_provisioning_uri(email, issuer), typed, sealed)


def reoffer(seals: Seals, *, sealed: str, user_id: str, email: str, issuer: str) -> Offer:
    """The same again, after a mistyped code. Raises: RecordInvalid, KeyMissing."""
    secret = _opened(seals, sealed, user_id)
    return Offer(_code(secret).get_provisioning_uri(email, issuer), base64.b32encode(secret).decode(), sealed)


def accept(work: Work, seals: Seals, *, user: User, sealed: str, code: str) -> list[str]:
    """Make the offered secret this person's, once a code proves that the phone has it.

    Returns: recovery codes, which cannot be read again. Raises: RecordInvalid, KeyMissing.
    """
    secret = _opened(seals, sealed, user.id)
    step = matching(secret, code=code, now=work.now)
    if step is None:
        message = "This code is not right. Check that the phone's clock is, and type the newest code."
        raise RecordInvalid("the code does not fit the offered secret: type the newest.", fields={"code": message})
    codes = [_recovery_code() for _ in range(RECOVERY_CODES)]
    user.totp_secret = seals.seal(secret, context=_kept(user.id))
    user.totp_last_step, user.recovery_codes = step, [digest(_plain(code)) for code in codes]
    work.record("user.second_factor_set", "user", user.id)
    return codes


def remove(work: Work, *, user: User) -> None:
    user.totp_secret = user.totp_last_step = user.recovery_codes = None
    work.record("user.second_factor_removed", "user", user.id)


def check(clinic: Clinic, work: Work, *, user: User, code: str) -> bool:
    """Whether the code is right and new: one that was taken is not taken again, nor an older. Raises: KeyMissing."""
    if user.totp_secret is None:
        return False
    if len(_plain(code)) > DIGITS + 2:
        return _spend(work, user, code)
    step = matching(clinic.seals.unseal(user.totp_secret, context=_kept(user.id)), code=code, now=work.now)
    if step is None:
        return False
    newer = or_(User.totp_last_step.is_(None), User.totp_last_step < step)
    taken = work.session.execute(update(User).where(User.id == user.id, newer).values(totp_last_step=step))
    return bool(taken.rowcount)  # type: ignore[attr-defined] # of a cursor result, which an UPDATE gives


def matching(secret: bytes, *, code: str, now: datetime) -> int | None:
    """The time step whose code this is, among now and its neighbours."""
    at, found = int(now.timestamp()) // STEP_S, None
    for slack in SLACK:  # every one is compared, so that the time it takes tells nothing
        expected = _code(secret).generate((at + slack) * STEP_S)
        if hmac.compare_digest(expected, _plain(code).encode()):
            found = at + slack
    return found


def _spend(work: Work, user: User, code: str) -> bool:
    spent, left = digest(_plain(code)), user.recovery_codes or []
    if spent not in left:
        return False
    # Through the row's version: of two who spend one code at once, the second is refused.
    user.recovery_codes = [kept for kept in left if kept != spent]
    work.record("user.recovery_code_used", "user", user.id, left=len(user.recovery_codes))
    return True


def _opened(seals: Seals, sealed: str, user_id: str) -> bytes:
    try:
        return seals.unseal(base64.urlsafe_b64decode(sealed), context=_offered(user_id))
    except (ValueError, PictureDamaged):
        message = "This page is too old. Load it again and scan the new picture."
        raise RecordInvalid("the offered secret cannot be opened: start again.", fields={"code": message}) from None


def _code(secret: bytes) -> TOTP:
    # HMAC-SHA-1 is what RFC 6238 and the phones speak.
    return TOTP(secret, DIGITS, SHA1(), STEP_S)  # noqa: S303  # nosec B303


def _recovery_code() -> str:
    """80 random bits: too many to guess, even for who has stolen their hashes."""
    letters = base64.b32encode(secrets.token_bytes(10)).decode().lower()
    return "-".join(letters[at:at + 4] for at in range(0, 16, 4))


def _plain(code: str) -> str:
    return "".join(code.split()).replace("-", "").lower()


def _offered(user_id: str) -> bytes:
    return f"totp-offer:{user_id}".encode()


def _kept(user_id: str) -> bytes:
    return f"totp:{user_id}".encode()
