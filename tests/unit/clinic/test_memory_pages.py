"""What the clinic remembers beside a case, and the page of the audit log: shown to whom, and what is kept back."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from functools import cache

import pytest
from clinic_testing import Clock, add_exam, add_lesion, sign_in
from fastapi import FastAPI
from macule_testing import encode
from sqlalchemy import select

from macule.examples import Kind, draw, preset
from macule.records import site
from macule.records.clinic import Clinic
from macule.records.domain import SYSTEM, Role
from macule.records.tables import AuditRow, Biopsy, Exam

#: Pictures are compared in the same way on every database; the queries behind are tested with similar and audit.
ONCE = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
SCENE = replace(preset(Kind.GLOBULAR_NAEVUS), radius=0.17)


@cache
def _picture(grown: float = 1.0, seed: int = 1) -> bytes:
    return encode(draw(replace(SCENE, radius=0.17 * grown), size=(400, 300), seed=seed))


@pytest.fixture
def visits(clinic: Clinic, clock: Clock) -> tuple[Exam, Exam]:
    """Two exams of one lesion, half a year apart; it grew by 56 %."""
    lesion = add_lesion(clinic)
    first = add_exam(clinic, lesion=lesion, picture=_picture())
    clock.turn(days=180)
    return first, add_exam(clinic, lesion=lesion, picture=_picture(1.25))


def _reading(clinic: Clinic, *, commit_first: bool) -> None:
    with clinic.work(SYSTEM) as work:
        work.get(Exam, work.session.scalars(select(Exam.id)).first() or "")
        site.change(work, settings=site.SiteSettings(commit_first=commit_first), version=0)


@ONCE
def test_the_history_lays_the_earlier_picture_over_this_one(
    app: FastAPI, clinic: Clinic, visits: tuple[Exam, Exam]
) -> None:
    _reading(clinic, commit_first=False)
    first, second = visits
    doctor = sign_in(app, clinic, Role.DERMATOLOGIST)
    page = doctor.get(f"/cases/{second.id}/history")
    assert page.status_code == 200 and "<html" in page.text and "Larger than before" in page.text
    assert f"/cases/{second.id}/aligned/{first.id}.jpg" in page.text and "spark-line" in page.text
    piece = doctor.get(f"/cases/{second.id}/history", headers={"HX-Request": "true"}, params={"with": first.id})
    assert piece.status_code == 200 and "<html" not in piece.text and "Larger than before" in piece.text
    for other in visits:
        picture = doctor.get(f"/cases/{second.id}/aligned/{other.id}.jpg")
        assert picture.headers["content-type"] == "image/jpeg" and picture.content[:2] == b"\xff\xd8"
    with clinic.reading() as session:
        seen = session.scalars(select(AuditRow.subject_id).where(AuditRow.action == "exam.seen")).all()
    assert set(seen) == {first.id, second.id}


@ONCE
def test_before_a_reader_commits_only_the_machines_figures_are_kept_back(
    app: FastAPI, clinic: Clinic, visits: tuple[Exam, Exam]
) -> None:
    doctor = sign_in(app, clinic, Role.DERMATOLOGIST)
    page = doctor.get(f"/cases/{visits[1].id}/history").text
    assert "Larger than before" in page and "spark-line" not in page and page.count(">hidden<") == 2
    similar = doctor.get(f"/cases/{visits[1].id}/similar").text
    assert "after your own diagnosis" in similar and "alike-card" not in similar


@ONCE
def test_pictures_that_do_not_fit_are_shown_as_they_are(app: FastAPI, clinic: Clinic) -> None:
    lesion = add_lesion(clinic)
    one, other = (add_exam(clinic, lesion=lesion, picture=_picture(seed=seed)) for seed in (1, 2))
    page = sign_in(app, clinic, Role.DERMATOLOGIST).get(f"/cases/{other.id}/history").text
    assert "could not be laid over each other" in page and "laid-wipe" not in page and "Area" not in page
    assert one.id in page


@ONCE
def test_another_lesions_picture_is_not_to_be_had_this_way(
    app: FastAPI, clinic: Clinic, visits: tuple[Exam, Exam]
) -> None:
    foreign = add_exam(clinic)
    doctor = sign_in(app, clinic, Role.DERMATOLOGIST)
    assert doctor.get(f"/cases/{visits[0].id}/aligned/{foreign.id}.jpg").status_code == 404
    assert doctor.get(f"/cases/{visits[0].id}/history", params={"with": foreign.id}).status_code == 404
    assert doctor.get(f"/cases/{visits[0].id}/aligned/..%2f{foreign.id}.jpg").status_code == 404
    assert "Nothing to compare with yet" in doctor.get(f"/cases/{foreign.id}/history").text
    for role in (Role.NURSE, Role.ADMIN):
        other = sign_in(app, clinic, role)
        for page in ("history", "similar", f"aligned/{visits[1].id}.jpg"):
            assert other.get(f"/cases/{visits[0].id}/{page}").status_code == 403


def test_similar_cases_say_how_they_are_known(app: FastAPI, clinic: Clinic) -> None:
    here, case = add_exam(clinic), add_exam(clinic)
    _reading(clinic, commit_first=False)
    doctor = sign_in(app, clinic, Role.DERMATOLOGIST)
    assert "No verified case to compare with yet" in doctor.get(f"/cases/{here.id}/similar").text
    with clinic.work(SYSTEM) as work:
        work.session.add(Biopsy(id=work.new_id(), exam_id=case.id, lesion_id=case.lesion_id, code="mel",
                                reported_on=date(2026, 11, 1), recorded_at=work.now, recorded_by="test"))
    page = doctor.get(f"/cases/{here.id}/similar", headers={"HX-Request": "true"}).text
    assert "<strong>1</strong> was melanoma by biopsy" in page and f"/exams/{case.id}/thumbnail" in page
    assert "1.00</span> very alike" in page and "<html" not in page


def test_an_administrator_reads_and_checks_the_log(app: FastAPI, clinic: Clinic) -> None:
    exam = add_exam(clinic)
    admin = sign_in(app, clinic, Role.ADMIN)
    page = admin.get("/admin/audit").text
    assert "Never checked" in page and "exam.answered" in page and exam.patient_id[:12] in page
    assert admin.post("/admin/audit").status_code == 303
    assert "The chain was whole" in admin.get("/admin/audit").text
    some = admin.get("/admin/audit", params={"action": "exam.", "since": "2026-11-21", "until": "2026-11-21"}).text
    assert "exam.received" in some and "bundle.registered</code>" not in some
    assert "<code>exam.received" not in admin.get("/admin/audit", params={"since": "2027-01-01"}).text
    assert "give a day" in admin.get("/admin/audit", params={"since": "x"}).text
    assert sign_in(app, clinic, Role.DERMATOLOGIST).get("/admin/audit").status_code == 403


def test_a_long_log_is_paged_by_row(app: FastAPI, clinic: Clinic) -> None:
    with clinic.work(SYSTEM) as work:
        for number in range(60):
            work.record("exam.seen", "exam", f"e{number}")
    admin = sign_in(app, clinic, Role.ADMIN)
    first = admin.get("/admin/audit", params={"action": "exam.seen"}).text
    assert "e59" in first and "<code title=\"e9\"" not in first and "before=11" in first
    second = admin.get("/admin/audit", params={"action": "exam.seen", "before": 11}).text
    assert "<code title=\"e9\"" in second and "Older" not in second
