"""Several servers share one database: none waits for another to end, and none does again or undoes what another did."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
from clinic_fixtures import BACKENDS
from clinic_testing import add_exam, add_lesion, add_user, png
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from macule.errors import NoSuchRecord
from macule.records import (
    batch_table,
    batch_work,
    batches,
    consent,
    holdings,
    intake,
    lesions,
    people,
    privacy,
    waiting,
)
from macule.records.batches import Arrived, Belonging, Plan
from macule.records.clinic import Clinic
from macule.records.database import Database
from macule.records.domain import SYSTEM, Role
from macule.records.tables import BatchItem, Consent, Erasure, Exam, Lesion, Patient


@pytest.fixture
def second(clinic: Clinic, database_url: str) -> Iterator[Clinic]:
    """Another process's view of the same clinic."""
    other = Clinic(Database(database_url), clinic.store, clinic.seals, clinic.models, clinic.clock)
    yield other
    other.database.close()


def _count(clinic: Clinic, kind: type) -> int:
    with clinic.reading() as session:
        return session.scalar(select(func.count()).select_from(kind)) or 0


def test_a_second_server_starts_while_the_first_one_runs(database_url: str) -> None:
    first, second = Database(database_url), Database(database_url)
    first.upgrade()
    starting = threading.Thread(target=second.upgrade, daemon=True)
    starting.start()
    starting.join(timeout=20)
    assert not starting.is_alive()
    first.close()
    second.close()


