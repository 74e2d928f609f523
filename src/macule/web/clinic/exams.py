"""An exam in plain words, for the nurse who took the picture."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Request
from starlette.responses import Response

from macule.records.policy import Permission
from macule.records.released import Sight
from macule.web.clinic import plain
from macule.web.clinic.door import Visit, allow
from macule.web.clinic.pages import render
from macule.web.clinic.state import clinic_of

router = APIRouter(include_in_schema=False)

#: The page for each state; an answered one is the last.
PAGES = {Sight.WAITING: "waiting", Sight.REFUSED: "refused", Sight.FAILED: "refused", Sight.HIDDEN: "hidden"}


@router.get("/exams/{exam_id}")
def one(
    request: Request, exam_id: str, visit: Annotated[Visit, allow(Permission.READ_ANSWER, of="exam")]
) -> Response:
    seen = plain.read(clinic_of(request), actor=visit.actor, exam_id=exam_id)
    page = PAGES.get(seen.sight, "answer")
    return render(request, f"care/{page}.html", visit=visit, seen=seen, home="")
