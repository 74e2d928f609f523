"""Readers' words on an exam: their own diagnosis, then the decision, then a second reader where one is wanted.

Whose word the exam carries: the first reader's; once a second has decided, the second's, also where they differ. While
a second is awaited the exam has no final word. Every reader keeps a row of their own, so nobody overwrites anybody.
"""

from __future__ import annotations

from enum import StrEnum

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from macule.errors import Conflict, NoSuchRecord, NotAllowed
from macule.records import blinding, site, systems, webhooks
from macule.records.domain import Decision, ExamState, Management, OverrideReason, ReviewState
from macule.records.tables import Comment, Exam, Review, User
from macule.records.webhooks import Event
from macule.records.words import choice, invalid, text
from macule.records.work import Work, expect
from macule.taxonomy import Diagnosis

MAX_NOTE = 2000
#: Why somebody who saw the answer first decides nothing where readers commit first; also said on the case's page.
NO_OWN = "you saw the machine's answer to this case without an own diagnosis: another reader must decide it."


class ReopenReason(StrEnum):
    MISTAKE = "mistake"  # the decision was entered wrongly
    NEW_FACTS = "new_facts"  # history, another picture or an examination
    BIOPSY = "biopsy"  # the laboratory found something else
    OTHER = "other"


class Switch(StrEnum):
    """What a reader did between the own diagnosis and the final word."""

    UNCHANGED = "unchanged"
    TO_MACHINE = "to_machine"  # another before, the machine's first after
    AWAY = "away"  # changed, but not to the machine's first


def switch(review: Review, *, top_code: str | None) -> Switch | None:
    """None where there is no own diagnosis or no decision to compare. top_code: the machine's first."""
    if review.own_code is None or review.final_code is None:
        return None
    if review.own_code == review.final_code:
        return Switch.UNCHANGED
    return Switch.TO_MACHINE if review.final_code == top_code else Switch.AWAY


def commit(work: Work, *, exam_id: str, own_code: str | None) -> Review:
    """Store the reader's own diagnosis, once and for good, before the machine's answer was shown to them.

    Raises: RecordInvalid, NoSuchRecord, and Conflict if it is stored already or the answer was seen.
    """
    exam = _answered(work, exam_id)
    code = choice(Diagnosis, own_code, field="own_code", missing="Choose the diagnosis that you think most likely.")
    review = _mine(work, exam)
    if review.own_code is not None:
        raise Conflict("your diagnosis of this case is stored already, and stays as it is: go on to the decision.")
    if systems.was_shown(work, exam):
        raise Conflict("this key was shown the machine's answer to this exam before: send the review without own_code.")
    if review.seen_at is not None:
        raise Conflict("you have seen the machine's answer to this case: an own diagnosis no longer counts.")
    review.own_code, review.own_at = code.value, work.now
    if exam.review_state == ReviewState.OPEN.value:
        exam.review_state = ReviewState.COMMITTED.value
    work.record("review.committed", "exam", exam.id, patient_id=exam.patient_id, own_code=code.value)
    return review


def seen(work: Work, *, exam_id: str) -> Review:
    """The machine's answer is being shown to this reader: noted in the log each time, in their row the first time.

    Raises: NotAllowed if it must be hidden from them.
    """
    exam = work.get(Exam, exam_id)
    if blinding.hidden(work.session, actor=work.actor, exam_id=exam_id):
        raise NotAllowed("the machine's answer is shown once your own diagnosis is stored.")
    review = _mine(work, exam)
    _note_sight(work, exam, review)
    return review


def look(work: Work, *, exam_id: str) -> Review:
    """Show a decided case to somebody who will not read it; in commit-first mode they cannot be its second reader.

    Raises: Conflict unless the case is decided.
    """
    exam = _answered(work, exam_id)
    if exam.review_state != ReviewState.DECIDED.value:
        raise Conflict("this case is not decided: store your own diagnosis to see the machine's.")
    review = _mine(work, exam)
    _note_sight(work, exam, review)
    return review


def _note_sight(work: Work, exam: Exam, review: Review) -> None:
    first = review.seen_at is None
    if first:
        review.seen_at = work.now
    work.record("answer.seen", "exam", exam.id, patient_id=exam.patient_id, first=first, own_code=review.own_code,
                bundle=exam.bundle_sha256, thresholds=exam.thresholds_sha256)


