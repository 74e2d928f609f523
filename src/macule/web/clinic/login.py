"""Signing in and out."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import quote

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from macule.errors import NotSignedIn, TooManyAttempts
from macule.records import sessions, sign_in
from macule.records.sessions import Opened
from macule.records.words import sentence
from macule.web.clinic import cookies
from macule.web.clinic.door import Visit, address_of, allow, idle_time, signed
from macule.web.clinic.forms import Fields, form_fields
from macule.web.clinic.local import local
from macule.web.clinic.pages import render, see_other
from macule.web.clinic.proof import Step, threshold
from macule.web.clinic.state import clinic_of, state_of
from macule.web.faults import headers_of, status_of

router = APIRouter(include_in_schema=False)
Next = Annotated[str, Query(alias="next", max_length=2000)]


@router.get("/login")
def login_page(
    request: Request, step: Annotated[Step, threshold], after: Next = "/", out: Annotated[str, Query()] = ""
) -> Response:
    found = signed(request)
    if found is not None:
        return see_other(code_address(after) if found.half else local(after))
    return login_form(request, step, after=after, out=bool(out))


def login_form(
    request: Request, step: Step, *, after: str = "/", email: str = "", message: str = "", status: int = 200,
    headers: dict[str, str] | None = None, out: bool = False,
) -> Response:
    return step.keep(request, render(
        request, "door/login.html", status=status, headers=headers, step=step, after=local(after), email=email,
        message=message, out=out, provider=state_of(request).provider is not None,
    ))


@router.post("/login")
def login(
    request: Request, step: Annotated[Step, threshold], fields: Annotated[Fields, form_fields]
) -> Response:
    after, email = local(fields.get("next")), fields.get("email", "")
    try:
        opened, half = sign_in.by_password(
            clinic_of(request), email=email, password=fields.get("password", ""), address=address_of(request),
            hasher=state_of(request).hasher, replaces=cookies.read(request),
        )
    except (NotSignedIn, TooManyAttempts) as fault:
        return login_form(request, step, after=after, email=email, message=sentence(fault), status=status_of(fault),
                          headers=headers_of(fault))
    return welcome(request, opened, code_address(after) if half else after)


@router.get("/login/code")
def code_page(request: Request, step: Annotated[Step, threshold], after: Next = "/") -> Response:
    if _half(request) is None:
        return see_other("/login")
    return _code_form(request, step, after=after)


@router.post("/login/code")
def code(request: Request, step: Annotated[Step, threshold], fields: Annotated[Fields, form_fields]) -> Response:
    half, token = _half(request), cookies.read(request)
    if half is None or token is None:
        return see_other("/login")
    after = local(fields.get("next"))
    try:
        opened = sign_in.by_code(clinic_of(request), half=half, token=token, code=fields.get("code", ""))
    except (NotSignedIn, TooManyAttempts) as fault:
        return _code_form(request, step, after=after, message=sentence(fault), status=status_of(fault),
                          headers=headers_of(fault))
    return welcome(request, opened, after)


@router.post("/logout")
def logout(request: Request, visit: Annotated[Visit, allow(None)]) -> Response:
    with clinic_of(request).work(visit.actor) as work:
        sessions.end(work, session_id=visit.session_id or "")
    response = see_other("/login?out=yes")
    cookies.drop(request, response)
    # Nobody who sits down here next finds a page in the browser's memory.
    response.headers["Clear-Site-Data"] = '"cache", "storage"'
    return response


def welcome(request: Request, opened: Opened, address: str) -> Response:
    """Send somebody on with a session. The token is new, whatever the browser came with."""
    response = see_other(address)
    cookies.put(request, response, opened.token)
    return response


def code_address(after: str) -> str:
    after = local(after)
    return "/login/code" if after == "/" else f"/login/code?next={quote(after, safe='/')}"


def _code_form(
    request: Request, step: Step, *, after: str, message: str = "", status: int = 200,
    headers: dict[str, str] | None = None,
) -> Response:
    return step.keep(request, render(
        request, "door/code.html", status=status, headers=headers, step=step, after=local(after), message=message,
    ))


def _half(request: Request) -> sessions.Signed | None:
    return sign_in.half_way(clinic_of(request), token=cookies.read(request), idle=idle_time(request))
