"""What links with a secret open: the first account, an invitation, a new password, a patient's own records."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from macule.errors import NoSuchRecord, RecordInvalid
from macule.records import accounts, sessions, sign_in, tickets
from macule.records.domain import Actor, ActorKind, Role
from macule.records.tables import Ticket
from macule.records.tickets import Purpose
from macule.web.clinic import cookies
from macule.web.clinic.forms import Fields, form_fields
from macule.web.clinic.login import welcome
from macule.web.clinic.pages import render
from macule.web.clinic.proof import Step, threshold
from macule.web.clinic.state import clinic_of, state_of

router = APIRouter(include_in_schema=False)


@router.get("/setup/{secret}")
def setup_page(request: Request, secret: str, step: Annotated[Step, threshold]) -> Response:
    return _page(request, step, Purpose.SETUP, secret)


@router.post("/setup/{secret}")
def setup(
    request: Request, secret: str, step: Annotated[Step, threshold], fields: Annotated[Fields, form_fields]
) -> Response:
    try:
        _same_twice(fields)
        actor = accounts.set_up(
            clinic_of(request), secret=secret, email=fields.get("email", ""), name=fields.get("name", ""),
            password=fields.get("password", ""), hasher=state_of(request).hasher,
        )
    except (RecordInvalid, NoSuchRecord) as fault:
        return _page(request, step, Purpose.SETUP, secret, fault=fault, fields=fields)
    return _first_visit(request, actor, "set-up", "/account?new=yes")


@router.get("/invite/{secret}")
def invite_page(request: Request, secret: str, step: Annotated[Step, threshold]) -> Response:
    return _page(request, step, Purpose.INVITE, secret)


@router.post("/invite/{secret}")
def invite(
    request: Request, secret: str, step: Annotated[Step, threshold], fields: Annotated[Fields, form_fields]
) -> Response:
    return _choose(request, step, Purpose.INVITE, secret, fields)


@router.get("/reset/{secret}")
def reset_page(request: Request, secret: str, step: Annotated[Step, threshold]) -> Response:
    return _page(request, step, Purpose.RESET, secret)


@router.post("/reset/{secret}")
def reset(
    request: Request, secret: str, step: Annotated[Step, threshold], fields: Annotated[Fields, form_fields]
) -> Response:
    return _choose(request, step, Purpose.RESET, secret, fields)


@router.get("/p/{secret}")
def patient_page(request: Request, secret: str, step: Annotated[Step, threshold]) -> Response:
    """Says whose clinic it is and no more: programs that look into mail open links too."""
    return _page(request, step, Purpose.PATIENT, secret)


@router.post("/p/{secret}")
def patient(request: Request, secret: str, step: Annotated[Step, threshold]) -> Response:
    clinic = clinic_of(request)
    try:
        with clinic.reading() as session:
            ticket = tickets.look(session, secret=secret, purpose=Purpose.PATIENT, now=clinic.clock())
        actor = Actor(ActorKind.LINK, ticket.id[:32], "Patient's link", Role.PATIENT, patient_id=ticket.patient_id)
        with clinic.work(actor) as work:
            tickets.use(work, secret=secret, purpose=Purpose.PATIENT)
            opened = sessions.begin(work, ticket_id=ticket.id, replaces=cookies.read(request))
            work.record("session.opened", "ticket", ticket.id, patient_id=ticket.patient_id, how="link")
    except NoSuchRecord as fault:
        return _page(request, step, Purpose.PATIENT, secret, fault=fault)
    return welcome(request, opened, "/my")


def _choose(request: Request, step: Step, purpose: Purpose, secret: str, fields: Fields) -> Response:
    try:
        _same_twice(fields)
        actor = accounts.choose_password(
            clinic_of(request), secret=secret, purpose=purpose, password=fields.get("password", ""),
            hasher=state_of(request).hasher,
        )
    except (RecordInvalid, NoSuchRecord) as fault:
        return _page(request, step, purpose, secret, fault=fault, fields=fields)
    if purpose is Purpose.RESET:
        # Not signed in by it: whoever has the link still lacks the second factor.
        response = render(request, "door/renewed.html")
        cookies.drop(request, response)
        return response
    return _first_visit(request, actor, "invitation", "/account?new=yes")


def _first_visit(request: Request, actor: Actor, because: str, address: str) -> Response:
    opened = sign_in.renew(clinic_of(request), user_id=actor.id, replaces=cookies.read(request), because=because)
    return welcome(request, opened, address)


def _same_twice(fields: Fields) -> None:
    if fields.get("password") != fields.get("again"):
        message = "The two are not the same. Type the password twice."
        raise RecordInvalid("the two passwords differ: type the same twice.", fields={"again": message})


def _page(
    request: Request, step: Step, purpose: Purpose, secret: str, *, fault: Exception | None = None,
    fields: Mapping[str, str] | None = None,
) -> Response:
    try:
        context = _who(request, purpose, secret)
    except NoSuchRecord:
        return render(request, "door/dead_link.html", status=404, purpose=purpose.value)
    wrong = fault.fields if isinstance(fault, RecordInvalid) else {}
    template = "door/patient.html" if purpose is Purpose.PATIENT else "door/choose.html"
    return step.keep(request, render(
        request, template, status=200 if fault is None else 422, step=step, purpose=purpose.value, wrong=wrong,
        sent=fields or {}, **context,
    ))


def _who(request: Request, purpose: Purpose, secret: str) -> dict[str, Any]:
    clinic = clinic_of(request)
    with clinic.reading() as session:
        ticket: Ticket = tickets.look(session, secret=secret, purpose=purpose, now=clinic.clock())
        user = accounts.get(session, ticket.user_id) if ticket.user_id else None
        return {"user": user, "expires": ticket.expires_at}
