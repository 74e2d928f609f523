"""The dermatologist's list: what waits for a reader, and where it can be found again."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, Request
from starlette.responses import Response

from macule.analysis.patient import Modality, Site
from macule.analysis.result import Risk
from macule.records import words, worklist, worklist_counts
from macule.records.policy import Permission
from macule.records.words import invalid
from macule.records.worklist import Cursor, Filters, Page, Show
from macule.records.worklist_counts import MOST
from macule.taxonomy import Diagnosis
from macule.web.clinic.door import Visit, allow
from macule.web.clinic.pages import render
from macule.web.clinic.state import clinic_of

router = APIRouter(include_in_schema=False)
Reader = Annotated[Visit, allow(Permission.REVIEW)]

#: By code.
NAMES = {code.value: code.entry.name for code in Diagnosis}
#: What "waited at least" offers, in days.
WAITED = (2, 7, 14, 28)


@router.get("/worklist")
def show(request: Request, visit: Reader) -> Response:
    clinic, asked = clinic_of(request), request.query_params
    filters, after = _filters(asked), _cursor(asked.get("after", ""))
    with clinic.reading() as session:
        view = worklist.view(session, actor=visit.actor, now=clinic.clock())
        page = worklist.page(session, view=view, filters=filters, after=after)
        counts = worklist_counts.count(session, view=view, filters=filters)
    _note(request, visit, filters, page)
    return render(
        request, "reading/worklist.html", visit=visit, page=page, counts=counts, filters=filters, view=view,
        waited=WAITED, most=MOST, begun=after is not None, address=_addresses(filters), since=waiting(clinic.clock()),
        filtered=filters != Filters(show=filters.show), names=NAMES,
    )


def _note(request: Request, visit: Visit, filters: Filters, page: Page) -> None:
    if page.cases:
        with clinic_of(request).work(visit.actor) as work:
            work.record("worklist.seen", "user", visit.actor.id, list=filters.show.value,
                        exams=[case.exam_id for case in page.cases],
                        patients=sorted({case.patient_id for case in page.cases}))


def _filters(asked: Mapping[str, str]) -> Filters:
    """Raises: RecordInvalid for a value that the form does not offer."""
    def one(kind: type[words.V], field: str) -> words.V | None:
        return words.choice(kind, asked[field], field=field, missing="") if asked.get(field) else None

    return Filters(
        show=one(Show, "show") or Show.OPEN, risk=one(Risk, "risk"), modality=one(Modality, "modality"),
        body_site=one(Site, "body_site"), unlike=bool(asked.get("unlike")), waited=_days(asked.get("waited", "")),
        patient=asked.get("patient", "").strip()[:64].replace("\0", ""),
    )


def _days(text: str) -> int | None:
    if not text:
        return None
    if not text.isdecimal() or len(text) > 4:
        raise invalid("waited", f"{text[:20]!r} is not a number of days: choose one from the list.")
    return int(text)


def _cursor(text: str) -> Cursor | None:
    """`Cursor.__str__` read back; what is none starts at the beginning."""
    at, _, exam_id = text.partition("-")
    if not at.isdecimal() or len(at) > 17 or not exam_id.isalnum():
        return None
    return Cursor(datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=int(at)), exam_id[:32])


def _addresses(filters: Filters) -> Callable[..., str]:
    """`address(show="mine")`: this list with something changed; None leaves it out."""
    here = {
        "show": filters.show.value, "risk": filters.risk, "modality": filters.modality, "body_site": filters.body_site,
        "unlike": "on" if filters.unlike else None, "waited": filters.waited, "patient": filters.patient,
    }

    def address(**changed: object) -> str:
        kept = {name: str(value) for name, value in (here | changed).items() if value not in (None, "")}
        return f"/worklist?{urlencode(kept)}"

    return address


def waiting(now: datetime) -> Callable[[datetime], str]:
    """How long ago, as a reader says it: `40 min`, `5 h`, `3 days`, `6 weeks`."""
    def since(when: datetime) -> str:
        minutes = max(0, int((now - when).total_seconds() // 60))
        days = minutes // 1440
        if days >= 28:
            return f"{days // 7} weeks"
        if days:
            return "1 day" if days == 1 else f"{days} days"
        return f"{minutes // 60} h" if minutes >= 60 else f"{minutes} min"

    return since