def decide(
    work: Work, *, exam_id: str, version: int | None, decision: str | None, final_code: str | None = None,
    reason: str | None = None, management: str | None = None, note: str | None = None, second: bool = False,
) -> Review:
    """Confirm the machine's first diagnosis, or override it with a reason.

    final_code, reason: read for an override only. version: of the exam. second: ask for a second reader.
    Raises: RecordInvalid, NotAllowed (own diagnosis missing, whoever else has one), Conflict (decided meanwhile, or by
    two already).
    """
    exam = _answered(work, exam_id)
    expect(exam, version)
    _must_see(work, exam, "decide")
    review = _mine(work, exam)
    if review.own_code is None and blinding.reads_first(work.session, actor=work.actor):
        raise NotAllowed(NO_OWN)
    _fill(review, exam, decision, final_code, reason)
    review.management = choice(Management, management, field="management", missing="Choose what is to be done.").value
    must = "Say in a few words what the reason is." if review.reason == OverrideReason.OTHER.value else None
    review.note = text(note, field="note", most=MAX_NOTE, required=must)
    review.second = _is_second(work, exam, review)
    review.decided_at = work.now
    _record_decision(work, exam, review)
    _settle(work, exam, review, asked=second)
    webhooks.announce(work, event=Event.REVIEW_DECIDED, exam=exam)
    return review


def _fill(review: Review, exam: Exam, decision: str | None, final_code: str | None, reason: str | None) -> None:
    """The diagnosis and why; confirming means the machine's first."""
    chosen = choice(Decision, decision, field="decision", missing="Confirm the machine's first or override it.")
    if chosen is Decision.CONFIRM:
        review.decision, review.final_code, review.reason = chosen.value, exam.top_code, None
        return
    code = choice(Diagnosis, final_code, field="final_code", missing="Choose the diagnosis that stands instead.")
    if code.value == exam.top_code:
        raise invalid("final_code", "This is the machine's first diagnosis: confirm it, or choose another.")
    why = choice(OverrideReason, reason, field="reason", missing="Choose why the machine's first does not stand.")
    review.decision, review.final_code, review.reason = chosen.value, code.value, why.value


def _is_second(work: Work, exam: Exam, review: Review) -> bool:
    """Whether this decision is a second reading. Raises: Conflict."""
    others = [each for each in decided(work, exam_id=exam.id) if each.reader_id != review.reader_id]
    if review.decided_at is not None:
        raise Conflict("you have decided this case: reopen it to decide anew, or leave the second reading to another.")
    if len(others) > 1:
        raise Conflict("two readers have decided this case: reopen it with a reason to decide anew.")
    return bool(others)


def decided(work: Work, *, exam_id: str) -> list[Review]:
    """The reviews that hold a decision, the first reader's first."""
    rows = select(Review).where(Review.exam_id == exam_id, Review.decided_at.is_not(None))
    return list(work.session.scalars(rows.order_by(Review.second, Review.decided_at)))


def _record_decision(work: Work, exam: Exam, review: Review) -> None:
    changed = switch(review, top_code=exam.top_code)
    work.record(
        "review.decided", "exam", exam.id, patient_id=exam.patient_id, decision=review.decision,
        final_code=review.final_code, top_code=exam.top_code, own_code=review.own_code, reason=review.reason,
        management=review.management, second=review.second, switch=changed.value if changed else None,
        bundle=exam.bundle_sha256, preprocessing=exam.preprocessing_sha256, thresholds=exam.thresholds_sha256,
    )


def _settle(work: Work, exam: Exam, review: Review, *, asked: bool) -> None:
    """The exam's headline after a decision."""
    limit = site.read(work.session).second_reader_from
    by_rule = limit < 1 and exam.malignant is not None and exam.malignant >= limit
    if not review.second and (asked or by_rule):
        _await_second(work, exam, by_rule=by_rule)
        return
    exam.review_state, exam.final_code, exam.decided_at = ReviewState.DECIDED.value, review.final_code, work.now


