"""The pages of whoever cares for a patient, and of the patient's own link."""

from __future__ import annotations

import re
from dataclasses import replace
from threading import Event

import pytest
from clinic_testing import Clock, Signed, add_exam, add_lesion, add_user, blurred, dark, make_app, png, sign_in
from fastapi import FastAPI
from macule_testing import draw, encode
from sqlalchemy import func, select
from starlette.testclient import TestClient

from macule.errors import BundleNotFound
from macule.records import consent, reviews, site, tickets
from macule.records.clinic import Clinic
from macule.records.domain import SYSTEM, Role
from macule.records.site import SiteSettings
from macule.records.tables import AuditRow, Exam, Lesion
from macule.web.templating import STATIC

#: Pages are the same over both databases; the services below them are tested on each.
quick = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
RISKS = ("Low risk", "Medium risk", "High risk")


def agreed(clinic: Clinic, lesion: Lesion | None = None) -> Lesion:
    lesion = lesion or add_lesion(clinic)
    with clinic.work(SYSTEM) as work:
        consent.give(work, patient_id=lesion.patient_id, scope="care")
    return lesion


def send(client: TestClient, address: str, picture: bytes, *, json: bool = False, **fields: str):  # type: ignore[no-untyped-def]
    headers = {"accept": "application/json"} if json else {}
    return client.post(address, files={"picture": ("spot.png", picture)}, data=fields, headers=headers)


def of_link(app: FastAPI, clinic: Clinic, patient_id: str) -> TestClient:
    """Somebody who has opened a patient's link. X-CSRF-Token goes with what they send."""
    with clinic.work(SYSTEM) as work:
        secret = tickets.issue(work, purpose="patient", patient_id=patient_id)
    client = TestClient(app, follow_redirects=False, raise_server_exceptions=False)
    token = re.search(r'name="csrf_token" value="(\w+)"', client.get(f"/p/{secret}").text)
    assert token
    assert client.post(f"/p/{secret}", data={"csrf_token": token[1]}).status_code == 303
    token = re.search(r'name="csrf_token" value="(\w+)"', client.get("/my").text)
    assert token
    client.headers["X-CSRF-Token"] = token[1]
    return client


def count(clinic: Clinic) -> int:
    with clinic.reading() as session:
        return session.scalar(select(func.count()).select_from(Exam)) or 0


def shows_a_risk(page: str) -> bool:
    return any(risk in page for risk in RISKS)


def test_a_nurse_from_a_new_patient_to_an_answer(app: FastAPI, clinic: Clinic) -> None:
    """The whole way without JavaScript: plain forms and redirects."""
    nurse = sign_in(app, clinic, Role.NURSE)
    assert nurse.get("/").headers["location"] == "/patients"
    refused = nurse.post("/patients/new", data={"pseudonym": "Anna Schmidt", "birth_year": "sixty"})
    assert refused.status_code == 422 and 'value="Anna Schmidt"' in refused.text and "four digits" in refused.text
    asked = nurse.post("/patients/new", data={"pseudonym": "P-7", "birth_year": "1960", "sex": "female"})
    patient = asked.headers["location"].removesuffix("/consent")
    assert "Taking and keeping pictures" in nurse.get(f"{patient}/consent").text
    spot = nurse.post(f"{patient}/lesions/new", data={"region": "front.left_forearm"})
    capture = spot.headers["location"]
    assert "Consent comes first" in nurse.get(capture).text
    assert send(nurse, capture, png()).status_code == 409 and count(clinic) == 0
    nurse.post(f"{patient}/consent", data={"scope": "care", "action": "give", "language": "en"})
    page = nurse.get(capture)
    assert 'name="picture"' in page.text and page.headers["permissions-policy"].startswith("camera=(self)")

    bad = send(nurse, capture, blurred(), modality="clinical").headers["location"]
    refusal = nurse.get(bad)
    assert "Blurred" in refusal.text and "Hold the phone with both hands" in refusal.text
    again = re.search(r'href="(/lesions/[^"]+retake_of=[^"]+)"', refusal.text)
    assert again and "Take it again" in nurse.get(again[1]).text
    good = send(nurse, capture, png(), modality="clinical", retake_of=bad.removeprefix("/exams/")).headers["location"]
    answer = nurse.get(good).text
    assert "Medium risk" in answer and "Waiting for the dermatologist" in answer and "When not to wait" in answer
    assert "not a medical device" in answer and "Phone or camera" in answer
    with clinic.reading() as session:
        exam = session.get_one(Exam, good.removeprefix("/exams/"))
    assert exam.retake_of == bad.removeprefix("/exams/") and exam.body_site == "upper_extremity" and exam.age == 66
    for path in (patient, f"/lesions/{exam.lesion_id}", f"/lesions/{exam.lesion_id}/edit", "/patients?q=P-7"):
        assert nurse.get(path).status_code == 200


