"""Exporting and erasing a person: everything goes out, everything goes away, and a stop in between is not forgotten."""

from __future__ import annotations

import io
import json
import zipfile
from datetime import date

import pytest
from clinic_testing import add_exam, add_lesion, add_user, dark, png
from sqlalchemy import select

from macule.errors import NoSuchRecord, RecordInvalid, StoreAway
from macule.records import (
    audit,
    batch_work,
    batches,
    biopsies,
    comments,
    consent,
    portable,
    privacy,
    reviews,
    sessions,
    similar,
    tickets,
)
from macule.records.clinic import Clinic
from macule.records.domain import Actor, Role
from macule.records.tables import AuditRow, Base, BundleRecord, Delivery, Erasure, Exam, LoginSession, Patient, Webhook

SPOKEN = "She said her sister had one too."


class _Stop(BaseException):
    """As a kill: no handler in between sees it."""


def _whole(clinic: Clinic) -> tuple[Actor, Exam]:
    """A patient of whom every kind of row is kept, and another with the very same picture."""
    admin, reader = add_user(clinic, Role.ADMIN), add_user(clinic, Role.DERMATOLOGIST)
    exam = add_exam(clinic, lesion=add_lesion(clinic, pseudonym="P-SECRET-1"))
    add_exam(clinic, lesion=add_lesion(clinic, patient_id=exam.patient_id), picture=dark())
    add_exam(clinic, lesion=add_lesion(clinic, pseudonym="P-OTHER"))
    with clinic.work(reader) as work:
        consent.give(work, patient_id=exam.patient_id, scope="care")
        reviews.commit(work, exam_id=exam.id, own_code="mel")
    with clinic.work(reader) as work:
        reviews.decide(work, exam_id=exam.id, version=None, decision="confirm", management="biopsy", note=SPOKEN)
        biopsies.record(work, exam_id=exam.id, version=None, code="nv", reported_on=date(2026, 11, 20), note=SPOKEN)
        comments.add(work, exam_id=exam.id, text=SPOKEN)
        secret = tickets.issue(work, purpose="patient", patient_id=exam.patient_id)
        work.session.flush()
        sessions.begin(work, ticket_id=tickets.digest(secret))
        work.session.add(Webhook(id="h" * 32, url="https://a.example", secret=b"x", events=["exam.answered"],
                                 created_at=work.now, created_by="x"))
        work.session.flush()
        work.session.add(Delivery(id="d" * 32, webhook_id="h" * 32, event="exam.answered", created_at=work.now,
                                  attempts=0, payload={"exam": {"id": exam.id, "patient_id": exam.patient_id}}))
    return admin, exam


def _mentions(clinic: Clinic, *words: str) -> set[str]:
    """Tables in which any row holds any of the words."""
    found = set()
    with clinic.reading() as session:
        for table in Base.metadata.sorted_tables:
            for row in session.execute(select(table)):
                if any(word in json.dumps([str(value) for value in row]) for word in words):
                    found.add(table.name)
    return found


def _erase(clinic: Clinic, admin: Actor, exam: Exam) -> str:
    return privacy.erase(clinic, actor=admin, patient_id=exam.patient_id, reason="request", typed="P-SECRET-1")


def test_nothing_is_left_but_the_tombstone_and_the_log(clinic: Clinic) -> None:
    admin, exam = _whole(clinic)
    assert _mentions(clinic, "P-SECRET-1", SPOKEN) == {"patient", "review", "biopsy", "comment"}
    _erase(clinic, admin, exam)
    assert _mentions(clinic, "P-SECRET-1", SPOKEN) == set()
    assert _mentions(clinic, exam.patient_id) == {"patient", "audit", "erasure"}
    assert _mentions(clinic, exam.id) == {"audit"}
    with clinic.reading() as session:
        left = session.get(Patient, exam.patient_id)
        assert left is not None and left.erased_at and (left.birth_year, left.sex, left.skin_type) == (None, None, None)
        assert list(session.scalars(select(LoginSession))) == []


def test_pictures_go_but_for_those_that_are_another_patients_too(clinic: Clinic) -> None:
    admin, exam = _whole(clinic)
    _erase(clinic, admin, exam)
    with clinic.reading() as session:
        other = session.scalars(select(Exam)).one()
        archive = session.scalars(select(BundleRecord.archive)).one()
    assert set(clinic.store.addresses()) == {other.picture, other.thumbnail, other.heatmap, archive}
    assert other.picture == exam.picture  # the very same bytes, and still whole
    assert clinic.store.get(other.picture)


def test_the_log_keeps_its_chain_and_says_who_erased(clinic: Clinic) -> None:
    admin, exam = _whole(clinic)
    _erase(clinic, admin, exam)
    with clinic.reading() as session:
        rows = list(session.scalars(select(AuditRow).order_by(AuditRow.seq)))
    assert all(audit.digest(row) == row.hash for row in rows)
    begun, finished = rows[-2:]
    assert (begun.action, begun.actor_id, begun.patient_id) == ("patient.erased", admin.id, exam.patient_id)
    assert finished.action == "patient.erasure_finished" and json.loads(begun.details)["reason"] == "request"
    assert json.loads(begun.details)["exams"] == 2


