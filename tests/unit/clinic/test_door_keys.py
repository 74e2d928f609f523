"""API keys: what they open, when they stop, and that a cookie is no help to a bad one."""

from __future__ import annotations

from datetime import timedelta

import pytest
from clinic_testing import Clock, sign_in
from door_testing import secret_in, send, stranger
from fastapi import FastAPI
from sqlalchemy import select
from starlette.responses import JSONResponse

from macule.errors import RecordInvalid
from macule.records import api_keys, policy
from macule.records.clinic import Clinic
from macule.records.domain import SYSTEM, Role
from macule.records.policy import Permission
from macule.records.tables import ApiKey
from macule.web.clinic.door import Visit, allow


@pytest.fixture
def probes(app: FastAPI) -> FastAPI:
    """One route of the API for each permission, and a page."""
    for permission in Permission:
        @app.api_route(f"/api/probe/{permission.value}", methods=["GET", "POST"])
        def probe(visit: Visit = allow(permission)) -> JSONResponse:  # noqa: B008
            return JSONResponse(visit.actor.name)

    @app.get("/probe")
    def page(visit: Visit = allow(Permission.READ_ANSWER)) -> JSONResponse:  # noqa: B008
        return JSONResponse(visit.actor.name)
    return app


def _key(clinic: Clinic, *scopes: str, days: int | None = None) -> dict[str, str]:
    with clinic.work(SYSTEM) as work:
        ends = timedelta(days=days) if days else None
        _, secret = api_keys.create(work, name="Tablet", scopes=scopes, valid_for=ends)
    return {"Authorization": f"Bearer {secret}"}


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)  # a walk of the policy, not of a database
def test_a_scope_opens_what_it_says_and_nothing_else(clinic: Clinic, probes: FastAPI) -> None:
    client = stranger(probes)
    for scopes in [(scope,) for scope in policy.BY_SCOPE] + [("exams:read", "webhooks:manage")]:
        headers = _key(clinic, *scopes)
        opened = frozenset[Permission]().union(*(policy.BY_SCOPE[scope] for scope in scopes))
        for permission in Permission:
            answer = client.get(f"/api/probe/{permission.value}", headers=headers)
            assert answer.status_code == (200 if permission in opened else 403), (scopes, permission)


def test_a_key_ends_by_time_and_by_hand(clinic: Clinic, probes: FastAPI, clock: Clock) -> None:
    client, address = stranger(probes), "/api/probe/read_answer"
    timed, lasting = _key(clinic, "exams:read", days=30), _key(clinic, "exams:read")
    assert [client.post(address, headers=key).status_code for key in (timed, lasting)] == [200, 200]  # no CSRF for keys
    clock.turn(days=30)
    answer = client.get(address, headers=timed)
    assert answer.status_code == 401 and answer.headers["www-authenticate"] == "Bearer"
    assert answer.json()["error"]["code"] == "not_signed_in"
    with clinic.work(SYSTEM) as work:
        for key in api_keys.listed(work.session):
            api_keys.revoke(work, key_id=key.id)
    assert client.get(address, headers=lasting).status_code == 401


def test_a_key_is_judged_alone_and_below_api_only(clinic: Clinic, probes: FastAPI) -> None:
    nurse, key = sign_in(probes, clinic, Role.NURSE), _key(clinic, "webhooks:manage")
    address = "/api/probe/read_answer"
    assert nurse.get(address).status_code == 200
    for header in ("Bearer wrong", "Basic wrong", "Bearer", f"Basic {key['Authorization'][7:]}"):
        assert nurse.get(address, headers={"Authorization": header}).status_code == 401
    assert nurse.get(address, headers=key).status_code == 403
    assert stranger(probes).get("/probe", headers=_key(clinic, "exams:read")).status_code == 303
    token = nurse.headers.pop("X-CSRF-Token")
    assert nurse.post(address).status_code == 403  # a cookie needs the token below /api too
    assert nurse.post(address, headers={"X-CSRF-Token": token}).status_code == 200


def test_making_and_revoking_keys_on_the_page(clinic: Clinic, app: FastAPI) -> None:
    admin = sign_in(app, clinic, Role.ADMIN)
    wanted = {"name": "Ward tablet", "scope-exams:read": "on", "valid_for": "90"}
    for wrong in ({"name": ""}, {"scope-exams:read": ""}, {"valid_for": "9999"}):
        assert send(admin, "/admin/keys", wanted | wrong).status_code == 422
    secret = secret_in(send(admin, "/admin/keys", wanted))
    with clinic.reading() as session:
        key = session.scalars(select(ApiKey)).one()
        actor = api_keys.actor_of(session, secret=secret, now=clinic.clock())
    assert actor is not None and actor.scopes == {"exams:read"} and actor.role is Role.MACHINE
    assert secret.startswith(key.prefix) and secret not in admin.get("/admin/keys").text and key.key_hash != secret
    assert send(admin, "/admin/keys", {}, to=f"/admin/keys/{key.id}/revoke").status_code == 303
    with clinic.reading() as session:
        assert api_keys.actor_of(session, secret=secret, now=clinic.clock()) is None


def test_a_scope_that_nobody_knows_is_refused(clinic: Clinic) -> None:
    with pytest.raises(RecordInvalid, match="everything"), clinic.work(SYSTEM) as work:
        api_keys.create(work, name="Tablet", scopes=["everything"], valid_for=None)
