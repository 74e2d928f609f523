"""The dermatologist's pages: nothing of the machine's answer before the own diagnosis, everything after."""

from __future__ import annotations

import html
import re
from datetime import timedelta

import pytest
from clinic_testing import Clock, Signed, add_exam, add_lesion, add_user, blurred, sign_in
from fastapi import FastAPI
from sqlalchemy import select

from macule.records import comments, reviews, site
from macule.records.clinic import Clinic
from macule.records.domain import SYSTEM, Role
from macule.records.site import SiteSettings
from macule.records.tables import AuditRow, Exam, Review


@pytest.fixture
def exam(clinic: Clinic) -> Exam:
    return add_exam(clinic, lesion=add_lesion(clinic, pseudonym="P-77"))


@pytest.fixture
def reader(app: FastAPI, clinic: Clinic) -> Signed:
    return Signed(app, clinic, add_user(clinic, Role.DERMATOLOGIST, name="Dr Ada"))


def _actions(clinic: Clinic) -> list[str]:
    with clinic.reading() as session:
        return list(session.scalars(select(AuditRow.action).order_by(AuditRow.seq)))


def _version(page: str) -> str:
    found = re.search(r'name="version" value="(\d+)"', page)
    assert found is not None
    return found.group(1)


def _main(page: str) -> str:
    """Without the frame, whose words are the same on every page."""
    return page.partition("<main")[2].partition("</main>")[0]


def test_before_the_own_diagnosis_nothing_tells_the_answer(clinic: Clinic, exam: Exam, reader: Signed) -> None:
    with clinic.work(add_user(clinic, Role.DERMATOLOGIST)) as work:
        comments.add(work, exam_id=exam.id, text="Surely harmless")
    for address in (f"/cases/{exam.id}", "/worklist", "/worklist?show=all"):
        reply = reader.get(address)
        shown = re.sub(r"<option.*?</option>", "", _main(reply.text))  # the filter names every risk
        assert reply.status_code == 200 and "P-77" in shown
        assert not re.search(r"\d\s*(%|&nbsp;%)|\d\N{NO-BREAK SPACE}%", shown), "a probability"
        assert not re.search(r"\b(high|medium|low|badge-(high|medium|low))\b", shown, re.I), address
        assert "heatmap\"" not in shown and "report.pdf" not in shown and "/similar" not in shown
        assert "Surely harmless" not in shown
    assert f"/exams/{exam.id}/picture" in reader.get(f"/cases/{exam.id}").text
    assert reader.get(f"/exams/{exam.id}/picture").status_code == 200
    assert reader.get(f"/exams/{exam.id}/heatmap").status_code == 403
    assert "exam.seen" in _actions(clinic) and "answer.seen" not in _actions(clinic)


def test_after_it_everything_is_shown(clinic: Clinic, exam: Exam, reader: Signed) -> None:
    assert exam.result is not None
    reply = reader.post(f"/cases/{exam.id}/diagnosis", data={"own_code": "mel"})
    assert (reply.status_code, reply.headers["location"]) == (303, f"/cases/{exam.id}#answer")
    shown = html.unescape(_main(reader.get(f"/cases/{exam.id}").text))
    assert "Melanocytic naevus" in shown and "differ" in shown and "yours" in shown
    for ranked in exam.result["diagnoses"]:
        assert ranked["name"] in shown
    assert f"/exams/{exam.id}/heatmap" in shown and f"/exams/{exam.id}/report.pdf?audience=doctor" in shown
    assert "Cannot exclude" in shown and "sensitivity at least 95\N{NO-BREAK SPACE}%" in shown
    for print_ in (exam.id, exam.bundle_sha256, exam.preprocessing_sha256, exam.thresholds_sha256):
        assert print_ is not None and print_ in shown
    assert f'hx-get="/cases/{exam.id}/similar"' in shown and f'href="/cases/{exam.id}/history"' in shown
    assert reader.get(f"/exams/{exam.id}/heatmap").status_code == 200
    assert _actions(clinic).count("answer.seen") == 1
    assert "Begun by you" in reader.get("/worklist?show=mine").text


