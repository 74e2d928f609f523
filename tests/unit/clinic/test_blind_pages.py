"""What the machine answered changes in the database, and no page of a reader who has yet to say theirs changes."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from clinic_testing import Clock, Signed, add_exam, add_lesion, add_user, png, sign_in
from fastapi import FastAPI
from sqlalchemy import event, select, update

from macule.records import batch_outcomes, batch_work, batches, reviews, site, waiting
from macule.records.batches import Arrived, Belonging, Plan
from macule.records.clinic import Clinic
from macule.records.domain import SYSTEM, Role
from macule.records.site import SiteSettings
from macule.records.tables import Batch, BatchItem, Exam, LoginSession, Patient

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)  # pages, not a database's doing
#: What a page may hold anew each time it is drawn.
FRESH = re.compile(r'value="[\w-]{16,}"|\d+ (min|h)\b|\d\d:\d\d(:\d\d)?(\.\d+)?')
OTHER = {"risk": "high", "malignant": 0.97, "top_code": "mel"}


@pytest.fixture
def exam(clinic: Clinic) -> Exam:
    """Open, and sent in a batch, so that every room shows it."""
    lesion, nurse = add_lesion(clinic, pseudonym="P-77"), add_user(clinic, Role.NURSE)
    batches.create(clinic, actor=nurse, plan=Plan("b", Belonging.ONE, pseudonym="P-77", consent=True),
                   files=[Arrived("a.png", clinic.store.put(png()))], table=None)
    while batch_work.take_queued(clinic):
        pass
    waiting.answer_waiting(clinic)
    with clinic.reading() as session:
        exam = session.scalars(select(Exam).where(Exam.patient_id == lesion.patient_id)).one()
    assert exam.risk == "medium"
    return exam


def _addresses(clinic: Clinic, exam: Exam) -> Iterator[str]:
    with clinic.reading() as session:
        batch, name = session.scalars(select(Batch.id)).one(), session.get_one(Patient, exam.patient_id).pseudonym
    yield from ("/", "/patients", "/batches", "/dashboard", "/dashboard?period=1", "/exports/exams.csv")
    for show in ("open", "mine", "second", "decided", "all"):
        yield f"/worklist?show={show}"
    yield from (f"/worklist?show=all&risk={risk}&patient={name}" for risk in ("low", "medium", "high"))
    yield from ("/worklist?unlike=on", f"/batches/{batch}", f"/batches/{batch}/progress",
                f"/batches/{batch}/outcomes.csv", f"/patients/{exam.patient_id}", f"/lesions/{exam.lesion_id}",
                f"/lesions/{exam.lesion_id}/capture")
    for page in ("", "/picture", "/thumbnail", "/heatmap", "/report.pdf", "/report.pdf?audience=doctor"):
        yield f"/exams/{exam.id}{page}"
    for page in ("", "/next", "/history", "/similar"):
        yield f"/cases/{exam.id}{page}"


def _pages(clinic: Clinic, clock: Clock, reader: Signed, addresses: list[str]) -> dict[str, tuple[int, str]]:
    clock.turn(minutes=2)  # past the minute for which figures are kept
    with clinic.database.writing() as session:
        session.execute(update(LoginSession).values(seen_at=clock.now, created_at=clock.now))
    replies = {address: reader.get(address) for address in addresses}
    return {address: (reply.status_code, FRESH.sub("", reply.text)) for address, reply in replies.items()}


def _told(clinic: Clinic, clock: Clock, reader: Signed, exam: Exam, addresses: list[str]) -> set[str]:
    """Those whose page is another once the answer is."""
    before = _pages(clinic, clock, reader, addresses)
    kept = {name: getattr(exam, name) for name in OTHER}
    with clinic.database.writing() as session:
        session.execute(update(Exam).where(Exam.id == exam.id).values(**OTHER))
    after = _pages(clinic, clock, reader, addresses)
    with clinic.database.writing() as session:
        session.execute(update(Exam).where(Exam.id == exam.id).values(**kept))
    return {address for address in addresses if before[address] != after[address]}


def test_no_page_tells_an_open_cases_answer(app: FastAPI, clinic: Clinic, clock: Clock, exam: Exam) -> None:
    reader = sign_in(app, clinic, Role.DERMATOLOGIST)
    assert _told(clinic, clock, reader, exam, list(_addresses(clinic, exam))) == set()


def test_nor_does_a_case_that_a_second_reader_is_to_read(
    app: FastAPI, clinic: Clinic, clock: Clock, exam: Exam
) -> None:
    reader, first = sign_in(app, clinic, Role.DERMATOLOGIST), add_user(clinic, Role.DERMATOLOGIST)
    with clinic.work(first) as work:
        reviews.commit(work, exam_id=exam.id, own_code="nv")
    with clinic.work(first) as work:
        reviews.decide(work, exam_id=exam.id, version=None, decision="confirm", management="nothing", second=True)
    few = ["/dashboard", "/exports/exams.csv", "/worklist?show=second", f"/cases/{exam.id}"]
    assert _told(clinic, clock, reader, exam, few) == set()


def test_who_has_said_theirs_sees_it_everywhere(app: FastAPI, clinic: Clinic, clock: Clock, exam: Exam) -> None:
    """Or the two tests above could not fail."""
    reader = sign_in(app, clinic, Role.DERMATOLOGIST)
    reader.post(f"/cases/{exam.id}/diagnosis", data={"own_code": "nv"})
    few = ["/dashboard", "/exports/exams.csv", "/worklist?show=mine", f"/cases/{exam.id}"]
    assert _told(clinic, clock, reader, exam, few) == set(few[1:]), "figures are the same for every reader"
    with clinic.work(SYSTEM) as work:
        site.change(work, settings=SiteSettings(commit_first=False), version=None)
    assert _told(clinic, clock, reader, exam, few[:1]) == {"/dashboard"}


def test_a_reader_makes_no_link_that_would_show_them_the_answer(app: FastAPI, clinic: Clinic, exam: Exam) -> None:
    reader, nurse = sign_in(app, clinic, Role.DERMATOLOGIST), sign_in(app, clinic, Role.NURSE)
    address, form = f"/patients/{exam.patient_id}/link", {"x": "y"}
    assert reader.post(address, data=form).status_code == 200, "released after review: it shows nothing yet"
    with clinic.work(SYSTEM) as work:
        site.change(work, settings=SiteSettings(release="at_once"), version=None)
    refused = reader.post(address, data=form)
    assert refused.status_code == 409 and "before your own diagnosis" in refused.text and "/p/" not in refused.text
    assert nurse.post(address, data=form).status_code == 200
    reader.post(f"/cases/{exam.id}/diagnosis", data={"own_code": "nv"})
    assert reader.post(address, data=form).status_code == 200


def test_what_is_hidden_of_a_batch_is_asked_once(clinic: Clinic, exam: Exam) -> None:
    """Not once a file: a batch holds thousands."""
    reader, other = add_user(clinic, Role.DERMATOLOGIST), add_exam(clinic)
    with clinic.work(SYSTEM) as work:
        batch_id = work.session.scalars(select(Batch.id)).one()
        work.session.add(BatchItem(batch_id=batch_id, position=2, name="b.png", state="taken", exam_id=other.id))
    asked: list[str] = []
    event.listen(clinic.database.engine, "before_cursor_execute", lambda *about: asked.append(about[2]))
    with clinic.reading() as session:
        rows = batch_outcomes.rows(session, actor=reader, batch_id=batch_id)
    assert [(row.outcome.value, row.risk) for row in rows] == [("hidden", None)] * 2
    assert sum("FROM review" in statement for statement in asked) == 1
