"""Webhooks: who is told what happens here."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from fastapi import Query, Request
from pydantic import Field
from starlette.responses import Response

from macule.records import webhooks
from macule.records.policy import Permission
from macule.records.tables import Delivery, Webhook
from macule.records.webhooks import Event
from macule.web.clinic.api.route import make_router
from macule.web.clinic.api.shapes import Ask, Id, Limit, Reply, failures
from macule.web.clinic.door import Visit, allow
from macule.web.clinic.state import clinic_of, state_of

router = make_router("webhooks")
Manager = Annotated[Visit, allow(Permission.MANAGE_SITE)]
ManagerOf = Annotated[Visit, allow(Permission.MANAGE_SITE, of="webhook")]


class WebhookAsk(Ask):
    url: str = Field(max_length=2000, description="https, and not of a local network.",
                     examples=["https://hospital.example/macule"])
    events: list[Event] = Field(min_length=1, max_length=len(Event))


class WebhookReply(Reply):
    id: Id
    url: str
    events: list[Event]
    created_at: datetime
    disabled_at: datetime | None

    @classmethod
    def fields_of(cls, row: Webhook) -> dict[str, Any]:
        return {"id": row.id, "url": row.url, "events": [Event(event) for event in row.events],
                "created_at": row.created_at, "disabled_at": row.disabled_at}


class NewWebhook(WebhookReply):
    secret: str = Field(description="Signs every delivery. Shown this once.")


class WebhookList(Reply):
    webhooks: list[WebhookReply]


class DeliveryReply(Reply):
    id: Id
    event: Event
    created_at: datetime
    attempts: int
    next_at: datetime | None = Field(description="Of the next attempt; None once delivered or given up.")
    delivered_at: datetime | None
    last_status: int | None
    last_error: str | None

    @classmethod
    def of(cls, row: Delivery) -> DeliveryReply:
        return cls(id=row.id, event=Event(row.event), created_at=row.created_at, attempts=row.attempts,
                   next_at=row.next_at, delivered_at=row.delivered_at, last_status=row.last_status,
                   last_error=row.last_error)


class DeliveryList(Reply):
    deliveries: list[DeliveryReply]


@router.post("/webhooks", status_code=201, response_model=NewWebhook, responses=failures(400, 409, 413))
def add_webhook(request: Request, response: Response, body: WebhookAsk, visit: Manager) -> Any:
    """The reply holds the secret, which cannot be read again."""
    clinic, private = clinic_of(request), state_of(request).settings.webhook_private
    with clinic.work(visit.actor) as work:
        added = webhooks.subscribe(work, seals=clinic.seals, url=body.url, events=body.events, private=private)
    response.headers["Location"] = f"/api/v1/webhooks/{added.webhook.id}"
    return NewWebhook(secret=added.secret, **WebhookReply.fields_of(added.webhook))


@router.get("/webhooks", response_model=WebhookList, responses=failures())
def list_webhooks(request: Request, visit: Manager) -> Any:  # noqa: ARG001
    with clinic_of(request).reading() as session:
        rows = webhooks.listed(session)
    return WebhookList(webhooks=[WebhookReply(**WebhookReply.fields_of(row)) for row in rows])


@router.get("/webhooks/{webhook_id}", response_model=WebhookReply, responses=failures(404))
def read_webhook(request: Request, webhook_id: str, visit: ManagerOf) -> Any:  # noqa: ARG001
    with clinic_of(request).reading() as session:
        return WebhookReply(**WebhookReply.fields_of(webhooks.one(session, webhook_id)))


@router.delete("/webhooks/{webhook_id}", response_model=WebhookReply, responses=failures(404))
def disable_webhook(request: Request, webhook_id: str, visit: ManagerOf) -> Any:
    """Nothing more is sent there. The webhook stays in the list as disabled."""
    with clinic_of(request).work(visit.actor) as work:
        webhook = webhooks.disable(work, webhook_id=webhook_id)
    return WebhookReply(**WebhookReply.fields_of(webhook))


@router.get("/webhooks/{webhook_id}/deliveries", response_model=DeliveryList, responses=failures(404))
def list_deliveries(request: Request, webhook_id: str, visit: ManagerOf,  # noqa: ARG001
                    limit: Annotated[Limit, Query()] = 50) -> Any:
    """The newest first; what is over is forgotten after 30 days."""
    with clinic_of(request).reading() as session:
        webhook = webhooks.one(session, webhook_id)
        rows = webhooks.latest(session, webhook_id=webhook.id, limit=limit)
    return DeliveryList(deliveries=[DeliveryReply.of(row) for row in rows])


@router.post("/webhooks/{webhook_id}/deliveries/{delivery_id}/redeliver", status_code=202,
             response_model=DeliveryReply, responses=failures(404, 409))
def redeliver(request: Request, webhook_id: str, delivery_id: Id, visit: ManagerOf) -> Any:
    """Send it once more, from the first attempt on."""
    with clinic_of(request).work(visit.actor) as work:
        delivery = webhooks.redeliver(work, delivery_id=delivery_id, webhook_id=webhook_id)
    return DeliveryReply.of(delivery)
