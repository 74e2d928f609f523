"""Webhooks: added, their secret shown once, disabled; and what became of the last deliveries."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated

from fastapi import APIRouter, Request
from starlette.responses import Response

from macule.errors import NoSuchRecord, RecordInvalid
from macule.records import couriers, webhooks
from macule.records.policy import Permission
from macule.records.tables import Delivery
from macule.records.webhooks import Event
from macule.web.clinic.door import Visit, allow
from macule.web.clinic.forms import Fields, form_fields
from macule.web.clinic.pages import render, see_other
from macule.web.clinic.state import clinic_of, state_of

router = APIRouter(prefix="/admin/webhooks", include_in_schema=False)
Manager = Annotated[Visit, allow(Permission.MANAGE_SITE)]
ManagerOf = Annotated[Visit, allow(Permission.MANAGE_SITE, of="webhook")]
EVENTS = {
    Event.EXAM_ANSWERED: "The machine has answered",
    Event.EXAM_REFUSED: "The picture was too poor to judge",
    Event.EXAM_FAILED: "The picture could not be analysed",
    Event.REVIEW_DECIDED: "A reader has decided",
    Event.BIOPSY_RECORDED: "The laboratory's result was entered",
}
REASONS = {
    "refused": "The receiver said no", "redirected": "The receiver redirects, which is not followed",
    "timeout": "No answer in time", "no_connection": "No connection", "no_such_host": "The host's name is not known",
    "certificate": "The certificate is not valid", "no_http": "What answered is no web server",
    "private_address": "The host lies in a local network", "disabled": "The webhook was disabled",
    "secret_damaged": "Its secret cannot be read",  # words, not a secret  # nosec B105
}
SHOWN = 50
_ID = re.compile(r"[0-9a-f]{32}")


@router.get("")
def page(request: Request, visit: Manager) -> Response:
    return _page(request, visit)


@router.post("")
def add(request: Request, visit: Manager, fields: Annotated[Fields, form_fields]) -> Response:
    clinic = clinic_of(request)
    events = [event.value for event in Event if fields.get(f"event-{event.value}")]
    try:
        with clinic.work(visit.actor) as work:
            added = webhooks.subscribe(work, seals=clinic.seals, url=fields.get("url", ""), events=events,
                                       private=state_of(request).settings.webhook_private)
    except RecordInvalid as fault:
        return _page(request, visit, sent=fields, wrong=fault.fields)
    return render(request, "admin/webhook.html", visit=visit, webhook=added.webhook, secret=added.secret)


@router.post("/{webhook_id}/disable")
def disable(request: Request, webhook_id: str, visit: ManagerOf) -> Response:
    with clinic_of(request).work(visit.actor) as work:
        webhooks.disable(work, webhook_id=webhook_id)
    return see_other("/admin/webhooks")


@router.post("/{webhook_id}/deliveries/{delivery}/redeliver")
def redeliver(request: Request, webhook_id: str, delivery: str, visit: ManagerOf) -> Response:
    if not _ID.fullmatch(delivery):
        raise NoSuchRecord("there is no such delivery: load the page again.")
    with clinic_of(request).work(visit.actor) as work:
        webhooks.redeliver(work, delivery_id=delivery, webhook_id=webhook_id)
    state_of(request).worker.wake()
    return see_other("/admin/webhooks#deliveries")


def _page(request: Request, visit: Visit, *, sent: Mapping[str, str] | None = None,
          wrong: Mapping[str, str] | None = None) -> Response:
    with clinic_of(request).reading() as session:
        hooks, deliveries = webhooks.listed(session), webhooks.latest(session, limit=SHOWN)
    return render(
        request, "admin/webhooks.html", visit=visit, hooks=hooks, deliveries=deliveries, events=EVENTS,
        reasons=REASONS, urls={hook.id: hook.url for hook in hooks}, standing=standing, attempts=couriers.ATTEMPTS,
        live={hook.id for hook in hooks if hook.disabled_at is None}, sent=sent or {}, wrong=wrong or {},
        status=422 if wrong else 200,
    )


def standing(delivery: Delivery) -> tuple[str, str]:
    """What became of it, in a word, and the badge's tone."""
    if delivery.delivered_at is not None:
        return "Delivered", "low"
    if delivery.next_at is None:
        return ("Dropped", "plain") if delivery.last_error == "disabled" else ("Given up", "high")
    return ("Waiting", "notice") if delivery.last_error is None else ("Trying again", "medium")
