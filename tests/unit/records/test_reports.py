"""A report is gathered from the records, and issued to those who may have it."""

from __future__ import annotations

import pypdfium2 as pdfium
import pytest
from clinic_testing import Clock, add_exam, add_lesion, add_user, blurred, dark, png
from sqlalchemy import select

from macule.errors import Conflict, NoSuchRecord, NotAllowed
from macule.exchange import exam_pdf
from macule.exchange.exam_pdf import Audience
from macule.records import biopsies, blinding, reports, reviews, site
from macule.records.clinic import Clinic
from macule.records.domain import SYSTEM, Actor, ActorKind, Role
from macule.records.tables import AuditRow, Exam


def _gathered(clinic: Clinic, exam: Exam) -> reports.ExamPaper:
    return reports.gather(clinic, actor=SYSTEM, exam_id=exam.id, language="en", public_url="https://clinic.example/")


def _decide(clinic: Clinic, reader: Actor, exam: Exam, code: str = "nv") -> None:
    with clinic.work(reader) as work:
        reviews.commit(work, exam_id=exam.id, own_code=code)
    with clinic.work(reader) as work:
        reviews.decide(work, exam_id=exam.id, version=None, decision="confirm", management="follow_up", note="Dull.")


def _link(exam: Exam) -> Actor:
    return Actor(ActorKind.LINK, "link", "patient", Role.PATIENT, patient_id=exam.patient_id)


def test_it_gathers_what_the_records_hold(clinic: Clinic, clock: Clock) -> None:
    lesion = add_lesion(clinic, pseudonym="P-77", skin_type=3)
    first = add_exam(clinic, lesion=lesion, picture=dark())
    clock.turn(days=90)
    exam = add_exam(clinic, lesion=lesion)
    clock.turn(hours=1)
    _decide(clinic, add_user(clinic, Role.DERMATOLOGIST, name="Dr Å"), exam)
    paper = _gathered(clinic, exam)
    assert (paper.person.pseudonym, paper.person.skin_type, paper.person.map_x) == ("P-77", 3, 0.3)
    assert [visit.this for visit in paper.history] == [False, True] and paper.history[0].risk == first.risk
    assert paper.last_word is not None and paper.last_word.reader == "Dr Å" and paper.last_word.own == "nv"
    assert paper.limits is not None and paper.limits.high.probability == 0.6 and "mel" in paper.limits.cannot_exclude
    assert paper.link == f"https://clinic.example/cases/{exam.id}" and paper.written_at == clock.now
    assert paper.heatmap is not None and paper.heatmap.shape == paper.picture.shape
    assert (paper.preprocessing_sha256, paper.result) == (exam.preprocessing_sha256, exam.result)


def test_both_wordings_are_the_same_bytes_again(clinic: Clinic, clock: Clock) -> None:
    exam = add_exam(clinic)
    for audience in Audience:
        first = reports.pdf(clinic, actor=SYSTEM, exam_id=exam.id, audience=audience)
        clock.turn(days=1)
        again = reports.pdf(clinic, actor=SYSTEM, exam_id=exam.id, audience=audience)
        assert first.startswith(b"%PDF-") and first == again


def test_a_refused_picture_has_a_report_and_a_waiting_one_has_none(clinic: Clinic) -> None:
    refused = add_exam(clinic, picture=blurred())
    assert not _gathered(clinic, refused).judged
    assert reports.pdf(clinic, actor=SYSTEM, exam_id=refused.id, audience=Audience.PATIENT).startswith(b"%PDF-")
    with clinic.work(add_user(clinic, Role.NURSE)) as work:
        row = work.get(Exam, refused.id)
        row.state, row.result = "waiting", None
    with pytest.raises(Conflict, match="no answer yet"):
        reports.pdf(clinic, actor=SYSTEM, exam_id=refused.id, audience=Audience.PATIENT)
    with pytest.raises(NoSuchRecord):
        reports.pdf(clinic, actor=SYSTEM, exam_id="nothing", audience=Audience.PATIENT)


def test_a_reader_who_has_not_committed_gets_neither_wording(clinic: Clinic) -> None:
    exam, reader = add_exam(clinic), add_user(clinic, Role.DERMATOLOGIST)
    for audience in Audience:
        with pytest.raises(NotAllowed, match="store your own diagnosis"):
            reports.issue(clinic, actor=reader, exam_id=exam.id, audience=audience)
    with clinic.work(reader) as work:
        reviews.commit(work, exam_id=exam.id, own_code="mel")
    assert reports.issue(clinic, actor=reader, exam_id=exam.id, audience=Audience.DOCTOR).startswith(b"%PDF-")
    with clinic.reading() as session:
        rows = session.execute(select(AuditRow.action, AuditRow.patient_id).order_by(AuditRow.seq)).all()
    assert rows[-2:] == [("answer.seen", exam.patient_id), ("report.issued", exam.patient_id)]


def test_of_the_lesions_other_exams_nothing_is_told_before_they_are_read(clinic: Clinic, clock: Clock) -> None:
    lesion, reader = add_lesion(clinic), add_user(clinic, Role.DERMATOLOGIST)
    read = add_exam(clinic, lesion=lesion)
    clock.turn(days=30)
    unread = add_exam(clinic, lesion=lesion, picture=dark())
    for exam in (read, unread):
        with clinic.reading() as session:
            assert blinding.hidden_among(session, actor=reader, exam_ids=[read.id, unread.id]) >= {exam.id}
        _decide(clinic, reader if exam is read else add_user(clinic, Role.DERMATOLOGIST), exam)
    with clinic.work(reader) as work:
        biopsies.record(work, exam_id=read.id, version=0, code="nv", reported_on=clock.now.date())
    paper = reports.gather(clinic, actor=reader, exam_id=read.id, language="en", public_url=None)
    first, second = paper.history
    assert (first.risk, first.final, first.tissue) == (read.risk, "nv", "nv")
    assert second == exam_pdf.Visit(second.taken_at, "not read"), "the day alone"
    assert _gathered(clinic, read).history[1].risk == unread.risk
    content = reports.issue(clinic, actor=reader, exam_id=read.id, audience=Audience.DOCTOR)
    shown = pdfium.PdfDocument(content)
    words = "".join(page.get_textpage().get_text_range() for page in shown)
    assert "Not read" in words


@pytest.mark.parametrize("release", ["at_once", "after_review"])
def test_a_patient_gets_what_is_released(clinic: Clinic, release: str) -> None:
    exam, reader = add_exam(clinic, picture=png(seed=4)), add_user(clinic, Role.DERMATOLOGIST)
    with clinic.work(reader) as work:
        site.change(work, settings=site.SiteSettings(release=release), version=0)
    if release == "after_review":
        with pytest.raises(NotAllowed, match="not released"):
            reports.issue(clinic, actor=_link(exam), exam_id=exam.id, audience=Audience.PATIENT)
        _decide(clinic, reader, exam)
    assert reports.issue(clinic, actor=_link(exam), exam_id=exam.id, audience=Audience.PATIENT).startswith(b"%PDF-")
