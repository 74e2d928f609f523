"""The clinic by its interface for machines: real keys, real database, real pictures."""

from __future__ import annotations

import threading
import time
from typing import Any

import pytest
from clinic_testing import add_exam, add_lesion, blurred, dark, make_app, png, sign_in
from fastapi import FastAPI
from machine_client import Machine
from sqlalchemy import func, select
from starlette.testclient import TestClient

from macule.records import api_keys, couriers
from macule.records.clinic import Clinic
from macule.records.domain import SYSTEM, ConsentScope, Role
from macule.records.tables import AuditRow, Consent, Delivery, Exam, Lesion, Patient, User, Webhook
from macule.web.clinic.api import sending

V1 = "/api/v1"
#: What only the web decides is tried on one database; the queries are tried on both.
sqlite = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


@pytest.fixture
def machine(app: FastAPI, clinic: Clinic) -> Machine:
    return Machine(app, clinic)


def _patient(machine: TestClient, pseudonym: str = "P-1") -> str:
    made = machine.post(f"{V1}/patients", json={"pseudonym": pseudonym, "birth_year": 1970, "sex": "female"})
    assert made.status_code == 201, made.text
    agreed = machine.post(f"{V1}/patients/{made.json()['id']}/consents", json={"scope": "care"})
    assert agreed.status_code == 201, agreed.text
    return str(made.json()["id"])


def _lesion(machine: TestClient) -> str:
    made = machine.post(f"{V1}/patients/{_patient(machine)}/lesions", json={"label": "Left forearm"})
    assert made.status_code == 201, made.text
    return str(made.json()["id"])


def _send(machine: TestClient, *, picture: bytes | None = None, headers: dict[str, str] | None = None,
          query: str = "", **fields: Any) -> Any:
    files = {"picture": ("spot.png", picture or png(), "image/png")}
    return machine.post(f"{V1}/exams{query}", data=fields, files=files, headers=headers or {})


def _error(reply: Any, status: int, code: str) -> dict[str, Any]:
    assert reply.status_code == status, reply.text
    error: dict[str, Any] = reply.json()["error"]
    assert error["code"] == code and error["message"]
    return error


def test_from_a_patient_to_a_report(machine: Machine) -> None:
    lesion = _lesion(machine)
    sent = _send(machine, lesion_id=lesion, modality="dermoscopic")
    assert sent.status_code == 201, sent.text
    exam, result = sent.json()["exam"], sent.json()["result"]
    place = sent.headers["Location"]
    assert place == f"{V1}/exams/{exam['id']}" and exam["state"] == "answered"
    assert exam["headline"]["risk"] == result["risk"] and exam["headline"]["top_code"] == "nv"
    assert machine.get(place).json() == exam
    assert machine.get(f"{place}/result").json() == result
    picture, heatmap = machine.get(f"{place}/picture"), machine.get(f"{place}/heatmap")
    assert picture.headers["Content-Type"] == heatmap.headers["Content-Type"] == "image/png"
    assert picture.headers["Cache-Control"] == "no-store"
    report = machine.get(f"{place}/report.pdf")
    assert report.status_code == 200 and report.content.startswith(b"%PDF")


def test_everything_in_one_request_and_sent_twice_it_is_one(machine: Machine, clinic: Clinic) -> None:
    about = {"pseudonym": "P-7", "birth_year": "1960", "consent": "care", "label": "Back", "body_site": "trunk"}
    first = _send(machine, headers={"Idempotency-Key": "order-1"}, **about)
    again = _send(machine, headers={"Idempotency-Key": "order-1"}, **about)
    assert (first.status_code, again.status_code) == (201, 200) and again.json() == first.json()
    other = _send(machine, picture=dark(), headers={"Idempotency-Key": "order-1"}, **about)
    _error(other, 409, "conflict")
    next_one = _send(machine, picture=dark(), **about)  # the same spot again, known by its label
    assert next_one.json()["exam"]["lesion_id"] == first.json()["exam"]["lesion_id"]
    with clinic.reading() as session:
        assert len(session.scalars(select(Exam)).all()) == 2


@sqlite
def test_a_key_of_another_system_is_not_the_same_key(app: FastAPI, clinic: Clinic, machine: Machine) -> None:
    lesion, other = _lesion(machine), Machine(app, clinic)
    one = _send(machine, lesion_id=lesion, headers={"Idempotency-Key": "1"}).json()["exam"]["id"]
    assert _send(other, lesion_id=lesion, headers={"Idempotency-Key": "1"}).json()["exam"]["id"] != one