def test_without_commit_first_the_answer_is_there_at_once(clinic: Clinic, exam: Exam, reader: Signed) -> None:
    with clinic.work(SYSTEM) as work:
        site.change(work, settings=SiteSettings(commit_first=False), version=None)
    assert "Ranked diagnoses" in reader.get(f"/cases/{exam.id}").text
    assert "answer.seen" in _actions(clinic)
    listed = _main(reader.get("/worklist?risk=medium").text)
    assert "badge-medium" in listed and "P-77" in listed


def test_a_decision_a_biopsy_and_a_comment(clinic: Clinic, exam: Exam, reader: Signed) -> None:
    here = f"/cases/{exam.id}"
    reader.post(f"{here}/diagnosis", data={"own_code": "mel"})
    page = reader.get(here).text
    form = {"version": _version(page), "decision": "override", "final_code": "mel", "management": "excise",
            "note": "<script>alert(1)</script>"}
    missing = reader.post(f"{here}/decision", data=form)
    assert missing.status_code == 422 and "Choose why" in html.unescape(missing.text)
    assert "&lt;script&gt;alert(1)" in missing.text and "<script>alert" not in missing.text, "what was typed is kept"
    assert reader.post(f"{here}/decision", data=form | {"reason": "morphology"}).status_code == 303
    decided = reader.get(here).text
    assert "Overridden" in decided and "<script>alert" not in decided and "You kept your own diagnosis" in decided
    today = clinic.clock().date()
    for code, version in (("nv", "0"), ("mel", "1")):
        found = {"version": version, "code": code, "reported_on": today.isoformat(), "note": "pT1a"}
        assert reader.post(f"{here}/biopsy", data=found).status_code == 303
    late = reader.post(f"{here}/biopsy", data={"version": "1", "code": "bcc", "reported_on": today.isoformat()})
    assert late.status_code == 409 and "Basal cell carcinoma" in late.text
    ahead = {"version": "2", "code": "nv", "reported_on": (today + timedelta(days=9)).isoformat(), "note": "Kept"}
    assert "Kept" in reader.post(f"{here}/biopsy", data=ahead).text
    assert reader.post(f"{here}/comments", data={"text": "See <b>you</b>"}).status_code == 303
    assert reader.post(f"{here}/comments", data={"text": ""}).status_code == 422
    final = reader.get(here).text
    assert "See &lt;b&gt;you&lt;/b&gt;" in final and "pT1a" in final
    again = {"version": _version(final), "reopen_reason": "biopsy"}
    assert reader.post(f"{here}/reopen", data=again).status_code == 303
    assert {"review.decided", "biopsy.recorded", "biopsy.corrected", "comment.added", "review.reopened"} <= set(
        _actions(clinic))


def test_a_stale_form_comes_back_with_all_that_was_typed(
    app: FastAPI, clinic: Clinic, exam: Exam, reader: Signed
) -> None:
    here, other = f"/cases/{exam.id}", add_user(clinic, Role.DERMATOLOGIST, name="Dr Bo")
    reader.post(f"{here}/diagnosis", data={"own_code": "mel"})
    form = {"version": _version(reader.get(here).text), "decision": "override", "final_code": "mel",
            "reason": "history", "management": "biopsy", "note": "Grew in a month"}
    with clinic.work(other) as work:
        reviews.commit(work, exam_id=exam.id, own_code="nv")
    with clinic.work(other) as work:
        reviews.decide(work, exam_id=exam.id, version=None, decision="confirm", management="nothing")
    late = reader.post(f"{here}/decision", data=form)
    shown = html.unescape(late.text)
    assert late.status_code == 409 and "Nothing was stored" in shown and "Dr Bo" in shown
    assert shown.count("Grew in a month") == 2, "in the notice and in the form"
    assert re.search(r'value="mel" selected', shown) and re.search(r'id="management-biopsy"[^>]* checked', shown)
    again = form | {"version": _version(shown)}
    assert reader.post(f"{here}/decision", data=again).status_code == 303
    with clinic.reading() as session:
        words = session.scalars(select(Review.final_code).where(Review.exam_id == exam.id)).all()
        assert sorted(map(str, words)) == ["mel", "nv"] and session.get_one(Exam, exam.id).final_code == "mel"
    assert reader.post(f"{here}/diagnosis", data={"own_code": "bcc"}).status_code == 409


