"""Forms that come from elsewhere: CSRF in each of its shapes, oversized and malformed ones."""

from __future__ import annotations

import pytest
from clinic_testing import sign_in
from door_testing import PASSWORD, add_login, stranger, token_in
from fastapi import FastAPI, Request
from starlette.responses import JSONResponse

from macule.errors import NotAllowed
from macule.records.clinic import Clinic
from macule.records.domain import Actor, ActorKind, Role
from macule.records.policy import Permission
from macule.web.clinic.door import Visit, allow
from macule.web.clinic.local import local

#: What is refused here no database can change.
SQLITE = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
INVITE = {"name": "Bo Lind", "email": "bo@clinic.example", "role": "nurse"}


@SQLITE
def test_a_form_needs_the_token_of_its_session(clinic: Clinic, app: FastAPI) -> None:
    client, other = sign_in(app, clinic, Role.ADMIN), sign_in(app, clinic, Role.ADMIN)
    header = client.headers.pop("X-CSRF-Token")
    for fields in (INVITE, INVITE | {"csrf_token": ""}, INVITE | {"csrf_token": other.csrf}):
        assert client.post("/admin/users", data=fields).status_code == 403
    assert client.post("/admin/users", data=INVITE, headers={"X-CSRF-Token": "wrong"}).status_code == 403
    assert client.post("/logout").status_code == 403
    assert client.post("/admin/users", data=INVITE | {"csrf_token": header}).status_code == 200


@SQLITE
@pytest.mark.parametrize("headers", [
    {"Sec-Fetch-Site": "cross-site"}, {"Sec-Fetch-Site": "same-site"}, {"Origin": "https://evil.example"},
    {"Origin": "http://testserver.evil.example"}, {"Sec-Fetch-Site": "same-origin", "Origin": "https://evil.example"},
])
def test_another_sites_form_is_refused_even_with_the_token(
    clinic: Clinic, app: FastAPI, headers: dict[str, str]
) -> None:
    client = sign_in(app, clinic, Role.ADMIN)
    assert client.post("/admin/users", data=INVITE, headers=headers).status_code == 403
    own = {"Sec-Fetch-Site": "same-origin", "Origin": "null"}  # what browsers send under Referrer-Policy no-referrer
    assert client.post("/admin/users", data=INVITE, headers=own).status_code == 200


@SQLITE
def test_nobody_can_be_signed_in_by_another_sites_form(clinic: Clinic, app: FastAPI) -> None:
    """Login CSRF: the form's token fits a cookie that only our own page sets."""
    add_login(clinic)
    client, mallory = stranger(app), stranger(app)
    fields = {"email": "kim@clinic.example", "password": PASSWORD}
    stolen = token_in(mallory.get("/login"))
    assert client.post("/login", data=fields | {"csrf_token": stolen}).status_code == 403
    own = token_in(client.get("/login"))
    assert client.post("/login", data=fields | {"csrf_token": stolen}).status_code == 403
    crossed = client.post("/login", data=fields | {"csrf_token": own}, headers={"Sec-Fetch-Site": "cross-site"})
    assert crossed.status_code == 403
    assert client.post("/login", data=fields | {"csrf_token": own}).status_code == 303


@SQLITE
def test_a_multipart_form_is_refused_until_it_is_proved(clinic: Clinic, app: FastAPI) -> None:
    visits: list[Visit] = []

    @app.post("/careless")
    def careless(request: Request, visit: Visit = allow(Permission.OWN_ACCOUNT)) -> JSONResponse:  # noqa: B008
        visits.append(visit)
        return JSONResponse(visit.actor.name)

    client = sign_in(app, clinic, Role.NURSE)
    assert client.post("/careless", files={"picture": b"x"}).status_code == 200  # the header was proof
    token = client.headers.pop("X-CSRF-Token")
    assert client.post("/careless", files={"picture": b"x"}).status_code == 403
    unproved = visits[-1]
    for wrong in (None, "", "x"):
        with pytest.raises(NotAllowed):
            unproved.prove(wrong)
        with pytest.raises(NotAllowed):
            _ = unproved.actor
    unproved.prove(token)
    assert unproved.actor.role is Role.NURSE


def test_an_empty_token_never_fits_an_empty_one() -> None:
    visit = Visit(Actor(ActorKind.USER, "1", "Kim", Role.NURSE), "", proved=False)
    with pytest.raises(NotAllowed):
        visit.prove("")


@SQLITE
def test_bodies_are_bounded_before_anybody_reads_them(clinic: Clinic, app: FastAPI) -> None:
    client = sign_in(app, clinic, Role.ADMIN)
    assert client.post("/admin/users", data=INVITE | {"name": "x" * 70_000}).status_code == 413
    lying = client.post("/admin/users", content=iter([b"name=" + b"x" * 40_000] * 3),
                        headers={"Content-Type": "application/x-www-form-urlencoded"})
    assert lying.status_code == 413
    assert client.post("/login", content=iter([b"x" * 40_000] * 3)).status_code in (400, 403, 413)


@SQLITE
def test_a_form_of_another_kind_is_refused(clinic: Clinic, app: FastAPI) -> None:
    client = sign_in(app, clinic, Role.ADMIN)
    assert client.post("/admin/users", json=INVITE).status_code == 400
    assert client.post("/admin/users", data=INVITE | {"name": "a\0b"}).status_code == 400


@pytest.mark.parametrize("address", [
    "https://evil.example", "//evil.example", "/\\evil.example", "\\\\evil.example", "/\t/evil.example", "/%0d\n//evil",
    "javascript:alert(1)", "evil.example", "", None, "/" + "x" * 600, "/login", "/logout", "///evil.example", "/é",
    "http:/evil.example", "/\x00", " /patients",
])
def test_no_address_leads_to_another_site(address: str | None) -> None:
    assert local(address) == "/"


def test_our_own_addresses_are_kept() -> None:
    for address in ("/", "/patients", "/cases/ab?page=2", "/my"):
        assert local(address) == address
