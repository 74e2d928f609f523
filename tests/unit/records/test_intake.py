"""From a picture to an answered exam."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from threading import Barrier
from typing import Any

import pytest
from clinic_testing import Clock, add_exam, add_lesion, add_user, blurred, png
from sqlalchemy import select

from macule.analysis.judge import Judge
from macule.analysis.result import Result
from macule.errors import BundleNotFound, Conflict, RecordInvalid, UnsupportedImage
from macule.records import consent, intake
from macule.records.clinic import Clinic
from macule.records.domain import SYSTEM, Actor, Role
from macule.records.models import LoadedModel
from macule.records.ports import Models
from macule.records.tables import AuditRow, Exam, Lesion
from macule.records.waiting import answer_waiting


def test_a_picture_becomes_an_answered_exam(clinic: Clinic) -> None:
    exam = add_exam(clinic, picture=png())
    assert exam.state == "answered" and exam.risk == exam.result["risk"] and exam.top_code == "nv"
    assert clinic.store.get(exam.thumbnail)[:2] == b"\xff\xd8" and clinic.store.get(exam.heatmap)[1:4] == b"PNG"


def test_a_blurred_picture_is_refused_with_advice(clinic: Clinic) -> None:
    exam = add_exam(clinic, picture=blurred())
    assert exam.state == "refused" and exam.risk is None and not exam.result["quality"]["usable"]


def test_what_is_no_picture_leaves_nothing(clinic: Clinic) -> None:
    with pytest.raises(UnsupportedImage):
        add_exam(clinic, picture=b"<svg onload=alert(1)>")
    assert list(clinic.store.addresses()) == []


def test_the_same_key_gives_the_same_exam(clinic: Clinic) -> None:
    lesion = add_lesion(clinic)
    ask = intake.Submission(lesion_id=lesion.id, picture=png(), file_name="a.png", idempotency_key="once")
    first = intake.submit(clinic, actor=SYSTEM, submission=ask)
    assert intake.submit(clinic, actor=SYSTEM, submission=ask) == first


def agreed(clinic: Clinic, role: Role = Role.NURSE) -> tuple[Actor, Lesion]:
    """Somebody who may take a picture, and a lesion of which they may."""
    actor, lesion = add_user(clinic, role), add_lesion(clinic)
    with clinic.work(actor) as work:
        consent.give(work, patient_id=lesion.patient_id, scope="care")
    return actor, lesion


def of(clinic: Clinic, exam_id: str) -> Exam:
    with clinic.reading() as session:
        return session.get_one(Exam, exam_id)


def test_a_key_is_its_senders_own_and_of_one_lesion(clinic: Clinic) -> None:
    nurse, lesion = agreed(clinic)
    other = add_user(clinic, Role.NURSE)
    ask = intake.Submission(lesion_id=lesion.id, picture=png(), file_name="a.png", idempotency_key="k" * 500)
    first = intake.receive(clinic, actor=nurse, submission=ask)
    assert intake.receive(clinic, actor=other, submission=ask) != first, "a guessed key opens nobody's exam"
    elsewhere = add_lesion(clinic, patient_id=lesion.patient_id)
    with pytest.raises(Conflict, match="another spot"):
        intake.receive(clinic, actor=nurse, submission=replace(ask, lesion_id=elsewhere.id))


def test_two_with_one_key_at_once_are_one_exam(clinic: Clinic) -> None:
    nurse, lesion = agreed(clinic)
    ask = intake.Submission(lesion_id=lesion.id, picture=png(), file_name="a.png", idempotency_key="once")
    with ThreadPoolExecutor(4) as pool:
        ids = set(pool.map(lambda _: intake.receive(clinic, actor=nurse, submission=ask), range(4)))
    assert len(ids) == 1


def test_a_retake_is_of_the_same_lesion(clinic: Clinic) -> None:
    nurse, lesion = agreed(clinic)
    refused = add_exam(clinic, picture=blurred(), lesion=lesion)
    ask = intake.Submission(lesion_id=lesion.id, picture=png(), file_name="a.png", retake_of=refused.id)
    assert of(clinic, intake.submit(clinic, actor=nurse, submission=ask)).retake_of == refused.id
    for foreign in (add_exam(clinic).id, "nothing"):
        with pytest.raises(RecordInvalid):
            intake.submit(clinic, actor=nurse, submission=replace(ask, retake_of=foreign))


def test_two_processes_answer_once(clinic: Clinic) -> None:
    """Both have analysed before either writes: one settles, the other leaves it alone, and the log has one answer."""
    nurse, lesion = agreed(clinic)
    exam_id = intake.receive(clinic, actor=nurse, submission=intake.Submission(
        lesion_id=lesion.id, picture=png(), file_name="a.png"))
    model, meet = clinic.models.current(), Barrier(2)

    class Slow:
        bundle = model.bundle

        def analyze(self, *about: Any, **more: Any) -> Result:
            result = model.analyze(*about, **more)
            meet.wait(20)
            return result

    slow = replace(clinic, models=LoadedModel(Slow()))
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda _: intake.answer(slow, exam_id=exam_id), range(2)))
    assert of(clinic, exam_id).state == "answered"
    with clinic.reading() as session:
        answered = session.scalars(select(AuditRow).where(AuditRow.action == "exam.answered")).all()
    assert len(answered) == 1


# ---- what was left waiting ----


class Away:
    """A model that is away until it is back; counts who asked."""

    def __init__(self, model: Models) -> None:
        self.model, self.away, self.asked = model, True, 0

    def current(self) -> Judge:
        self.asked += 1
        if self.away:
            raise BundleNotFound("the model is away: put it back.")
        return self.model.current()


def wait_for_answers(clinic: Clinic, count: int) -> list[str]:
    nurse, lesion = agreed(clinic)
    return [intake.receive(clinic, actor=nurse, submission=intake.Submission(
        lesion_id=lesion.id, picture=png(seed=number), file_name="a.png")) for number in range(count)]


def test_what_waits_is_answered_the_oldest_first_once_nobody_else_does(clinic: Clinic, clock: Clock) -> None:
    first, = wait_for_answers(clinic, 1)
    assert not answer_waiting(clinic), "its own request may still be at it"
    clock.turn(seconds=11)
    assert answer_waiting(clinic) and of(clinic, first).state == "answered"
    assert not answer_waiting(clinic)


def test_a_model_that_is_away_is_asked_ever_less_often_and_nothing_is_lost(clinic: Clinic, clock: Clock) -> None:
    ids = wait_for_answers(clinic, 2)
    away = Away(clinic.models)
    slow = replace(clinic, models=away)
    clock.turn(seconds=11)
    for _ in range(300):
        assert not answer_waiting(slow)
        clock.turn(seconds=1)
    # After 0, 2, 6, 14, 30, 62 seconds, then once a minute.
    assert 8 <= away.asked <= 11
    away.away = False
    clock.turn(seconds=60)
    assert answer_waiting(slow)
    assert {of(clinic, one).state for one in ids} == {"answered"}


def test_one_damaged_picture_does_not_keep_the_others_waiting(clinic: Clinic, clock: Clock) -> None:
    lost, kept = wait_for_answers(clinic, 2)
    clinic.store.delete(of(clinic, lost).picture)
    clock.turn(seconds=11)
    assert answer_waiting(clinic)
    assert of(clinic, kept).state == "answered" and of(clinic, lost).state == "waiting"
    assert not answer_waiting(clinic)