@quick
def test_what_the_page_with_the_camera_sends_is_answered_in_json(app: FastAPI, clinic: Clinic) -> None:
    nurse, lesion = sign_in(app, clinic, Role.NURSE), agreed(clinic)
    address = f"/lesions/{lesion.id}/capture"
    first = send(nurse, address, png(), json=True, idempotency_key="one")
    assert first.status_code == 200 and first.json()["address"] == f"/exams/{first.json()['exam']}"
    assert send(nurse, address, png(), json=True, idempotency_key="one").json() == first.json()
    # A form that the back button brought back has its old key, but another picture.
    assert send(nurse, address, dark(), json=True, idempotency_key="one").json()["exam"] != first.json()["exam"]
    svg = send(nurse, address, b"<svg onload=alert(1)>", json=True)
    assert (svg.status_code, svg.json()["error"]["code"]) == (415, "unsupported_image")
    assert send(nurse, address, png(), json=True, colour="red").json()["error"]["code"] == "malformed_request"
    assert send(nurse, address, png(), json=True, modality="x-ray").json()["error"]["code"] == "invalid_metadata"
    assert count(clinic) == 2


@quick
def test_a_strangers_form_takes_no_picture(app: FastAPI, clinic: Clinic) -> None:
    nurse, lesion = sign_in(app, clinic, Role.NURSE), agreed(clinic)
    del nurse.headers["X-CSRF-Token"]
    address = f"/lesions/{lesion.id}/capture"
    assert send(nurse, address, png()).status_code == 403
    assert send(nurse, address, png(), csrf_token="0" * 64).status_code == 403
    assert count(clinic) == 0 and list(clinic.store.addresses()) == []
    assert send(nurse, address, png(), csrf_token=nurse.csrf).status_code == 303


@quick
def test_too_many_at_once_are_told_when_to_come_back(clinic: Clinic) -> None:
    app = make_app(clinic, at_once=1, waiting=0, retry_after_s=3, uploads_per_minute=2)
    nurse, lesion, go = sign_in(app, clinic, Role.NURSE), agreed(clinic), Event()
    address = f"/lesions/{lesion.id}/capture"
    busy = app.state.clinic.gate._submit
    app.state.clinic.gate._places.acquire()
    busy(go.wait)
    full = send(nurse, address, png(), json=True, idempotency_key="k")
    assert (full.status_code, full.headers["retry-after"]) == (503, "3") and count(clinic) == 0
    in_html = send(nurse, address, png())
    assert in_html.status_code == 503 and "Nothing is wrong with yours" in in_html.text
    go.set()
    limited = send(nurse, address, png(), json=True)
    assert limited.status_code == 429 and int(limited.headers["retry-after"]) > 0


@quick
def test_a_picture_is_safe_while_the_model_is_away(clinic: Clinic) -> None:
    class Away:
        def current(self):  # type: ignore[no-untyped-def]
            raise BundleNotFound("away: put it back.")

    app = make_app(replace(clinic, models=Away()))
    nurse, lesion = sign_in(app, clinic, Role.NURSE), agreed(clinic)
    exam = send(nurse, f"/lesions/{lesion.id}/capture", png()).headers["location"]
    assert "Received and safe" in nurse.get(exam).text
    assert nurse.get(f"{exam}/thumbnail").headers["content-type"] == "image/jpeg"


