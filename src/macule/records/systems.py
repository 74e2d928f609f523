"""Reading systems: programs that decide with a key of their own, and what they were shown before they said anything.

A key's "own diagnosis" is the word of a program that nobody watches. So it counts only if the program was not shown the
answer here before, and the dashboard keeps all readings of programs apart from those of people.
"""

from __future__ import annotations

from sqlalchemy import Select, select

from macule.records.clinic import Clinic
from macule.records.domain import Actor, ActorKind, ExamState, Role
from macule.records.policy import Permission, may
from macule.records.tables import AuditRow, Exam, User
from macule.records.work import Work

#: Rows of the log that say: this exam's answer, or another reader's word on it, was shown.
TELLING = ("answer.seen", "reviews.seen", "biopsy.seen", "report.issued")


def readers() -> Select[str]:
    """Ids of the accounts that reading systems sign with (`feeds.ensure_reader`)."""
    return select(User.id).where(User.role == Role.MACHINE.value)


def note_answer(clinic: Clinic, *, actor: Actor, exam: Exam) -> None:
    """Write down, once, that a key which may decide was shown the answer. Others say nothing that it could colour."""
    if exam.state != ExamState.ANSWERED.value or actor.kind is not ActorKind.KEY or not may(actor, Permission.REVIEW):
        return
    with clinic.reading() as session:
        if session.scalar(_rows(actor, exam).where(AuditRow.action == "answer.seen").limit(1)) is not None:
            return
    with clinic.work(actor) as work:
        work.record("answer.seen", "exam", exam.id, patient_id=exam.patient_id, bundle=exam.bundle_sha256,
                    thresholds=exam.thresholds_sha256)


def was_shown(work: Work, exam: Exam) -> bool:
    """Whether this key was shown the exam's answer: by itself, in a list, or in reply to the picture that it sent.

    As the log tells. Of people it says nothing: theirs is `Review.seen_at`.
    """
    actor = work.actor
    if actor.kind is not ActorKind.KEY:
        return False
    if exam.created_by == actor.id and may(actor, Permission.READ_ANSWER):
        return True
    if work.session.scalar(_rows(actor, exam).where(AuditRow.action.in_(TELLING)).limit(1)) is not None:
        return True
    listed = select(AuditRow.seq).where(
        AuditRow.action == "exams.listed", AuditRow.actor_id == actor.id, AuditRow.at >= exam.answered_at,
        AuditRow.details.contains(exam.id, autoescape=True))
    return work.session.scalar(listed.limit(1)) is not None


def _rows(actor: Actor, exam: Exam) -> Select[int]:
    return select(AuditRow.seq).where(
        AuditRow.subject_kind == "exam", AuditRow.subject_id == exam.id, AuditRow.actor_id == actor.id)