def ask_second(work: Work, *, exam_id: str, version: int | None) -> None:
    """Somebody else is to read a case that one reader has decided.

    Raises: NotAllowed for who has not seen the answer, Conflict.
    """
    exam = _answered(work, exam_id)
    expect(exam, version)
    _must_see(work, exam, "ask for a second reader")
    if exam.review_state != ReviewState.DECIDED.value or len(decided(work, exam_id=exam_id)) != 1:
        raise Conflict("a second reader can be asked for once one reader has decided, and only one.")
    _await_second(work, exam, by_rule=False)


def _await_second(work: Work, exam: Exam, *, by_rule: bool) -> None:
    exam.review_state, exam.final_code, exam.decided_at = ReviewState.SECOND.value, None, None
    work.record("second.asked", "exam", exam.id, patient_id=exam.patient_id, by_rule=by_rule)


def reopen(work: Work, *, exam_id: str, version: int | None, reason: str | None) -> None:
    """Take the decisions back; own diagnoses stay. What was decided goes into the log, its notes into the comments.

    Raises: RecordInvalid, NotAllowed for who has not seen the answer, and Conflict unless somebody has decided.
    """
    exam = _answered(work, exam_id)
    expect(exam, version)
    _must_see(work, exam, "reopen the case")
    why = choice(ReopenReason, reason, field="reopen_reason", missing="Choose why the case is to be decided anew.")
    taken = decided(work, exam_id=exam_id)
    if not taken:
        raise Conflict("nobody has decided this case: there is nothing to reopen.")
    work.record("review.reopened", "exam", exam.id, patient_id=exam.patient_id, reason=why.value,
                decisions=[_summary(each) for each in taken])
    for review in taken:
        _take_back(work, review)
    exam.review_state, exam.final_code, exam.decided_at = ReviewState.COMMITTED.value, None, None
    if all(review.own_code is None for review in taken):
        exam.review_state = ReviewState.OPEN.value


def _summary(review: Review) -> dict[str, str | bool | None]:
    return {"reader": review.reader_id, "decision": review.decision, "final_code": review.final_code,
            "reason": review.reason, "management": review.management, "second": review.second,
            "decided_at": review.decided_at.isoformat() if review.decided_at else None}


def _take_back(work: Work, review: Review) -> None:
    if review.note:
        work.session.add(Comment(id=work.new_id(), exam_id=review.exam_id, author_id=review.reader_id,
                                 text=f"Note of a decision that was reopened: {review.note}", created_at=work.now))
    review.decision = review.final_code = review.reason = review.management = review.note = review.decided_at = None
    review.second = False


def _must_see(work: Work, exam: Exam, what: str) -> None:
    """Raises: NotAllowed."""
    if blinding.hidden(work.session, actor=work.actor, exam_id=exam.id):
        raise NotAllowed(f"this site reads first: store your own diagnosis before you {what}.")


def _answered(work: Work, exam_id: str) -> Exam:
    """The exam, locked until the transaction ends, so that two readers take turns instead of one being turned away.

    Raises: NoSuchRecord, Conflict.
    """
    query = select(Exam).where(Exam.id == exam_id).with_for_update().execution_options(populate_existing=True)
    exam = work.session.scalar(query)
    if exam is None:
        raise NoSuchRecord(f"there is no exam {exam_id!r}: check the address.")
    if exam.state != ExamState.ANSWERED.value:
        raise Conflict(f"this picture was not answered (it is {exam.state}): there is nothing to review.")
    return exam


def _mine(work: Work, exam: Exam) -> Review:
    """This reader's row, made if need be. A reading system's key has an account of its own (`feeds.ensure_reader`).

    Raises: NotAllowed for what is neither.
    """
    if work.session.get(User, work.actor.id) is None:
        raise NotAllowed("a review is a reader's word: sign in with an account.")
    query = select(Review).where(Review.exam_id == exam.id, Review.reader_id == work.actor.id)
    review = work.session.scalar(query)
    if review is not None:
        return review
    made = Review(id=work.new_id(), exam_id=exam.id, reader_id=work.actor.id, created_at=work.now, second=False,
                  top_code=exam.top_code, bundle_sha256=exam.bundle_sha256)
    try:
        with work.session.begin_nested():
            work.session.add(made)
    except IntegrityError:  # two windows of one reader at once: the other made it
        return work.session.scalars(query).one()
    return made
