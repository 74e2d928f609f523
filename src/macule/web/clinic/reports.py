"""Reports on paper: for staff in either wording, for a patient's link in the patient's own."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from macule.errors import NotAllowed
from macule.exchange.exam_pdf import Audience
from macule.records import reports, site
from macule.records.policy import Permission
from macule.web.clinic.door import Visit, allow
from macule.web.clinic.state import clinic_of, state_of

router = APIRouter(include_in_schema=False)


@router.get("/exams/{exam_id}/report.pdf")
def report(
    request: Request, exam_id: str, visit: Annotated[Visit, allow(Permission.READ_ANSWER, of="exam")],
    audience: Annotated[Audience, Query()] = Audience.PATIENT,
) -> Response:
    if audience is Audience.DOCTOR and not visit.may(Permission.READ_CASE):
        raise NotAllowed("the doctor's report holds the readers' words: ask a dermatologist for it.")
    return _reply(request, visit, exam_id, audience)


@router.get("/my/exams/{exam_id}/report.pdf")
def mine(
    request: Request, exam_id: str, visit: Annotated[Visit, allow(Permission.OWN_RECORDS, of="exam")]
) -> Response:
    return _reply(request, visit, exam_id, Audience.PATIENT)


def _reply(request: Request, visit: Visit, exam_id: str, audience: Audience) -> Response:
    clinic = clinic_of(request)
    with clinic.reading() as session:
        language = site.read(session).language
    # The address in the QR code is the one that was configured: a request's own host may be anybody's.
    content = reports.issue(clinic, actor=visit.actor, exam_id=exam_id, audience=audience, language=language,
                            public_url=state_of(request).settings.public_url)
    shown = f'inline; filename="macule-{audience.value}-{exam_id}.pdf"'
    return Response(content, media_type="application/pdf", headers={"Content-Disposition": shown})
