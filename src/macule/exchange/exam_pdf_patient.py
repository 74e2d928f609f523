"""The patient's page: one sheet, large plain words, the doctor's word before the computer's."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date

from macule import messages
from macule.analysis.result import DISCLAIMER
from macule.exchange import exam_pdf_parts as parts
from macule.exchange.exam_pdf import ExamPaper
from macule.exchange.exam_pdf_sheet import BOTTOM, DISPLAY, TEXT, Paper
from macule.exchange.pdf.sheet import ACCENT, INK, INNER, LINE, MARGIN, SOFT, leading
from macule.taxonomy import Diagnosis

#: Letters are made smaller until everything stands on one page; a language with long words may need it.
_SIZES = (13.5, 13.0, 12.5, 12.0, 11.5, 11.0, 10.5, 10.0, 9.5, 9.0, 8.5, 8.0)
_PICTURE = 58.0
_GAP = 8.0
Say = Callable[..., str]


def draw(exam: ExamPaper) -> bytes:
    """A PDF of one page."""
    for size in _SIZES:
        paper, bottom = _drawn(exam, size)
        if bottom <= BOTTOM:
            break
    return bytes(paper.output())


def _drawn(exam: ExamPaper, size: float) -> tuple[Paper, float]:
    say = messages.catalogue(exam.language).text
    paper = Paper(
        title=say("report.title"), language=exam.language, clinic=exam.clinic, kind=_day(exam.written_at.date()),
        page=say("report.page", page="{page}", pages="{pages}"), disclaimer=DISCLAIMER, mark=exam.exam_id,
        now=exam.written_at,
    )
    paper.add_page()
    width = INNER - _PICTURE - _GAP
    paper.body(say("report.title"), width=width, size=size * 1.85, style="B", font=DISPLAY, after=2, tag="H1")
    paper.body(say("report.about", lesion=exam.person.lesion, date=_day(exam.taken_at.date())), width=width,
               size=size * 0.9, colour=SOFT)
    paper.body(say("report.number", pseudonym=exam.person.pseudonym), width=width, size=size * 0.9, colour=SOFT,
               after=4)
    below = _picture(paper, exam, say, size)
    if exam.last_word is None:
        paper.set_y(max(paper.get_y(), below) + 3)
        _computer(paper, exam, say, size)
        _columns(paper, say, size, _meaning(exam, say))
    else:
        _doctor(paper, exam, say, size, width)
        paper.set_y(max(paper.get_y(), below) + 3)
        _columns(paper, say, size, [(say("report.heading.next"), say(_management(exam)))])
        _computer(paper, exam, say, size)
    return paper, _code(paper, exam, say)


def _picture(paper: Paper, exam: ExamPaper, say: Say, size: float) -> float:
    """On the right. Returns: where it ends."""
    top, left = 26.0, MARGIN + INNER - _PICTURE
    before = paper.get_y()
    height = paper.photo(exam.picture, left, top, box=(_PICTURE, _PICTURE), alt=say("report.picture_alt"))
    paper.set_y(top + height + 1.2)
    below = paper.body(say("report.picture"), x=left, width=_PICTURE, size=size * 0.72, colour=SOFT)
    paper.set_y(before)
    return below


def _doctor(paper: Paper, exam: ExamPaper, say: Say, size: float, width: float) -> None:
    """What the doctor decided, beside the picture."""
    word = exam.last_word
    if word is None or word.decided_at is None:
        return
    paper.body(say("report.doctor.title"), width=width, size=size * 1.3, style="B", font=DISPLAY, colour=ACCENT,
               after=1.5, tag="H2")
    paper.body(say("report.doctor.by", reader=word.reader, date=_day(word.decided_at.date())), width=width, size=size,
               after=1.5)
    if word.final is not None:
        entry = Diagnosis(word.final).entry
        paper.body(say("report.doctor.found", name=entry.name), width=width, size=size, style="B", after=0.5)
        paper.body(entry.plain, width=width, size=size, after=1.5)
    if exam.tissue is not None:
        name = Diagnosis(exam.tissue.code).entry.name
        paper.body(say("report.doctor.tissue", name=name, date=_day(exam.tissue.reported_on)), width=width, size=size,
                   after=1.5)


def _management(exam: ExamPaper) -> str:
    """The key of what the doctor wants done."""
    word = exam.last_word
    return f"report.management.{word.management if word is not None and word.management is not None else 'open'}"


@dataclass(frozen=True)
class _Line:
    """One paragraph of the band; sizes in points, after in millimetres."""

    text: str
    size: float
    colour: str = INK
    style: str = ""
    font: str = TEXT
    after: float = 1.0
    tag: str = "P"


def _computer(paper: Paper, exam: ExamPaper, say: Say, size: float) -> None:
    """The risk: shape, word and place on the scale, on a band of its colour. Smaller below a doctor's word."""
    level = str(exam.result["risk"]) if exam.judged else "refused"
    strong, wash = parts.TONES[level]
    shape = 15.0 if exam.last_word is None else 11.0
    left, top, ladder = MARGIN + shape + 11, paper.get_y(), 9.5 if exam.judged else 0.0
    width = MARGIN + INNER - 6 - left
    lines = list(_band_lines(exam, say, size, strong))
    height = 8 + ladder + sum(paper.height(each.text, width, each.size, each.style, each.font) + each.after
                              for each in lines)
    height = max(height, shape + 10)
    with paper.artifact():
        paper.fill(wash)
        paper.rect(MARGIN, top, INNER, height, style="F", round_corners=True, corner_radius=2.5)
        parts.risk_shape(paper, level, MARGIN + 6, top + 5, shape)
    paper.set_y(top + 4)
    for each in lines:
        paper.body(each.text, x=left, width=width, size=each.size, style=each.style, font=each.font,
                   colour=each.colour, after=each.after, tag=each.tag)
    if exam.judged:
        words = {each: say(f"report.risk.{each}.word") for each in parts.LEVELS}
        with paper.artifact():
            parts.ladder(paper, level, words, x=left, y=paper.get_y() + 1, width=width)
    paper.set_y(top + height + 5)