def test_two_workers_make_one_exam_of_each_file(
    clinic: Clinic, second: Clinic, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Most of them of one new patient, whom both meet at once, and two of one spot."""
    nurse = add_user(clinic, Role.NURSE)
    files = [Arrived(f"{n}.png", clinic.store.put(png(seed=n))) for n in range(6)]
    table = "file;pseudonym;lesion\n" + "".join(f"{n}.png;P-1;{'Arm' if n < 2 else f'Spot {n}'}\n" for n in range(6))
    batches.create(clinic, actor=nurse, plan=Plan("b", Belonging.TABLE, consent=True), files=files,
                   table=batch_table.read(table.encode()))
    together, raised, by_pseudonym = threading.Barrier(2), list[BaseException](), people.by_pseudonym

    def slowly(session: Session, pseudonym: str) -> Patient | None:
        found = by_pseudonym(session, pseudonym)
        time.sleep(0.02)  # between the look and what is made of it
        return found

    monkeypatch.setattr(people, "by_pseudonym", slowly)

    def work(own: Clinic) -> None:
        together.wait(10)
        try:
            while batch_work.take_queued(own):
                pass
        except BaseException as error:  # of a thread nobody else would learn
            raised.append(error)

    workers = [threading.Thread(target=work, args=(each,)) for each in (clinic, second)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
    while batch_work.take_queued(clinic):  # what one left to the other
        pass
    with clinic.reading() as session:
        items = list(session.scalars(select(BatchItem)))
        assert raised == [] and [(each.state, each.error) for each in items] == [("taken", None)] * 6
        assert len({each.exam_id for each in items}) == 6
    assert [_count(clinic, kind) for kind in (Exam, Lesion, Patient, Consent)] == [6, 5, 1, 1]


# SQLite has no claims: there both answer, and the first answer is kept.
@pytest.mark.parametrize("database_url", [each for each in BACKENDS if each == "postgresql"], indirect=True)
def test_what_another_process_answers_is_left_to_it(
    clinic: Clinic, second: Clinic, clock: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    exam_id = intake.receive(clinic, actor=SYSTEM, submission=intake.Submission(add_lesion(clinic).id, png(), "a.png"))
    clock.turn(minutes=1)
    answer, theirs = intake.answer, list[bool]()

    def slowly(own: Clinic, *, exam_id: str) -> None:
        theirs.append(waiting.answer_waiting(second))
        answer(own, exam_id=exam_id)

    monkeypatch.setattr(intake, "answer", slowly)
    assert waiting.answer_waiting(clinic) and theirs == [False]
    with clinic.reading() as session:
        assert session.get_one(Exam, exam_id).state == "answered"


# ---- the same bytes, deleted for one patient while they come in for another


def _forgotten(clinic: Clinic, exam: Exam) -> str:
    """Rows only. Returns: the erasure, whose pictures are still to go."""
    with clinic.work(SYSTEM) as work:
        patient = people.hold(work, exam.patient_id)
        return privacy.forget(work, patient=patient, reason=privacy.ErasureReason.MISTAKE)


def test_bytes_that_are_deleted_after_they_were_put_are_put_again(
    clinic: Clinic, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, other = add_exam(clinic), add_lesion(clinic)
    erasure_id = _forgotten(clinic, first)
    put = type(clinic.store).put

    def overtaken(store: object, content: bytes) -> str:
        address = put(store, content)  # type: ignore[arg-type]
        privacy.finish(clinic, erasure_id=erasure_id)  # after the first one nothing is left to do
        return address

    with monkeypatch.context() as patch:
        patch.setattr(type(clinic.store), "put", overtaken)
        exam = add_exam(clinic, lesion=other)
    with clinic.reading() as session:
        assert session.get_one(Erasure, erasure_id).deleted == 3
    assert exam.picture == first.picture and exam.thumbnail and exam.heatmap
    for address in (exam.picture, exam.thumbnail, exam.heatmap):
        assert clinic.store.get(address)


def test_a_deletion_waits_for_whoever_is_naming_the_bytes(
    clinic: Clinic, second: Clinic, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, other = add_exam(clinic), add_lesion(clinic)
    erasure_id = _forgotten(clinic, first)
    deleting = threading.Thread(target=privacy.finish, args=(second,), kwargs={"erasure_id": erasure_id})
    insert = intake._insert

    def slowly(*arguments: Any) -> Exam:
        deleting.start()
        deleting.join(0.2)
        assert deleting.is_alive()
        return insert(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(intake, "_insert", slowly)
        exam_id = intake.receive(clinic, actor=SYSTEM, submission=intake.Submission(other.id, png(), "a.png"))
    deleting.join(20)
    with clinic.reading() as session:
        assert clinic.store.get(session.get_one(Exam, exam_id).picture)
        assert session.get_one(Erasure, erasure_id).deleted == 2  # thumbnail and heatmap


def test_a_file_of_a_batch_that_was_deleted_meanwhile_is_told(clinic: Clinic) -> None:
    nurse = add_user(clinic, Role.NURSE)
    files = [Arrived(f"{number}.png", clinic.store.put(png(seed=number))) for number in range(2)]
    assert holdings.release(clinic, [files[0].address or ""]) == 1  # another patient's, who was erased
    batches.create(clinic, actor=nurse, plan=Plan("b", Belonging.NEW, pseudonym="B", consent=True), files=files,
                   table=None)
    with clinic.reading() as session:
        lost, kept = session.scalars(select(BatchItem).order_by(BatchItem.position))
        assert (lost.state, lost.file, lost.error and lost.error["code"]) == ("failed", None, "file_lost")
        assert kept.state == "queued"


def test_nothing_is_added_to_a_patient_who_is_being_erased(clinic: Clinic, second: Clinic) -> None:
    lesion, refused = add_lesion(clinic), list[type]()

    def add() -> None:
        for service, words in ((consent.give, {"scope": "care"}), (lesions.add, {"label": "Nose"})):
            try:
                with second.work(SYSTEM) as work:
                    service(work, patient_id=lesion.patient_id, **words)  # type: ignore[operator]
            except NoSuchRecord as fault:
                refused.append(type(fault))

    adding = threading.Thread(target=add)
    with clinic.work(SYSTEM) as work:
        patient = people.hold(work, lesion.patient_id)
        adding.start()
        adding.join(0.2)
        privacy.forget(work, patient=patient, reason=privacy.ErasureReason.REQUEST)
    adding.join(20)
    assert refused == [NoSuchRecord] * 2 and (_count(clinic, Consent), _count(clinic, Lesion)) == (0, 0)