@sqlite
def test_without_consent_nothing_is_accepted(machine: Machine, clinic: Clinic) -> None:
    _error(_send(machine, pseudonym="P-8", label="Back"), 409, "consent_missing")
    assert machine.get(f"{V1}/patients?pseudonym=P-8").json()["patients"] == []  # refused is refused as a whole
    assert list(clinic.store.addresses()) == []
    patient = machine.post(f"{V1}/patients", json={"pseudonym": "P-8"}).json()["id"]
    text = machine.get(f"{V1}/consent-texts/care").json()
    stale = {"scope": "care", "text_sha256": "0" * 64}
    _error(machine.post(f"{V1}/patients/{patient}/consents", json=stale), 409, "conflict")
    shown = {"scope": "care", "text_sha256": text["sha256"]}
    assert machine.post(f"{V1}/patients/{patient}/consents", json=shown).status_code == 201
    assert _send(machine, pseudonym="P-8", label="Back").status_code == 201
    assert machine.delete(f"{V1}/patients/{patient}/consents/care").status_code == 204
    _error(_send(machine, pseudonym="P-8", label="Back"), 409, "consent_missing")
    consents = machine.get(f"{V1}/patients/{patient}/consents").json()["consents"]
    assert len(consents) == 1 and consents[0]["withdrawn_at"]
    with clinic.reading() as session:
        assert len(session.scalars(select(Consent)).all()) == 1


@pytest.mark.parametrize("headers", [{}, {"Idempotency-Key": "order-1"}], ids=["plain", "key"])
def test_a_picture_that_is_refused_registers_nobody(
    machine: Machine, clinic: Clinic, headers: dict[str, str]
) -> None:
    about = {"pseudonym": "P-9", "consent": "care"}
    for _ in range(2):
        _error(_send(machine, picture=b"no picture", headers=headers, **about), 422, "unreadable_image")
    assert _rows(clinic) == [0, 0, 0, 0]
    for _ in range(2):
        assert _send(machine, headers=headers, **about).status_code in (200, 201)
    assert _rows(clinic) == ([1, 1, 1, 1] if headers else [1, 1, 2, 2])


def test_two_first_pictures_of_one_patient_at_once(clinic: Clinic) -> None:
    about, made = sending.Sent(pseudonym="P-9", consent=ConsentScope.CARE, label="Back"), list[str]()

    def send(seed: int) -> None:
        ask = sending.Asked(png(seed=seed), "a.png", about)
        made.append(sending.receive(clinic, actor=SYSTEM, ask=ask, key=None))

    senders = [threading.Thread(target=send, args=(seed,)) for seed in range(4)]
    for sender in senders:
        sender.start()
    for sender in senders:
        sender.join(30)
    assert len(set(made)) == 4 and _rows(clinic) == [1, 1, 1, 4]


def _rows(clinic: Clinic) -> list[int]:
    """Of patients, consents, lesions and exams."""
    kinds = (Patient, Consent, Lesion, Exam)
    with clinic.reading() as session:
        return [session.scalar(select(func.count()).select_from(kind)) or 0 for kind in kinds]


@sqlite
def test_poor_pictures_and_no_pictures(machine: Machine) -> None:
    lesion = _lesion(machine)
    refused = _send(machine, picture=blurred(), lesion_id=lesion)
    assert refused.status_code == 201 and refused.json()["exam"]["state"] == "refused"
    assert refused.json()["result"]["quality"]["usable"] is False and refused.json()["exam"]["headline"] is None
    _error(machine.get(f"{refused.headers['Location']}/heatmap"), 404, "no_such_record")
    _error(_send(machine, picture=b"<svg onload=alert(1)>", lesion_id=lesion), 415, "unsupported_image")
    _error(_send(machine, lesion_id="0" * 32), 404, "no_such_record")
    assert "lesion_id" in _error(_send(machine), 422, "record_invalid")["fields"]
    assert "modality" in _error(_send(machine, lesion_id=lesion, modality="x-ray"), 422, "record_invalid")["fields"]
    _error(machine.post(f"{V1}/exams", json={}), 400, "malformed_request")