def test_a_second_reader_reads_blind_and_a_third_may_look(
    app: FastAPI, clinic: Clinic, exam: Exam, reader: Signed
) -> None:
    here, other = f"/cases/{exam.id}", add_user(clinic, Role.DERMATOLOGIST)
    with clinic.work(other) as work:
        reviews.commit(work, exam_id=exam.id, own_code="nv")
    with clinic.work(other) as work:
        reviews.decide(work, exam_id=exam.id, version=None, decision="confirm", management="nothing", second=True)
    assert "Ranked diagnoses" not in reader.get(here).text
    assert reader.post(f"{here}/look", data={"x": "y"}).status_code == 409
    reader.post(f"{here}/diagnosis", data={"own_code": "nv"})
    shown = reader.get(here).text
    assert "You are the second reader" in shown
    reader.post(f"{here}/decision", data={"version": _version(shown), "decision": "confirm", "management": "nothing"})
    third = sign_in(app, clinic, Role.DERMATOLOGIST)
    assert "Look without reading" in third.get(here).text
    assert third.post(f"{here}/look", data={"x": "y"}).status_code == 303
    assert "Both readers agree" in third.get(here).text


def test_the_worklist_pages_filters_and_refuses_nonsense(
    clinic: Clinic, clock: Clock, exam: Exam, reader: Signed
) -> None:
    clock.turn(minutes=1)
    newer = add_exam(clinic)
    first = reader.get("/worklist").text
    assert first.index(exam.id) < first.index(newer.id)
    assert newer.id not in reader.get("/worklist?patient=p-77").text
    assert "No case matches" in reader.get("/worklist?body_site=foot&unlike=on&waited=7&modality=clinical").text
    assert reader.get("/worklist?after=12-zz").status_code == 200
    for wrong in ("show=x", "risk=x", "waited=x", "waited=-1", "body_site=%27%20OR%201=1"):
        assert reader.get(f"/worklist?{wrong}").status_code == 422, wrong
    assert reader.get(f"/cases/{exam.id}/next").headers["location"] == f"/cases/{newer.id}"
    assert _actions(clinic).count("worklist.seen") == 3


def test_a_refused_picture_has_a_page_of_its_own(clinic: Clinic, reader: Signed) -> None:
    refused = add_exam(clinic, picture=blurred())
    shown = reader.get(f"/cases/{refused.id}").text
    assert "This picture was refused" in shown and "Your diagnosis" not in shown
    assert reader.post(f"/cases/{refused.id}/diagnosis", data={"own_code": "nv"}).status_code == 409


def test_only_readers_come_in(app: FastAPI, clinic: Clinic, exam: Exam) -> None:
    for role in (Role.NURSE, Role.ADMIN):
        visitor = sign_in(app, clinic, role)
        assert visitor.get("/worklist").status_code == visitor.get(f"/cases/{exam.id}").status_code == 403
        assert visitor.post(f"/cases/{exam.id}/diagnosis", data={"own_code": "nv"}).status_code == 403
    reader = sign_in(app, clinic, Role.DERMATOLOGIST)
    assert reader.get("/cases/" + "0" * 32).status_code == 404
    del reader.headers["X-CSRF-Token"]
    assert reader.post(f"/cases/{exam.id}/comments", data={"text": "Forged"}).status_code == 403
