"""The order of the worklist, its filters, and what it gives away."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from typing import Any

from clinic_testing import START, add_lesion, add_user
from sqlalchemy import event, select

from macule.analysis.patient import Modality, Site
from macule.analysis.result import Risk
from macule.records import reviews, site, worklist, worklist_counts
from macule.records.clinic import Clinic
from macule.records.domain import SYSTEM, Actor, Role
from macule.records.site import SiteSettings
from macule.records.tables import Exam, Lesion, Review, User
from macule.records.worklist import ALLOWED, Cursor, Filters, Show
from macule.records.worklist_counts import Counts


def _exams(clinic: Clinic, lesion: Lesion, *cases: tuple[Risk, float], **columns: object) -> list[str]:
    """Answered exams of the given risk and age in days; only rows, no pictures."""
    made = []
    with clinic.work(SYSTEM) as work:
        for risk, days in cases:
            about = {"modality": "dermoscopic", "body_site": "trunk", "in_distribution": True} | columns
            exam = Exam(
                id=work.new_id(), patient_id=lesion.patient_id, lesion_id=lesion.id, state="answered",
                created_at=START - timedelta(days=days), created_by="test", file_name="a.png", picture="0" * 64,
                risk=risk.value, malignant=0.5, top_code="nv", review_state="open", **about,
            )
            work.session.add(exam)
            made.append(exam.id)
    return made


def _settings(clinic: Clinic, **changes: object) -> None:
    with clinic.work(SYSTEM) as work:
        site.change(work, settings=SiteSettings(**changes), version=None)  # type: ignore[arg-type]


def _list(clinic: Clinic, actor: Actor, filters: Filters = Filters(), size: int = 25) -> list[str]:  # noqa: B008
    """Every page, one after the other."""
    found: list[str] = []
    after: Cursor | None = None
    with clinic.reading() as session:
        view = worklist.view(session, actor=actor, now=START)
        while True:
            page = worklist.page(session, view=view, filters=filters, after=after, size=size)
            found += [case.exam_id for case in page.cases]
            after = page.following
            if after is None:
                return found


def _counts(clinic: Clinic, actor: Actor, filters: Filters = Filters()) -> Counts:  # noqa: B008
    with clinic.reading() as session:
        return worklist_counts.count(
            session, view=worklist.view(session, actor=actor, now=START), filters=filters)


MIX = ((Risk.LOW, 1), (Risk.HIGH, 0.1), (Risk.MEDIUM, 3), (Risk.HIGH, 1), (Risk.LOW, 30), (Risk.MEDIUM, 13))


def test_high_risk_comes_first_then_the_oldest_and_who_waits_too_long_rises(clinic: Clinic) -> None:
    reader = add_user(clinic, Role.DERMATOLOGIST)
    _settings(clinic, commit_first=False)
    low, new_high, medium, high, old_low, old_medium = _exams(clinic, add_lesion(clinic), *MIX)
    # The low one of 30 days is over its 28; the medium one of 13 has a day left, as the high one of yesterday.
    assert _list(clinic, reader) == [old_low, *sorted((high, old_medium)), new_high, medium, low]
    with clinic.reading() as session:
        page = worklist.page(session, view=worklist.view(session, actor=reader, now=START), filters=Filters())
    assert [case.exam_id for case in page.cases if case.late] == [old_low]
    assert timedelta(days=2) == ALLOWED[Risk.HIGH] < ALLOWED[Risk.MEDIUM] < ALLOWED[Risk.LOW]


def test_pages_of_any_size_hold_every_case_once(clinic: Clinic) -> None:
    reader = add_user(clinic, Role.DERMATOLOGIST)
    _settings(clinic, commit_first=False)
    made = _exams(clinic, add_lesion(clinic, pseudonym="AB"), *MIX, *MIX[:3])
    for filters in (Filters(), Filters(show=Show.ALL), Filters(patient="AB")):
        whole = _list(clinic, reader, filters)
        assert sorted(whole) == sorted(made)
        assert _list(clinic, reader, filters, size=2) == whole


def test_a_blind_list_tells_nothing_of_the_answer(clinic: Clinic) -> None:
    reader = add_user(clinic, Role.DERMATOLOGIST)
    made = _exams(clinic, add_lesion(clinic), *MIX)
    by_age = [made[each] for each in (4, 5, 2, *sorted((0, 3), key=lambda each: made[each]), 1)]
    assert _list(clinic, reader) == by_age
    with clinic.reading() as session:
        page = worklist.page(session, view=worklist.view(session, actor=reader, now=START), filters=Filters())
    assert {(case.risk, case.malignant, case.top_code, case.urgent, case.shown) for case in page.cases} == {
        (None, None, None, None, False)}
    assert [case.late for case in page.cases] == [True] + [False] * 5, "lateness would tell the risk"
    assert _list(clinic, reader, Filters(risk=Risk.HIGH)) == [], "a filter would tell it too"
    with clinic.work(reader) as work:
        reviews.commit(work, exam_id=made[3], own_code="mel")
    assert _list(clinic, reader, Filters(show=Show.MINE, risk=Risk.HIGH)) == [made[3]]


def test_a_site_may_let_urgent_cases_come_first(clinic: Clinic) -> None:
    reader = add_user(clinic, Role.DERMATOLOGIST)
    _settings(clinic, urgent_first=True)
    made = _exams(clinic, add_lesion(clinic), (Risk.LOW, 3), (Risk.MEDIUM, 4), (Risk.HIGH, 0))
    assert _list(clinic, reader) == [made[2], made[1], made[0]]
    with clinic.reading() as session:
        page = worklist.page(session, view=worklist.view(session, actor=reader, now=START), filters=Filters())
    assert [case.urgent for case in page.cases] == [True, False, False] and page.cases[0].risk is None


def test_filters_and_their_counts_agree(clinic: Clinic) -> None:
    reader = add_user(clinic, Role.DERMATOLOGIST)
    _settings(clinic, commit_first=False)
    trunk = _exams(clinic, add_lesion(clinic, pseudonym="AB-1"), (Risk.HIGH, 1), (Risk.LOW, 40))
    hand = _exams(clinic, add_lesion(clinic, pseudonym="AB-2"), (Risk.HIGH, 2), body_site="hand", modality="clinical",
                  in_distribution=False)
    cases: Iterable[tuple[Filters, list[str]]] = (
        (Filters(risk=Risk.HIGH), [trunk[0], hand[0]]), (Filters(body_site=Site.HAND), hand),
        (Filters(modality=Modality.CLINICAL), hand), (Filters(unlike=True), hand), (Filters(waited=28), [trunk[1]]),
        (Filters(patient="ab-2"), hand), (Filters(patient="AB-"), trunk + hand), (Filters(patient="%"), []),
        (Filters(risk=Risk.LOW, body_site=Site.HAND), []),
    )
    for filters, expected in cases:
        assert sorted(_list(clinic, reader, filters)) == sorted(expected), filters
        assert _counts(clinic, reader, filters).total == len(expected), filters
    counts = _counts(clinic, reader, Filters(risk=Risk.HIGH))
    assert counts.risk == {"high": 2, "low": 1} and counts.body_site == {"trunk": 1, "hand": 1} and counts.unlike == 1
    assert counts.shows == {Show.OPEN: 3, Show.MINE: 0, Show.SECOND: 0, Show.DECIDED: 0, Show.ALL: 3}


def test_a_case_moves_through_the_lists(clinic: Clinic) -> None:
    first, second = add_user(clinic, Role.DERMATOLOGIST), add_user(clinic, Role.DERMATOLOGIST)
    exam_id = _exams(clinic, add_lesion(clinic), (Risk.LOW, 1))[0]

    def lists(reader: Actor) -> list[Show]:
        return [show for show in Show if exam_id in _list(clinic, reader, Filters(show=show)) and show is not Show.ALL]

    assert lists(first) == lists(second) == [Show.OPEN]
    with clinic.work(first) as work:
        reviews.commit(work, exam_id=exam_id, own_code="nv")
    assert lists(first) == [Show.MINE] and lists(second) == []
    with clinic.work(first) as work:
        reviews.decide(work, exam_id=exam_id, version=None, decision="confirm", management="nothing", second=True)
    assert lists(first) == [] and lists(second) == [Show.SECOND]
    with clinic.work(second) as work:
        reviews.commit(work, exam_id=exam_id, own_code="nv")
    with clinic.work(second) as work:
        reviews.decide(work, exam_id=exam_id, version=None, decision="confirm", management="nothing")
    assert lists(first) == lists(second) == [Show.DECIDED]


def test_a_case_that_was_begun_and_left_is_read_by_others(clinic: Clinic) -> None:
    first, second = add_user(clinic, Role.DERMATOLOGIST), add_user(clinic, Role.DERMATOLOGIST)
    left, begun, newest = _exams(clinic, add_lesion(clinic), (Risk.LOW, 3), (Risk.HIGH, 2), (Risk.LOW, 1))
    for exam_id in (left, begun):
        with clinic.work(first) as work:
            reviews.commit(work, exam_id=exam_id, own_code="nv")
    with clinic.work(SYSTEM) as work:
        review = work.session.scalars(select(Review).where(Review.exam_id == left)).one()
        review.own_at = START - timedelta(hours=25)
    assert _list(clinic, second) == [left, newest] and _counts(clinic, second).shows[Show.OPEN] == 2
    assert _list(clinic, first) == [newest] and _list(clinic, first, Filters(show=Show.MINE)) == [left, begun]
    with clinic.reading() as session:
        view = worklist.view(session, actor=second, now=START)
        assert worklist.following(session, view=view, exam_id=newest) == left
        assert [case.own_code for case in worklist.page(session, view=view, filters=Filters()).cases] == [None, None]
    with clinic.work(SYSTEM) as work:
        work.get(User, first.id).active = False
    assert _list(clinic, second) == [left, begun, newest] and _list(clinic, second, Filters(patient="P-")) != []
    with clinic.work(second) as work:
        reviews.commit(work, exam_id=left, own_code="nv")
    assert _list(clinic, second) == [begun, newest]


def test_the_next_case_is_another_one(clinic: Clinic) -> None:
    reader = add_user(clinic, Role.DERMATOLOGIST)
    newer, older = _exams(clinic, add_lesion(clinic), (Risk.LOW, 1), (Risk.LOW, 2))
    with clinic.reading() as session:
        view = worklist.view(session, actor=reader, now=START)
        assert worklist.following(session, view=view, exam_id=older) == newer
        assert worklist.following(session, view=view, exam_id=newer) == older
    with clinic.work(SYSTEM) as work:
        work.session.delete(work.get(Exam, newer))
    with clinic.reading() as session:
        assert worklist.following(session, view=view, exam_id=older) is None


def test_a_long_list_is_read_from_its_index(clinic: Clinic) -> None:
    """On SQLite, whose plan does not hang on how much there is."""
    if not clinic.database.sqlite:
        return
    statements: list[tuple[str, Any]] = []
    event.listen(clinic.database.engine, "before_cursor_execute", lambda *about: statements.append(about[2:4]))
    reader = add_user(clinic, Role.DERMATOLOGIST)
    with clinic.reading() as session:
        view = worklist.view(session, actor=reader, now=START)
        worklist.ranked(session, view, Filters(body_site=Site.HAND, unlike=True), size=26)
        statement, values = statements[-1]
        rows = session.connection().exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", values)
        plan = "\n".join(str(row) for row in rows)
    assert plan.count("USING COVERING INDEX ix_exam_worklist (review_state=? AND risk=?") == 6, plan
    assert "ORDER BY" not in plan
