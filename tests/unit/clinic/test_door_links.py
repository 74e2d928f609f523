"""Links with a secret: the first administrator, invitations, new passwords, a patient's own; and keeping users."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from clinic_testing import Clock, add_lesion, sign_in
from door_testing import PASSWORD, add_login, cheap, log_in, secret_in, send, stranger, token_in
from fastapi import FastAPI
from sqlalchemy import select, update

from macule.errors import Conflict, NoSuchRecord
from macule.records import accounts, tickets
from macule.records.clinic import Clinic
from macule.records.domain import SYSTEM, Role
from macule.records.tables import AuditRow, LoginSession, Ticket, User

CHOSEN = {"password": PASSWORD, "again": PASSWORD}
FIRST = CHOSEN | {"name": "Ada Okafor", "email": "ada@clinic.example"}


def _path(link: str) -> str:
    return re.sub(r"^https?://[^/]+", "", link)


def test_the_first_start_prints_a_link_and_makes_no_password(clinic: Clinic, app: FastAPI) -> None:
    with clinic.reading() as session:
        assert session.scalars(select(User)).all() == []
    old = accounts.first_link(clinic, base_url="http://testserver/")
    new = accounts.first_link(clinic, base_url="http://testserver/")
    assert old is not None and new is not None and new.startswith("http://testserver/setup/")
    client = stranger(app)
    assert client.get(_path(old)).status_code == 404  # only the newest works
    assert send(client, _path(new), FIRST | {"again": "another"}).status_code == 422
    assert send(client, _path(new), FIRST | {"password": "short", "again": "short"}).status_code == 422
    assert send(client, _path(new), FIRST | {"email": "no address"}).status_code == 422
    assert send(client, _path(new), FIRST).headers["location"] == "/account?new=yes"
    assert client.get("/admin/users").status_code == 200
    assert client.get(_path(new)).status_code == 404 and accounts.first_link(clinic, base_url="x") is None
    with clinic.reading() as session:
        user, ticket = session.scalars(select(User)).one(), session.get(Ticket, tickets.digest(_path(new)[7:]))
        assert user.role == "admin" and (user.password_hash or "").startswith("$argon2id$")
        assert ticket is not None and ticket.used_at is not None


def test_the_first_link_ends_once_anybody_has_an_account(clinic: Clinic, app: FastAPI) -> None:
    link = accounts.first_link(clinic, base_url="http://testserver/") or ""
    client = stranger(app)
    token = token_in(client.get(_path(link)))
    with clinic.work(SYSTEM) as work:  # as the provider of hospital accounts makes one
        accounts.add(work, email="kim@clinic.example", name="Kim", role=Role.ADMIN)
    with clinic.reading() as session:
        assert session.scalars(select(Ticket.revoked_at)).one() is not None
    assert client.get(_path(link)).status_code == 404
    assert client.post(_path(link), data={"csrf_token": token} | FIRST).status_code == 404
    with clinic.work(SYSTEM) as work:  # the ticket alone does not decide
        work.session.execute(update(Ticket).values(revoked_at=None))
    with pytest.raises(NoSuchRecord):
        accounts.set_up(clinic, secret=_path(link)[7:], email="eve@x.example", name="Eve", password=PASSWORD,
                        hasher=cheap())
    with clinic.reading() as session:
        assert session.scalars(select(User.email)).all() == ["kim@clinic.example"]


def test_an_invitation_from_hand_to_account(clinic: Clinic, app: FastAPI) -> None:
    admin, client = sign_in(app, clinic, Role.ADMIN), stranger(app)
    invitation = {"name": "Bo <b>Lind</b>", "email": "bo@clinic.example", "role": "dermatologist"}
    page = send(admin, "/admin/users", invitation)
    link = _path(secret_in(page))
    assert "<b>Lind" not in page.text and "no-store" in page.headers["cache-control"]
    assert send(admin, "/admin/users", invitation).status_code == 422  # has an account
    assert send(admin, "/admin/users", invitation | {"role": "patient", "email": "c@d.example"}).status_code == 422
    for _ in range(2):
        assert client.get(link).status_code == 200  # looking at it does not use it up
    assert send(client, link, CHOSEN).status_code == 303
    assert client.get("/account").status_code == 200 and client.get("/admin/users").status_code == 403
    assert client.get(link).status_code == 404
    with clinic.reading() as session:
        written = "".join(session.scalars(select(AuditRow.details)))
    assert PASSWORD not in written and "Lind" not in written


def test_a_new_password_by_link(clinic: Clinic, app: FastAPI) -> None:
    kim, admin, client, other = add_login(clinic), sign_in(app, clinic, Role.ADMIN), stranger(app), stranger(app)
    log_in(other)
    link = _path(secret_in(send(admin, f"/admin/users/{kim.id}", {}, to=f"/admin/users/{kim.id}/reset")))
    new = {"password": "nine copper umbrellas", "again": "nine copper umbrellas"}
    done = send(client, link, new)
    assert done.status_code == 200 and client.get("/account").status_code == 303  # it signs nobody in
    assert other.get("/account").status_code == 303 and log_in(stranger(app)).status_code == 401
    assert log_in(client, password=new["password"]).status_code == 303
    assert stranger(app).get(link).status_code == 404


@pytest.mark.parametrize("end", [
    lambda work, ticket: setattr(ticket, "expires_at", work.now),
    lambda work, ticket: setattr(ticket, "used_at", work.now),
    lambda work, ticket: tickets.revoke(work, ticket_id=ticket.id),
], ids=["expired", "used", "revoked"])
def test_a_link_that_has_ended_opens_nothing(clinic: Clinic, app: FastAPI, end: Callable[..., object]) -> None:
    kim, client = add_login(clinic), stranger(app)
    with clinic.work(SYSTEM) as work:
        secret = tickets.issue(work, purpose="reset", user_id=kim.id)
    form = token_in(client.get(f"/reset/{secret}"))
    assert client.get(f"/invite/{secret}").status_code == 404  # nor does one of another purpose
    with clinic.work(SYSTEM) as work:
        end(work, work.get(Ticket, tickets.digest(secret)))
    assert client.get(f"/reset/{secret}").status_code == 404
    assert client.post(f"/reset/{secret}", data=CHOSEN | {"csrf_token": form}).status_code == 404
    assert log_in(client).status_code == 303  # the old password stands


def test_a_patients_link(clinic: Clinic, app: FastAPI, clock: Clock) -> None:
    lesion = add_lesion(clinic)
    with clinic.work(SYSTEM) as work:
        secret = tickets.issue(work, purpose="patient", patient_id=lesion.patient_id)
    client = stranger(app)
    page = client.get(f"/p/{secret}")
    assert page.status_code == 200 and "macule=" not in str(page.headers.get_list("set-cookie"))  # scanners look too
    assert client.get("/my").headers["location"] == "/login?next=/my"
    for _ in range(2):  # several times
        visitor = stranger(app)
        assert send(visitor, f"/p/{secret}", {}).headers["location"] == "/my"
        assert visitor.get("/").headers["location"] == "/my" and visitor.get("/account").status_code == 403
    clock.turn(days=91)
    assert stranger(app).get(f"/p/{secret}").status_code == 404
    with clinic.reading() as session:
        rows = session.execute(select(AuditRow.action, AuditRow.patient_id)).all()
    assert ("session.opened", lesion.patient_id) in [tuple(row) for row in rows]


def test_the_last_administrator_stays(clinic: Clinic, app: FastAPI) -> None:
    ada = add_login(clinic, Role.ADMIN, email="ada@clinic.example")
    client = stranger(app)
    log_in(client, email="ada@clinic.example")
    send(client, "/admin/users", {"name": "Newly Invited", "email": "new@clinic.example", "role": "admin"})
    page = f"/admin/users/{ada.id}"
    version = re.search(r'name="version" value="(\d+)"', client.get(page).text)
    assert version is not None
    for to, fields in ((f"{page}/close", {}), (f"{page}/role", {"role": "nurse"})):
        refused = send(client, page, fields | {"version": version[1]}, to=to)
        assert refused.status_code == 409 and "last administrator" in refused.text  # the invited one never came
    add_login(clinic, Role.ADMIN, email="second@clinic.example")
    assert send(client, page, {"version": version[1], "role": "nurse"}, to=f"{page}/role").status_code == 303
    assert client.get("/admin/users").status_code == 303  # a changed role ends the sessions


def test_two_administrators_cannot_remove_each_other_at_once(clinic: Clinic) -> None:
    from concurrent.futures import ThreadPoolExecutor

    pair = [add_login(clinic, Role.ADMIN, email=f"{n}@clinic.example") for n in range(2)]

    def remove(number: int) -> str:
        try:
            with clinic.work(pair[number]) as work:
                accounts.set_active(work, user_id=pair[1 - number].id, active=False, version=None)
        except Conflict:
            return "refused"
        return "removed"

    with ThreadPoolExecutor(2) as pool:
        assert sorted(pool.map(remove, range(2))) == ["refused", "removed"]


def test_an_old_page_changes_nobody(clinic: Clinic, app: FastAPI) -> None:
    kim, admin = add_login(clinic), sign_in(app, clinic, Role.ADMIN)
    with clinic.work(SYSTEM) as work:
        work.get(User, kim.id).name = "Kim Renamed"
    page = f"/admin/users/{kim.id}"
    assert send(admin, page, {"version": "1", "role": "admin"}, to=f"{page}/role").status_code == 409
    assert send(admin, page, {"version": "x", "role": "admin"}, to=f"{page}/role").status_code == 422
    version = re.search(r'name="version" value="(\d+)"', admin.get(page).text)
    assert version is not None and log_in(stranger(app)).status_code == 303  # signing in is no change
    assert send(admin, page, {"version": version[1], "role": "admin"}, to=f"{page}/role").status_code == 303


def test_closing_an_account_ends_its_sessions_and_links(clinic: Clinic, app: FastAPI) -> None:
    kim, admin, client = add_login(clinic), sign_in(app, clinic, Role.ADMIN), stranger(app)
    log_in(client)
    page = f"/admin/users/{kim.id}"
    link = _path(secret_in(send(admin, page, {}, to=f"{page}/reset")))
    assert send(admin, page, {"version": "2"}, to=f"{page}/close").status_code == 303
    assert client.get("/account").status_code == 303 and client.get(link).status_code == 404
    assert log_in(client).status_code == 401
    assert send(admin, page, {}, to=f"{page}/reset").status_code == 409
    with clinic.reading() as session:
        assert session.scalars(select(LoginSession).where(LoginSession.user_id == kim.id)).all() == []
