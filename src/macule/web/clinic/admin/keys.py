"""API keys: made, shown once, revoked."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

from fastapi import APIRouter, Request
from starlette.responses import Response

from macule.errors import RecordInvalid
from macule.records import api_keys
from macule.records.policy import BY_SCOPE, Permission
from macule.web.clinic.door import Visit, allow
from macule.web.clinic.forms import Fields, form_fields
from macule.web.clinic.pages import render, see_other
from macule.web.clinic.state import clinic_of

router = APIRouter(prefix="/admin/keys", include_in_schema=False)
Manager = Annotated[Visit, allow(Permission.MANAGE_SITE)]
SCOPES = {
    "exams:write": "Send pictures: patients, lesions, exams",
    "exams:read": "Read answers, pictures and reports",
    "reviews:read": "Read whole cases with their reviews",
    "reviews:write": "Write reviews",
    "webhooks:manage": "Manage webhooks; they tell the risk only if the key also reads answers",
}
TERMS = {"30": "30 days", "90": "90 days", "365": "1 year", "730": "2 years"}


@router.get("")
def keys(request: Request, visit: Manager) -> Response:
    return _page(request, visit)


@router.post("")
def create(request: Request, visit: Manager, fields: Annotated[Fields, form_fields]) -> Response:
    # One tick box a scope, each with a name of its own, because a form's fields are a mapping here.
    scopes = [scope for scope in BY_SCOPE if fields.get(f"scope-{scope}")]
    term = fields.get("valid_for", "")
    try:
        if term not in TERMS:
            raise RecordInvalid("the key needs an end.", fields={"valid_for": "Choose how long it works."})
        with clinic_of(request).work(visit.actor) as work:
            key, secret = api_keys.create(
                work, name=fields.get("name", ""), scopes=scopes, valid_for=timedelta(days=int(term))
            )
    except RecordInvalid as fault:
        return _page(request, visit, sent=fields, wrong=fault.fields)
    return render(request, "admin/key.html", visit=visit, key=key, secret=secret)


@router.post("/{key_id}/revoke")
def revoke(request: Request, key_id: str, visit: Annotated[Visit, allow(Permission.MANAGE_SITE, of="key")]) -> Response:
    with clinic_of(request).work(visit.actor) as work:
        api_keys.revoke(work, key_id=key_id)
    return see_other("/admin/keys")


def _page(
    request: Request, visit: Visit, *, sent: Fields | None = None, wrong: dict[str, str] | None = None
) -> Response:
    clinic = clinic_of(request)
    with clinic.reading() as session:
        listed = api_keys.listed(session)
    return render(request, "admin/keys.html", visit=visit, keys=listed, scopes=SCOPES, terms=TERMS, sent=sent or {},
                  wrong=wrong or {}, now=clinic.clock(), status=422 if wrong else 200)