@quick
def test_a_reader_sees_no_answer_before_their_own(app: FastAPI, clinic: Clinic) -> None:
    exam = add_exam(clinic, picture=png())
    reader, nurse = sign_in(app, clinic, Role.DERMATOLOGIST), sign_in(app, clinic, Role.NURSE)
    pages = (f"/exams/{exam.id}", f"/patients/{exam.patient_id}", f"/lesions/{exam.lesion_id}", "/patients")
    for path in pages:
        page = reader.get(path)
        assert page.status_code == 200 and not shows_a_risk(page.text), path
    assert f"/cases/{exam.id}" in reader.get(pages[0]).text
    assert reader.get(f"/exams/{exam.id}/heatmap").status_code == 403
    assert reader.get(f"/exams/{exam.id}/picture").status_code == 200
    assert shows_a_risk(nurse.get(pages[0]).text) and nurse.get(f"/exams/{exam.id}/heatmap").status_code == 200
    with clinic.work(reader.actor) as work:
        reviews.commit(work, exam_id=exam.id, own_code="nv")
    assert shows_a_risk(reader.get(pages[0]).text)


@quick
def test_a_patients_link_opens_their_own_and_what_was_released(app: FastAPI, clinic: Clinic) -> None:
    exam, foreign = add_exam(clinic), add_exam(clinic)
    doctor = add_user(clinic, Role.DERMATOLOGIST, name="Dr Moreau")
    patient = of_link(app, clinic, exam.patient_id)
    mine = f"/my/exams/{exam.id}"
    pending = patient.get(mine).text
    assert "A dermatologist will look at it" in pending and not shows_a_risk(pending)
    assert patient.get(f"{mine}/picture").status_code == 200 and patient.get(f"{mine}/heatmap").status_code == 403
    for path in (f"/my/exams/{foreign.id}", f"/my/exams/{foreign.id}/thumbnail", f"/my/lesions/{foreign.lesion_id}",
                 f"/my/lesions/{foreign.lesion_id}/capture"):
        assert patient.get(path).status_code == 404, path
    for path in (f"/exams/{exam.id}", f"/exams/{exam.id}/picture", "/patients", f"/patients/{exam.patient_id}"):
        assert patient.get(path).status_code == 403, path
    with clinic.work(doctor) as work:
        reviews.commit(work, exam_id=exam.id, own_code="nv")
    with clinic.work(doctor) as work:
        reviews.decide(work, exam_id=exam.id, version=None, decision="confirm", management="follow_up",
                       note="not for the patient")
    told = patient.get(mine).text
    assert "Medium risk" in told and "looked at again" in told and "not for the patient" not in told
    assert told.index("Dr Moreau") < told.index("Medium risk"), "the doctor's word comes first"
    assert patient.get(f"{mine}/heatmap").status_code == 200
    with clinic.work(SYSTEM) as work:
        site.change(work, settings=SiteSettings(release="at_once"), version=None)
    other = of_link(app, clinic, foreign.patient_id).get(f"/my/exams/{foreign.id}").text
    assert shows_a_risk(other) and "No doctor has decided" in other


@quick
def test_a_patient_consents_and_takes_a_picture_by_themselves(app: FastAPI, clinic: Clinic) -> None:
    lesion = add_lesion(clinic)
    patient = of_link(app, clinic, lesion.patient_id)
    capture = f"/my/lesions/{lesion.id}/capture"
    assert send(patient, capture, png()).status_code == 409
    assert patient.post("/my/consent", data={"scope": "care", "action": "give"}).status_code == 303
    sent = send(patient, capture, png(), json=True)
    assert sent.json()["address"] == f"/my/exams/{sent.json()['exam']}"
    assert patient.get(capture).headers["permissions-policy"].startswith("camera=(self)")
    assert patient.post("/my/consent", data={"scope": "care", "action": "withdraw"}).status_code == 303
    assert send(patient, capture, dark()).status_code == 409 and count(clinic) == 1