def _band_lines(exam: ExamPaper, say: Say, size: float, strong: str) -> Iterator[_Line]:
    key = f"report.risk.{exam.result['risk']}" if exam.judged else "report.refused"
    alone = exam.last_word is None
    heading = say("report.computer" if alone else "report.computer_before")
    yield _Line(heading, size * 0.82, SOFT, "B", after=0.3, tag="H2")
    yield _Line(say(f"{key}.word"), size * (2 if alone else 1.5), strong, "B", DISPLAY, after=0.8)
    if not exam.result.get("in_distribution", True):
        yield _Line(say("report.unlike"), size * 0.95, INK, "B")
    yield _Line(say(f"{key}.short"), size * (1.1 if alone else 0.95))
    yield _Line(say("report.computer_alone" if alone else "report.doctor.counts"), size * 0.88, SOFT)


def _meaning(exam: ExamPaper, say: Say) -> list[tuple[str, str]]:
    """Without a doctor's word: what the computer's means, and what to do."""
    key = f"report.risk.{exam.result['risk']}" if exam.judged else "report.refused"
    checks = exam.result["quality"]["checks"].values()
    advice = " ".join(str(check["advice"]) for check in checks if not check["passed"])
    return [(say("report.heading.means"), say(f"{key}.means")),
            (say("report.heading.next"), say(f"{key}.next", advice=advice))]


def _columns(paper: Paper, say: Say, size: float, texts: list[tuple[str, str]]) -> None:
    """texts: headings and paragraphs on the left. On the right when not to wait."""
    top, left_width, right = paper.get_y(), INNER * 0.52, MARGIN + INNER * 0.52 + 12
    right_width = MARGIN + INNER - right
    for heading, text in texts:
        paper.body(heading, width=left_width, size=size * 1.2, style="B", font=DISPLAY, after=0.8, tag="H2")
        paper.body(text, width=left_width, size=size, after=3)
    left_bottom = paper.get_y()
    paper.set_y(top)
    paper.body(say("report.heading.soon"), x=right, width=right_width, size=size * 1.2, style="B", font=DISPLAY,
               after=0.8, tag="H2")
    paper.body(say("report.soon.lead"), x=right, width=right_width, size=size, after=1.2)
    for name in ("first", "second", "third"):
        with paper.artifact():
            paper.fill(ACCENT)
            paper.circle(right + 1.2, paper.get_y() + leading(size) / 2, radius=0.8, style="F")
        paper.body(say(f"report.soon.{name}"), x=right + 4.5, width=right_width - 4.5, size=size, after=1.2)
    bottom = max(paper.get_y(), left_bottom)
    with paper.artifact():
        paper.stroke(LINE, 0.4)
        paper.line(right - 6, top + 1, right - 6, bottom - 1)
    paper.set_y(bottom + 3)


def _code(paper: Paper, exam: ExamPaper, say: Say) -> float:
    """The QR code for the clinic, at the foot of the page. Returns: where everything above it must have ended."""
    side, content = 19.0, paper.get_y()
    top = BOTTOM - side
    with paper.tag("Figure", alt=say("report.code")):
        parts.qr(paper, exam.link, MARGIN, top, side)
    paper.set_y(top + side / 2 - 5)
    paper.body(say("report.lost"), x=MARGIN + side + 5, width=INNER - side - 5, size=9.5, style="B")
    paper.body(say("report.code"), x=MARGIN + side + 5, width=INNER - side - 5, size=9.5, colour=SOFT)
    return content + side


def _day(when: date) -> str:
    return f"{when.day} {when:%B %Y}"
