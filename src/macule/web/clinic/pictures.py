"""The pictures of an exam, for staff and for the patient's own link."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Request
from starlette.responses import Response

from macule.records import pictures
from macule.records.pictures import Shown
from macule.records.policy import Permission
from macule.web.clinic.door import Visit, allow
from macule.web.clinic.state import clinic_of

router = APIRouter(include_in_schema=False)

Reader = Annotated[Visit, allow(Permission.READ_ANSWER, of="exam")]


@router.get("/exams/{exam_id}/picture")
def picture(request: Request, exam_id: str, visit: Reader) -> Response:
    return reply(pictures.picture(clinic_of(request), actor=visit.actor, exam_id=exam_id))


@router.get("/exams/{exam_id}/thumbnail")
def thumbnail(request: Request, exam_id: str, visit: Reader) -> Response:
    return reply(pictures.thumbnail(clinic_of(request), actor=visit.actor, exam_id=exam_id))


@router.get("/exams/{exam_id}/heatmap")
def heatmap(request: Request, exam_id: str, visit: Reader) -> Response:
    return reply(pictures.heatmap(clinic_of(request), actor=visit.actor, exam_id=exam_id))


def reply(shown: Shown) -> Response:
    # `no-store` comes from the middleware: a shared phone keeps no patient's picture.
    return Response(shown.content, media_type=shown.media_type)
