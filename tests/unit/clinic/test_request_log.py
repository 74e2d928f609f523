"""The log says what happened and to which record, and nothing that a person typed or is."""

from __future__ import annotations

import io
import json
import logging
import re
from collections.abc import Iterator
from typing import Any

import pytest
from clinic_testing import add_lesion, png, sign_in
from fastapi import FastAPI
from starlette.testclient import TestClient

from macule.records import intake, logs, people
from macule.records.clinic import Clinic
from macule.records.domain import SYSTEM, Role
from macule.web.clinic import pictures as picture_routes

PSEUDONYM, FILE, ADDRESS, SECRET = "ZEBRA-4711", "Marianne_Quitzow.png", "m.quitzow@clinic.example", "s3cr3t-link-Xy9"
NOTE = "lives in Quitzowstrasse"
NEVER = (PSEUDONYM, "Quitzow", "quitzow", SECRET, NOTE, "correct horse")


def leaked(text: str) -> list[str]:
    """The year by itself: a time may have its digits among others."""
    return [*(word for word in NEVER if word in text), *re.findall(r"\b1931\b", text)]


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    """Everything that any logger of the process writes, as the server would."""
    stream, root = io.StringIO(), logging.getLogger()
    handler, level = logging.StreamHandler(stream), root.level
    handler.setFormatter(logs.formatter())
    root.addHandler(handler)
    root.setLevel(logging.INFO)
    yield stream
    root.removeHandler(handler)
    root.setLevel(level)


ONCE = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


def _lines(log: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in log.getvalue().splitlines()]


def test_a_whole_story_leaves_no_trace_of_a_person(
    app: FastAPI, clinic: Clinic, log: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    nurse, doctor = sign_in(app, clinic, Role.NURSE), sign_in(app, clinic, Role.DERMATOLOGIST)
    registered = nurse.post("/patients/new", data={"pseudonym": PSEUDONYM, "birth_year": "1931", "sex": "female",
                                                   "csrf_token": nurse.csrf})
    nurse.post("/patients/new", data={"pseudonym": NOTE * 20, "birth_year": NOTE, "csrf_token": nurse.csrf})
    assert registered.status_code < 500
    with clinic.work(SYSTEM) as work:
        patient = people.register(work, pseudonym=f"{PSEUDONYM}-2", birth_year=1931, sex="female", skin_type=2)
    lesion = add_lesion(clinic, patient_id=patient.id)
    exam_id = intake.submit(clinic, actor=SYSTEM, submission=intake.Submission(
        lesion_id=lesion.id, picture=png(), file_name=FILE))
    nurse.post(f"/lesions/{lesion.id}/capture", files={"picture": (FILE, b"<svg>" + NOTE.encode(), "image/png")},
               data={"csrf_token": nurse.csrf})
    nurse.get(f"/exams/{exam_id}/thumbnail")
    doctor.post(f"/cases/{exam_id}/comments", data={"text": NOTE, "csrf_token": doctor.csrf})
    stranger = TestClient(app, raise_server_exceptions=False)
    stranger.post("/login", data={"email": ADDRESS, "password": "correct horse"})
    stranger.get(f"/p/{SECRET}")
    stranger.get(f"/{NOTE}?q={ADDRESS}", headers={"X-Request-ID": NOTE, "User-Agent": NOTE})
    nurse.get("/patients", params={"q": PSEUDONYM})

    def fails(*_: object, **__: object) -> None:
        raise ValueError(f"{PSEUDONYM} {NOTE} {FILE}")

    monkeypatch.setattr(picture_routes.pictures, "picture", fails)
    assert nurse.get(f"/exams/{exam_id}/picture").status_code == 500
    text = log.getvalue()
    assert not leaked(text)
    assert png()[:8].hex() not in text and "\\u0089PNG" not in text
    lines = _lines(log)
    routes = {line.get("route") for line in lines}
    assert {"/exams/{exam_id}/thumbnail", "/p/{secret}", "/login", "(none)"} <= routes
    shown = next(line for line in lines if line.get("route") == "/exams/{exam_id}/thumbnail")
    assert shown["exam"] == exam_id and shown["actor"] == nurse.actor.id and shown["status"] == 200
    assert shown["ms"] > 0 and len(shown["request_id"]) == 16 and shown["role"] == "nurse"
    failed = next(line for line in lines if line["event"] == "request failed")
    assert failed["error"] == "ValueError" and any("test_request_log.py" in step for step in failed["where"])
    assert failed["status"] == 500 and failed["level"] == "error"


@ONCE
def test_the_answer_names_the_line(app: FastAPI, clinic: Clinic, log: io.StringIO) -> None:
    reply = TestClient(app).get("/login")
    assert reply.headers["X-Request-ID"] in {line.get("request_id") for line in _lines(log)}


@ONCE
def test_a_refusal_is_logged_by_its_code(app: FastAPI, clinic: Clinic, log: io.StringIO) -> None:
    sign_in(app, clinic, Role.NURSE).get(f"/exams/{'0' * 32}")
    line = next(line for line in _lines(log) if line.get("route") == "/exams/{exam_id}")
    assert (line["status"], line["error"]) == (404, "no_such_record")


def test_other_packages_leave_their_template_only(log: io.StringIO) -> None:
    other, ours = logging.getLogger("somebody.else"), logging.getLogger("macule.records.worker")
    other.warning("GET %s failed", f"https://x/p/{SECRET}?to={ADDRESS}")
    ours.warning("job %s: %s", "sweep", "store_away")
    ours.warning("mail to %s by /p/%s", ADDRESS, SECRET)
    ours.warning("kept", extra={"pseudonym": PSEUDONYM, "job": "sweep", "exam": b"\x89PNG"})
    try:
        raise KeyError(PSEUDONYM)
    except KeyError:
        ours.exception("job %s failed", "sweep")
    lines = _lines(log)
    assert [line["event"] for line in lines] == [
        "GET %s failed", "job sweep: store_away", "mail to [e-mail] by /p/[secret]", "kept", "job sweep failed"]
    assert lines[3]["dropped"] == ["pseudonym"] and lines[3]["job"] == "sweep" and lines[3]["exam"] == "[bytes]"
    assert lines[4]["error"] == "KeyError" and not leaked(log.getvalue())


def test_configuring_takes_every_logger_over(monkeypatch: pytest.MonkeyPatch) -> None:
    root = logging.getLogger()
    kept, level, stream = root.handlers[:], root.level, io.StringIO()
    try:
        logs.configure(stream)
        logging.getLogger("httpx").info("HTTP Request: GET https://x/p/%s", SECRET)
        logging.getLogger("macule").info("started")
        assert [line["event"] for line in _lines(stream)] == ["started"]
    finally:
        root.handlers[:] = kept
        root.setLevel(level)
        logging.captureWarnings(False)


