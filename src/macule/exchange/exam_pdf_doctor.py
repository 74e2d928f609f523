"""The doctor's report: picture and heatmap, every figure with its threshold; the rest is in `exam_pdf_record`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any

from macule.analysis.result import DISCLAIMER
from macule.exchange import exam_pdf_parts as parts
from macule.exchange import exam_pdf_record as record
from macule.exchange.exam_pdf import ExamPaper, Limits
from macule.exchange.exam_pdf_sheet import DISPLAY, TEXT, UNPRINTABLE, Paper
from macule.exchange.pdf.sheet import INK, INNER, MARGIN, SOFT, leading
from macule.taxonomy import Diagnosis

SITES: Mapping[str, str] = {
    "head_neck": "Head or neck", "trunk": "Trunk", "upper_extremity": "Arm", "lower_extremity": "Leg", "hand": "Hand",
    "foot": "Foot", "genital": "Mouth or genitals",
}
MODALITIES: Mapping[str, str] = {"clinical": "Ordinary photo", "dermoscopic": "Dermatoscope"}
SKIN = ("", "I", "II", "III", "IV", "V", "VI")
CHECKS: Mapping[str, str] = {
    "size": "Enough detail", "sharpness": "In focus", "darkness": "Bright enough", "brightness": "Not too bright",
    "glare": "Free of reflections", "lesion": "A spot can be found", "familiar": "Shows a spot on the skin",
}
UNKNOWN = "not recorded"
_PICTURE = 64.0


def draw(exam: ExamPaper) -> bytes:
    """A PDF of two pages or more."""
    paper = Paper(
        title="Report on a skin lesion", language="en", clinic=exam.clinic,
        kind=f"{exam.person.pseudonym}, {day(exam.taken_at)}", page="Page {page} of {pages}", disclaimer=DISCLAIMER,
        mark=f"Exam {exam.exam_id}", now=exam.written_at,
    )
    paper.add_page()
    paper.body("Report on a skin lesion", size=21, style="B", font=DISPLAY, after=2, tag="H1")
    _facts(paper, exam)
    _pictures(paper, exam)
    _verdict(paper, exam)
    _figures(paper, exam)
    record.draw(paper, exam)
    if paper.unprintable:
        paper.flow(f"{UNPRINTABLE} stands for signs that this paper's letters lack; the record on the screen has them.",
                   size=8, colour=SOFT)
    return bytes(paper.output())


def day(when: datetime | date) -> str:
    return f"{when.day} {when:%b %Y}"


def _facts(paper: Paper, exam: ExamPaper) -> None:
    who = exam.person
    age = None if who.birth_year is None else max(0, exam.taken_at.year - who.birth_year)
    facts = (
        ("Patient", who.pseudonym), ("Born", UNKNOWN if age is None else f"{who.birth_year} (about {age})"),
        ("Sex", (who.sex or UNKNOWN).capitalize()),
        ("Skin type", UNKNOWN if who.skin_type is None else f"{SKIN[who.skin_type]} (Fitzpatrick)"),
        ("Lesion", who.lesion), ("Part of the body", SITES.get(who.body_site or "", UNKNOWN)),
        ("Picture taken", day(exam.taken_at)), ("Taken as", MODALITIES.get(exam.modality or "", UNKNOWN)),
    )
    width, top = INNER / 4, paper.get_y()
    for place, (name, value) in enumerate(facts):
        x, y = MARGIN + place % 4 * width, top + place // 4 * 10.5
        with paper.tag("P"):
            paper.set_font(TEXT, "", 7.5)
            paper.ink(SOFT)
            paper.write_at(x, y + 1.8, name)
            paper.set_font(TEXT, "B", 10)
            paper.ink(INK)
            paper.write_at(x, y + 6, paper.fitted(value, width - 3))
    paper.set_y(top + 22)


def _pictures(paper: Paper, exam: ExamPaper) -> None:
    """Side by side at the same size, then the body."""
    top, heights = paper.get_y(), []
    shown = [(exam.picture, "The picture as it was analysed.")]
    if exam.heatmap is not None:
        name = Diagnosis(exam.result["diagnoses"][0]["code"]).entry.name
        shown.append((exam.heatmap, f"Where the evidence for {_lower(name)} lies."))
    for place, (rgb, words) in enumerate(shown):
        x = MARGIN + place * (_PICTURE + 4)
        height = paper.photo(rgb, x, top, box=(_PICTURE, _PICTURE * 0.8), alt=words)
        paper.set_y(top + height + 1)
        heights.append(paper.body(words, x=x, width=_PICTURE, size=8, colour=SOFT))
    left = MARGIN + 2 * (_PICTURE + 4)
    words = f"{exam.person.lesion}: {exam.person.map_view or 'place not drawn'}"
    with paper.tag("Figure", alt=paper.letters(f"Place on the body. {words}")):
        drawn = parts.body(paper, exam.person, left, top, 46)
    if drawn:
        paper.set_y(top + 47)
        heights.append(paper.body(words, x=left, width=MARGIN + INNER - left, size=8, colour=SOFT))
    paper.set_y(max(heights) + 3)


def _verdict(paper: Paper, exam: ExamPaper) -> None:
    if not exam.judged:
        _band(paper, "refused", "Not judged", str(exam.result["advice"]), None)
        return
    answer, level = exam.result, str(exam.result["risk"])
    words = "Probability of cancer or a precursor, all such kinds together, calibrated."
    _band(paper, level, f"{level.capitalize()} risk", words, float(answer["malignant"]["probability"]),
          marks=parts.limit_marks(exam.limits))
    paper.body(_limits(exam.limits), size=8.5, colour=SOFT, after=2)
    if not answer.get("in_distribution", True):
        with paper.tag("P"):
            paper.set_font(TEXT, "B", 10)
            paper.ink(parts.TONES["refused"][0])
            paper.write_at(MARGIN, paper.get_y() + 2.5, "Unlike the training pictures: the figures may be wrong by "
                                                        "more than usual.")
        paper.set_y(paper.get_y() + 6)


def _band(
    paper: Paper, level: str, title: str, words: str, share: float | None, *, marks: tuple[float, ...] = ()
) -> None:
    strong, wash = parts.TONES[level]
    top, left = paper.get_y(), MARGIN + 19
    paper.set_font(TEXT, "", 9)
    lines = len(paper.lines(words, INNER - 24))
    height = max(19.0, 13 + lines * leading(9))
    with paper.artifact():
        paper.fill(wash)
        paper.rect(MARGIN, top, INNER, height, style="F", round_corners=True, corner_radius=2)
        parts.risk_shape(paper, level, MARGIN + 4, top + 3.5, 12)
    paper.set_y(top + 2)
    paper.body(title, x=left, size=17, style="B", font=DISPLAY, colour=strong, tag="H2")
    paper.body(words, x=left, width=INNER - 24, size=9, colour=INK)
    if share is not None:
        with paper.tag("P"):
            paper.set_font(DISPLAY, "B", 17)
            paper.ink(strong)
            paper.write_at(MARGIN, top + 6, parts.percent(share), width=INNER - 5, align="R")
        with paper.artifact():
            parts.bar(paper, share, MARGIN + INNER - 85, top + 4.4, 60, height=3.2, colour=strong, marks=marks)
    paper.set_y(top + height + 1.5)


def _limits(limits: Limits | None) -> str:
    if limits is None:
        return "The thresholds of the model that answered are no longer to be had here."
    return "  ".join(
        f"{name} from {parts.percent(limit.probability)}: at least {parts.percent(limit.sensitivity)} of cancers and "
        "precursors in the pictures that set it lay above."
        for name, limit in (("Medium", limits.medium), ("High", limits.high)))


def _figures(paper: Paper, exam: ExamPaper) -> None:
    """Ranked diagnoses on the left; what cannot be excluded and the quality on the right."""
    top, left_width = paper.get_y() + 1, INNER * 0.6
    right, bottoms = MARGIN + left_width + 7, []
    if exam.judged:
        paper.set_y(top)
        paper.body("What it may be", size=12, style="B", font=DISPLAY, after=1, tag="H2")
        _ranking(paper, exam.result, left_width)
        bottoms.append(paper.get_y())
        paper.set_y(top)
        _excluded(paper, exam, right, MARGIN + INNER - right)
    else:
        right = MARGIN
    _quality(paper, exam.result, right, MARGIN + INNER - right)
    paper.set_y(max([*bottoms, paper.get_y()]) + 2)


def _ranking(paper: Paper, result: Mapping[str, Any], width: float) -> None:
    for each in result["diagnoses"]:
        code, share, y = Diagnosis(each["code"]), float(each["probability"]), paper.get_y()
        with paper.tag("P"):
            paper.set_font(TEXT, "B" if code.suspicious else "", 8.5)
            paper.ink(INK)
            paper.write_at(MARGIN, y + 2.3, paper.fitted(code.entry.name, width - 46))
            paper.set_font(TEXT, "B", 8.5)
            paper.write_at(MARGIN, y + 2.3, parts.percent(share), width=width, align="R")
        with paper.artifact():
            colour = parts.TONES["high"][0] if code.suspicious else parts.TONES["low"][0]
            parts.bar(paper, share, MARGIN + width - 44, y + 1.2, 32, height=2.2, colour=colour)
        paper.set_y(y + 4.7)
    paper.body("In bold and red: cancers and precursors.", size=7.5, colour=SOFT)


def _excluded(paper: Paper, exam: ExamPaper, x: float, width: float) -> None:
    found = [Diagnosis(code) for code in exam.result["cannot_exclude"]]
    paper.body("Cannot be excluded", x=x, width=width, size=12, style="B", font=DISPLAY, after=0.8, tag="H2")
    if not found:
        paper.body("No kind of cancer is probable enough to be listed. That is no proof that there is none.", x=x,
                   width=width, size=8.5)
    for code in found:
        limit = None if exam.limits is None else exam.limits.cannot_exclude.get(code.value)
        said = "" if limit is None else (
            f", from {parts.percent(limit.probability)} (sensitivity at least {parts.percent(limit.sensitivity)})")
        paper.body(f"{code.entry.name}{said}", x=x, width=width, size=8.5)
    plausible = exam.result.get("plausible")
    if plausible is not None:
        names = "; ".join(Diagnosis(code).entry.name for code in plausible) or "empty: nothing fits well"
        paper.set_y(paper.get_y() + 1)
        paper.body(f"Conformal set: {names}.", x=x, width=width, size=8.5, colour=SOFT)
    paper.set_y(paper.get_y() + 3)


def _quality(paper: Paper, result: Mapping[str, Any], x: float, width: float) -> None:
    paper.body("Picture quality", x=x, width=width, size=12, style="B", font=DISPLAY, after=0.8, tag="H2")
    rows: Sequence[tuple[str, Mapping[str, Any]]] = list(result["quality"]["checks"].items())
    for name, check in rows:
        said = CHECKS.get(name, name.replace("_", " ").capitalize())
        value = f"{float(check['value']):.4g} against {float(check['limit']):.4g}"
        paper.body(f"{'✓' if check['passed'] else '✗ FAILED:'} {said}, {value}", x=x, width=width, size=8.5,
                   style="" if check["passed"] else "B", colour=INK)


def _lower(name: str) -> str:
    return name[0].lower() + name[1:]
