"""Sessions: what the cookie is like, when it stops working, and that nobody can plant one."""

from __future__ import annotations

import hashlib
from datetime import timedelta

import pytest
from clinic_testing import Clock, Signed, add_lesion, add_user, behind, open_link, sign_in
from door_testing import PASSWORD, add_login, log_in, send, stranger, token_in
from fastapi import FastAPI
from sqlalchemy import select
from starlette.testclient import TestClient

from macule.records import tickets
from macule.records.clinic import Clinic
from macule.records.domain import SYSTEM, Role
from macule.records.tables import AuditRow, LoginSession, Patient, User
from macule.web.clinic.door import PLAIN_COOKIE


def _step(client: TestClient) -> str:
    return client.cookies["macule-step"]


def test_the_cookie_is_bound_to_this_host_and_hidden_from_scripts(clinic: Clinic) -> None:
    add_login(clinic)
    app = behind(clinic)
    app.state.clinic.settings = app.state.clinic.settings.model_copy(update={"secure_cookies": True})
    client = stranger(app)
    client.base_url = "https://testserver"
    answers = client.get("/login"), log_in(client)
    made = [cookie for answer in answers for cookie in answer.headers.get_list("set-cookie")]
    assert len(made) >= 2
    for cookie in made:
        assert cookie.startswith("__Host-") and "; Path=/" in cookie and "Domain" not in cookie
        assert {"Secure", "HttpOnly", "SameSite=lax"} <= set(cookie.split("; "))


def test_only_a_hash_of_the_token_is_kept(clinic: Clinic, app: FastAPI) -> None:
    add_login(clinic)
    client = stranger(app)
    assert log_in(client).status_code == 303
    token = client.cookies[PLAIN_COOKIE]
    with clinic.reading() as session:
        row = session.scalars(select(LoginSession)).one()
    assert row.id == hashlib.sha256(token.encode()).hexdigest() and token not in (row.csrf, row.id)


def test_a_planted_token_opens_nothing(clinic: Clinic, app: FastAPI) -> None:
    """Session fixation: the token changes at every sign-in, and the one that the browser came with ends."""
    add_login(clinic)
    client, mallory = stranger(app), stranger(app)
    form = token_in(client.get("/login"))
    fields = {"csrf_token": form, "email": "kim@clinic.example", "password": PASSWORD}
    planted = {"Cookie": f"{PLAIN_COOKIE}=planted; macule-step={_step(client)}"}
    answer = client.post("/login", data=fields, headers=planted)
    assert answer.status_code == 303 and f"{PLAIN_COOKIE}=planted" not in answer.headers["set-cookie"]
    mallory.cookies.set(PLAIN_COOKIE, "planted")
    assert mallory.get("/account").headers["location"] == "/login?next=/account"


def test_a_second_sign_in_ends_the_first_of_this_browser(clinic: Clinic, app: FastAPI) -> None:
    add_login(clinic)
    client = stranger(app)
    form = token_in(client.get("/login"))
    fields = {"csrf_token": form, "email": "kim@clinic.example", "password": PASSWORD}
    client.post("/login", data=fields)
    first = client.cookies[PLAIN_COOKIE]
    client.post("/login", data=fields)
    assert client.cookies[PLAIN_COOKIE] != first
    with clinic.reading() as session:
        assert len(session.scalars(select(LoginSession)).all()) == 1


def test_idle_sessions_end_after_fifteen_minutes_and_busy_ones_after_twelve_hours(
    clinic: Clinic, app: FastAPI, clock: Clock
) -> None:
    client = sign_in(app, clinic, Role.NURSE)
    for _ in range(3):
        clock.turn(minutes=14, seconds=59)
        assert client.get("/account").status_code == 200
    clock.turn(minutes=15)
    assert client.get("/account").status_code == 303
    busy = sign_in(app, clinic, Role.NURSE)
    with clinic.work(SYSTEM) as work:
        row = work.session.scalars(select(LoginSession).where(LoginSession.user_id == busy.actor.id)).one()
        row.created_at = work.now - timedelta(hours=11, minutes=59)
    assert busy.get("/account").status_code == 200
    clock.turn(minutes=1)
    assert busy.get("/account").status_code == 303


def test_a_page_that_asks_by_itself_keeps_nobody_signed_in(clinic: Clinic, app: FastAPI, clock: Clock) -> None:
    client = sign_in(app, clinic, Role.NURSE)
    for _ in range(2):
        clock.turn(minutes=7)
        assert client.get("/account", headers={"X-By-Itself": "yes"}).status_code == 200
    clock.turn(minutes=2)
    assert client.get("/account").status_code == 303


def test_reading_pages_writes_at_most_once_a_minute(clinic: Clinic, app: FastAPI, clock: Clock) -> None:
    client = sign_in(app, clinic, Role.NURSE)
    seen = []
    for _ in range(5):
        clock.turn(seconds=20)
        client.get("/account")
        with clinic.reading() as session:
            seen.append(session.scalars(select(LoginSession.seen_at)).one())
    assert len(set(seen)) == 2 and seen[1] == seen[0] and seen[2] > seen[0]


def test_signing_out_ends_the_session_and_is_audited(clinic: Clinic, app: FastAPI) -> None:
    client = sign_in(app, clinic, Role.NURSE)
    answer = client.post("/logout")
    assert answer.status_code == 303 and "storage" in answer.headers["clear-site-data"]
    client.cookies.set(PLAIN_COOKIE, "x")
    with clinic.reading() as session:
        assert session.scalars(select(LoginSession)).all() == []
        assert "session.closed" in session.scalars(select(AuditRow.action)).all()


def test_a_closed_account_is_out_at_once(clinic: Clinic, app: FastAPI) -> None:
    client = sign_in(app, clinic, Role.NURSE)
    with clinic.work(SYSTEM) as work:
        work.get(User, client.actor.id).active = False
    assert client.get("/account").status_code == 303
    assert Signed(app, clinic, add_user(clinic, Role.PATIENT)).get("/account").status_code == 303  # no staff role


@pytest.mark.parametrize("how", ["revoked", "expired", "erased"])
def test_a_patients_visit_ends_with_the_link(clinic: Clinic, app: FastAPI, clock: Clock, how: str) -> None:
    lesion = add_lesion(clinic)
    client = open_link(app, clinic, lesion.patient_id)
    assert client.get("/").headers["location"] == "/my"
    with clinic.work(SYSTEM) as work:
        ticket = tickets.of_patient(work.session, patient_id=lesion.patient_id, now=work.now)[0]
        if how == "revoked":
            tickets.revoke(work, ticket_id=ticket.id)
        elif how == "expired":
            ticket.expires_at = work.now
        else:
            work.get(Patient, lesion.patient_id).erased_at = work.now
    assert client.get("/").headers["location"] == "/login"


def test_who_must_have_a_second_factor_is_led_to_set_one_up(clinic: Clinic, app: FastAPI) -> None:
    add_login(clinic)
    admin, client = sign_in(app, clinic, Role.ADMIN), stranger(app)
    log_in(client)
    assert client.get("/patients").status_code == 200
    sent = send(admin, "/admin/settings", {"name": "N", "release": "at_once", "second_reader_from": "100",
                                           "language": "en", "version": "0", "require_totp": "on"})
    assert sent.status_code == 303
    assert client.get("/patients").headers["location"] == "/account#second-factor"
    assert client.get("/account").status_code == 200
    assert admin.get("/admin/settings").status_code == 200  # comes without a password here, as by a provider
