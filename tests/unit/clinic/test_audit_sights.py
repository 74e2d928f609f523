"""Who is shown a person leaves a row that names the person, on single pages and on lists."""

from __future__ import annotations

import json
from typing import Any

import pytest
from clinic_testing import Clock, Signed, add_exam, add_lesion, png, sign_in
from fastapi import FastAPI
from httpx import Response
from sqlalchemy import func, select

from macule.records import audit, audit_check, batch_work, export_csv, site, waiting
from macule.records.clinic import Clinic
from macule.records.domain import SYSTEM, Role
from macule.records.tables import AuditRow, Exam

ONCE = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


@pytest.fixture
def exams(clinic: Clinic, clock: Clock) -> list[Exam]:
    """Three pictures of one lesion."""
    lesion, made = add_lesion(clinic, pseudonym="P-77"), []
    for _ in range(3):
        made.append(add_exam(clinic, lesion=lesion))
        clock.turn(days=20)
    with clinic.work(SYSTEM) as work:
        site.change(work, settings=site.SiteSettings(commit_first=False, retention_days=30), version=None)
    return made


def _rows(clinic: Clinic, who: Signed, address: str, *, post: dict[str, str] | None = None) -> tuple[Response, Any]:
    """The answer, and the rows that it left: (action, patient, details)."""
    with clinic.reading() as session:
        before = session.scalar(select(func.max(AuditRow.seq))) or 0
    answer = who.get(address) if post is None else who.post(address, data=post)
    with clinic.reading() as session:
        rows = session.scalars(select(AuditRow).where(AuditRow.seq > before).order_by(AuditRow.seq)).all()
        return answer, [(row.action, row.patient_id, json.loads(row.details)) for row in rows]


@ONCE
def test_every_page_that_shows_a_person_leaves_a_row(app: FastAPI, clinic: Clinic, exams: list[Exam]) -> None:
    nurse, (patient, lesion) = sign_in(app, clinic, Role.NURSE), (exams[0].patient_id, exams[0].lesion_id)
    for address, action in (
        (f"/patients/{patient}/lesions/new", "patient.seen"), (f"/lesions/{lesion}/edit", "patient.seen"),
        (f"/lesions/{lesion}/capture", "lesion.seen"),
    ):
        page, rows = _rows(clinic, nurse, address)
        assert "P-77" in page.text and rows == [(action, patient, {})], address


@ONCE
def test_lists_name_whom_they_show(app: FastAPI, clinic: Clinic, clock: Clock, exams: list[Exam]) -> None:
    patient = exams[0].patient_id
    nurse, doctor, admin = (sign_in(app, clinic, role) for role in (Role.NURSE, Role.DERMATOLOGIST, Role.ADMIN))
    _, ((action, _, told),) = _rows(clinic, nurse, "/patients")
    assert action == "patients.listed" and told["patients"] == [patient]
    _, ((action, _, told),) = _rows(clinic, doctor, "/worklist")
    assert action == "worklist.seen" and told["patients"] == [patient] and len(told["exams"]) == 3
    _, ((action, _, told),) = _rows(clinic, doctor, "/exports/exams.csv")
    assert action == "exams.exported" and told["patients"] == [patient] and told["rows"] == 3
    clock.turn(days=60)
    admin = sign_in(app, clinic, Role.ADMIN)
    page, ((action, _, told),) = _rows(clinic, admin, "/admin/privacy")
    assert "P-77" in page.text and action == "patients.listed" and told["patients"] == [patient]
    _, rows = _rows(clinic, admin, "/admin/privacy/find", post={"pseudonym": "p-77"})
    assert rows == [("patient.found", patient, {})]


@ONCE
def test_a_history_names_every_exam_whose_probability_it_shows(
    app: FastAPI, clinic: Clinic, exams: list[Exam]
) -> None:
    doctor = sign_in(app, clinic, Role.DERMATOLOGIST)
    _, rows = _rows(clinic, doctor, f"/cases/{exams[2].id}/history")
    told = next(details for action, patient, details in rows
                if action == "history.seen" and patient == exams[2].patient_id)
    assert told["exams"] == [exam.id for exam in exams]


def test_the_log_of_a_patient_holds_the_lists_they_were_on(app: FastAPI, clinic: Clinic) -> None:
    shown = add_lesion(clinic).patient_id
    sign_in(app, clinic, Role.NURSE).get("/patients")
    later = add_lesion(clinic).patient_id
    with clinic.reading() as session:
        found = [[row.action for row in audit_check.oldest(session, wanted=audit_check.Wanted(patient_id=patient))]
                 for patient in (shown, later)]
    assert found == [["patients.listed"], []]


@ONCE
def test_an_export_of_too_many_says_that_it_names_nobody(clinic: Clinic, monkeypatch: pytest.MonkeyPatch) -> None:
    assert audit.listed(["b", "a", None, "b"]) == {"patients": ["a", "b"]}
    add_exam(clinic), add_exam(clinic)
    for module in (audit, export_csv):
        monkeypatch.setattr(module, "MOST_LISTED", 1)
    export_csv.export(clinic, actor=SYSTEM, chosen=export_csv.Chosen())
    with clinic.reading() as session:
        told = json.loads(session.scalars(select(AuditRow.details).where(AuditRow.action == "exams.exported")).one())
    assert (told["rows"], told["patients"], told["patients_over"]) == (2, None, 1)


@ONCE
def test_a_batch_names_its_patients_when_opened_and_when_done(app: FastAPI, clinic: Clinic) -> None:
    nurse = sign_in(app, clinic, Role.NURSE)
    form = {"belonging": "new", "prefix": "M1", "consent": "on", "name": "Monday"}
    here = nurse.post("/batches", data=form, files={"files": ("a.png", png())}).headers["location"]
    _, ((action, _, told),) = _rows(clinic, nurse, here)
    assert action == "batch.seen" and told["patients"] == []
    assert _rows(clinic, nurse, f"{here}/progress")[1] == []  # asks by itself every two seconds
    while batch_work.take_queued(clinic) or waiting.answer_waiting(clinic):
        pass
    _, ((action, _, told),) = _rows(clinic, nurse, f"{here}/progress")
    assert action == "batch.seen" and len(told["patients"]) == 1
    _, ((action, _, again),) = _rows(clinic, nurse, f"{here}/outcomes.csv")
    assert action == "batch.exported" and again["patients"] == told["patients"]
