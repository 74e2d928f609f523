"""An exam on paper: what it says, to whom, and that nothing that a person may type breaks it."""

from __future__ import annotations

import dataclasses
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from macule_testing import draw as drawn

import macule
from macule import messages
from macule.analysis.result import DISCLAIMER
from macule.exchange import exam_pdf, exam_pdf_parts
from macule.exchange.exam_pdf import (
    Audience,
    ExamPaper,
    Limit,
    Limits,
    Person,
    Reading,
    Remark,
    Tissue,
    Visit,
)
from macule.taxonomy import Diagnosis

pdfium = pytest.importorskip("pypdfium2", reason="pypdfium2 is not installed")

NOW = datetime(2026, 11, 21, 9, tzinfo=UTC)
EXAM = "019ac0ffee" + "0" * 22
HOSTILE = "Zażółć — Ω Привет 😀👩‍⚕️ السلام عليكم 你好\n\n\u202etxet\u0000\ud800 " + "w" * 300


def result(risk: str = "high", **changes: Any) -> dict[str, Any]:
    shares = [0.7, 0.1, *[0.2 / 9] * 9]
    codes = [Diagnosis.MEL, *[code for code in Diagnosis if code is not Diagnosis.MEL]]
    check = {"passed": True, "value": 10.0, "limit": 5.0}
    return {
        "bundle": {"id": "tiny", "sha256": "c" * 64},
        "quality": {"usable": True, "checks": {"sharpness": check, "size": check}},
        "diagnoses": [{"code": code.value, "probability": share} for code, share in zip(codes, shares, strict=True)],
        "malignant": {"probability": 0.81}, "risk": risk, "cannot_exclude": ["mel"], "in_distribution": True,
        "plausible": ["mel", "nv"], "advice": "See a doctor.", **changes,
    }


def paper(**changes: Any) -> ExamPaper:
    picture = drawn()
    return dataclasses.replace(ExamPaper(
        clinic="Skin clinic North", language="en", exam_id=EXAM, link=f"https://clinic.example/cases/{EXAM}",
        taken_at=NOW, written_at=NOW + timedelta(hours=1), result=result(), picture=picture, heatmap=255 - picture,
        person=Person("P-1042", 1961, "female", 2, "Left forearm", "upper_extremity", "front", 0.2, 0.4),
        preprocessing_sha256="a" * 64, thresholds_sha256="b" * 64,
        limits=Limits(Limit(0.17, 0.95), Limit(0.58, 0.8), {"mel": Limit(0.04, 0.95)}),
    ), **changes)


WORD = Reading("Dr Żółć", own="nv", own_at=NOW, decision="override", final="bcc", reason="morphology",
               management="excise", note="Arborising vessels.", decided_at=NOW)


def pages(content: bytes) -> list[str]:
    document = pdfium.PdfDocument(content)
    return [page.get_textpage().get_text_range().replace("\r\n", "\n") for page in document]


def said(audience: Audience, **changes: Any) -> str:
    return " ".join("\n".join(pages(exam_pdf.draw(paper(**changes), audience=audience))).split())


@pytest.mark.parametrize("risk", ["low", "medium", "high"])
def test_the_patient_reads_one_page_of_plain_words(risk: str) -> None:
    content = exam_pdf.draw(paper(result=result(risk)), audience=Audience.PATIENT)
    sheets = pages(content)
    words, text = " ".join(sheets[0].split()), messages.catalogue("en").text
    assert len(sheets) == 1
    for key in ("word", "short", "means", "next"):
        assert text(f"report.risk.{risk}.{key}") in words
    assert text("report.soon.first") in words and DISCLAIMER in words and "P-1042" in words
    assert "%" not in words and "Conformal" not in words


def test_the_doctors_word_replaces_the_computers_advice() -> None:
    words = said(Audience.PATIENT, readings=(WORD,), decided=True)
    text = messages.catalogue("en").text
    assert words.index("Dr Żółć") < words.index("Basal cell carcinoma") < words.index(text("report.risk.high.word"))
    assert text("report.management.excise") in words and text("report.doctor.counts") in words
    assert text("report.risk.high.next") not in words
    assert "Arborising" not in words  # notes are between doctors


def test_while_a_second_reader_is_awaited_the_patient_hears_of_no_decision() -> None:
    words = said(Audience.PATIENT, readings=(WORD,), decided=False)
    assert "Żółć" not in words and messages.catalogue("en").text("report.computer_alone") in words


