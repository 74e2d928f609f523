"""Signing in: wrong passwords, brute force, codes, recovery, and what a stopwatch would tell."""

from __future__ import annotations

import base64
from typing import Literal

import pytest
from argon2 import PasswordHasher
from clinic_testing import Clock
from door_testing import PASSWORD, add_login, cheap, code_at, log_in, secret_in, send, stranger, token_in
from fastapi import FastAPI
from sqlalchemy import select
from starlette.requests import Request
from starlette.testclient import TestClient

from macule.errors import NotSignedIn, TooManyAttempts
from macule.records import sign_in, totp
from macule.records.clinic import Clinic
from macule.records.domain import Actor, Role
from macule.records.passwords import Hasher
from macule.records.tables import Attempt, AuditRow, User
from macule.web.clinic.door import address_of


def _with_phone(clinic: Clinic, actor: Actor) -> tuple[bytes, list[str]]:
    """Returns: the phone's secret and the recovery codes."""
    offer = totp.offer(clinic.seals, user_id=actor.id, email="kim@clinic.example", issuer="Macule")
    secret = base64.b32decode(offer.typed)
    with clinic.work(actor) as work:
        codes = totp.accept(work, clinic.seals, user=work.get(User, actor.id), sealed=offer.sealed,
                            code=code_at(secret, work.now))
    return secret, codes


def _code(client: TestClient, code: str) -> int:
    return send(client, "/login/code", {"code": code}).status_code


def test_signing_in_leads_to_the_page_that_was_asked_for_and_nowhere_else(clinic: Clinic, app: FastAPI) -> None:
    add_login(clinic)
    client = stranger(app)
    for after, expected in (("/patients", "/patients"), ("https://evil.example", "/"), ("//evil.example", "/")):
        form = client.get("/login", params={"next": after})
        fields = {"csrf_token": token_in(form), "email": " KIM@clinic.example ", "password": PASSWORD, "next": after}
        assert client.post("/login", data=fields).headers["location"] == expected
        assert client.get("/login", params={"next": after}).headers["location"] == expected
        client.post("/logout", data={"csrf_token": token_in(client.get("/account"))})
    with clinic.reading() as session:
        assert session.scalars(select(User.last_login_at)).one() == clinic.clock()


def test_wrong_unknown_and_closed_read_the_same_and_cost_the_same(clinic: Clinic, app: FastAPI) -> None:
    add_login(clinic)
    closed = add_login(clinic, email="gone@clinic.example")
    with clinic.work(closed) as work:
        work.get(User, closed.id).active = False
    client = stranger(app)
    counted = _Counting()
    app.state.clinic.hasher = Hasher(counted)
    pages = []
    for email, password in (
        ("kim@clinic.example", "wrong"), ("nobody@clinic.example", PASSWORD), ("gone@clinic.example", PASSWORD),
    ):
        before = counted.checked
        answer = log_in(client, email=email, password=password)
        assert answer.status_code == 401 and "set-cookie" in answer.headers and counted.checked == before + 1
        pages.append(answer.text.replace(email, "").replace(token_in(answer), ""))
    assert pages[0] == pages[1] == pages[2]
    with clinic.reading() as session:
        assert session.scalars(select(AuditRow.action)).all().count("login.failed") == 3


class _Counting(PasswordHasher):
    """argon2id that counts how often its work is done."""

    def __init__(self) -> None:
        super().__init__(time_cost=1, memory_cost=8, parallelism=1)
        self.checked = 0

    def verify(self, hash: str | bytes, password: str | bytes) -> Literal[True]:
        self.checked += 1
        return super().verify(hash, password)