class _Slow:
    """The analyzer behind a door that the test opens."""

    def __init__(self, inner: Any) -> None:
        self.bundle, self._inner, self.door = inner.bundle, inner, threading.Event()

    def current(self) -> _Slow:
        return self

    def analyze(self, *told: Any, **about: Any) -> Any:
        self.door.wait(20)
        return self._inner.analyze(*told, **about)


@sqlite
def test_who_does_not_wait_asks_later(clinic: Clinic) -> None:
    import dataclasses

    slow = _Slow(clinic.models.current())
    clinic = dataclasses.replace(clinic, models=slow)
    machine = Machine(make_app(clinic), clinic)
    with machine:
        sent = _send(machine, query="?wait=0", pseudonym="P-9", label="Back", consent="care")
        assert sent.status_code == 202 and sent.headers["Retry-After"] == "1" and sent.json()["result"] is None
        place = sent.headers["Location"]
        waiting = machine.get(f"{place}/result")
        assert waiting.status_code == 202 and waiting.json()["state"] == "waiting"
        preferred = _send(machine, headers={"Prefer": "respond-async, wait=0"}, pseudonym="P-9", label="Back")
        assert preferred.status_code == 202
        slow.door.set()
        deadline = time.monotonic() + 20
        while machine.get(f"{place}/result").status_code == 202:
            assert time.monotonic() < deadline
            time.sleep(0.02)
        assert machine.get(f"{place}/result").json()["risk"] == "medium"


def test_lists_are_read_onward_and_miss_nothing(machine: Machine, clinic: Clinic, clock: Any) -> None:
    lesion = add_lesion(clinic)
    made = []
    for seed in range(3):
        made.append(add_exam(clinic, lesion=lesion, picture=png(seed=seed)).id)
        clock.turn(minutes=1)
    first = machine.get(f"{V1}/exams?limit=2").json()
    assert [exam["id"] for exam in first["exams"]] == made[:2]
    made.append(add_exam(clinic, lesion=lesion, picture=dark()).id)
    rest = machine.get(f"{V1}/exams?limit=2&cursor={first['next_cursor']}").json()
    assert [exam["id"] for exam in rest["exams"]] == made[2:] and rest["next_cursor"] is None
    since = machine.get(f"{V1}/exams", params={"since": "2026-11-21T10:02:30+01:00"}).json()["exams"]
    assert [exam["id"] for exam in since] == made[3:]
    assert machine.get(f"{V1}/exams?state=refused").json()["exams"] == []
    assert len(machine.get(f"{V1}/exams?patient_id={lesion.patient_id}").json()["exams"]) == 4
    _error(machine.get(f"{V1}/exams?cursor=made-up"), 422, "record_invalid")
    assert machine.get(f"{V1}/patients?limit=1").json()["patients"][0]["id"] == lesion.patient_id


@sqlite
def test_two_writers_and_the_second_is_told(machine: Machine) -> None:
    patient = _patient(machine)
    place, tag = f"{V1}/patients/{patient}", machine.get(f"{V1}/patients/{patient}").headers["ETag"]
    new = {"pseudonym": "P-1", "birth_year": 1971}
    changed = machine.put(place, json=new, headers={"If-Match": tag})
    assert changed.status_code == 200 and changed.json()["birth_year"] == 1971 and changed.headers["ETag"] != tag
    _error(machine.put(place, json=new, headers={"If-Match": tag}), 412, "precondition_failed")
    _error(machine.put(place, json=new, headers={"If-Match": "nonsense"}), 412, "precondition_failed")
    assert machine.put(place, json=new, headers={"If-Match": "*"}).status_code == 200


def test_a_reading_system_decides_in_its_own_name(machine: Machine, clinic: Clinic) -> None:
    exam = add_exam(clinic)
    place = f"{V1}/exams/{exam.id}/reviews"
    word = {"decision": "override", "final_code": "mel", "reason": "morphology", "management": "excise"}
    _error(machine.post(place, json=word, headers={"If-Match": '"999"'}), 412, "precondition_failed")
    made = machine.post(place, json=word | {"own_code": "bcc"}, headers={"If-Match": f'"{exam.version}"'})
    assert made.status_code == 201, made.text
    assert made.json()["reader"] == "PACS North" and made.json()["own_code"] == "bcc"
    _error(machine.post(place, json=word), 409, "conflict")
    assert machine.get(place).json()["reviews"] == [made.json()]
    seen = machine.get(f"{V1}/exams/{exam.id}").json()
    assert (seen["final_code"], seen["review_state"]) == ("mel", "decided")
    with clinic.reading() as session:
        account = session.get(User, machine.key.id)
        assert account is not None and not account.active and account.password_hash is None
        row = session.scalars(select(AuditRow).where(AuditRow.action == "review.decided")).one()
        assert (row.actor_kind, row.actor_id) == ("key", machine.key.id)


