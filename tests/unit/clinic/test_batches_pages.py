"""Sending a batch from a browser: files and archives, what is refused, and the page that says what became of it."""

from __future__ import annotations

import io
import re
import zipfile
from typing import Any

import pytest
from clinic_testing import Signed, blurred, make_app, png, sign_in
from fastapi import FastAPI
from httpx import Response
from sqlalchemy import func, select

from macule.errors import StoreAway
from macule.records import batch_work, waiting
from macule.records.clinic import Clinic
from macule.records.domain import Role
from macule.records.tables import AuditRow, Batch, BatchItem, Patient

FORM = {"name": "Monday", "belonging": "new", "prefix": "M1", "consent": "on", "modality": "clinical"}


def _send(client: Signed, files: list[tuple[str, bytes]], **changes: str) -> Response:
    parts: list[tuple[str, Any]] = [("files", (name, content, "application/octet-stream")) for name, content in files]
    return client.post("/batches", data=FORM | changes, files=parts)


def _zip(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def _work_off(clinic: Clinic) -> None:
    while batch_work.take_queued(clinic) or waiting.answer_waiting(clinic):
        pass


def _count(clinic: Clinic, kind: Any) -> int:
    with clinic.reading() as session:
        return session.scalar(select(func.count()).select_from(kind)) or 0


def test_pictures_and_an_archive_go_through(app: FastAPI, clinic: Clinic) -> None:
    nurse = sign_in(app, clinic, Role.NURSE)
    sent = _send(nurse, [("a.png", png()), ("day/b.png", blurred()), ("more.zip", _zip({
        "x/c.png": png(seed=1), "x/d.jpg": b"nothing", "readme.txt": b"hello", "__MACOSX/._c.png": b"x"}))])
    assert sent.status_code == 303
    here = sent.headers["location"]
    page = nurse.get(here)
    assert "<strong>1 of 5</strong> done" in page.text and "every 2s" in page.text and "Reload" in page.text
    _work_off(clinic)
    page = nurse.get(f"{here}/progress")
    assert "All 5 files" in page.text and "every 2s" not in page.text and "<html" not in page.text
    assert re.findall(r"<dd>(\d)</dd>", page.text) == ["2", "1", "1", "1", "0"]
    for words in ("x/c.png", "day/b.png", "Medium", "Retake", "Left out", "M1-001", 'href="/exams/'):
        assert words in page.text
    table = nurse.get(f"{here}/outcomes.csv")
    assert table.headers["content-type"].startswith("text/csv") and table.text.count("answered") == 2
    assert "Monday" in nurse.get("/batches").text
    with clinic.reading() as session:
        actions = set(session.scalars(select(AuditRow.action)))
    assert {"batch.sent", "batch.seen", "batch.exported", "exam.received", "consent.given"} <= actions


def test_a_table_in_the_archive_is_followed(app: FastAPI, clinic: Clinic) -> None:
    nurse = sign_in(app, clinic, Role.NURSE)
    content = _zip({"p/a.png": png(), "p/table.csv": b"file,pseudonym,birth_year\na.png,P-7,1950\n"})
    here = _send(nurse, [("b.zip", content)], belonging="table").headers["location"]
    _work_off(clinic)
    assert "P-7" in nurse.get(here).text
    with clinic.reading() as session:
        patient = session.scalars(select(Patient)).one()
    assert (patient.pseudonym, patient.birth_year) == ("P-7", 1950)


@pytest.mark.parametrize(("files", "changes", "words"), [
    ([("a.png", b"x")], {"consent": ""}, "confirm that every patient has agreed"),
    ([("a.png", b"x")], {"belonging": "one", "pseudonym": "P-0"}, "no patient of this pseudonym"),
    ([("a.png", b"x")], {"belonging": "somebody"}, "Choose whose"),
    ([("a.png", b"x")], {"belonging": "table"}, "no table among the files"),
    ([("a.txt", b"x")], {}, "no picture among the files"),
    ([], {}, "no picture among the files"),
    ([("a.zip", b"PK no zip")], {}, "pack it again"),
    ([("a.png", b"x"), ("t.csv", b"what,ever\n1,2\n")], {}, "The table cannot be used"),
    ([("a.png", b"x")], {"name": "<script>alert(1)</script>" * 9}, "1 to 80 characters"),
])
def test_what_is_refused_is_said_and_leaves_nothing(
    app: FastAPI, clinic: Clinic, files: list[tuple[str, bytes]], changes: dict[str, str], words: str
) -> None:
    nurse = sign_in(app, clinic, Role.NURSE)
    if not files:
        answer = nurse.post("/batches", data=FORM | changes, files={"files": ("", b"")})
    else:
        answer = _send(nurse, files, **changes)
    assert answer.status_code == 422 and words in answer.text and "<script>alert" not in answer.text
    assert list(clinic.store.addresses()) == [] and _count(clinic, Batch) == 0


def test_it_needs_the_token_and_the_role(app: FastAPI, clinic: Clinic) -> None:
    nurse, admin = sign_in(app, clinic, Role.NURSE), sign_in(app, clinic, Role.ADMIN)
    assert _send(admin, [("a.png", png())]).status_code == 403 and admin.get("/batches").status_code == 403
    del nurse.headers["X-CSRF-Token"]
    for token in ({}, {"csrf_token": "wrong"}):
        assert _send(nurse, [("a.png", png())], **token).status_code == 403
    assert list(clinic.store.addresses()) == [] and _count(clinic, Batch) == 0
    assert _send(nurse, [("a.png", png())], csrf_token=nurse.csrf).status_code == 303


def test_a_body_that_is_cut_short_leaves_nothing(app: FastAPI, clinic: Clinic) -> None:
    nurse, line = sign_in(app, clinic, Role.NURSE), "xyz"
    parts = "".join(f'--{line}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
                    for name, value in FORM.items()).encode()
    head = f'--{line}\r\nContent-Disposition: form-data; name="files"; filename="a.png"\r\n\r\n'
    file = head.encode() + png() + b"\r\n"
    kind = {"Content-Type": f"multipart/form-data; boundary={line}"}
    assert nurse.post("/batches", content=parts + file + file[:60], headers=kind).status_code == 400
    assert nurse.post("/batches", data=FORM).status_code == 400
    assert list(clinic.store.addresses()) == [] and _count(clinic, Batch) == 0


def test_a_picture_over_the_limit_is_one_files_outcome(clinic: Clinic) -> None:
    app = make_app(clinic, max_upload_bytes=200_000)
    nurse = sign_in(app, clinic, Role.NURSE)
    small = png()[:1000]
    here = _send(nurse, [("big.png", png() + b"\0" * 200_000), ("small.png", small)]).headers["location"]
    assert "big.png is over 0 MB" in nurse.get(here).text
    assert set(clinic.store.addresses()) and _count(clinic, BatchItem) == 2


def test_while_the_store_is_away_the_batch_is_not_acknowledged(
    app: FastAPI, clinic: Clinic, monkeypatch: pytest.MonkeyPatch
) -> None:
    nurse = sign_in(app, clinic, Role.NURSE)

    def full(*_: object) -> str:
        raise StoreAway("the disk of the picture store is full")

    with monkeypatch.context() as patch:
        patch.setattr(type(clinic.store), "put", full)
        assert _send(nurse, [("a.png", png())]).status_code == 503
    assert _count(clinic, Batch) == 0
    assert _send(nurse, [("a.png", png())]).status_code == 303


def test_failed_files_are_tried_again(app: FastAPI, clinic: Clinic) -> None:
    nurse = sign_in(app, clinic, Role.NURSE)
    here = _send(nurse, [("a.png", b"no picture")]).headers["location"]
    _work_off(clinic)
    assert "Try the failed files again" in nurse.get(here).text
    assert nurse.post(f"{here}/retry").headers["location"] == here
    assert "<strong>0 of 1</strong>" in nurse.get(here).text