@pytest.mark.parametrize("deletions", [0, 1, 2])
def test_a_kill_between_rows_and_pictures_is_gone_on_with(
    clinic: Clinic, monkeypatch: pytest.MonkeyPatch, deletions: int
) -> None:
    admin, exam = _whole(clinic)
    done, delete = [], type(clinic.store).delete

    def killed(store: object, address: str) -> None:
        if len(done) == deletions:
            raise _Stop
        delete(store, address)  # type: ignore[arg-type]
        done.append(address)

    with monkeypatch.context() as patch, pytest.raises(_Stop):
        patch.setattr(type(clinic.store), "delete", killed)
        _erase(clinic, admin, exam)
    with clinic.reading() as session:
        waiting = session.scalars(select(Erasure)).one()
        assert waiting.finished_at is None and len(waiting.pictures) == 6
        assert session.get(Exam, exam.id) is None  # no page shows the patient any more
    assert privacy.finish_erasures(clinic)
    assert not privacy.finish_erasures(clinic)
    assert len(list(clinic.store.addresses())) == 4
    with clinic.reading() as session:
        finished = session.scalars(select(Erasure)).one()
        assert finished.finished_at is not None and finished.pictures == []


def test_while_the_store_is_away_the_erasure_waits(clinic: Clinic, monkeypatch: pytest.MonkeyPatch) -> None:
    admin, exam = _whole(clinic)

    def away(*_: object) -> None:
        raise StoreAway("the store is read-only")

    with monkeypatch.context() as patch, pytest.raises(StoreAway):
        patch.setattr(type(clinic.store), "delete", away)
        _erase(clinic, admin, exam)
    assert privacy.finish_erasures(clinic) and len(list(clinic.store.addresses())) == 4


def test_it_takes_the_right_pseudonym_and_a_reason(clinic: Clinic) -> None:
    admin, exam = _whole(clinic)
    for typed, reason, field in (("P-OTHER", "request", "typed"), ("P-SECRET-1", "", "reason"),
                                 ("P-SECRET-1", "because", "reason")):
        with pytest.raises(RecordInvalid) as refusal:
            privacy.erase(clinic, actor=admin, patient_id=exam.patient_id, reason=reason, typed=typed)
        assert list(refusal.value.fields) == [field]
    _erase(clinic, admin, exam)
    with pytest.raises(NoSuchRecord):
        _erase(clinic, admin, exam)


def test_files_that_wait_for_the_patient_go_too(clinic: Clinic) -> None:
    admin, exam = _whole(clinic)
    nurse, address = add_user(clinic, Role.NURSE), clinic.store.put(png(seed=9))
    batch_id = batches.create(
        clinic, actor=nurse, table=None, files=[batches.Arrived("Mrs Secret.png", address)],
        plan=batches.Plan("B", batches.Belonging.ONE, "p-secret-1", consent=True))
    _erase(clinic, admin, exam)
    assert address not in set(clinic.store.addresses()) and _mentions(clinic, "Mrs Secret", "p-secret") == set()
    assert not batch_work.take_queued(clinic)
    with clinic.reading() as session:
        assert len(list(session.scalars(select(Patient)))) == 2
    assert batches.known(clinic, batch_id).name == "B"


def test_the_library_of_similar_cases_forgets(clinic: Clinic) -> None:
    admin, exam = _whole(clinic)
    with clinic.reading() as session:
        other = session.scalars(select(Exam).where(Exam.patient_id != exam.patient_id)).one()
    library = similar.Library()
    assert [case.exam_id for case in library.nearest(clinic, exam_id=other.id).cases] == [exam.id]
    _erase(clinic, admin, exam)
    assert library.nearest(clinic, exam_id=other.id).cases == ()


def test_everything_is_handed_out(clinic: Clinic) -> None:
    admin, exam = _whole(clinic)
    with zipfile.ZipFile(io.BytesIO(portable.export(clinic, actor=admin, patient_id=exam.patient_id))) as archive:
        names = archive.namelist()
        record = json.loads(archive.read("record.json"))
        page = archive.read("index.html").decode()
        picture = archive.read(next(name for name in names if name.startswith("pictures/") and exam.id in name))
        report = archive.read(next(name for name in names if name.startswith("reports/") and "doctor" in name))
    assert clinic.store.get(exam.picture) == picture and report.startswith(b"%PDF-")
    assert sum(name.startswith("pictures/") for name in names) == 2
    assert sum(name.startswith("reports/") for name in names) == 4
    kinds = ("lesions", "exams", "reviews", "biopsies", "comments", "consents", "links")
    assert [len(record[kind]) for kind in kinds] == [2, 2, 1, 1, 1, 1, 1]
    assert record["audit"][-1]["action"] == "patient.exported" and record["missing"] == []
    assert record["exams"][0]["result"]["diagnoses"] and "embedding" not in record["exams"][0]
    for words in ("P-SECRET-1", SPOKEN, "Dermatologist", "patient.exported", "Left forearm"):
        assert words in page
    assert "P-OTHER" not in json.dumps(record) and "<script" not in page


def test_a_damaged_picture_is_named_and_the_rest_goes_out(clinic: Clinic) -> None:
    admin, exam = _whole(clinic)
    clinic.store.delete(exam.picture)
    with zipfile.ZipFile(io.BytesIO(portable.export(clinic, actor=admin, patient_id=exam.patient_id))) as archive:
        record = json.loads(archive.read("record.json"))
        assert sum(name.startswith("pictures/") for name in archive.namelist()) == 1
    assert len(record["missing"]) == 1 and exam.id in record["missing"][0]


def test_what_people_typed_is_text_on_the_page(clinic: Clinic) -> None:
    admin = add_user(clinic, Role.ADMIN)
    exam = add_exam(clinic)
    with clinic.work(add_user(clinic, Role.DERMATOLOGIST, name="<b>Dr</b>")) as work:
        reviews.commit(work, exam_id=exam.id, own_code="mel")
        comments.add(work, exam_id=exam.id, text="<script>alert(1)</script>")
    with zipfile.ZipFile(io.BytesIO(portable.export(clinic, actor=admin, patient_id=exam.patient_id))) as archive:
        page = archive.read("index.html").decode()
    assert "<script" not in page and "&lt;script&gt;" in page and "<b>Dr" not in page