def test_a_picture_that_could_not_be_judged_says_what_to_change() -> None:
    refused = result()
    for key in ("diagnoses", "malignant", "risk", "cannot_exclude", "in_distribution", "plausible"):
        del refused[key]
    failed = {"passed": False, "value": 1.0, "limit": 5.0, "advice": "Hold the phone still."}
    refused["quality"] = {"usable": False, "checks": {"sharpness": failed}}
    for audience in Audience:
        words = said(audience, result=refused, heatmap=None)
        assert "risk" not in words.lower().replace("report", "")
    assert "Hold the phone still." in said(Audience.PATIENT, result=refused, heatmap=None)


def test_the_doctor_reads_everything() -> None:
    words = said(
        Audience.DOCTOR, readings=(WORD,), decided=True, result=result(in_distribution=False),
        remarks=(Remark("Nurse N", NOW, "It grew."),), tissue=Tissue("mel", date(2026, 11, 30), "Breslow 0.4 mm"),
        history=(Visit(NOW - timedelta(days=200), "answered", False, "low", 0.03, "nv"), Visit(NOW, "answered", True)),
    )
    for each in Diagnosis:
        assert each.entry.name in words
    for each in (
        "High risk", "81 %", "17 %", "58 %", "Cannot be excluded", "Conformal set", "Unlike the training pictures",
        "1961", "Female", "II (Fitzpatrick)", "Left forearm", "In focus", "10 against 5", "Own diagnosis before",
        "Overrode the answer: Basal cell carcinoma", "what the reader sees contradicts", "Management: excise",
        "Arborising vessels.", "It grew.", "Breslow 0.4 mm", "5 May 2026", "c" * 64, "a" * 64, "b" * 64, EXAM,
        "Page 2 of 2",
    ):
        assert each in words, each
    assert words.count(DISCLAIMER) == 2


@pytest.mark.parametrize("audience", list(Audience))
def test_nothing_that_a_person_types_breaks_it(audience: Audience) -> None:
    person = Person(pseudonym="P" * 64, lesion=HOSTILE[:200], body_site="hand")
    reading = dataclasses.replace(WORD, reader=HOSTILE[:100], note=HOSTILE * 8)
    remarks = tuple(Remark(HOSTILE[:60], NOW, HOSTILE * 4) for _ in range(6))
    sheets = pages(exam_pdf.draw(
        paper(clinic=HOSTILE[:80], person=person, readings=(reading,), remarks=remarks, decided=True), audience=audience
    ))
    words = "\n".join(sheets)
    assert "Zażółć" in words and "Привет" in words and "[…]" in words
    assert (len(sheets) == 1) if audience is Audience.PATIENT else "[…] stands for signs" in words
    assert all("does not replace an examination" in sheet for sheet in sheets)


def test_every_word_stays_on_the_paper() -> None:
    document = pdfium.PdfDocument(exam_pdf.draw(
        paper(readings=(dataclasses.replace(WORD, note="w" * 300 + "\n" + "long words " * 200),), decided=True),
        audience=Audience.DOCTOR,
    ))
    for page in document:
        width, height = page.get_size()
        text = page.get_textpage()
        for index in range(text.count_chars()):
            left, bottom, right, top = text.get_charbox(index)
            assert left >= 40 and right <= width - 40 and bottom >= 15 and top <= height - 15


@pytest.mark.parametrize("audience", list(Audience))
def test_the_same_record_is_the_same_bytes(audience: Audience) -> None:
    first = exam_pdf.draw(paper(readings=(WORD,)), audience=audience)
    assert first == exam_pdf.draw(paper(readings=(WORD,)), audience=audience)
    assert b"D:20261121100000" in first


def test_a_screen_reader_is_told_language_title_order_and_pictures() -> None:
    content = exam_pdf.draw(paper(), audience=Audience.DOCTOR)
    document = pdfium.PdfDocument(content)
    assert document.get_metadata_dict()["Title"] == "Report on a skin lesion"
    for each in (b"/Lang (en)", b"/Marked true", b"/S /H1", b"/S /H2", b"/S /P", b"/S /Figure",
                 b"/DisplayDocTitle true"):
        assert each in content, each
    assert content.count(b"/Alt ") == 4  # picture, heatmap, body, QR code


def test_the_code_leads_to_the_record_and_names_nobody() -> None:
    cv2 = pytest.importorskip("cv2")
    page = pdfium.PdfDocument(exam_pdf.draw(paper(), audience=Audience.PATIENT))[0]
    content, _, _ = cv2.QRCodeDetector().detectAndDecode(np.asarray(page.render(scale=3).to_pil().convert("RGB")))
    assert content == f"https://clinic.example/cases/{EXAM}"


def test_the_body_on_paper_is_the_body_on_the_screen() -> None:
    page = Path(macule.__file__).parent / "web" / "templates" / "clinic" / "care" / "_body.html"
    assert exam_pdf_parts.BODY_HALF in page.read_text(encoding="utf-8")
