"""How the clinic says no, in pages, for htmx and for machines; and whether it says when it is well."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path

import pytest
from clinic_testing import add_exam, make_app, sign_in
from door_testing import add_login, log_in, stranger
from fastapi import FastAPI
from starlette.responses import JSONResponse
from starlette.testclient import TestClient

from macule import errors
from macule.records import limits
from macule.records.clinic import Clinic
from macule.records.database import Database
from macule.records.domain import Role
from macule.records.models import LazyModel
from macule.records.policy import Permission
from macule.web.clinic.app import create_clinic_app
from macule.web.clinic.door import Visit, allow
from macule.web.clinic.settings import ClinicSettings
from macule.web.faults import Busy

#: What is refused here no database can change.
SQLITE = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
SECRET = "a patient's own words"  # noqa: S105


@pytest.fixture
def faulty(app: FastAPI) -> FastAPI:
    faults = {
        "conflict": errors.Conflict("somebody else changed this."), "busy": Busy("full.", retry_after=5),
        "invalid": errors.RecordInvalid("wrong.", fields={"birth_year": "Enter a year."}),
        "often": errors.TooManyAttempts("too many attempts.", retry_after=42), "key": errors.KeyMissing("no key."),
        "store": errors.StoreAway("full."), "model": errors.BundleNotFound("no bundle."),
        "large": errors.ImageTooLarge("large."), "kind": errors.UnsupportedImage("svg."), "bug": RuntimeError(SECRET),
    }
    for prefix in ("", "/api/v1"):
        @app.api_route(prefix + "/faulty/{name}", methods=["GET", "POST"])
        def fail(name: str, visit: Visit = allow(Permission.OWN_ACCOUNT)) -> JSONResponse:  # noqa: B008
            raise faults[name]
    return app


STATUS = {"conflict": 409, "busy": 503, "invalid": 422, "often": 429, "key": 503, "store": 503, "model": 503,
          "large": 413, "kind": 415, "bug": 500}


@SQLITE
def test_every_fault_has_its_page_its_piece_and_its_json(clinic: Clinic, faulty: FastAPI) -> None:
    client = sign_in(faulty, clinic, Role.NURSE)
    for name, status in STATUS.items():
        page, piece = client.get(f"/faulty/{name}"), client.get(f"/faulty/{name}", headers={"HX-Request": "true"})
        machine = client.post(f"/api/v1/faulty/{name}")
        assert page.status_code == piece.status_code == machine.status_code == status
        assert "<h1" in page.text and "<h1" not in piece.text and 'class="alert' in piece.text
        assert set(machine.json()["error"]) >= {"code", "message"}
        for answer in (page, piece, machine):
            assert SECRET not in answer.text and "default-src 'none'" in answer.headers["content-security-policy"]
            assert (status in (429, 503)) == ("retry-after" in answer.headers)
    assert client.get("/faulty/often").headers["retry-after"] == "42"
    assert client.get("/api/v1/faulty/invalid").json()["error"]["fields"] == {"birth_year": "Enter a year."}
    assert "Birth year.</strong> Enter a year." in client.get("/faulty/invalid").text


@SQLITE
def test_a_conflict_leads_back_to_the_page_and_a_wait_asks_again(clinic: Clinic, faulty: FastAPI) -> None:
    client = sign_in(faulty, clinic, Role.NURSE)
    assert 'href="/faulty/conflict">Load the page again' in client.post("/faulty/conflict").text
    assert client.get("/faulty/key").headers["refresh"] == "15"
    assert "refresh" not in client.post("/faulty/key").headers  # never sends a form twice
    assert 'aria-label="Rooms"' in client.get("/nowhere").text  # who is signed in keeps their way about


@SQLITE
def test_who_is_not_signed_in_is_sent_to_the_door(clinic: Clinic, app: FastAPI) -> None:
    client = stranger(app)
    assert client.get("/admin/users?page=2").headers["location"] == "/login?next=/admin/users%3Fpage%3D2"
    assert client.post("/admin/users").headers["location"] == "/login"
    moved = client.get("/account", headers={"HX-Request": "true", "HX-Current-URL": "http://testserver/cases/1?a=b"})
    assert moved.headers["hx-redirect"] == "/login?next=/cases/1%3Fa%3Db"
    evil = client.get("/account", headers={"HX-Request": "true", "HX-Current-URL": "https://evil.example//evil.example"})
    assert evil.headers["hx-redirect"] == "/login"
    assert client.get("/api/v1/nothing").json()["error"]["code"] == "not_found"


@SQLITE
def test_every_answer_carries_the_headers(clinic: Clinic, app: FastAPI) -> None:
    client = sign_in(app, clinic, Role.NURSE)
    exam = add_exam(clinic)
    capture, other = client.get(f"/lesions/{exam.lesion_id}/capture"), client.get("/account")
    assert "camera=(self)" in capture.headers["permissions-policy"]
    assert "camera=()" in other.headers["permissions-policy"] and "camera=()" in client.get(
        f"/lesions/{exam.lesion_id}").headers["permissions-policy"]
    assert "strict-transport-security" not in other.headers
    assert "unsafe" not in other.headers["content-security-policy"] and other.headers["cache-control"] == "no-store"
    strict = TestClient(create_clinic_app(settings=ClinicSettings(), clinic=clinic, jobs=()))
    assert strict.get("/healthz").headers["strict-transport-security"].startswith("max-age=63072000")


def test_with_the_database_away_everything_says_so_and_recovers(clinic: Clinic, tmp_path: Path) -> None:
    add_login(clinic)
    gone = Database("postgresql://macule@/nothing?host=/nonexistent")
    app = make_app(replace(clinic, database=gone))
    client = stranger(app)
    client.cookies.set("macule", "anything")
    page, machine = client.get("/account"), client.get("/api/v1/exams", headers={"Authorization": "Bearer x"})
    assert page.status_code == machine.status_code == 503 and "records cannot be reached" in page.text
    assert machine.json()["error"]["code"] == "database_away" and page.headers["retry-after"]
    assert client.get("/nowhere").status_code == 404 and client.get("/healthz").status_code == 200
    assert client.get("/readyz").json()["database"] is False
    app.state.clinic.clinic = clinic
    assert client.get("/account").status_code == 303
    assert log_in(client).status_code == 303


@SQLITE
def test_ready_says_what_is_away_and_nothing_else(
    clinic: Clinic, app: FastAPI, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    client = stranger(app)
    well = {"status": "ready", "database": True, "store": True, "key": True, "model": True}
    assert client.get("/readyz").json() == well  # a new clinic has no picture yet, and so no folder
    add_exam(clinic)
    assert client.get("/readyz").json() == well
    app.state.clinic.clinic = replace(clinic, models=LazyModel(str(tmp_path / "no-bundle")))
    (tmp_path / "pictures").rename(tmp_path / "away")
    (tmp_path / "keys").rename(tmp_path / "keys-away")
    with caplog.at_level(logging.WARNING):
        answer = client.get("/readyz")
    assert answer.status_code == 503
    assert answer.json() == {"status": "away", "database": True, "store": False, "key": False, "model": False}
    assert str(tmp_path) not in answer.text
    (tmp_path / "away").rename(tmp_path / "pictures")
    (tmp_path / "keys-away").rename(tmp_path / "keys")
    app.state.clinic.clinic = clinic
    assert client.get("/readyz").json() == well


def test_uploads_are_counted_by_account_and_by_address(clinic: Clinic) -> None:
    for _ in range(3):
        limits.uploads(clinic, actor_id="kim", address="10.0.0.1", per_minute=3)
    with pytest.raises(errors.TooManyAttempts) as refused:
        limits.uploads(clinic, actor_id="kim", address="10.0.0.2", per_minute=3)
    assert refused.value.retry_after == 60
    for number in range(27):
        limits.uploads(clinic, actor_id=f"other-{number // 3}", address="10.0.0.1", per_minute=3)
    with pytest.raises(errors.TooManyAttempts):
        limits.uploads(clinic, actor_id="new", address="10.0.0.1", per_minute=3)
