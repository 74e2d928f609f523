"""Taking a picture: the page with the camera, and the upload that it, or a plain form, sends.

A picture that has arrived is safe before it is answered: a model that is away delays the answer, not the picture.
"""

from __future__ import annotations

import hashlib
import secrets
from functools import partial
from typing import Annotated

from fastapi import APIRouter, Query, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import JSONResponse, Response

from macule.analysis import quality
from macule.analysis.patient import Modality
from macule.errors import EnvironmentFault, InvalidMetadata, MaculeError, NotAllowed
from macule.records import consent, intake, lesions, limits
from macule.records.clinic import Clinic
from macule.records.domain import ConsentScope
from macule.records.policy import Permission
from macule.records.tables import Exam, Lesion
from macule.web.clinic.door import Visit, address_of, allow
from macule.web.clinic.pages import render, see_other
from macule.web.clinic.state import ClinicState, clinic_of, state_of
from macule.web.clinic.uploads import read_upload
from macule.web.faults import headers_of, status_of

router = APIRouter(include_in_schema=False)

Nurse = Annotated[Visit, allow(Permission.CAPTURE, of="lesion")]
Own = Annotated[Visit, allow(Permission.OWN_RECORDS, of="lesion")]
Retake = Annotated[str | None, Query(max_length=32)]

FIELDS = ("modality", "retake_of", "idempotency_key")
#: What the browser's own hints are measured against: the limits that decide here.
LIMITS = {
    "sharpness": quality.MIN_SHARPNESS, "darkness": quality.MIN_BRIGHTNESS, "brightness": quality.MAX_BRIGHTNESS,
    "glare": quality.MAX_GLARE,
}


@router.get("/lesions/{lesion_id}/capture")
def page(request: Request, lesion_id: str, visit: Nurse, retake_of: Retake = None) -> Response:
    return _page(request, visit, lesion_id, retake_of=retake_of)


@router.post("/lesions/{lesion_id}/capture")
async def send(request: Request, lesion_id: str, visit: Nurse) -> Response:
    return await _receive(request, visit, lesion_id)


@router.get("/my/lesions/{lesion_id}/capture")
def my_page(request: Request, lesion_id: str, visit: Own, retake_of: Retake = None) -> Response:
    return _page(request, visit, lesion_id, retake_of=retake_of)


@router.post("/my/lesions/{lesion_id}/capture")
async def my_send(request: Request, lesion_id: str, visit: Own) -> Response:
    return await _receive(request, visit, lesion_id)


def _home(visit: Visit) -> str:
    """What goes before the addresses of the person's own pages."""
    return "/my" if visit.looking().actor.patient_id else ""


async def _receive(request: Request, visit: Visit, lesion_id: str) -> Response:
    in_words = "application/json" in request.headers.get("accept", "")
    try:
        exam_id = await _take(request, visit, lesion_id)
    except NotAllowed:  # the form is not ours: the door answers
        raise
    except MaculeError as fault:
        if in_words:
            body = {"error": {"code": fault.code, "message": str(fault)}}
            return JSONResponse(body, status_code=status_of(fault), headers=headers_of(fault))
        # Off the event loop: it reads the records.
        return await run_in_threadpool(partial(_page, request, visit.looking(), lesion_id, fault=fault))
    address = f"{_home(visit)}/exams/{exam_id}"
    return JSONResponse({"exam": exam_id, "address": address}) if in_words else see_other(address)


async def _take(request: Request, visit: Visit, lesion_id: str) -> str:
    """Returns: the exam's id. Raises: Busy, TooManyAttempts, what `read_upload` and `intake.receive` raise."""
    state = state_of(request)
    # Before the body is read. The token in it is not proved yet, but the door has refused what other sites send.
    who, most = visit.looking().actor.id, state.settings.uploads_per_minute
    await run_in_threadpool(
        partial(limits.uploads, state.clinic, actor_id=who, address=address_of(request), per_minute=most)
    )
    form = await read_upload(request, visit, fields=FIELDS)
    picture = form.checked_picture()
    submission = intake.Submission(
        lesion_id=lesion_id, picture=picture, file_name=form.name or "picture",
        modality=_modality(form.fields.get("modality")), retake_of=form.fields.get("retake_of") or None,
        idempotency_key=_key(form.fields.get("idempotency_key"), picture),
    )
    return await state.gate.run(partial(_keep, state, visit, submission))


def _keep(state: ClinicState, visit: Visit, submission: intake.Submission) -> str:
    exam_id = intake.receive(state.clinic, actor=visit.actor, submission=submission)
    try:
        intake.answer(state.clinic, exam_id=exam_id)
    except EnvironmentFault:
        state.worker.wake()  # received and safe: the worker answers it as soon as it can
    return exam_id


def _modality(value: str | None) -> Modality | None:
    try:
        return Modality(value) if value else None
    except ValueError:
        raise InvalidMetadata("choose how the picture was taken: clinical or dermoscopic.") from None


def _key(sent: str | None, picture: bytes) -> str | None:
    """With the picture in it: a form that the back button brought back may carry its old key and a new picture."""
    return f"{sent}:{hashlib.sha256(picture).hexdigest()}" if sent else None


def _page(
    request: Request, visit: Visit, lesion_id: str, *, retake_of: str | None = None, fault: MaculeError | None = None
) -> Response:
    clinic = clinic_of(request)
    lesion, earlier, modality, agreed = _about(clinic, lesion_id, retake_of)
    with clinic.work(visit.actor) as work:
        work.record("lesion.seen", "lesion", lesion.id, patient_id=lesion.patient_id)
    home = _home(visit)
    return render(
        request, "care/capture.html", visit=visit, lesion=lesion, patient=lesion.patient, retake_of=earlier,
        modality=modality, agreed=agreed, key=secrets.token_urlsafe(16), limits=LIMITS, home=home,
        back=f"{home}/lesions/{lesion_id}", action=f"{home}/lesions/{lesion_id}/capture", fault=fault,
        consent_at="/my/consent" if home else f"/patients/{lesion.patient_id}/consent",
        max_bytes=state_of(request).settings.max_upload_bytes, status=status_of(fault) if fault else 200,
        headers=headers_of(fault) if fault else None,
    )


def _about(clinic: Clinic, lesion_id: str, retake_of: str | None) -> tuple[Lesion, str | None, str, bool]:
    """The lesion, the exam to take again if it is one of it, how its last picture was taken, and consent."""
    with clinic.reading() as session:
        lesion = lesions.known(session, lesion_id)
        earlier = session.get(Exam, retake_of) if retake_of else None
        last = next(iter(lesions.exams(session, lesion_id)), None)
        agreed = consent.in_force(session, patient_id=lesion.patient_id, scope=ConsentScope.CARE) is not None
        return (lesion, earlier.id if earlier and earlier.lesion_id == lesion_id else None,
                (last.modality if last else None) or "", agreed)