@sqlite
@pytest.mark.parametrize("shown", ["", "/result", "/heatmap", "/report.pdf", "/reviews", "list"])
def test_what_a_key_was_shown_is_no_diagnosis_of_its_own(machine: Machine, clinic: Clinic, shown: str) -> None:
    exam, other = add_exam(clinic), add_exam(clinic)
    seen = machine.get(f"{V1}/exams" + ("" if shown == "list" else f"/{exam.id}{shown}"))
    assert seen.status_code == 200
    word = {"own_code": "nv", "decision": "confirm", "management": "nothing"}
    refused = machine.post(f"{V1}/exams/{exam.id}/reviews", json=word)
    assert "without own_code" in _error(refused, 409, "conflict")["message"]
    assert machine.post(f"{V1}/exams/{exam.id}/reviews", json=word | {"own_code": None}).status_code == 201
    free = machine.post(f"{V1}/exams/{other.id}/reviews", json=word)
    assert free.status_code == (409 if shown == "list" else 201)


@sqlite
def test_a_reply_with_the_answer_and_a_picture_without_it(machine: Machine, clinic: Clinic) -> None:
    word = {"own_code": "nv", "decision": "confirm", "management": "nothing"}
    sent = _send(machine, lesion_id=_lesion(machine)).json()["exam"]["id"]
    _error(machine.post(f"{V1}/exams/{sent}/reviews", json=word), 409, "conflict")
    exam = add_exam(clinic)
    assert machine.get(f"{V1}/exams/{exam.id}/picture").status_code == 200
    assert machine.post(f"{V1}/exams/{exam.id}/reviews", json=word).status_code == 201


def test_a_biopsy_is_recorded_and_corrected(machine: Machine, clinic: Clinic) -> None:
    exam = add_exam(clinic)
    place, word = f"{V1}/exams/{exam.id}/biopsy", {"code": "mel", "reported_on": "2026-11-21"}
    _error(machine.get(place), 404, "no_such_record")
    assert "decided" in _error(machine.post(place, json=word), 409, "conflict")["message"]
    machine.post(f"{V1}/exams/{exam.id}/reviews", json={"decision": "confirm", "management": "nothing"})
    first = machine.post(place, json={"code": "mel", "reported_on": "2026-11-21"})
    assert first.status_code == 200, first.text
    word = {"code": "bcc", "reported_on": "2026-11-21", "note": "second opinion"}
    right = machine.post(place, json=word, headers={"If-Match": first.headers["ETag"]})
    assert right.json()["code"] == "bcc" and machine.get(place).json() == right.json()
    _error(machine.post(place, json=word, headers={"If-Match": first.headers["ETag"]}), 412, "precondition_failed")


@sqlite
def test_scopes_open_only_what_they_say(app: FastAPI, clinic: Clinic) -> None:
    sender, reader = Machine(app, clinic, "exams:write"), Machine(app, clinic, "exams:read")
    sent = _send(sender, pseudonym="P-5", label="Back", consent="care")
    assert sent.status_code == 201 and sent.json()["result"] is None and sent.json()["exam"]["headline"] is None
    assert "exams:read" in _error(sender.get(sent.headers["Location"]), 403, "not_allowed")["message"]
    assert reader.get(sent.headers["Location"]).json()["headline"]["risk"] == "medium"
    _error(_send(reader, pseudonym="P-5", label="Back"), 403, "not_allowed")
    _error(reader.get(f"{sent.headers['Location']}/report.pdf?audience=doctor"), 403, "not_allowed")
    _error(reader.get(f"{V1}/webhooks"), 403, "not_allowed")