def test_guessing_waits_longer_each_time_and_recovers_with_the_clock(
    clinic: Clinic, app: FastAPI, clock: Clock
) -> None:
    add_login(clinic)
    client = stranger(app)
    assert [log_in(client, password=f"guess {n}").status_code for n in range(5)] == [401] * 5
    refused = log_in(client)  # the right one, too soon
    assert refused.status_code == 429 and refused.headers["retry-after"] == "30"
    clock.turn(seconds=30)
    assert log_in(client, password=f"guess {6}").status_code == 401
    clock.turn(seconds=59)
    assert log_in(client).status_code == 429
    clock.turn(seconds=1)
    assert log_in(client).status_code == 303
    with clinic.reading() as session:
        kept = session.scalars(select(Attempt.bucket)).all()
    assert kept and not any("kim" in bucket for bucket in kept)  # no address of anybody's


def test_guessing_from_many_addresses_is_counted_by_account(clinic: Clinic, app: FastAPI) -> None:
    add_login(clinic)
    for number in range(sign_in.PER_ACCOUNT):
        with pytest.raises(NotSignedIn):
            sign_in.by_password(clinic, email="kim@clinic.example", password=f"guess {number}",
                                address=f"10.0.0.{number}", hasher=cheap())
    with pytest.raises(TooManyAttempts):
        sign_in.by_password(clinic, email="kim@clinic.example", password=PASSWORD, address="10.0.1.1", hasher=cheap())


def test_guessing_from_one_address_shuts_out_nobody_who_works_there(clinic: Clinic) -> None:
    """Behind one address there may be a whole hospital."""
    add_login(clinic)
    add_login(clinic, email="new@clinic.example")

    def come(email: str, password: str) -> None:
        sign_in.by_password(clinic, email=email, password=password, address="10.0.0.1", hasher=cheap())

    come("kim@clinic.example", PASSWORD)
    for number in range(sign_in.PER_ADDRESS):
        with pytest.raises(NotSignedIn):
            come(f"guess-{number}@clinic.example", "wrong")
    come("kim@clinic.example", PASSWORD)
    for email, password in (("new@clinic.example", PASSWORD), ("kim@clinic.example", "wrong")):
        with pytest.raises(TooManyAttempts):
            come(email, password)
    come("kim@clinic.example", PASSWORD)


@pytest.mark.parametrize(("host", "counted"), [
    ("2001:db8::1", "2001:db8::/64"), ("2001:db8::a:b:c:d", "2001:db8::/64"), ("fe80::1%eth0", "fe80::/64"),
    ("2001:db8:1:2:ffff::1", "2001:db8:1:2::/64"), ("::ffff:10.0.0.1", "10.0.0.1"), ("10.0.0.1", "10.0.0.1"),
    ("testclient", "testclient"),
])
def test_what_is_counted_as_one_address(host: str, counted: str) -> None:
    assert address_of(Request({"type": "http", "client": (host, 1)})) == counted


def test_a_code_is_asked_for_and_taken_once(clinic: Clinic, app: FastAPI, clock: Clock) -> None:
    secret, _ = _with_phone(clinic, add_login(clinic))
    client = stranger(app)
    assert log_in(client).headers["location"] == "/login/code"
    assert client.get("/patients").headers["location"] == "/login?next=/patients"  # half way is not in
    assert _code(client, code_at(secret, clock.now)) == 401  # the code that set it up is spent
    clock.turn(seconds=30)
    code = code_at(secret, clock.now)
    before = client.cookies["macule"]
    assert _code(client, code) == 303 and client.cookies["macule"] != before
    assert client.get("/account").status_code == 200
    again = stranger(app)
    log_in(again)
    assert _code(again, code) == 401  # watched over the shoulder
    clock.turn(seconds=30)
    assert _code(again, code) == 401  # and its neighbour's time
    assert _code(again, code_at(secret, clock.now)) == 303


def test_guessing_codes_is_held_up_and_half_way_ends_by_itself(clinic: Clinic, app: FastAPI, clock: Clock) -> None:
    secret, _ = _with_phone(clinic, add_login(clinic))
    clock.turn(minutes=1)
    client = stranger(app)
    log_in(client)
    assert [_code(client, f"00000{n}") for n in range(6)] == [401] * 5 + [429]
    clock.turn(minutes=5)
    assert client.get("/login/code").headers["location"] == "/login"
    log_in(client)
    assert _code(client, code_at(secret, clock.now)) == 303


