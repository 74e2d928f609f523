"""Who gets which report over the web."""

from __future__ import annotations

import hashlib
import secrets

from clinic_testing import Signed, add_exam, make_app, sign_in
from fastapi import FastAPI
from sqlalchemy import select

from macule.records import reviews, tickets
from macule.records.clinic import Clinic
from macule.records.domain import SYSTEM, Role
from macule.records.tables import AuditRow, Exam, LoginSession
from macule.web.clinic.door import PLAIN_COOKIE


def _patient(app: FastAPI, clinic: Clinic, exam: Exam) -> Signed:
    """Somebody who came by the patient's link."""
    client, token = sign_in(app, clinic, Role.NURSE), secrets.token_urlsafe(32)
    with clinic.work(SYSTEM) as work:
        secret = tickets.issue(work, purpose="patient", patient_id=exam.patient_id)
        work.session.flush()
        work.session.add(LoginSession(
            id=hashlib.sha256(token.encode()).hexdigest(), ticket_id=tickets.digest(secret), csrf="c" * 64,
            created_at=work.now, seen_at=work.now,
        ))
    client.cookies.clear()
    client.cookies.set(PLAIN_COOKIE, token)
    return client


def _actions(clinic: Clinic) -> list[str]:
    with clinic.reading() as session:
        return list(session.scalars(select(AuditRow.action).order_by(AuditRow.seq)))


def test_a_nurse_prints_the_patients_page_and_not_the_doctors(app: FastAPI, clinic: Clinic) -> None:
    exam, nurse = add_exam(clinic), sign_in(app, clinic, Role.NURSE)
    answer = nurse.get(f"/exams/{exam.id}/report.pdf")
    assert answer.status_code == 200 and answer.content.startswith(b"%PDF-")
    assert answer.headers["content-type"] == "application/pdf" and answer.headers["cache-control"] == "no-store"
    assert f"macule-patient-{exam.id}.pdf" in answer.headers["content-disposition"]
    assert _actions(clinic)[-1] == "report.issued"
    assert nurse.get(f"/exams/{exam.id}/report.pdf?audience=doctor").status_code == 403
    assert nurse.get(f"/exams/{exam.id}/report.pdf?audience=anybody").status_code in (400, 422)
    assert nurse.get(f"/my/exams/{exam.id}/report.pdf").status_code == 403
    assert _actions(clinic).count("report.issued") == 1


def test_a_dermatologist_commits_before_either_report(app: FastAPI, clinic: Clinic) -> None:
    exam, reader = add_exam(clinic), sign_in(app, clinic, Role.DERMATOLOGIST)
    for audience in ("patient", "doctor"):
        assert reader.get(f"/exams/{exam.id}/report.pdf?audience={audience}").status_code == 403
    with clinic.work(reader.actor) as work:
        reviews.commit(work, exam_id=exam.id, own_code="mel")
    assert reader.get(f"/exams/{exam.id}/report.pdf?audience=doctor").content.startswith(b"%PDF-")


def test_an_administrator_and_a_stranger_get_none(app: FastAPI, clinic: Clinic) -> None:
    exam = add_exam(clinic)
    assert sign_in(app, clinic, Role.ADMIN).get(f"/exams/{exam.id}/report.pdf").status_code == 403
    stranger = sign_in(app, clinic, Role.NURSE)
    stranger.cookies.clear()
    assert stranger.get(f"/exams/{exam.id}/report.pdf").status_code in (303, 401)


def test_a_patient_gets_their_own_once_it_is_released(app: FastAPI, clinic: Clinic) -> None:
    exam, other = add_exam(clinic), add_exam(clinic)
    patient, reader = _patient(app, clinic, exam), sign_in(app, clinic, Role.DERMATOLOGIST)
    assert patient.get(f"/my/exams/{exam.id}/report.pdf").status_code == 403
    for each in (exam, other):
        with clinic.work(reader.actor) as work:
            reviews.commit(work, exam_id=each.id, own_code="nv")
            reviews.decide(work, exam_id=each.id, version=None, decision="confirm", management="nothing")
    assert patient.get(f"/my/exams/{exam.id}/report.pdf").content.startswith(b"%PDF-")
    assert patient.get(f"/my/exams/{other.id}/report.pdf").status_code == 404
    assert patient.get(f"/exams/{exam.id}/report.pdf").status_code == 403


def test_the_code_holds_the_address_that_was_configured(clinic: Clinic) -> None:
    app = make_app(clinic, public_url="https://clinic.example")
    exam, nurse = add_exam(clinic), sign_in(app, clinic, Role.NURSE)
    here = nurse.get(f"/exams/{exam.id}/report.pdf")
    there = nurse.get(f"/exams/{exam.id}/report.pdf", headers={"Host": "evil.example"})
    assert here.content == there.content
