"""The dashboard, and the exams as a table for spreadsheets."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from typing import Annotated

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response, StreamingResponse

from macule.records import blinding, export_csv
from macule.records.dashboard import AGES, STRIP, days_back
from macule.records.figures import TOO_FEW, Window
from macule.records.policy import Permission
from macule.records.words import day
from macule.taxonomy import TABLE
from macule.web.clinic import figure_words
from macule.web.clinic.door import Visit, allow
from macule.web.clinic.pages import render
from macule.web.clinic.state import clinic_of, state_of

router = APIRouter(include_in_schema=False)

#: The periods offered: days with today; None is everything. "own" is the two dates below it.
PERIODS: dict[str, tuple[str, int | None]] = {
    "1": ("Today", 1), "7": ("7 days", 7), "30": ("30 days", 30), "90": ("90 days", 90), "365": ("A year", 365),
    "all": ("Everything", None), "own": ("From … to …", None),
}
USUAL = "90"


class Asked(BaseModel):
    """The form above the figures. since, until: days as YYYY-MM-DD, read where the period is "own"."""

    model_config = ConfigDict(frozen=True)

    period: str = USUAL
    since: str = Field(default="", alias="from")
    until: str = Field(default="", alias="to")
    model: str = ""


@router.get("/dashboard")
def dashboard(
    request: Request, visit: Annotated[Visit, allow(Permission.READ_DASHBOARD)], asked: Annotated[Asked, Query()]
) -> Response:
    clinic = clinic_of(request)
    period = asked.period if asked.period in PERIODS else USUAL
    window, messages = _window(period, asked, clinic.clock())
    found = state_of(request).board.figures(clinic, window=window)
    with clinic.reading() as session:
        blind = blinding.reads_first(session, actor=visit.actor)
    return render(
        request, "figures/dashboard.html", visit=visit, status=422 if messages else 200, found=found, period=period,
        periods={key: words for key, (words, _) in PERIODS.items()}, asked=asked, messages=messages,
        words=figure_words, names={code.value: entry.name for code, entry in TABLE.items()}, ages=AGES, strip=STRIP,
        too_few=TOO_FEW, ask=_ask(window),
        # Whoever may not see a case, or not yet, is not shown a table of so few that one could be told from it.
        least=1 if visit.may(Permission.READ_CASE) and not blind else TOO_FEW, blind=blind,
    )


@router.get("/exports/exams.csv")
def exams_csv(
    request: Request, visit: Annotated[Visit, allow(Permission.EXPORT)],
    since: Annotated[str, Query(alias="from")] = "", until: Annotated[str, Query(alias="to")] = "", state: str = "",
) -> Response:
    """Streamed; the log has who exported how many before the first row leaves."""
    chosen = export_csv.choose(since=since, until=until, state=state)
    lines = export_csv.export(clinic_of(request), actor=visit.actor, chosen=chosen)
    today = clinic_of(request).clock().date().isoformat()
    return StreamingResponse(lines, media_type="text/csv; charset=utf-8",
                             headers={"Content-Disposition": f'attachment; filename="macule-exams-{today}.csv"'})


def _window(period: str, asked: Asked, now: datetime) -> tuple[Window, dict[str, str]]:
    """What was asked for, and what is wrong with it; then the usual period stands in."""
    bundle = asked.model or None
    if period != "own":
        days = PERIODS[period][1]
        return Window(since=None if days is None else days_back(days, now), bundle=bundle), {}
    typed = {"from": asked.since, "to": asked.until}
    messages = {name: "This is not a date: write it as 2026-11-30." for name, text in typed.items()
                if text and day(text) is None}
    first, last = day(asked.since), day(asked.until)
    if first and last and last < first:
        messages["to"] = "This lies before the first day."
    if messages:
        return Window(since=days_back(int(USUAL), now), bundle=bundle), messages
    return Window(_midnight(first), _midnight(last + timedelta(days=1)) if last else None, bundle), {}


def _midnight(when: date | None) -> datetime | None:
    return datetime.combine(when, time(), UTC) if when else None


def _ask(window: Window) -> dict[str, str]:
    """The window's days as the export's address takes them."""
    asked = {"from": window.since, "to": window.until - timedelta(days=1) if window.until else None}
    return {name: moment.date().isoformat() for name, moment in asked.items() if moment is not None}
