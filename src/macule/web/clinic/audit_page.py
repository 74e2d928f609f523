"""The log of who saw or changed what, as an administrator reads it. Ids only: no name of a patient, no free text."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, time, timedelta
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from macule.records import audit_check
from macule.records.audit_check import Wanted
from macule.records.policy import Permission
from macule.records.words import day
from macule.web.clinic.door import Visit, allow
from macule.web.clinic.pages import render, see_other
from macule.web.clinic.state import clinic_of

router = APIRouter(include_in_schema=False)

Auditor = Annotated[Visit, allow(Permission.READ_AUDIT)]
PAGE = 50
Text = Annotated[str, Query(max_length=64)]


@router.get("/admin/audit")
def page(
    request: Request, visit: Auditor, *, actor: Text = "", action: Text = "", since: Text = "", until: Text = "",
    before: Annotated[int | None, Query(ge=1, le=2**31 - 1)] = None,
) -> Response:
    """before: only rows older than this one."""
    first, last = _day(since, "since"), _day(until, "until")
    faults = {name: message for name, (_, message) in (("since", first), ("until", last)) if message}
    wanted = Wanted(actor=actor or None, action=action or None, since=first[0],
                    until=last[0] + timedelta(days=1) if last[0] else None)
    with clinic_of(request).reading() as session:
        rows = audit_check.newest(session, wanted=wanted, before=before, most=PAGE + 1)
        context: dict[str, Any] = {"check": audit_check.last_check(session), "end": audit_check.anchor(session),
                   "people": dict(audit_check.actors(session)), "actions": _named(audit_check.actions(session))}
    filters = {"actor": actor, "action": action, "since": since, "until": until}
    given = {name: value for name, value in filters.items() if value}
    older = rows[PAGE - 1].seq if len(rows) > PAGE else None
    return render(
        request, "audit/audit.html", visit=visit, rows=rows[:PAGE], chosen=wanted, since=since, until=until,
        faults=faults, filtered=bool(given), paged=before is not None, newest=_address(given),
        older=_address(given | {"before": older}) if older else None, **context,
    )


@router.post("/admin/audit")
def check(request: Request, visit: Auditor) -> Response:
    """Walk the whole chain, and write down that and how it ended."""
    clinic = clinic_of(request)
    with clinic.database.snapshot() as session:
        verdict = audit_check.verify(session)
    with clinic.work(visit.actor) as work:
        audit_check.note(work, verdict=verdict)
    return see_other("/admin/audit")


def _named(actions: list[str]) -> dict[str, str]:
    """Families first: `exam.` is everything about exams."""
    families = sorted({f"{action.partition('.')[0]}." for action in actions})
    return {family: f"{family}* (all)" for family in families} | {action: action for action in actions}


def _address(values: Mapping[str, str | int]) -> str:
    return f"/admin/audit?{urlencode(values)}" if values else "/admin/audit"


def _day(text: str, name: str) -> tuple[datetime | None, str]:
    """Midnight UTC, or what is wrong."""
    found = day(text)
    if found is None:
        return None, f"{name}: give a day such as 2026-03-31." if text else ""
    return datetime.combine(found, time(), UTC), ""
