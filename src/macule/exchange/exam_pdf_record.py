"""The second half of the doctor's report: readers, laboratory, comments, history, and what computed the answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from macule.exchange import exam_pdf_parts as parts
from macule.exchange.exam_pdf import ExamPaper, Reading, Visit
from macule.exchange.exam_pdf_sheet import DISPLAY, TEXT, Paper
from macule.exchange.pdf.sheet import INK, INNER, LINE, MARGIN, SOFT, leading
from macule.taxonomy import Diagnosis

DECISIONS: Mapping[str, str] = {"confirm": "Confirmed the answer", "override": "Overrode the answer"}
REASONS: Mapping[str, str] = {
    "morphology": "what the reader sees contradicts the answer", "history": "history, symptoms or earlier cancers",
    "artefact": "hair, ink, ruler or light misled the model", "out_of_scope": "a disease that the model does not know",
    "poor_picture": "poor picture", "other": "other",
}
MANAGEMENT: Mapping[str, str] = {
    "nothing": "nothing to be done", "follow_up": "follow up", "refer": "refer", "biopsy": "biopsy", "excise": "excise",
}
_QR = 30.0


def draw(paper: Paper, exam: ExamPaper) -> None:
    """From the cursor on, over as many pages as it takes."""
    _title(paper, "What the readers say")
    if not exam.readings:
        paper.flow("Nobody has read this exam yet.", size=9.5, after=3)
    for reading in exam.readings:
        _reading(paper, reading)
    if exam.tissue is not None:
        _title(paper, "Laboratory")
        found = f"{name(exam.tissue.code)}, reported on {_day(exam.tissue.reported_on)}."
        paper.flow(found, size=9.5, style="B", after=1)
        if exam.tissue.note:
            paper.flow(exam.tissue.note, size=9.5, after=3)
    if exam.remarks:
        _title(paper, "Comments")
    for remark in exam.remarks:
        paper.flow(f"{remark.author}, {_moment(remark.at)}", size=8, colour=SOFT)
        paper.flow(remark.text, size=9.5, after=2)
    _history(paper, exam.history)
    _provenance(paper, exam)


def name(code: str | None) -> str:
    return "none" if code is None else Diagnosis(code).entry.name


def _title(paper: Paper, words: str) -> None:
    """With room for two lines below it: a title alone at the foot of a page leads nowhere."""
    if not paper.space(24):
        paper.set_y(paper.get_y() + 2)
    paper.body(words, size=12, style="B", font=DISPLAY, after=1.2, tag="H2")


def _reading(paper: Paper, reading: Reading) -> None:
    paper.flow(f"{reading.reader}{', second reader' if reading.second else ''}", size=9.5, style="B")
    if reading.own is not None and reading.own_at is not None:
        paper.flow(f"Own diagnosis before the answer was shown: {name(reading.own)} ({_moment(reading.own_at)}).",
                   size=9.5)
    if reading.decided_at is None:
        paper.flow("Has not decided yet.", size=9.5, after=2)
        return
    reason = "" if reading.reason is None else f" Reason: {REASONS.get(reading.reason, reading.reason)}."
    management = "" if reading.management is None else (
        f" Management: {MANAGEMENT.get(reading.management, reading.management)}.")
    paper.flow(f"{DECISIONS.get(reading.decision or '', 'Decided')}: {name(reading.final)} "
               f"({_moment(reading.decided_at)}).{reason}{management}", size=9.5)
    if reading.note:
        paper.flow(reading.note, x=MARGIN + 4, width=INNER - 4, size=9.5, colour=SOFT)
    paper.set_y(paper.get_y() + 2)


def _history(paper: Paper, history: Sequence[Visit]) -> None:
    columns = (("Picture of", 26.0), ("Risk", 20.0), ("Malignant", 20.0), ("First diagnosis", 40.0), ("Readers", 38.0),
               ("Laboratory", 32.0))
    if not history:
        return
    _title(paper, "History of this lesion")
    _row(paper, [(words, width) for words, width in columns], head=True)
    for visit in history:
        cells = (
            f"{_day(visit.taken_at)}{' *' if visit.this else ''}", (visit.risk or visit.state).capitalize(),
            "" if visit.malignant is None else parts.percent(visit.malignant), _or_blank(visit.top),
            _or_blank(visit.final), _or_blank(visit.tissue),
        )
        if paper.space(12):
            _row(paper, [(words, width) for words, width in columns], head=True)
        _row(paper, [(text, width) for text, (_, width) in zip(cells, columns, strict=True)], bold=visit.this)
    paper.body("* the exam of this report", size=7.5, colour=SOFT, after=3)


def _or_blank(code: str | None) -> str:
    return "" if code is None else name(code)


def _row(paper: Paper, cells: Sequence[tuple[str, float]], *, head: bool = False, bold: bool = False) -> None:
    """Cells break within their columns; one paragraph for a screen reader."""
    size, top, bottom = 8.5, paper.get_y(), paper.get_y()
    paper.set_font(TEXT, "B" if head or bold else "", size)
    paper.ink(SOFT if head else INK)
    with paper.tag("P"):
        x = MARGIN
        for text, width in cells:
            y = top + 1
            for line in paper.lines(text, width - 3):
                paper.write_at(x, y + leading(size) / 2, line)
                y += leading(size)
            x, bottom = x + width, max(bottom, y)
    with paper.artifact():
        paper.rule(bottom + 0.8, SOFT if head else LINE, 0.2)
    paper.set_y(bottom + 1)


def _provenance(paper: Paper, exam: ExamPaper) -> None:
    """What computed the answer, so that it can be computed again; and the way back to the record."""
    paper.space(52)
    _title(paper, "What computed this")
    bundle, top, left = exam.result["bundle"], paper.get_y(), MARGIN + _QR + 6
    with paper.tag("Figure", alt="QR code of the record's address"):
        parts.qr(paper, exam.link, MARGIN, top, _QR)
    lines = [
        ("Model bundle", f"{bundle['id']}  {bundle['sha256']}"), ("Preprocessing", exam.preprocessing_sha256),
        ("Thresholds", exam.thresholds_sha256), ("Exam", exam.exam_id),
        ("Answered", "" if exam.answered_at is None else _moment(exam.answered_at)), ("Record", exam.link),
    ]
    for label, value in lines:
        y = paper.get_y()
        paper.set_font(TEXT, "", 8)
        with paper.tag("P"):
            paper.ink(SOFT)
            paper.write_at(left, y + leading(8) / 2, label)
            paper.ink(INK)
            for line in paper.lines(value, MARGIN + INNER - left - 26):
                paper.write_at(left + 26, y + leading(8) / 2, line)
                y += leading(8)
        paper.set_y(max(y, paper.get_y() + leading(8)) + 0.8)
    paper.set_y(max(paper.get_y(), top + _QR) + 3)


def _moment(when: datetime) -> str:
    return f"{_day(when)}, {when:%H:%M} UTC"


def _day(when: datetime | object) -> str:
    return f"{when:%d %b %Y}".lstrip("0")