def test_a_recovery_code_works_once(clinic: Clinic, app: FastAPI) -> None:
    _, codes = _with_phone(clinic, add_login(clinic))
    for expected in (303, 401):
        client = stranger(app)
        log_in(client)
        assert _code(client, codes[0].upper().replace("-", " ")) == expected
    with clinic.reading() as session:
        user = session.scalars(select(User)).one()
    assert len(user.recovery_codes or []) == 9 and codes[1] not in str(user.recovery_codes)


def test_setting_up_a_second_factor(clinic: Clinic, app: FastAPI, clock: Clock) -> None:
    add_login(clinic)
    client, elsewhere = stranger(app), stranger(app)
    for each in (client, elsewhere):
        log_in(each)
    page = client.get("/account/second-factor")
    secret = base64.b32decode(secret_in(page))
    sealed = page.text.split('name="sealed" value="')[1].split('"')[0]
    assert "data:image/svg+xml" in page.text
    fields = {"csrf_token": token_in(page), "sealed": sealed, "password": PASSWORD, "code": code_at(secret, clock.now)}
    assert client.post("/account/second-factor", data=fields | {"password": "wrong"}).status_code == 422
    assert client.post("/account/second-factor", data=fields | {"code": "000000"}).status_code == 422
    before = client.cookies["macule"]
    done = client.post("/account/second-factor", data=fields)
    assert done.status_code == 200 and done.text.count("<li><code>") == 10
    assert client.cookies["macule"] != before and client.get("/account").status_code == 200
    assert elsewhere.get("/account").status_code == 303  # signed out
    with clinic.reading() as session:
        kept = session.scalars(select(User.totp_secret)).one()
    assert kept is not None and secret not in kept
    assert send(client, "/account", {"password": "wrong"}, to="/account/second-factor/remove").status_code == 422
    assert send(client, "/account", {"password": PASSWORD}, to="/account/second-factor/remove").status_code == 303
    assert log_in(stranger(app)).headers["location"] == "/"


def test_another_persons_offer_is_refused(clinic: Clinic, app: FastAPI, clock: Clock) -> None:
    add_login(clinic)
    other = add_login(clinic, Role.ADMIN, email="other@clinic.example")
    offer = totp.offer(clinic.seals, user_id=other.id, email="x@clinic.example", issuer="Macule")
    client = stranger(app)
    log_in(client)
    fields = {"sealed": offer.sealed, "password": PASSWORD, "code": code_at(base64.b32decode(offer.typed), clock.now)}
    assert send(client, "/account/second-factor", fields).status_code == 422


def test_changing_the_password_signs_out_everywhere_else(clinic: Clinic, app: FastAPI) -> None:
    add_login(clinic)
    client, elsewhere = stranger(app), stranger(app)
    for each in (client, elsewhere):
        log_in(each)
    new = {"current": PASSWORD, "new": "nine copper umbrellas", "again": "nine copper umbrellas"}
    for wrong in ({"current": "x"}, {"again": "x"}, {"new": "short", "again": "short"}):
        assert send(client, "/account", new | wrong, to="/account/password").status_code == 422
    before = client.cookies["macule"]
    assert send(client, "/account", new, to="/account/password").status_code == 303
    assert client.cookies["macule"] != before
    assert client.get("/account").status_code == 200 and elsewhere.get("/account").status_code == 303
    assert log_in(stranger(app)).status_code == 401
    assert log_in(stranger(app), password=new["new"]).status_code == 303


def test_a_hash_of_old_parameters_is_renewed_at_the_next_sign_in(clinic: Clinic, app: FastAPI) -> None:
    add_login(clinic)
    client = stranger(app)
    app.state.clinic.hasher = Hasher(PasswordHasher(time_cost=2, memory_cost=16, parallelism=1))
    assert log_in(client).status_code == 303
    with clinic.reading() as session:
        assert "m=16,t=2" in (session.scalars(select(User.password_hash)).one() or "")
