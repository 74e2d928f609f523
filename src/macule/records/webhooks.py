"""Who outside is told what happens here: addresses, the events each wants, and the outbox that events are put in.

An event is written to the outbox in the transaction that makes it happen, so neither exists without the other.
`couriers` takes it from there.
"""

from __future__ import annotations

import secrets
from collections.abc import Collection
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Any

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from macule.errors import Conflict, NoSuchRecord, RecordInvalid
from macule.records.outbound import checked_url
from macule.records.policy import BY_SCOPE, Permission
from macule.records.ports import Seals
from macule.records.tables import ApiKey, Delivery, Exam, Webhook
from macule.records.work import Work

#: How many addresses may be told; each costs a row an event.
MOST = 50
#: How long a delivery that is over stays in the list.
KEPT = timedelta(days=30)


class Event(StrEnum):
    EXAM_ANSWERED = "exam.answered"
    EXAM_REFUSED = "exam.refused"
    EXAM_FAILED = "exam.failed"
    REVIEW_DECIDED = "review.decided"
    BIOPSY_RECORDED = "biopsy.recorded"


@dataclass(frozen=True)
class Subscribed:
    """secret: shown this once; only its sealed form is kept."""

    webhook: Webhook
    secret: str


def subscribe(work: Work, *, seals: Seals, url: str, events: Collection[str], private: bool) -> Subscribed:
    """Tell an address of these events from now on.

    private: whether plain http and addresses of the local network are allowed (ClinicSettings.webhook_private).
    Raises: RecordInvalid, Conflict if there are too many already, KeyMissing.
    """
    checked, wanted = checked_url(url, private=private), _events(events)
    if len(in_force(work.session)) >= MOST:
        raise Conflict(f"there are {MOST} webhooks already: disable one first.")
    secret = f"mwh_{secrets.token_urlsafe(32)}"
    webhook = Webhook(id=work.new_id(), url=checked, secret=b"", events=wanted, created_at=work.now,
                      created_by=work.actor.id)
    webhook.secret = seals.seal(secret.encode(), context=_context(webhook.id))
    work.session.add(webhook)
    work.record("webhook.added", "webhook", webhook.id, events=wanted)
    return Subscribed(webhook, secret)


def _events(events: Collection[str]) -> list[str]:
    known = [event.value for event in Event]
    unknown = sorted(set(events) - set(known))
    if unknown or not events:
        message = f"event {unknown[0]!r} is not known" if unknown else "no event was chosen"
        raise RecordInvalid(f"{message}: choose from {', '.join(known)}.", fields={"events": f"{message}."})
    return [event for event in known if event in events]


def _context(webhook_id: str) -> bytes:
    return f"webhook:{webhook_id}".encode()


def secret_of(seals: Seals, webhook: Webhook) -> bytes:
    """What deliveries are signed with. Raises: KeyMissing, PictureDamaged."""
    return seals.unseal(webhook.secret, context=_context(webhook.id))


def disable(work: Work, *, webhook_id: str) -> Webhook:
    """Tell this address nothing more; what is on its way is dropped. Raises: NoSuchRecord."""
    webhook = work.get(Webhook, webhook_id)
    if webhook.disabled_at is None:
        webhook.disabled_at = work.now
        for delivery in _pending(work.session, webhook_id):
            delivery.next_at, delivery.last_error = None, "disabled"
        work.record("webhook.disabled", "webhook", webhook.id)
    return webhook


def _pending(session: Session, webhook_id: str) -> list[Delivery]:
    wanted = (Delivery.webhook_id == webhook_id, Delivery.next_at.is_not(None))
    return list(session.scalars(select(Delivery).where(*wanted)))


def in_force(session: Session) -> list[Webhook]:
    return list(session.scalars(select(Webhook).where(Webhook.disabled_at.is_(None)).order_by(Webhook.id)))


def announce(work: Work, *, event: Event, exam: Exam) -> None:
    """Put an event into the outbox, for every address that wants it. Call it where the event happens."""
    for webhook in in_force(work.session):
        if event.value in webhook.events:
            key, answers = work.new_id(), _reads_answers(work, webhook)
            work.session.add(Delivery(
                id=key, webhook_id=webhook.id, event=event.value, created_at=work.now, next_at=work.now, attempts=0,
                payload=_payload(work, key, event, exam, answers=answers),
            ))


def _reads_answers(work: Work, webhook: Webhook) -> bool:
    """Whether who subscribed is a key that may read answers, now. An administrator may not, so theirs tell none."""
    key = work.session.get(ApiKey, webhook.created_by)
    if key is None or key.revoked_at is not None or (key.expires_at is not None and key.expires_at <= work.now):
        return False
    return any(Permission.READ_ANSWER in BY_SCOPE.get(scope, ()) for scope in key.scopes)


def _payload(work: Work, key: str, event: Event, exam: Exam, *, answers: bool) -> dict[str, Any]:
    """Ids and states; the risk for who may read it. Never a picture, a pseudonym or what anybody wrote."""
    told: dict[str, Any] = {"id": exam.id, "patient_id": exam.patient_id, "lesion_id": exam.lesion_id,
                            "state": exam.state, "review_state": exam.review_state}
    if answers:
        told["risk"] = exam.risk
    return {"id": key, "event": event.value, "created_at": work.now.isoformat(timespec="seconds"), "exam": told}


def redeliver(work: Work, *, delivery_id: str, webhook_id: str | None = None) -> Delivery:
    """Send it once more, from the first attempt on.

    webhook_id: whose it must be, if the caller says so.
    Raises: NoSuchRecord, Conflict if the webhook is disabled.
    """
    delivery = work.get(Delivery, delivery_id)
    if webhook_id not in (None, delivery.webhook_id):
        raise NoSuchRecord(f"webhook {webhook_id!r} has no delivery {delivery_id!r}: check the address.")
    if work.get(Webhook, delivery.webhook_id).disabled_at is not None:
        raise Conflict("the webhook is disabled: add it again.")
    delivery.next_at, delivery.attempts, delivery.delivered_at = work.now, 0, None
    delivery.last_status = delivery.last_error = None
    work.record("webhook.redelivered", "webhook", delivery.webhook_id, delivery=delivery.id)
    return delivery


def listed(session: Session) -> list[Webhook]:
    """All of them, the disabled ones last."""
    return list(session.scalars(select(Webhook).order_by(Webhook.disabled_at.is_not(None), Webhook.id.desc())))


def one(session: Session, webhook_id: str) -> Webhook:
    """Raises: NoSuchRecord."""
    webhook = session.get(Webhook, webhook_id)
    if webhook is None:
        raise NoSuchRecord(f"there is no webhook {webhook_id!r}: check the address.")
    return webhook


def latest(session: Session, *, webhook_id: str | None = None, limit: int = 50) -> list[Delivery]:
    """Deliveries, the newest first."""
    query = select(Delivery).order_by(Delivery.id.desc()).limit(limit)
    return list(session.scalars(query if webhook_id is None else query.where(Delivery.webhook_id == webhook_id)))


def prune(work: Work) -> int:
    """Forget what was over KEPT ago. Returns: how many rows."""
    over = (Delivery.next_at.is_(None), Delivery.created_at < work.now - KEPT)
    return int(work.session.execute(delete(Delivery).where(*over)).rowcount)  # type: ignore[attr-defined]
