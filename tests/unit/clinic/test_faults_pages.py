"""What is away is a 503 with words in it, for people and for machines, and goes by itself when it is back."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from clinic_testing import Signed, add_exam, add_lesion, make_app, png, sign_in
from fastapi import FastAPI
from macule_testing import write_bundle
from sqlalchemy import insert
from sqlalchemy.exc import IntegrityError
from starlette.testclient import TestClient

from macule.records import api_keys, consent, database
from macule.records.clinic import Clinic
from macule.records.domain import SYSTEM, ConsentScope, Role
from macule.records.models import LazyModel
from macule.records.tables import Exam, Lesion, Patient


@pytest.fixture
def lesion(clinic: Clinic) -> Lesion:
    """Of a patient who has agreed."""
    lesion = add_lesion(clinic)
    with clinic.work(SYSTEM) as work:
        consent.give(work, patient_id=lesion.patient_id, scope=ConsentScope.CARE)
    return lesion


@pytest.fixture
def machine(app: FastAPI, clinic: Clinic) -> TestClient:
    return client(app, clinic)


def client(app: FastAPI, clinic: Clinic) -> TestClient:
    with clinic.work(SYSTEM) as work:
        _, secret = api_keys.create(work, name="PACS", scopes=("exams:write", "exams:read"), valid_for=None)
    found = TestClient(app, raise_server_exceptions=False, follow_redirects=False)
    found.headers["Authorization"] = f"Bearer {secret}"
    return found


def send(machine: TestClient, lesion: Lesion, *, wait: int = 10) -> Any:
    return machine.post(
        f"/api/v1/exams?wait={wait}", data={"lesion_id": lesion.id}, headers={"Idempotency-Key": "once"},
        files={"picture": ("a.png", png(seed=7), "image/png")},
    )


def away(reply: Any, code: str) -> None:
    assert reply.status_code == 503, reply.text
    assert reply.json()["error"]["code"] == code and len(reply.json()["error"]["message"]) > 20
    assert int(reply.headers["Retry-After"]) > 0


def page_away(reply: Any, words: str) -> None:
    assert reply.status_code == 503 and reply.headers["Content-Type"].startswith("text/html")
    assert words in reply.text and "Traceback" not in reply.text
    assert int(reply.headers["Retry-After"]) > 0


def exams(clinic: Clinic) -> int:
    with clinic.reading() as session:
        return session.query(Exam).count()


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize(("what", "code", "words"), [
    ("keys", "key_missing", "put it back"), ("pictures", "store_away", "picture store is not there"),
])
def test_without_key_or_store(
    *, app: FastAPI, clinic: Clinic, machine: TestClient, lesion: Lesion, tmp_path: Path, what: str, code: str,
    words: str,
) -> None:
    exam, nurse = add_exam(clinic, lesion=lesion), sign_in(app, clinic, Role.NURSE)
    (tmp_path / what).rename(tmp_path / "taken")
    away(send(machine, lesion), code)
    away(machine.get(f"/api/v1/exams/{exam.id}/picture"), code)
    page_away(nurse.get(f"/exams/{exam.id}/picture"), words)
    assert exams(clinic) == 1
    (tmp_path / "taken").rename(tmp_path / what)
    assert nurse.get(f"/exams/{exam.id}/picture").status_code == 200
    assert send(machine, lesion).status_code == 201 and exams(clinic) == 2


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_without_the_model_a_picture_is_received_and_waits(clinic: Clinic, lesion: Lesion, tmp_path: Path) -> None:
    clinic = replace(clinic, models=LazyModel(str(tmp_path / "model")))
    app = make_app(clinic)
    machine = client(app, clinic)
    sent = send(machine, lesion)
    assert sent.status_code == 202, sent.text
    assert exams(clinic) == 1
    write_bundle(tmp_path / "model")
    again = send(machine, lesion)
    assert again.status_code in (200, 201, 202) and exams(clinic) == 1


def test_without_the_database(
    app: FastAPI, clinic: Clinic, machine: TestClient, lesion: Lesion, monkeypatch: pytest.MonkeyPatch
) -> None:
    nurse: Signed = sign_in(app, clinic, Role.NURSE)
    engine = clinic.database.engine
    monkeypatch.setattr(database, "PATIENCE_S", 0.1)
    # A driver that finds nobody: a port that nothing listens on, a folder that is none.
    gone = "postgresql://macule@127.0.0.1:9/none" if not clinic.database.sqlite else "sqlite:////dev/null/none.db"
    monkeypatch.setattr(clinic.database, "_engine", unreachable(gone))
    away(send(machine, lesion), "database_away")
    page_away(nurse.get(f"/patients/{lesion.patient_id}"), "database does not answer")
    page_away(nurse.get("/"), "database does not answer")
    monkeypatch.setattr(clinic.database, "_engine", engine)
    assert nurse.get(f"/patients/{lesion.patient_id}").status_code == 200
    assert send(machine, lesion).status_code == 201 and exams(clinic) == 1


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_nobody_learns_where_the_database_is(clinic: Clinic, caplog: pytest.LogCaptureFixture) -> None:
    away = replace(clinic, database=database.Database("postgresql://keeper:geheim@127.0.0.1:1/wards7"))
    page = TestClient(make_app(away), raise_server_exceptions=False).get("/p/abc")
    assert page.status_code == 503 and "database does not answer" in page.text
    for told in ("127.0.0.1", "keeper", "geheim", "wards7"):
        assert told not in page.text and told not in caplog.text
    assert "OperationalError" in caplog.text
    away.database.close()


def test_an_errors_text_holds_no_patients_row(clinic: Clinic) -> None:
    with pytest.raises(IntegrityError) as caught, clinic.database.writing() as session:
        session.execute(insert(Patient).values(id="x", pseudonym="P-SECRET", created_by="x", version=1))
    assert "P-SECRET" not in str(caught.value).replace(str(caught.value.orig), "")


def unreachable(url: str) -> Any:
    from sqlalchemy import create_engine
    from sqlalchemy.engine import make_url

    return create_engine(make_url(url.replace("postgresql://", "postgresql+psycopg://")))
