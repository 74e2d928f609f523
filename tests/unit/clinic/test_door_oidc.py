"""Signing in through the hospital's own provider: a real one, on this machine, that can be made to misbehave."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from clinic_testing import START, Clock, add_user, behind
from door_testing import stranger
from fastapi import FastAPI
from httpx import Response
from joserfc.jwk import RSAKey
from oidc_provider import CLIENT, SECRET, LocalProvider, serve
from sqlalchemy import select
from starlette.testclient import TestClient

from macule.records.clinic import Clinic
from macule.records.domain import Role
from macule.records.tables import User

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


@pytest.fixture(scope="module")
def server() -> Iterator[LocalProvider]:
    with serve(LocalProvider()) as provider:
        yield provider


@pytest.fixture
def provider(server: LocalProvider) -> LocalProvider:
    fresh = LocalProvider(key=server.key)
    server.claims, server.spoil, server.signer, server.codes, server.now = fresh.claims, {}, None, {}, START
    return server


def _app(clinic: Clinic, provider: LocalProvider, **more: Any) -> FastAPI:
    return behind(clinic, oidc_issuer=provider.issuer, oidc_client_id=CLIENT, oidc_client_secret=SECRET, **more)


def _come_back(client: TestClient, provider: LocalProvider, *, after: str = "") -> Response:
    away = client.get("/oidc/start", params={"next": after} if after else {})
    assert away.status_code == 303 and away.headers["location"].startswith(provider.issuer)
    return client.get("/oidc/callback?" + provider.authorize(away.headers["location"]))


def test_who_was_invited_comes_in_and_is_known_afterwards(clinic: Clinic, provider: LocalProvider) -> None:
    kim, app = add_user(clinic, Role.NURSE, email="kim@clinic.example"), _app(clinic, provider)
    client = stranger(app)
    assert "hospital account" in client.get("/login").text
    assert _come_back(client, provider, after="/patients").headers["location"] == "/patients"
    assert client.get("/account").status_code == 200
    provider.claims = {"sub": "kim-1", "name": "Kim Married", "email": "other@clinic.example", "email_verified": True}
    assert _come_back(stranger(app), provider, after="https://evil.example").headers["location"] == "/"
    with clinic.reading() as session:
        users = session.scalars(select(User)).all()
    assert [user.id for user in users] == [kim.id] and users[0].oidc_subject == f"{provider.issuer}#kim-1"


@pytest.mark.parametrize("claims", [
    {"email_verified": False}, {"email_verified": None}, {"email_verified": "true"}, {"email": "nobody@clinic.example"},
])
def test_who_is_not_known_stays_outside(clinic: Clinic, provider: LocalProvider, claims: dict[str, Any]) -> None:
    add_user(clinic, Role.ADMIN, email="kim@clinic.example")
    provider.claims |= claims
    client = stranger(_app(clinic, provider))
    assert _come_back(client, provider).status_code == 401 and client.get("/account").status_code == 303


@pytest.mark.parametrize("spoil", [
    {"nonce": "another trip's"}, {"nonce": None}, {"aud": "another client"}, {"aud": [CLIENT, "another"]},
    {"iss": "https://evil.example"}, {"exp": 0}, {"exp": None}, {"iat": 2**40}, {"sub": None}, {"sub": ""},
])
def test_a_token_for_something_else_is_refused(clinic: Clinic, provider: LocalProvider, spoil: dict[str, Any]) -> None:
    add_user(clinic, Role.NURSE, email="kim@clinic.example")
    provider.spoil = spoil
    client = stranger(_app(clinic, provider))
    assert _come_back(client, provider).status_code == 401 and client.get("/account").status_code == 303


def test_an_impostors_signature_is_refused(clinic: Clinic, provider: LocalProvider) -> None:
    add_user(clinic, Role.NURSE, email="kim@clinic.example")
    provider.signer = RSAKey.generate_key(2048, {"kid": "one"})
    assert _come_back(stranger(_app(clinic, provider)), provider).status_code == 401


def test_a_new_key_of_the_provider_is_fetched(clinic: Clinic, provider: LocalProvider) -> None:
    add_user(clinic, Role.NURSE, email="kim@clinic.example")
    app = _app(clinic, provider)
    assert _come_back(stranger(app), provider).status_code == 303
    provider.key = RSAKey.generate_key(2048, {"kid": "two"})
    assert _come_back(stranger(app), provider).status_code == 303


def test_a_code_or_state_of_somebody_else_is_refused(clinic: Clinic, provider: LocalProvider, clock: Clock) -> None:
    add_user(clinic, Role.NURSE, email="kim@clinic.example")
    app = _app(clinic, provider)
    client, victim = stranger(app), stranger(app)
    query = provider.authorize(client.get("/oidc/start").headers["location"])
    assert victim.get("/oidc/callback?" + query).status_code == 401  # login CSRF: begun in another browser
    victim.get("/oidc/start")
    assert victim.get("/oidc/callback?" + query).status_code == 401
    assert victim.get("/oidc/callback?error=access_denied&state=x").status_code == 401
    started = client.get("/oidc/start").headers["location"]
    clock.turn(minutes=11)
    assert client.get("/oidc/callback?" + provider.authorize(started)).status_code == 401  # too late
    provider.now = clock.now
    query = provider.authorize(client.get("/oidc/start").headers["location"])
    assert client.get("/oidc/callback?" + query).status_code == 303
    assert client.get("/oidc/callback?" + query).status_code == 401  # twice


def test_a_claim_can_decide_on_roles(clinic: Clinic, provider: LocalProvider) -> None:
    app = _app(clinic, provider, oidc_role_claim="groups", oidc_roles={"derm": "dermatologist", "ward": "nurse"})
    for groups, role in ((["ward"], "nurse"), (["staff", "derm", "ward"], "dermatologist")):
        provider.claims["groups"] = groups
        assert _come_back(stranger(app), provider).status_code == 303
        with clinic.reading() as session:
            assert session.scalars(select(User.role)).one() == role
    provider.claims["groups"] = ["staff"]
    assert _come_back(stranger(app), provider).status_code == 401


def test_a_provider_that_is_away_is_said(clinic: Clinic, provider: LocalProvider) -> None:
    app = behind(clinic, oidc_issuer="http://127.0.0.1:9", oidc_client_id=CLIENT, oidc_client_secret=SECRET)
    answer = stranger(app).get("/oidc/start")
    assert answer.status_code == 503 and "does not answer" in answer.text
    assert stranger(behind(clinic)).get("/oidc/start").status_code == 404