@sqlite
def test_only_a_key_that_is_valid_opens(app: FastAPI, clinic: Clinic, machine: Machine) -> None:
    nobody = TestClient(app, raise_server_exceptions=False)
    for headers in ({}, {"Authorization": "Bearer macule_wrong"}, {"Authorization": "Basic bWFjdWxl"},
                    {"Authorization": b"Bearer \xff"}):
        refused = nobody.get(f"{V1}/exams", headers=headers)
        _error(refused, 401, "not_signed_in")
        assert refused.headers["WWW-Authenticate"].startswith("Bearer")
    _error(sign_in(app, clinic, Role.DERMATOLOGIST).get(f"{V1}/exams"), 401, "not_signed_in")
    with clinic.work(SYSTEM) as work:
        api_keys.revoke(work, key_id=machine.key.id)
    _error(machine.get(f"{V1}/exams"), 401, "not_signed_in")


@sqlite
def test_a_key_opens_no_page(machine: Machine) -> None:
    for page in ("/admin/keys", "/admin/webhooks", "/patients", "/worklist"):
        assert machine.get(page).status_code in (303, 401, 404)


def test_webhooks_are_managed_and_told(machine: Machine, clinic: Clinic) -> None:
    hook = {"url": "https://hospital.example/macule", "events": ["exam.answered", "review.decided", "biopsy.recorded"]}
    made = machine.post(f"{V1}/webhooks", json=hook)
    assert made.status_code == 201 and made.json()["secret"].startswith("mwh_")
    key = made.json()["id"]
    assert "secret" not in machine.get(f"{V1}/webhooks/{key}").json()
    for url in ("http://hospital.example/", "https://127.0.0.1/", "https://10.0.0.1/", "nonsense"):
        refused = machine.post(f"{V1}/webhooks", json=hook | {"url": url})
        assert "url" in _error(refused, 422, "record_invalid")["fields"]
    exam = add_exam(clinic)
    machine.post(f"{V1}/exams/{exam.id}/reviews", json={"decision": "confirm", "management": "nothing"})
    machine.post(f"{V1}/exams/{exam.id}/biopsy", json={"code": "nv", "reported_on": "2026-11-21"})
    add_exam(clinic, picture=blurred())  # not asked for
    listed = machine.get(f"{V1}/webhooks/{key}/deliveries").json()["deliveries"]
    assert sorted(one["event"] for one in listed) == sorted(hook["events"])
    again = machine.post(f"{V1}/webhooks/{key}/deliveries/{listed[0]['id']}/redeliver")
    assert again.status_code == 202 and again.json()["attempts"] == 0
    assert machine.delete(f"{V1}/webhooks/{key}").json()["disabled_at"]
    assert couriers.claim(clinic, limit=10) == []
    with clinic.reading() as session:
        assert len(session.scalars(select(Webhook)).all()) == 1 and len(session.scalars(select(Delivery)).all()) == 3


@sqlite
def test_the_risk_is_told_only_to_a_key_that_reads_answers(app: FastAPI, clinic: Clinic) -> None:
    hook = {"url": "https://hospital.example/macule", "events": ["exam.answered"]}
    blind, reading = (Machine(app, clinic, "webhooks:manage", *more).post(f"{V1}/webhooks", json=hook).json()["id"]
                      for more in ((), ("exams:read",)))
    exam = add_exam(clinic)
    with clinic.reading() as session:
        told = {row.webhook_id: row.payload["exam"] for row in session.scalars(select(Delivery))}
    assert told[reading]["risk"] == exam.risk and "risk" not in told[blind]


@sqlite
def test_the_model_says_which_it_is(machine: Machine, clinic: Clinic) -> None:
    told, bundle = machine.get(f"{V1}/model").json(), clinic.models.current().bundle
    assert (told["id"], told["sha256"]) == (bundle.id, bundle.sha256)
    assert told["thresholds"]["medium"]["probability"] == bundle.thresholds.medium.probability


def test_seeing_leaves_a_trace(machine: Machine, clinic: Clinic) -> None:
    exam = add_exam(clinic)
    machine.get(f"{V1}/exams/{exam.id}")
    machine.get(f"{V1}/patients/{exam.patient_id}")
    with clinic.reading() as session:
        rows = session.scalars(select(AuditRow).where(AuditRow.actor_id == machine.key.id)).all()
    assert {"exam.seen", "patient.seen"} <= {row.action for row in rows}


@sqlite
def test_too_many_pictures_a_minute(clinic: Clinic) -> None:
    machine = Machine(make_app(clinic, uploads_per_minute=1), clinic)
    assert _send(machine, pseudonym="P-3", consent="care").status_code == 201
    refused = _send(machine, pseudonym="P-3")
    _error(refused, 429, "too_many_attempts")
    assert int(refused.headers["Retry-After"]) > 0


