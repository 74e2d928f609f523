"""Exams: where they stand, what was answered, and their pictures."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from fastapi import Query, Request
from pydantic import AwareDatetime
from starlette.responses import JSONResponse, Response

from macule.errors import NotAllowed
from macule.exchange.exam_pdf import Audience
from macule.records import feeds, pictures, reports, site, systems
from macule.records.domain import ExamState
from macule.records.pictures import Shown
from macule.records.policy import Permission
from macule.records.tables import Exam
from macule.web.clinic.api.answers import Answer
from macule.web.clinic.api.locks import stamp
from macule.web.clinic.api.route import make_router
from macule.web.clinic.api.shapes import (
    Cursor,
    ErrorReply,
    Id,
    Limit,
    Reply,
    etag_header,
    failures,
    from_cursor,
    to_cursor,
)
from macule.web.clinic.api.views import ExamReply
from macule.web.clinic.door import Visit, allow
from macule.web.clinic.state import clinic_of, state_of

router = make_router("exams")
Reader = Annotated[Visit, allow(Permission.READ_ANSWER)]
ReaderOf = Annotated[Visit, allow(Permission.READ_ANSWER, of="exam")]


class ExamPage(Reply):
    exams: list[ExamReply]
    next_cursor: str | None


@router.get("/exams", response_model=ExamPage, responses=failures())
def list_exams(
    *, request: Request, visit: Reader, cursor: Annotated[Cursor, Query()] = None,
    limit: Annotated[Limit, Query()] = 50,
    since: Annotated[AwareDatetime | None, Query(description="Received at this time or later; with a zone.")] = None,
    state: ExamState | None = None, patient_id: Annotated[Id | None, Query()] = None,
    lesion_id: Annotated[Id | None, Query()] = None,
) -> Any:
    """The oldest first, page after page: an exam that comes in meanwhile is on the last page."""
    after = from_cursor(cursor)
    with clinic_of(request).work(visit.actor) as work:
        page = feeds.exams(work.session, after=after, limit=limit, since=_utc(since), state=state,
                           patient_id=patient_id, lesion_id=lesion_id)
        work.record("exams.listed", "exam", "*", patient_id=patient_id, exams=[row.id for row in page.rows],
                    patients=sorted({row.patient_id for row in page.rows}))
    return ExamPage(exams=[ExamReply.of(row) for row in page.rows], next_cursor=to_cursor(page.after))


def _utc(moment: datetime | None) -> datetime | None:
    """The first and last year have no room for a time zone."""
    if moment is None or 1 < moment.year < 9999:
        return moment
    return moment.replace(year=2 if moment.year == 1 else 9998, day=1)


@router.get("/exams/{exam_id}", response_model=ExamReply, responses={**failures(404), 200: etag_header()})
def read_exam(request: Request, response: Response, exam_id: str, visit: ReaderOf) -> Any:
    exam = _seen(request, visit, exam_id)
    stamp(response, exam)
    return ExamReply.of(exam)


def _seen(request: Request, visit: Visit, exam_id: str) -> Exam:
    clinic = clinic_of(request)
    with clinic.reading() as session:
        exam = session.get_one(Exam, exam_id)
    pictures.note(clinic, actor=visit.actor, exam=exam)
    systems.note_answer(clinic, actor=visit.actor, exam=exam)
    return exam


_WAITING = {
    "model": ExamReply, "description": "Not answered yet: ask again.",
    "headers": {"Retry-After": {"schema": {"type": "integer"}}},
}
_FAILED = {"model": ErrorReply, "description": "The picture could not be analysed, or the request is invalid."}


@router.get("/exams/{exam_id}/result", response_model=None,
            responses={**failures(404), 200: {"model": Answer}, 202: _WAITING, 422: _FAILED})
def read_result(request: Request, exam_id: str, visit: ReaderOf) -> Response:
    """The object that `macule predict --json` prints. A picture too poor to judge has `quality.usable` false."""
    exam = _seen(request, visit, exam_id)
    if exam.state == ExamState.WAITING.value:
        waiting = ExamReply.of(exam).model_dump(mode="json")
        return JSONResponse(waiting, status_code=202, headers={"Retry-After": "1"})
    if exam.result is None:
        return JSONResponse({"error": exam.error}, status_code=422)
    return JSONResponse(exam.result)


def _file(*kinds: str) -> dict[str, Any]:
    binary = {"schema": {"type": "string", "format": "binary"}}
    return {"description": "The file.", "content": dict.fromkeys(kinds, binary)}


@router.get("/exams/{exam_id}/picture", response_class=Response,
            responses={**failures(404), 200: _file("image/jpeg", "image/png", "image/webp")})
def read_picture(request: Request, exam_id: str, visit: ReaderOf) -> Response:
    """As it was received, without its metadata."""
    return _shown(pictures.picture(clinic_of(request), actor=visit.actor, exam_id=exam_id))


@router.get("/exams/{exam_id}/heatmap", response_class=Response,
            responses={**failures(404), 200: _file("image/png")})
def read_heatmap(request: Request, exam_id: str, visit: ReaderOf) -> Response:
    """A PNG with transparency in the picture's proportions, to be laid over it: where the first diagnosis shows."""
    shown = pictures.heatmap(clinic_of(request), actor=visit.actor, exam_id=exam_id)
    _seen(request, visit, exam_id)
    return _shown(shown)


def _shown(shown: Shown) -> Response:
    return Response(shown.content, media_type=shown.media_type)


@router.get("/exams/{exam_id}/report.pdf", response_class=Response,
            responses={**failures(404, 409), 200: _file("application/pdf")})
def read_report(
    request: Request, exam_id: str, visit: ReaderOf, audience: Audience = Audience.PATIENT,
    language: Annotated[str | None, Query(pattern="^[a-z]{2}$")] = None,
) -> Response:
    """The report, worded for the patient or for a doctor; the second needs a scope of `reviews`."""
    if audience is Audience.DOCTOR and not visit.may(Permission.READ_CASE):
        raise NotAllowed("the doctor's report holds the readers' words: use a key with reviews:read.")
    clinic = clinic_of(request)
    with clinic.reading() as session:
        spoken = language or site.read(session).language
    content = reports.issue(clinic, actor=visit.actor, exam_id=exam_id, audience=audience, language=spoken,
                            public_url=state_of(request).settings.public_url)
    return Response(content, media_type="application/pdf", headers={
        "Content-Disposition": f'inline; filename="macule-{exam_id}.pdf"',
    })