@quick
def test_the_link_is_shown_once_with_its_code(app: FastAPI, clinic: Clinic) -> None:
    nurse, lesion = sign_in(app, clinic, Role.NURSE), add_lesion(clinic)
    made = nurse.post(f"/patients/{lesion.patient_id}/link", data={"csrf_token": nurse.csrf})
    secret = re.search(r"/p/([\w-]{43})", made.text)
    assert secret and "<svg" in made.text and "style=" not in made.text
    assert secret[1] not in nurse.get(f"/patients/{lesion.patient_id}").text
    nurse.post(f"/patients/{lesion.patient_id}/links/end", data={"csrf_token": nurse.csrf})
    assert TestClient(app).get(f"/p/{secret[1]}").status_code == 404


@quick
def test_what_people_type_stays_text(app: FastAPI, clinic: Clinic) -> None:
    nurse, lesion = sign_in(app, clinic, Role.NURSE), agreed(clinic)
    evil = "<script>alert(1)</script>\"'{{7*7}}"
    nurse.post(f"/lesions/{lesion.id}/edit", data={"label": evil, "version": "1"})
    for path in (f"/lesions/{lesion.id}", f"/patients/{lesion.patient_id}", f"/lesions/{lesion.id}/capture"):
        page = nurse.get(path).text
        assert "<script>alert" not in page and "&lt;script&gt;alert(1)" in page and "{{7*7}}" in page
    assert "<b>" not in nurse.get("/patients", params={"q": "<b>"}).text
    assert nurse.post(f"/lesions/{lesion.id}/edit", data={"label": "late", "version": "1"}).status_code == 409
    with clinic.reading() as session:
        kept = session.get_one(Lesion, lesion.id)
    assert kept.label == evil and kept.body_site == "upper_extremity", "a form without a place leaves the place alone"


@quick
def test_pictures_are_shown_by_any_browser_kept_by_none_and_noted_once(
    app: FastAPI, clinic: Clinic, clock: Clock
) -> None:
    exam = add_exam(clinic, picture=encode(draw(), "TIFF"))
    nurse = sign_in(app, clinic, Role.NURSE)
    for name in ("picture", "thumbnail", "heatmap", "picture"):
        shown = nurse.get(f"/exams/{exam.id}/{name}")
        assert shown.headers["content-type"] in ("image/jpeg", "image/png"), "no browser shows a TIFF"
        assert shown.headers["cache-control"] == "no-store"

    def noted() -> int:
        with clinic.reading() as session:
            seen = (AuditRow.action == "exam.seen", AuditRow.actor_id == nurse.actor.id)
            return session.scalar(select(func.count()).where(*seen)) or 0

    assert noted() == 1
    clock.turn(minutes=14)
    nurse.get(f"/exams/{exam.id}/picture")
    assert noted() == 1
    clock.turn(minutes=2)
    nurse.get(f"/exams/{exam.id}/picture")
    assert noted() == 2


@quick
def test_the_first_load_is_light_enough_for_a_slow_phone(app: FastAPI, clinic: Clinic) -> None:
    nurse, exam = sign_in(app, clinic, Role.NURSE), add_exam(clinic)
    agreed(clinic, add_lesion(clinic, patient_id=exam.patient_id))
    for path in ("/patients", f"/patients/{exam.patient_id}", f"/patients/{exam.patient_id}/lesions/new",
                 f"/lesions/{exam.lesion_id}/capture", f"/exams/{exam.id}"):
        weight = first_load(nurse, path)
        print(f"{weight / 1000:6.1f} KB {path}")
        assert weight < 150_000, path


def first_load(client: Signed, path: str) -> int:
    """Bytes of a page, its styles, its scripts and its icon, not compressed."""
    page = client.get(path).text
    files = set(re.findall(r'(?:href|src)="/static/([^"?]+)', page))
    return len(page.encode()) + sum((STATIC / name).stat().st_size for name in files)
