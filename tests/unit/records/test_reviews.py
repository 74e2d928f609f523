"""Commit, see, decide, second reader; biopsies and comments; and two readers at once."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable

import pytest
from clinic_testing import Clock, add_exam, add_user
from sqlalchemy import select

from macule.errors import Conflict, NoSuchRecord, NotAllowed, RecordInvalid
from macule.records import biopsies, blinding, casefile, comments, reviews, site
from macule.records.clinic import Clinic
from macule.records.domain import SYSTEM, Actor, Role
from macule.records.reviews import Switch
from macule.records.site import SiteSettings
from macule.records.tables import AuditRow, Comment, Exam, Review


@pytest.fixture
def exam(clinic: Clinic) -> Exam:
    """The tiny network says naevus."""
    return add_exam(clinic)


@pytest.fixture
def reader(clinic: Clinic) -> Actor:
    return add_user(clinic, Role.DERMATOLOGIST, name="Dr Ada")


@pytest.fixture
def other(clinic: Clinic) -> Actor:
    return add_user(clinic, Role.DERMATOLOGIST, name="Dr Bo")


def _settings(clinic: Clinic, **changes: object) -> None:
    with clinic.work(SYSTEM) as work:
        site.change(work, settings=SiteSettings(**changes), version=None)  # type: ignore[arg-type]


def _commit(clinic: Clinic, actor: Actor, exam: Exam, code: str = "nv") -> None:
    with clinic.work(actor) as work:
        reviews.commit(work, exam_id=exam.id, own_code=code)


def _decide(clinic: Clinic, actor: Actor, exam: Exam, code: str = "nv", *, version: int | None = None,
            **more: object) -> None:
    about = {"decision": "confirm", "management": "nothing"} if code == "nv" else {
        "decision": "override", "final_code": code, "reason": "morphology", "management": "excise"}
    with clinic.work(actor) as work:
        reviews.decide(work, exam_id=exam.id, version=version, **(about | more))  # type: ignore[arg-type]


def _now(clinic: Clinic, exam: Exam) -> Exam:
    with clinic.reading() as session:
        return session.get_one(Exam, exam.id)


def _review(clinic: Clinic, exam: Exam, actor: Actor) -> Review:
    with clinic.reading() as session:
        return session.scalars(select(Review).where(Review.exam_id == exam.id, Review.reader_id == actor.id)).one()


def _log(clinic: Clinic, action: str) -> list[dict[str, object]]:
    with clinic.reading() as session:
        rows = session.scalars(select(AuditRow.details).where(AuditRow.action == action).order_by(AuditRow.seq))
        return [json.loads(details) for details in rows]


def test_an_own_diagnosis_is_stored_once_and_opens_the_answer(clinic: Clinic, exam: Exam, reader: Actor) -> None:
    with pytest.raises(NotAllowed), clinic.work(reader) as work:
        reviews.seen(work, exam_id=exam.id)
    _commit(clinic, reader, exam, "mel")
    with clinic.reading() as session:
        assert not blinding.hidden(session, actor=reader, exam_id=exam.id)
    with pytest.raises(Conflict, match="stays as it is"):
        _commit(clinic, reader, exam, "bcc")
    assert _review(clinic, exam, reader).own_code == "mel" and _now(clinic, exam).review_state == "committed"
    with pytest.raises(RecordInvalid), clinic.work(reader) as work:
        reviews.commit(work, exam_id=exam.id, own_code="measles")


def test_who_saw_the_answer_commits_no_more(clinic: Clinic, exam: Exam, reader: Actor) -> None:
    _settings(clinic, commit_first=False)
    with clinic.work(reader) as work:
        reviews.seen(work, exam_id=exam.id)
    _settings(clinic, commit_first=True)
    with pytest.raises(Conflict, match="you have seen"):
        _commit(clinic, reader, exam)
    with pytest.raises(NotAllowed, match="without an own diagnosis"):  # nor is it decided by them, while others can
        _decide(clinic, reader, exam)
    with clinic.reading() as session:
        assert "another reader" in str(casefile.read(session, actor=reader, exam_id=exam.id).may_decide)


def test_the_first_sight_is_kept_and_each_one_logged(clinic: Clinic, exam: Exam, reader: Actor, clock: Clock) -> None:
    _commit(clinic, reader, exam)
    for _ in range(2):
        clock.turn(minutes=1)
        with clinic.work(reader) as work:
            reviews.seen(work, exam_id=exam.id)
    review = _review(clinic, exam, reader)
    assert review.own_at is not None and review.seen_at is not None
    assert (review.seen_at - review.own_at).total_seconds() == 60
    assert [row["first"] for row in _log(clinic, "answer.seen")] == [True, False]


def test_a_decision_needs_the_own_diagnosis_first(clinic: Clinic, exam: Exam, reader: Actor) -> None:
    with pytest.raises(NotAllowed, match="reads first"):
        _decide(clinic, reader, exam)
    _settings(clinic, commit_first=False)
    _decide(clinic, reader, exam)
    assert _now(clinic, exam).review_state == "decided"


def test_an_incomplete_decision_names_its_field_and_stores_nothing(
    clinic: Clinic, exam: Exam, reader: Actor
) -> None:
    _commit(clinic, reader, exam)
    wrongs: tuple[tuple[str, dict[str, object]], ...] = (
        ("decision", {"decision": None}), ("decision", {"decision": "maybe"}), ("management", {"management": ""}),
        ("note", {"note": "x" * 2001}), ("reason", {"decision": "override", "final_code": "mel"}),
        ("final_code", {"decision": "override", "reason": "history"}),
        ("final_code", {"decision": "override", "final_code": "nv", "reason": "history"}),
        ("note", {"decision": "override", "final_code": "mel", "reason": "other"}),
    )
    for field, wrong in wrongs:
        with pytest.raises(RecordInvalid) as fault:
            _decide(clinic, reader, exam, **wrong)
        assert list(fault.value.fields) == [field], wrong
    assert _review(clinic, exam, reader).decision is None and _now(clinic, exam).review_state == "committed"


def test_a_switch_is_told_from_the_own_diagnosis_to_the_final(clinic: Clinic, exam: Exam, reader: Actor) -> None:
    for own, final, expected in (
        ("nv", "nv", Switch.UNCHANGED), ("mel", "mel", Switch.UNCHANGED), ("mel", "nv", Switch.TO_MACHINE),
        ("mel", "bcc", Switch.AWAY), ("nv", "mel", Switch.AWAY), ("nv", None, None), (None, "nv", None),
    ):
        assert reviews.switch(Review(own_code=own, final_code=final), top_code="nv") is expected
    _commit(clinic, reader, exam, "mel")
    _decide(clinic, reader, exam, "nv")
    (row,) = _log(clinic, "review.decided")
    assert row["switch"] == "to_machine" and row["thresholds"] == exam.thresholds_sha256
    assert _review(clinic, exam, reader).top_code == "nv"


def test_the_second_reader_is_another_and_has_the_last_word(
    clinic: Clinic, exam: Exam, reader: Actor, other: Actor
) -> None:
    _commit(clinic, reader, exam)
    _decide(clinic, reader, exam, second=True)
    assert (_now(clinic, exam).review_state, _now(clinic, exam).final_code) == ("second", None)
    with pytest.raises(Conflict, match="you have decided"):
        _decide(clinic, reader, exam, "mel")
    with pytest.raises(NotAllowed):  # the second reads blind as well
        _decide(clinic, other, exam, "mel")
    _commit(clinic, other, exam, "mel")
    _decide(clinic, other, exam, "mel")
    assert (_now(clinic, exam).review_state, _now(clinic, exam).final_code) == ("decided", "mel")
    assert _review(clinic, exam, reader).final_code == "nv" and _review(clinic, exam, other).second
    third = add_user(clinic, Role.DERMATOLOGIST)
    _commit(clinic, third, exam)
    with pytest.raises(Conflict, match="two readers"):
        _decide(clinic, third, exam)


def test_a_second_reader_is_asked_for_by_the_sites_rule_or_afterwards(
    clinic: Clinic, exam: Exam, reader: Actor
) -> None:
    assert exam.malignant is not None
    _settings(clinic, second_reader_from=exam.malignant)
    _commit(clinic, reader, exam)
    _decide(clinic, reader, exam)
    assert _now(clinic, exam).review_state == "second"
    with clinic.work(reader) as work:
        reviews.reopen(work, exam_id=exam.id, version=None, reason="mistake")
    _settings(clinic, second_reader_from=1)
    _decide(clinic, reader, exam)
    assert _now(clinic, exam).review_state == "decided"
    with clinic.work(reader) as work:
        reviews.ask_second(work, exam_id=exam.id, version=_now(clinic, exam).version)
    assert _now(clinic, exam).review_state == "second"
    assert [row["by_rule"] for row in _log(clinic, "second.asked")] == [True, False]
    with pytest.raises(Conflict), clinic.work(reader) as work:
        reviews.ask_second(work, exam_id=exam.id, version=None)


def test_reopening_keeps_what_was_said(clinic: Clinic, exam: Exam, reader: Actor) -> None:
    _commit(clinic, reader, exam, "mel")
    with pytest.raises(Conflict, match="nothing to reopen"), clinic.work(reader) as work:
        reviews.reopen(work, exam_id=exam.id, version=None, reason="mistake")
    _decide(clinic, reader, exam, "mel", note="Blue veil.")
    with pytest.raises(RecordInvalid), clinic.work(reader) as work:
        reviews.reopen(work, exam_id=exam.id, version=None, reason="")
    with clinic.work(reader) as work:
        reviews.reopen(work, exam_id=exam.id, version=_now(clinic, exam).version, reason="new_facts")
    now, review = _now(clinic, exam), _review(clinic, exam, reader)
    assert (now.review_state, now.final_code, now.decided_at) == ("committed", None, None)
    assert (review.own_code, review.final_code) == ("mel", None)
    (row,) = _log(clinic, "review.reopened")
    assert row["decisions"][0]["final_code"] == "mel" and "Blue veil" not in json.dumps(row)  # type: ignore[index]
    with clinic.reading() as session:
        assert "Blue veil." in session.scalars(select(Comment.text)).one()
    _decide(clinic, reader, exam)
    assert _now(clinic, exam).final_code == "nv"


def test_who_only_looked_is_no_second_reader(clinic: Clinic, exam: Exam, reader: Actor, other: Actor) -> None:
    with pytest.raises(Conflict), clinic.work(other) as work:
        reviews.look(work, exam_id=exam.id)
    _commit(clinic, reader, exam)
    _decide(clinic, reader, exam)
    with clinic.work(other) as work:
        reviews.look(work, exam_id=exam.id)
    with clinic.reading() as session:
        assert not blinding.hidden(session, actor=other, exam_id=exam.id)
    with pytest.raises(NotAllowed, match="without an own diagnosis"):
        _decide(clinic, other, exam, "mel")
    with clinic.work(other) as work:
        reviews.reopen(work, exam_id=exam.id, version=None, reason="mistake")
    with pytest.raises(NotAllowed, match="without an own diagnosis"):  # looking and reopening is no way round either
        _decide(clinic, other, exam, "mel")
    _decide(clinic, reader, exam)


def test_who_has_not_seen_the_answer_changes_nothing_about_it(
    clinic: Clinic, exam: Exam, reader: Actor, other: Actor
) -> None:
    _commit(clinic, reader, exam)
    _decide(clinic, reader, exam)
    with pytest.raises(NotAllowed, match="before you reopen"), clinic.work(other) as work:
        reviews.reopen(work, exam_id=exam.id, version=None, reason="mistake")
    with pytest.raises(NotAllowed, match="before you ask"), clinic.work(other) as work:
        reviews.ask_second(work, exam_id=exam.id, version=None)
    with pytest.raises(NotAllowed, match="before you record"):
        _biopsy(clinic, other, exam)
    assert _now(clinic, exam).review_state == "decided"


def test_a_biopsy_waits_for_the_decision(clinic: Clinic, exam: Exam, reader: Actor) -> None:
    _commit(clinic, reader, exam)
    with pytest.raises(Conflict, match="no reader has decided"):
        _biopsy(clinic, reader, exam)
    _decide(clinic, reader, exam, second=True)
    with clinic.work(reader) as work:
        reviews.reopen(work, exam_id=exam.id, version=None, reason="biopsy")
    _biopsy(clinic, reader, exam)  # which is why it was reopened


def _biopsy(clinic: Clinic, actor: Actor, exam: Exam) -> None:
    with clinic.work(actor) as work:
        biopsies.record(work, exam_id=exam.id, version=0, code="mel", reported_on=work.now.date())


def _at_once(*tasks: Callable[[], None]) -> list[Exception | None]:
    """What each raised, or None; all start together."""
    start, ends = threading.Barrier(len(tasks)), [None] * len(tasks)  # type: ignore[var-annotated]

    def run(place: int, task: Callable[[], None]) -> None:
        start.wait()
        try:
            task()
        except Exception as error:
            ends[place] = error

    threads = [threading.Thread(target=run, args=each) for each in enumerate(tasks)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    return ends


def test_two_readers_commit_at_once_and_both_are_kept(
    clinic: Clinic, exam: Exam, reader: Actor, other: Actor
) -> None:
    ends = _at_once(lambda: _commit(clinic, reader, exam, "mel"), lambda: _commit(clinic, other, exam, "bkl"))
    assert ends == [None, None]
    assert (_review(clinic, exam, reader).own_code, _review(clinic, exam, other).own_code) == ("mel", "bkl")


def test_two_readers_decide_at_once_and_neither_loses(
    clinic: Clinic, exam: Exam, reader: Actor, other: Actor
) -> None:
    _commit(clinic, reader, exam, "mel")
    _commit(clinic, other, exam, "bkl")
    seen = _now(clinic, exam).version
    ends = _at_once(lambda: _decide(clinic, reader, exam, "mel", version=seen),
                    lambda: _decide(clinic, other, exam, "bkl", version=seen))
    (loser,) = [end for end in ends if end is not None]
    assert isinstance(loser, Conflict)
    late, code = (reader, "mel") if ends[0] is loser else (other, "bkl")
    assert _review(clinic, exam, late).final_code is None, "the case of the first stands as it was decided"
    # Told of it, the later one stores the same form again, as the second reader.
    _decide(clinic, late, exam, code, version=_now(clinic, exam).version)
    assert _now(clinic, exam).final_code == code
    assert {_review(clinic, exam, each).final_code for each in (reader, other)} == {"mel", "bkl"}


def test_one_reader_in_two_windows_has_one_row(clinic: Clinic, exam: Exam, reader: Actor) -> None:
    _settings(clinic, commit_first=False)

    def look() -> None:
        with clinic.work(reader) as work:
            reviews.seen(work, exam_id=exam.id)

    assert _at_once(look, look, look) == [None, None, None]
    assert _review(clinic, exam, reader).seen_at is not None


def test_a_biopsy_is_recorded_once_and_corrected_in_the_open(clinic: Clinic, exam: Exam, reader: Actor) -> None:
    today = clinic.clock().date()
    _commit(clinic, reader, exam)
    _decide(clinic, reader, exam, second=True)
    with clinic.work(reader) as work:
        biopsies.record(work, exam_id=exam.id, version=0, code="mel", reported_on=today.isoformat(), note=" pT1a ")
    with pytest.raises(Conflict), clinic.work(reader) as work:
        biopsies.record(work, exam_id=exam.id, version=0, code="nv", reported_on=today)
    with clinic.work(reader) as work:
        found = biopsies.record(work, exam_id=exam.id, version=1, code="nv", reported_on=today)
    assert (found.code, found.version, found.note) == ("nv", 2, None)
    (row,) = _log(clinic, "biopsy.corrected")
    assert (row["old_code"], row["new_code"]) == ("mel", "nv")
    for wrong in ({"code": "x"}, {"reported_on": "soon"}, {"reported_on": "2035-01-01"}, {"reported_on": "2020-01-01"}):
        about = {"code": "nv", "reported_on": today} | wrong
        with pytest.raises(RecordInvalid), clinic.work(reader) as work:
            biopsies.record(work, exam_id=exam.id, version=2, **about)  # type: ignore[arg-type]


def test_a_comment_is_plain_bounded_text_and_not_in_the_log(clinic: Clinic, exam: Exam, reader: Actor) -> None:
    with clinic.work(reader) as work:
        said = comments.add(work, exam_id=exam.id, text="  <b>Look</b>\r\nagain\x00\x1b ")
    assert said.text == "<b>Look</b>\nagain"
    for wrong in ("", " \n ", "x" * 4001):
        with pytest.raises(RecordInvalid), clinic.work(reader) as work:
            comments.add(work, exam_id=exam.id, text=wrong)
    assert "Look" not in json.dumps(_log(clinic, "comment.added"))
    with pytest.raises(NotAllowed), clinic.work(SYSTEM) as work:
        comments.add(work, exam_id=exam.id, text="Hello")


def test_what_was_not_answered_is_not_reviewed(clinic: Clinic, exam: Exam, reader: Actor) -> None:
    with pytest.raises(NoSuchRecord), clinic.work(reader) as work:
        reviews.commit(work, exam_id="nothing", own_code="nv")
    with clinic.work(SYSTEM) as work:
        work.get(Exam, exam.id).state = "refused"
    with pytest.raises(Conflict, match="not answered"):
        _commit(clinic, reader, exam)
