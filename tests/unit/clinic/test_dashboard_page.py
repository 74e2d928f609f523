"""The dashboard's page and the export's address."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from clinic_testing import add_exam, blurred, png, sign_in
from fastapi import FastAPI

from macule.analysis.image import decode
from macule.analysis.quality import assess
from macule.records.agreement import Confusion
from macule.records.clinic import Clinic
from macule.records.domain import OverrideReason, Role
from macule.records.figures import Share
from macule.web.clinic import figure_words
from macule.web.templating import STATIC


def test_a_new_clinic_is_told_what_will_be_here(app: FastAPI, clinic: Clinic) -> None:
    page = sign_in(app, clinic, Role.ADMIN).get("/dashboard")
    assert page.status_code == 200 and "No exams yet" in page.text and "As of" in page.text


def test_the_page_leads_with_counts_and_says_too_few(app: FastAPI, clinic: Clinic) -> None:
    exam = add_exam(clinic)
    add_exam(clinic, picture=blurred())
    page = sign_in(app, clinic, Role.DERMATOLOGIST).get("/dashboard")
    assert page.status_code == 200 and len(page.content) < 100_000
    assert re.search(r'figure-value">2</p><p class="figure-label">exams received', page.text)
    assert "Out of focus" in page.text and "Too few" in page.text and "not the clinic" in page.text
    assert exam.bundle_sha256 and exam.bundle_sha256[:12] in page.text
    assert exam.id not in page.text and exam.patient_id not in page.text and exam.lesion_id not in page.text
    assert "<script" not in page.text and "style=" not in page.text


def test_periods_and_models_are_filters(app: FastAPI, clinic: Clinic) -> None:
    add_exam(clinic)
    doctor = sign_in(app, clinic, Role.DERMATOLOGIST)
    for period in ("1", "all", "nonsense"):
        assert doctor.get("/dashboard", params={"period": period}).status_code == 200
    old = doctor.get("/dashboard", params={"period": "own", "from": "2026-01-01", "to": "2026-01-31"})
    assert 'figure-value">0</p><p class="figure-label">exams received' in old.text
    assert "/exports/exams.csv?from=2026-01-01&amp;to=2026-01-31" in old.text
    wrong = doctor.get("/dashboard", params={"period": "own", "from": "soon", "to": "2026-01-31"})
    assert wrong.status_code == 422 and "This is not a date" in wrong.text
    backwards = doctor.get("/dashboard", params={"period": "own", "from": "2026-02-01", "to": "2026-01-31"})
    assert backwards.status_code == 422 and "before the first day" in backwards.text
    assert "No exams of this model" in doctor.get("/dashboard", params={"model": "f" * 64}).text


@pytest.mark.parametrize(("role", "page", "export"), [
    (Role.NURSE, 403, 403), (Role.ADMIN, 200, 403), (Role.DERMATOLOGIST, 200, 200)])
def test_who_may_see_figures_and_who_may_export(
    app: FastAPI, clinic: Clinic, role: Role, page: int, export: int
) -> None:
    client = sign_in(app, clinic, role)
    assert client.get("/dashboard").status_code == page
    assert client.get("/exports/exams.csv").status_code == export


def test_the_export_is_a_file(app: FastAPI, clinic: Clinic) -> None:
    exam = add_exam(clinic)
    doctor = sign_in(app, clinic, Role.DERMATOLOGIST)
    answer = doctor.get("/exports/exams.csv", params={"state": "answered"})
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert "attachment" in answer.headers["content-disposition"]
    heading, row = answer.text.splitlines()
    assert heading.startswith("exam,patient") and row.startswith(exam.id) and ",yes," in row
    assert doctor.get("/exports/exams.csv", params={"from": "x"}).status_code == 422


def test_numbers_are_said_plainly() -> None:
    assert figure_words.number(1234567).replace("\N{NARROW NO-BREAK SPACE}", " ") == "1 234 567"
    times = (0.62, 44, 600, 7200, 864000, None)
    said = [figure_words.duration(seconds).replace("\N{NO-BREAK SPACE}", " ") for seconds in times]
    assert said == ["0.6 s", "44 s", "10 min", "2.0 h", "10 days", "Too few"]
    assert figure_words.percent(Share(3, 9).value) == "Too few" and figure_words.percent(1.0)[:3] == "100"
    assert figure_words.line([0, 0]).top == 0 and figure_words.line([5]).last[1] == 4
    assert [figure_words.shade(count, 10) for count in (0, 1, 5, 10)] == [0, 1, 3, 5]
    assert figure_words.age((1, 3), 0) == "Under 1 day" and figure_words.age((1, 3), 2) == "Over 3 days"


def test_every_check_has_words_for_its_failure() -> None:
    names = {check.name for check in assess(decode(png())).checks} | {"familiar"}
    assert names <= set(figure_words.CHECKS)
    assert set(figure_words.REASONS) == set(OverrideReason)


def _colours(theme: str) -> dict[str, tuple[int, ...]]:
    sheet = Path(STATIC / "macule.css").read_text(encoding="utf-8")
    block = sheet.split("prefers-color-scheme: dark")[0 if theme == "light" else 1].split("/* ----")[0]
    found = {}
    for name, digits in re.findall(r"--([\w-]+): #([0-9a-f]{3,6})\b", block):
        full = digits if len(digits) == 6 else "".join(2 * each for each in digits)
        found[name] = tuple(int(full[i:i + 2], 16) for i in (0, 2, 4))
    return found


def _luminance(colour: tuple[float, ...]) -> float:
    """WCAG 2.2, relative luminance."""
    linear = [c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in (each / 255 for each in colour)]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_every_shade_of_a_confusion_table_can_be_read(theme: str) -> None:
    colours, css = _colours(theme), Path(STATIC / "clinic/figures.css").read_text(encoding="utf-8")
    rule = r"shade-\d \{ background: color-mix\(in srgb, var\(--accent\) (\d+)%"
    shares = [int(share) for share in re.findall(rule, css)]
    assert len(shares) == figure_words.SHADES
    for share in shares:
        pairs = zip(colours["accent"], colours["sheet"], strict=True)
        mixed = tuple(accent * share / 100 + sheet * (1 - share / 100) for accent, sheet in pairs)
        high, low = sorted((_luminance(mixed), _luminance(colours["ink"])), reverse=True)
        assert (high + 0.05) / (low + 0.05) >= 4.5


def test_a_confusion_has_words_for_screen_readers(app: FastAPI) -> None:
    charts = app.state.templates.env.get_template("clinic/figures/_charts.html").module
    kit = app.state.templates.env.get_template("clinic/_kit.html").module
    table = Confusion({("mel", "mel"): 12, ("nv", "mel"): 1})
    names = {"mel": "Melanoma", "nv": "Naevus"}
    drawn = str(charts.confusion(kit, figure_words, table, "Both", "Laboratory", "Machine", names))
    assert '<th scope="row">Melanoma' in drawn and "<caption" in drawn
