"""Sending a picture: received and safe first, answered within the time that the caller wants to wait."""

from __future__ import annotations

import asyncio
import re
from functools import partial
from typing import Annotated

from fastapi import Header, Query, Request
from pydantic import Field
from starlette.concurrency import run_in_threadpool
from starlette.responses import JSONResponse, Response

from macule.records import feeds, intake, limits
from macule.records.domain import ExamState
from macule.records.policy import Permission
from macule.records.tables import Exam
from macule.web import upload
from macule.web.clinic.api import sending
from macule.web.clinic.api.answers import Answer
from macule.web.clinic.api.route import make_router
from macule.web.clinic.api.shapes import Reply, failures
from macule.web.clinic.api.views import ExamReply
from macule.web.clinic.door import Visit, address_of, allow
from macule.web.clinic.state import ClinicState, clinic_of, state_of

router = make_router("exams")
#: Seconds: what a caller waits for who says nothing, and the longest that anybody may.
WAIT, LONGEST = 10, 60
_PREFER = re.compile(r"(?:^|[,;\s])wait\s*=\s*\"?([0-9]{1,4})\"?", re.IGNORECASE)


class Submitted(Reply):
    exam: ExamReply
    result: Answer | None = Field(description="None while it waits, and for keys without `exams:read`.")


_LATER = {
    "model": Submitted, "description": "Received and safe, not answered yet: ask at `Location`.",
    "headers": {"Location": {"schema": {"type": "string"}}, "Retry-After": {"schema": {"type": "integer"}}},
}
_ANSWERED = {
    "model": Submitted, "description": "Received and answered, or found too poor to judge.",
    "headers": {"Location": {"schema": {"type": "string"}}, "ETag": {"schema": {"type": "string"}}},
}


@router.post("/exams", status_code=201, response_model=None, openapi_extra={"requestBody": sending.BODY}, responses={
    **failures(400, 404, 408, 409, 413, 415), 201: _ANSWERED, 202: _LATER,
    200: {"model": Submitted, "description": "An earlier request with this Idempotency-Key made this exam."},
})
async def send_picture(
    request: Request, visit: Annotated[Visit, allow(Permission.CAPTURE)],
    wait: Annotated[int | None, Query(ge=0, le=LONGEST, description="Seconds; goes before `Prefer`.")] = None,
    prefer: Annotated[str | None, Header(description="`wait=20`: how many seconds to wait for the answer.")] = None,
    idempotency_key: Annotated[str | None, Header(
        min_length=1, max_length=200, description="Your own name for this request: sent twice, it makes one exam.",
    )] = None,
) -> Response:
    """A picture of a lesion: one that is known, or one that is described here and registered on the way."""
    state = state_of(request)
    await run_in_threadpool(_count, request, visit)
    form = await upload.read(request, limit=state.settings.max_upload_bytes, timeout_s=state.settings.upload_timeout_s)
    ask = sending.parse(form)
    key = idempotency_key
    earlier = None if key is None else await run_in_threadpool(_earlier, state, visit, key)
    if earlier is not None:
        await run_in_threadpool(sending.same, earlier, ask)
        return _reply(earlier, visit, status=200)
    receive = partial(sending.receive, state.clinic, actor=visit.actor, ask=ask, key=key)
    exam_id = await state.gate.run(receive)
    await _answer(state, exam_id, _seconds(wait, prefer))
    return _reply(await run_in_threadpool(_exam, state, exam_id), visit, status=201)


def _count(request: Request, visit: Visit) -> None:
    per_minute = state_of(request).settings.uploads_per_minute
    limits.uploads(clinic_of(request), actor_id=visit.actor.id, address=address_of(request), per_minute=per_minute)


def _earlier(state: ClinicState, visit: Visit, key: str) -> Exam | None:
    with state.clinic.reading() as session:
        return feeds.exam_by_key(session, intake.scoped(visit.actor, key))


def _exam(state: ClinicState, exam_id: str) -> Exam:
    with state.clinic.reading() as session:
        return session.get_one(Exam, exam_id)


def _seconds(wait: int | None, prefer: str | None) -> int:
    """RFC 7240: a preference that cannot be read is ignored."""
    if wait is not None:
        return wait
    found = _PREFER.search(prefer or "")
    return min(int(found[1]), LONGEST) if found else WAIT


async def _answer(state: ClinicState, exam_id: str, seconds: int) -> None:
    """Start answering, and wait for so long. The exam is safe: whatever fails here is done later by the worker."""
    answering = asyncio.ensure_future(state.gate.run(partial(intake.answer, state.clinic, exam_id=exam_id)))
    _running.add(answering)
    answering.add_done_callback(_done)
    await asyncio.wait([answering], timeout=seconds)


#: The event loop itself holds its tasks by a weak reference only.
_running: set[asyncio.Future[None]] = set()


def _done(answering: asyncio.Future[None]) -> None:
    _running.discard(answering)
    if not answering.cancelled():
        answering.exception()  # looked at, so that it is not reported as forgotten; the worker logs its own


def _reply(exam: Exam, visit: Visit, *, status: int) -> JSONResponse:
    place = f"/api/v1/exams/{exam.id}"
    answers = visit.may(Permission.READ_ANSWER)
    body = {
        "exam": ExamReply.of(exam, answers=answers).model_dump(mode="json"),
        "result": exam.result if answers else None,
    }
    if exam.state == ExamState.WAITING.value:
        return JSONResponse(body, status_code=202, headers={"Location": place, "Retry-After": "1"})
    return JSONResponse(body, status_code=status, headers={"Location": place, "ETag": f'"{exam.version}"'})


