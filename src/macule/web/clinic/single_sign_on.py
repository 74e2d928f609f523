"""Signing in at the hospital's own identity provider, and coming back."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from macule.errors import Conflict, NoSuchRecord, NotSignedIn
from macule.records import oidc_accounts
from macule.records.oidc import Provider, ProviderAway, Trip
from macule.records.words import sentence
from macule.web.clinic import cookies
from macule.web.clinic.local import local
from macule.web.clinic.login import code_address, login_form, welcome
from macule.web.clinic.pages import see_other
from macule.web.clinic.proof import Step, threshold
from macule.web.clinic.state import address_here, clinic_of, state_of

router = APIRouter(include_in_schema=False)


@router.get("/oidc/start")
def start(
    request: Request, step: Annotated[Step, threshold], after: Annotated[str, Query(alias="next", max_length=2000)] = ""
) -> Response:
    """A link and not a form: browsers hold a form's redirects to `form-action`, which is this site only."""
    clinic, provider = clinic_of(request), _provider(request)
    try:
        address, trip = provider.depart(redirect_uri=_back(request), away=local(after), now=clinic.clock())
    except ProviderAway as fault:
        return login_form(request, step, message=sentence(fault), status=503)
    response = see_other(address)
    cookies.put(request, response, trip.sealed(clinic.seals), cookies.ELSEWHERE, age=cookies.AWAY_S)
    return response


@router.get("/oidc/callback")
def callback(request: Request, step: Annotated[Step, threshold]) -> Response:
    clinic, provider = clinic_of(request), _provider(request)
    try:
        trip = Trip.opened(cookies.read(request, cookies.ELSEWHERE), clinic.seals, now=clinic.clock())
        person = provider.arrive(query=request.query_params, trip=trip, redirect_uri=_back(request), now=clinic.clock())
        opened, half = oidc_accounts.sign_in(clinic, person=person, replaces=cookies.read(request))
    except ProviderAway as fault:
        response = login_form(request, step, message=sentence(fault), status=503)
    except (NotSignedIn, Conflict) as fault:
        response = login_form(request, step, message=sentence(fault), status=401)
    else:
        response = welcome(request, opened, code_address(trip.away) if half else local(trip.away))
    cookies.drop(request, response, cookies.ELSEWHERE)
    return response


def _provider(request: Request) -> Provider:
    provider = state_of(request).provider
    if provider is None:
        raise NoSuchRecord("no identity provider is set up here: sign in with e-mail address and password.")
    return provider


def _back(request: Request) -> str:
    return address_here(request) + "/oidc/callback"
