"""One's own account: password, second factor, other sessions."""

from __future__ import annotations

from typing import Annotated, Any

import segno
from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from macule.errors import RecordInvalid, TooManyAttempts
from macule.records import accounts, sessions, sign_in, site, totp
from macule.records.policy import Permission
from macule.web.clinic import cookies
from macule.web.clinic.door import Visit, allow, idle_time
from macule.web.clinic.forms import Fields, form_fields
from macule.web.clinic.login import welcome
from macule.web.clinic.pages import render
from macule.web.clinic.state import clinic_of, state_of
from macule.web.faults import headers_of, status_of

router = APIRouter(include_in_schema=False)
Mine = Annotated[Visit, allow(Permission.OWN_ACCOUNT)]
ISSUER = "Macule"


@router.get("/account")
def account(
    request: Request, visit: Mine, new: Annotated[str, Query()] = "", done: Annotated[str, Query(max_length=20)] = ""
) -> Response:
    return _page(request, visit, new=bool(new), done=done)


@router.post("/account/password")
def change_password(request: Request, visit: Mine, fields: Annotated[Fields, form_fields]) -> Response:
    try:
        if fields.get("new") != fields.get("again"):
            message = "The two are not the same. Type the new password twice."
            raise RecordInvalid("the two passwords differ.", fields={"again": message})
        accounts.change_password(
            clinic_of(request), user_id=visit.actor.id, current=fields.get("current", ""), new=fields.get("new", ""),
            hasher=state_of(request).hasher,
        )
    except (RecordInvalid, TooManyAttempts) as fault:
        return _page(request, visit, fault=fault, field="current")
    return _renewed(request, visit, "new password", "/account?done=password")


@router.get("/account/second-factor")
def offer_second_factor(request: Request, visit: Mine) -> Response:
    user = _user(request, visit)
    offer = totp.offer(clinic_of(request).seals, user_id=user.id, email=user.email, issuer=_issuer(request))
    return _offered(request, visit, offer)


@router.post("/account/second-factor")
def set_second_factor(request: Request, visit: Mine, fields: Annotated[Fields, form_fields]) -> Response:
    clinic, user, sealed = clinic_of(request), _user(request, visit), fields.get("sealed", "")
    try:
        confirmed(request, user.id, fields)
        with clinic.work(visit.actor) as work:
            codes = totp.accept(work, clinic.seals, user=accounts.get(work.session, user.id), sealed=sealed,
                                code=fields.get("code", ""))
            sessions.end_all(work, user_id=user.id)
    except (RecordInvalid, TooManyAttempts) as fault:
        offer = totp.reoffer(clinic.seals, sealed=sealed, user_id=user.id, email=user.email, issuer=_issuer(request))
        return _offered(request, visit, offer, fault=fault)
    opened = sign_in.renew(clinic, user_id=user.id, replaces=cookies.read(request), because="second factor set")
    response = render(request, "door/recovery.html", visit=Visit(visit.actor, opened.csrf), codes=codes)
    cookies.put(request, response, opened.token)
    return response


@router.post("/account/second-factor/remove")
def remove_second_factor(request: Request, visit: Mine, fields: Annotated[Fields, form_fields]) -> Response:
    clinic = clinic_of(request)
    try:
        confirmed(request, visit.actor.id, fields)
    except (RecordInvalid, TooManyAttempts) as fault:
        return _page(request, visit, fault=fault, field="password")
    with clinic.work(visit.actor) as work:
        totp.remove(work, user=accounts.get(work.session, visit.actor.id))
        sessions.end_all(work, user_id=visit.actor.id)
    return _renewed(request, visit, "second factor removed", "/account?done=removed")


@router.post("/account/sessions/end")
def end_others(request: Request, visit: Mine) -> Response:
    with clinic_of(request).work(visit.actor) as work:
        ended = sessions.end_all(work, user_id=visit.actor.id)
        work.record("session.all_closed", "user", visit.actor.id, ended=ended)
    return _renewed(request, visit, "others signed out", "/account?done=sessions")


def confirmed(request: Request, user_id: str, fields: Fields) -> None:
    """Raises: RecordInvalid, TooManyAttempts unless the present password came along."""
    accounts.confirm_password(clinic_of(request), user_id=user_id, password=fields.get("password", ""),
                              hasher=state_of(request).hasher)


def _renewed(request: Request, visit: Visit, because: str, address: str) -> Response:
    opened = sign_in.renew(clinic_of(request), user_id=visit.actor.id, replaces=cookies.read(request), because=because)
    return welcome(request, opened, address)


def _user(request: Request, visit: Visit) -> Any:
    with clinic_of(request).reading() as session:
        return accounts.get(session, visit.actor.id)


def _issuer(request: Request) -> str:
    """How the entry is called in the phone: which macule it is, without what an address must not hold."""
    with clinic_of(request).reading() as session:
        name = site.read(session).name
    return f"{ISSUER} {''.join(letter for letter in name if letter.isalnum() or letter == ' ')}".strip()


def _page(
    request: Request, visit: Visit, *, new: bool = False, done: str = "",
    fault: RecordInvalid | TooManyAttempts | None = None, field: str = "",
) -> Response:
    clinic = clinic_of(request)
    with clinic.reading() as session:
        user = accounts.get(session, visit.actor.id)
        others = sessions.count(session, user_id=user.id, now=clinic.clock(), idle=idle_time(request)) - 1
    wrong = fault.fields if isinstance(fault, RecordInvalid) else {field: str(fault)} if fault else {}
    return render(
        request, "door/account.html", visit=visit, user=user, others=max(0, others), new=new, done=done, wrong=wrong,
        status=status_of(fault) if fault else 200, headers=headers_of(fault) if fault else None,
        minutes=state_of(request).settings.session_minutes,
    )


def _offered(
    request: Request, visit: Visit, offer: totp.Offer, *, fault: RecordInvalid | TooManyAttempts | None = None
) -> Response:
    wrong = fault.fields if isinstance(fault, RecordInvalid) else {"password": str(fault)} if fault else {}
    picture = segno.make(offer.uri, error="m").svg_data_uri(scale=6, border=3, dark="#000", light="#fff")
    return render(request, "door/second_factor.html", visit=visit, offer=offer, picture=picture, wrong=wrong,
                  status=status_of(fault) if fault else 200, headers=headers_of(fault) if fault else None)
