"""The outbox on its way: signed, repeated with growing pauses, given up at last.

Each delivery arrives at least once; its id tells a receiver what it has seen. A courier takes a delivery by moving its
next attempt LEASE ahead; if the process dies, another takes it after that.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import logging
import secrets
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from macule.errors import PictureDamaged
from macule.records import outbound, webhooks
from macule.records.clinic import Clinic
from macule.records.domain import SYSTEM
from macule.records.outbound import NotDelivered
from macule.records.tables import Delivery, Webhook
from macule.records.worker import Job

#: Pauses triple from FIRST up to LONGEST: 10 attempts are spread over about 16 hours.
FIRST, LONGEST, ATTEMPTS = timedelta(seconds=10), timedelta(hours=6), 10
LEASE = timedelta(seconds=3 * outbound.WHOLE_S)
#: Deliveries on their way at one time: a receiver that does not answer must not hold up the others.
AT_ONCE = 8
PRUNE_EVERY = timedelta(hours=1)
GONE = 410
SIGNATURE, DELIVERY, EVENT = "Macule-Signature", "Macule-Delivery", "Macule-Event"

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Parcel:
    """What a courier carries. secret: of its webhook. attempt: 1 is the first."""

    delivery_id: str
    event: str
    url: str
    secret: bytes
    body: bytes
    attempt: int


def spread() -> float:
    """0 to 1: how far a pause is stretched, so that many deliveries do not come back together."""
    return secrets.randbelow(1000) / 1000


def job(*, private: bool, jitter: Callable[[], float] = spread) -> Job:
    """The worker's job. Sending happens in threads of its own: waiting exams must not wait for somebody's server."""
    places = threading.Semaphore(AT_ONCE)
    pruned = datetime.min.replace(tzinfo=UTC)

    def deliver_webhooks(clinic: Clinic) -> bool:
        nonlocal pruned
        if clinic.clock() - pruned > PRUNE_EVERY:
            pruned = clinic.clock()
            with clinic.work(SYSTEM) as work:
                webhooks.prune(work)
        if places.acquire(blocking=False):
            parcels = claim(clinic, limit=1)
            if parcels:
                threading.Thread(target=carry, args=(clinic, parcels[0]), daemon=True, name="macule-courier").start()
                return True
            places.release()
        return False

    def carry(clinic: Clinic, parcel: Parcel) -> None:
        try:
            deliver(clinic, parcel, private=private, jitter=jitter)
        except Exception as error:  # a thread has no caller; the lease runs out and the delivery is tried again
            log.warning("delivery %s: %s", parcel.delivery_id, type(error).__name__)
        finally:
            places.release()

    return deliver_webhooks


def claim(clinic: Clinic, *, limit: int) -> list[Parcel]:
    """Take what is due. Raises: DatabaseAway, KeyMissing."""
    with clinic.reading() as session:
        if session.scalar(select(Delivery.id).where(Delivery.next_at <= clinic.clock()).limit(1)) is None:
            return []  # most turns: without taking the database's write lock
    with clinic.work(SYSTEM) as work:
        first = select(Delivery).where(Delivery.next_at <= work.now).order_by(Delivery.next_at).limit(limit)
        due = work.session.scalars(first.with_for_update(skip_locked=True)).all()
        for delivery in due:
            delivery.next_at, delivery.attempts = work.now + LEASE, delivery.attempts + 1
        return [parcel for delivery in due if (parcel := _parcel(clinic, work.session, delivery))]


def _parcel(clinic: Clinic, session: Session, delivery: Delivery) -> Parcel | None:
    webhook = session.get_one(Webhook, delivery.webhook_id)
    try:
        secret = webhooks.secret_of(clinic.seals, webhook)
    except PictureDamaged:  # sealed by a key that is gone; the others must not wait for this one
        delivery.next_at, delivery.last_error = None, "secret_damaged"
        return None
    body = json.dumps(delivery.payload, sort_keys=True, separators=(",", ":")).encode()
    return Parcel(delivery.id, delivery.event, webhook.url, secret, body, delivery.attempts)


def deliver(clinic: Clinic, parcel: Parcel, *, private: bool, jitter: Callable[[], float]) -> None:
    """One attempt, and what came of it. Raises: DatabaseAway."""
    status, reason = _sent(clinic, parcel, private=private)
    with clinic.work(SYSTEM) as work:
        delivery = work.get(Delivery, parcel.delivery_id)
        delivery.last_status, delivery.last_error = status, reason
        if reason is None:
            delivery.delivered_at, delivery.next_at = work.now, None
        elif work.get(Webhook, delivery.webhook_id).disabled_at is not None:
            delivery.next_at = None
        elif parcel.attempt >= ATTEMPTS or status == GONE:
            delivery.next_at = None
            work.record("webhook.given_up", "webhook", delivery.webhook_id, delivery=delivery.id, reason=reason)
            log.warning("delivery %s given up after %d attempts: %s", delivery.id, parcel.attempt, reason)
        else:
            delivery.next_at = work.now + pause(parcel.attempt, jitter())


def _sent(clinic: Clinic, parcel: Parcel, *, private: bool) -> tuple[int | None, str | None]:
    """The answer's status, and why it does not count as received."""
    try:
        status = outbound.post(parcel.url, body=parcel.body, headers=_headers(clinic, parcel), private=private)
    except NotDelivered as failure:
        return None, failure.reason
    if 200 <= status < 300:
        return status, None
    return status, "redirected" if 300 <= status < 400 else "refused"


def pause(attempt: int, stretch: float) -> timedelta:
    """How long to wait after this attempt failed. stretch: 0 to 1, makes it up to half as long again."""
    return min(FIRST * 3.0 ** (attempt - 1), LONGEST) * (1 + stretch / 2)


def _headers(clinic: Clinic, parcel: Parcel) -> dict[str, str]:
    return {
        "Content-Type": "application/json", "User-Agent": "macule", DELIVERY: parcel.delivery_id, EVENT: parcel.event,
        SIGNATURE: signature(parcel.secret, parcel.body, at=clinic.clock()),
    }


def signature(secret: bytes, body: bytes, *, at: datetime) -> str:
    """`t=<seconds since 1970>,v1=<HMAC-SHA256 of "t.body", hexadecimal>`. Receivers refuse a `t` over 5 minutes old."""
    stamp = str(int(at.timestamp()))
    digest = hmac.new(secret, stamp.encode() + b"." + body, hashlib.sha256).hexdigest()
    return f"t={stamp},v1={digest}"
