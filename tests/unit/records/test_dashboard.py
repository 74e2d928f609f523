"""The dashboard's figures, counted by hand from a few rows. Every test runs on both databases."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from clinic_testing import START, Clock, add_lesion, add_user
from sqlalchemy import insert, text

from macule.analysis.result import Risk
from macule.records import dashboard
from macule.records.clinic import Clinic
from macule.records.dashboard import Board, Figures
from macule.records.domain import SYSTEM, Decision, ExamState, OverrideReason, Role, new_id
from macule.records.figures import TOO_FEW, Share, Window
from macule.records.tables import Biopsy, BundleRecord, Exam, Lesion, Review, User
from macule.records.tending import tend_when_due

Add = Callable[..., str]


@pytest.fixture
def add(clinic: Clinic) -> Add:
    """Puts an exam with what was read and found of it; ages in days before START."""
    patient = add_lesion(clinic).patient_id
    reader = add_user(clinic, Role.DERMATOLOGIST, name="Dr One")
    with clinic.work(SYSTEM) as work:
        for name in "ab":
            work.session.add(BundleRecord(sha256=name * 64, name=name, first_used_at=START - timedelta(days=400)))

    def put(*, days: float = 0, state: str = "answered", top: str | None = "nv", risk: str | None = "low",
            why: str | None = None, own: str | None = None, final: str | None = None, reason: str | None = None,
            found: str | None = None, bundle: str | None = "a", lesion: Lesion | None = None,
            by: str | None = None) -> str:
        lesion = lesion or add_lesion(clinic, patient_id=patient)
        received, key = START - timedelta(days=days), new_id(START)
        decided = received + timedelta(hours=3) if final else None
        answered = state == "answered"
        exam: dict[str, Any] = {
            "id": key, "version": 1, "patient_id": lesion.patient_id, "lesion_id": lesion.id, "state": state,
            "unanswered_for": why, "created_at": received, "created_by": "test", "file_name": "a.png",
            "answered_at": None if state == "waiting" else received + timedelta(seconds=2), "picture": "0" * 64,
            "bundle_sha256": bundle * 64 if bundle and state in ("answered", "refused") else None,
            "top_code": top if answered else None, "risk": risk if answered else None,
            "review_state": ("decided" if final else "open") if answered else None, "final_code": final,
            "decided_at": decided,
        }
        with clinic.work(SYSTEM) as work:
            work.session.execute(insert(Exam), [exam])
            if final:
                work.session.execute(insert(Review), [{
                    "id": new_id(START), "version": 1, "exam_id": key, "reader_id": by or reader.id,
                    "second": False, "created_at": decided - timedelta(seconds=90), "top_code": top,
                    "own_at": decided - timedelta(seconds=50) if own else None,
                    "bundle_sha256": bundle * 64 if bundle else None, "own_code": own, "final_code": final,
                    "decision": "confirm" if final == top else "override", "reason": reason, "decided_at": decided}])
            if found:
                work.session.execute(insert(Biopsy), [{
                    "id": new_id(START), "version": 1, "exam_id": key, "lesion_id": lesion.id, "code": found,
                    "reported_on": START.date(), "recorded_at": received + timedelta(hours=27),
                    "recorded_by": "test"}])
        return key

    return put


def _figures(clinic: Clinic, **window: Any) -> Figures:
    with clinic.reading() as session:
        return dashboard.figures(session, window=Window(**window), now=START)


def test_a_new_clinic_has_figures_of_nothing(clinic: Clinic) -> None:
    found = _figures(clinic)
    assert found.period.received == 0 and found.period.refused.value is None and found.models == ()
    assert found.waiting.total == 0 and found.waiting.oldest is None
    assert found.turnaround.answer.median is None and found.readings.readers == () and found.trends.received == (0,)


def test_exams_are_counted_by_period_state_and_risk(clinic: Clinic, add: Add) -> None:
    add(days=0), add(days=0.3, risk="high"), add(days=6), add(days=29), add(days=89), add(days=90), add(days=400)
    add(days=1, state="refused", why="sharpness"), add(days=2, state="refused", why="sharpness")
    add(days=3, state="failed", why="unreadable_image"), add(days=0, state="waiting")
    found = _figures(clinic)
    # START is 9 o'clock: 0.3 days before is still today; seven days are today and six before.
    assert [each.received for each in found.strip] == [3, 7, 8, 9, 11]
    everything = found.strip[-1]
    assert everything.by_state == {
        ExamState.WAITING: 1, ExamState.ANSWERED: 7, ExamState.REFUSED: 2, ExamState.FAILED: 1}
    assert everything.by_risk == {Risk.LOW: 6, Risk.MEDIUM: 0, Risk.HIGH: 1}
    assert everything.unanswered == {"sharpness": 2, "unreadable_image": 1}
    assert everything.refused == Share(2, 9) and everything.refused.value is None
    part = _figures(clinic, since=START - timedelta(days=6), until=START)
    assert part.period.received == 5 and part.strip == found.strip
    assert found.waiting.unanswered == 1 and found.waiting.total == 7


def test_trends_have_a_count_a_day_or_a_week(clinic: Clinic, add: Add) -> None:
    add(days=0), add(days=0), add(days=2), add(days=40, final="nv"), add(days=41)
    by_day = _figures(clinic, since=dashboard.days_back(4, START)).trends
    assert by_day.days == 1 and by_day.received == (0, 1, 0, 2) and by_day.starts[-1] == START.date()
    by_week = _figures(clinic, since=dashboard.days_back(60, START)).trends
    assert by_week.days == 7 and by_week.received[-1] == 3 and sum(by_week.received) == 5 and sum(by_week.decided) == 1
    assert by_week.starts[-1] == START.date() - timedelta(days=6)


def test_waiting_work_is_told_by_age_and_risk(clinic: Clinic, add: Add) -> None:
    add(days=0.5), add(days=2, risk="high"), add(days=20), add(days=60, risk="medium"), add(days=1.5, final="nv")
    found = _figures(clinic, since=START).waiting
    assert [sum(band.values()) for band in found.ages] == [1, 1, 0, 0, 1, 1]
    assert found.ages[1][Risk.HIGH] == 1 and found.oldest == START - timedelta(days=60)


def test_switches_tell_where_the_machine_was_right(clinic: Clinic, add: Add) -> None:
    add(days=1, top="mel", own="nv", final="mel", found="mel")  # towards, right, mended
    add(days=1, top="mel", own="nv", final="mel", found="nv")  # towards, wrong, spoilt
    add(days=1, top="mel", own="mel", final="nv", reason="morphology", found="mel")  # away, right, spoilt
    add(days=1, top="mel", own="nv", final="bcc", reason="history", found="bkl")  # elsewhere, wrong
    add(days=1, top="nv", own="nv", final="nv")  # unchanged, unknown
    add(days=1, top="nv", final="nv")  # no own diagnosis
    r = _figures(clinic).readings
    assert (r.switches.readings, r.switches.towards, r.switches.away) == (5, Share(2, 3), Share(1, 2))
    assert r.switches.elsewhere == 1 and r.switches.changed == Share(4, 5)
    assert (r.right.readings, r.right.towards, r.right.away) == (2, Share(1, 1), Share(1, 1))
    assert (r.wrong.readings, r.wrong.towards, r.wrong.away) == (2, Share(1, 2), Share(0, 0))
    assert (r.effect.readings, r.effect.mended, r.effect.spoilt) == (4, 1, 2)
    assert r.decisions == {Decision.CONFIRM: 4, Decision.OVERRIDE: 2}
    assert r.overrides[OverrideReason.MORPHOLOGY] == r.overrides[OverrideReason.HISTORY] == 1
    assert r.before.n == 5 and r.after.n == 6 and r.before.count("nv", "mel") == 3
    (row,) = r.readers
    assert row.name == "Dr One" and row.readings == 6 and row.agreed_before == Share(2, 5)
    assert row.agreed_after == Share(4, 6) and row.right == Share(1, 4) and row.spent.n == 5  # from the own diagnosis


def test_biopsies_judge_the_machine(clinic: Clinic, add: Add) -> None:
    for _ in range(TOO_FEW):
        add(days=2, top="mel", risk="high", own="mel", final="mel", found="mel")
    add(days=2, top="nv", risk="low", own="nv", final="nv", found="bcc")
    add(days=2, top="nv", risk="medium", own="nv", final="nv", found="nv", bundle="b")
    found = _figures(clinic)
    assert found.biopsied.n == 12 and found.biopsied.agreed == Share(11, 12)
    assert found.medium.sensitivity == Share(10, 11) and found.medium.specificity == Share(0, 1)
    assert found.high.specificity == Share(1, 1) and found.high.sensitivity == Share(10, 11)
    assert found.medium.specificity.value is None and found.medium.sensitivity.value == pytest.approx(10 / 11)
    assert found.turnaround.answer.median == 2 and found.turnaround.decision.median == 3 * 3600 - 2
    assert found.turnaround.biopsy.median == 24 * 3600 and found.readings.readers[0].spent.median == 50
    newest, older = sorted(found.models, key=lambda model: model.name, reverse=True)
    assert (newest.name, newest.exams, newest.with_biopsy) == ("b", 1, Share(1, 1))
    assert (older.with_readers, older.sensitivity) == (Share(11, 11), Share(10, 11))
    assert older.last == START - timedelta(days=2)


def test_one_model_is_counted_alone(clinic: Clinic, add: Add) -> None:
    add(days=1, own="nv", final="nv", found="nv")
    add(days=1, own="nv", final="nv", found="mel", bundle="b"), add(bundle="b")
    found = _figures(clinic, bundle="b" * 64)
    assert found.period.received == 2 and found.readings.total == 1 and found.biopsied.count("mel", "nv") == 1
    assert sum(found.trends.received) == 2 and sum(found.trends.biopsies) == 1 and found.turnaround.decision.n == 1
    assert {model.name for model in found.models} == {"a", "b"}


def test_decisions_and_biopsies_count_on_their_own_day(clinic: Clinic, add: Add) -> None:
    add(days=10, own="nv", final="nv", found="nv")
    on_day = _figures(clinic, since=START - timedelta(days=9.5), until=START)
    assert on_day.period.received == 0 and on_day.readings.total == 0 and on_day.biopsied.n == 1


def test_the_board_counts_once_a_minute(clinic: Clinic, clock: Clock, add: Add) -> None:
    board, window = Board(), Window()
    add()
    assert board.figures(clinic, window=window).period.received == 1
    add()
    clock.turn(seconds=59)
    stale = board.figures(clinic, window=window)
    assert stale.period.received == 1 and stale.as_of == START
    assert Board(fresh=timedelta(0)).figures(clinic, window=window).period.received == 2
    clock.turn(seconds=2)
    assert board.figures(clinic, window=window).period.received == 2


def test_a_lesion_that_was_biopsied_twice_counts_once(clinic: Clinic, add: Add) -> None:
    lesion = add_lesion(clinic)
    add(days=30, final="nv", found="nv", lesion=lesion)
    add(days=3, top="mel", risk="high", final="mel", found="mel", lesion=lesion)
    found = _figures(clinic)
    assert found.biopsied.cells == {("mel", "mel"): 1} and found.medium.n == 1 and sum(found.trends.biopsies) == 2
    early = _figures(clinic, until=START - timedelta(days=10))
    assert early.biopsied.cells == {("nv", "nv"): 1}


def test_a_case_that_is_read_again_tells_nothing_by_its_biopsy(clinic: Clinic, add: Add) -> None:
    exam_id = add(days=3, own="nv", final="nv", found="mel")
    for state, counted in (("second", 0), ("committed", 0), ("decided", 1)):
        with clinic.work(SYSTEM) as work:
            work.get(Exam, exam_id).review_state = state
        found = _figures(clinic)
        assert found.biopsied.n == counted and found.strip[-1].risk_of_decided[Risk.LOW] == counted


def test_programs_are_counted_apart_from_people(clinic: Clinic, add: Add) -> None:
    with clinic.work(SYSTEM) as work:
        program = User(id=work.new_id(), email="a@key.invalid", name="Reads by itself", role="machine", active=False,
                       created_at=work.now)
        work.session.add(program)
    add(days=1, own="nv", final="nv", found="nv"), add(days=1, own="mel", final="nv")
    for code in ("nv", "mel"):
        add(days=1, own="nv", final=code, reason=None if code == "nv" else "other", found="nv", by=program.id)
    found = _figures(clinic)
    r = found.readings
    assert (r.total, r.before.n, r.after.n, r.switches.readings, r.effect.readings) == (2, 2, 2, 2, 1)
    assert r.decisions[Decision.OVERRIDE] == 0 and r.overrides[OverrideReason.OTHER] == 0
    assert [(row.name, row.system, row.readings) for row in r.readers] == [
        ("Dr One", False, 2), ("Reads by itself", True, 2)]
    assert found.turnaround.decision.n == 2 and found.period.decided == 4
    assert [model.with_readers for model in found.models if model.name == "a"] == [Share(2, 2)]


def test_times_of_reopened_cases_are_left_out(clinic: Clinic, add: Add) -> None:
    exam_id = add(days=1, own="nv", final="nv")
    add(days=1, own="nv", final="nv")
    assert _figures(clinic).readings.readers[0].spent.n == 2
    with clinic.work(SYSTEM) as work:
        work.record("review.reopened", "exam", exam_id)
    found = _figures(clinic)
    assert found.readings.readers[0].spent.n == found.turnaround.decision.n == 1 and found.readings.total == 2


def test_a_reader_who_left_keeps_a_row(clinic: Clinic, add: Add) -> None:
    add(days=1, own="nv", final="nv")
    with clinic.work(SYSTEM) as work:
        user = work.session.query(User).one()
        user.active = False
    assert _figures(clinic).readings.readers[0].name == "Dr One"


def test_the_database_is_tended_once_an_hour(clinic: Clinic, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    add_lesion(clinic)
    tended: list[datetime] = []
    tend = clinic.database.tend
    monkeypatch.setattr(type(clinic.database), "tend", lambda _: (tend(), tended.append(clock.now)))
    for _ in range(3):
        assert tend_when_due(clinic) is False
        clock.turn(minutes=40)
    assert tended == [START, START + timedelta(minutes=80)]
    if clinic.database.sqlite:
        with clinic.reading() as session:
            assert session.execute(text("SELECT count(*) FROM sqlite_stat1 WHERE tbl = 'lesion'")).scalar_one() > 0
