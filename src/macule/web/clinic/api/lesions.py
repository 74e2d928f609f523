"""Lesions: where they lie on the body."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Request
from pydantic import Field
from starlette.responses import Response

from macule.analysis.patient import Site
from macule.records import lesions, people
from macule.records.domain import MapView
from macule.records.policy import Permission
from macule.records.tables import Lesion
from macule.web.clinic.api.locks import IfMatch, stamp, wanted
from macule.web.clinic.api.route import make_router
from macule.web.clinic.api.shapes import Ask, Reply, Text, etag_header, failures
from macule.web.clinic.api.views import LesionReply
from macule.web.clinic.door import Visit, allow
from macule.web.clinic.state import clinic_of

router = make_router("lesions")
ReaderOf = Annotated[Visit, allow(Permission.READ_PATIENTS, of="patient")]
WriterOf = Annotated[Visit, allow(Permission.WRITE_PATIENTS, of="patient")]


class LesionAsk(Ask):
    label: Text = Field(default="", max_length=80, description="Empty for `Spot 1`, `Spot 2`, ...")
    body_site: Site | None = None
    map_view: MapView | None = None
    map_x: float | None = Field(default=None, ge=0, le=1)
    map_y: float | None = Field(default=None, ge=0, le=1)


class LesionList(Reply):
    lesions: list[LesionReply]


@router.post("/patients/{patient_id}/lesions", status_code=201, response_model=LesionReply,
             responses={**failures(400, 404, 413), 201: etag_header()})
def add_lesion(request: Request, response: Response, patient_id: str, body: LesionAsk, visit: WriterOf) -> Any:
    with clinic_of(request).work(visit.actor) as work:
        lesion = lesions.add(work, patient_id=patient_id, **body.model_dump(mode="json"))
    stamp(response, lesion)
    response.headers["Location"] = f"/api/v1/lesions/{lesion.id}"
    return LesionReply.of(lesion)


@router.get("/patients/{patient_id}/lesions", response_model=LesionList, responses=failures(404))
def list_lesions(request: Request, patient_id: str, visit: ReaderOf) -> Any:
    """The oldest first."""
    with clinic_of(request).work(visit.actor) as work:
        patient = people.known(work.session, patient_id)
        rows = lesions.of_patient(work.session, patient.id)
        work.record("patient.seen", "patient", patient.id, patient_id=patient.id)
    return LesionList(lesions=[LesionReply.of(row) for row in rows])


@router.get("/lesions/{lesion_id}", response_model=LesionReply, responses={**failures(404), 200: etag_header()})
def read_lesion(request: Request, response: Response, lesion_id: str,
                visit: Annotated[Visit, allow(Permission.READ_PATIENTS, of="lesion")]) -> Any:
    with clinic_of(request).work(visit.actor) as work:
        lesion = work.get(Lesion, lesion_id)
        work.record("lesion.seen", "lesion", lesion.id, patient_id=lesion.patient_id)
    stamp(response, lesion)
    return LesionReply.of(lesion)


@router.put("/lesions/{lesion_id}", response_model=LesionReply,
            responses={**failures(400, 404, 409, 412, 413), 200: etag_header()})
def correct_lesion(*, request: Request, response: Response, lesion_id: str, body: LesionAsk,
                   visit: Annotated[Visit, allow(Permission.WRITE_PATIENTS, of="lesion")],
                   if_match: IfMatch = None) -> Any:
    with clinic_of(request).work(visit.actor) as work:
        version = wanted(if_match, work.get(Lesion, lesion_id))
        lesion = lesions.change(work, lesion_id=lesion_id, version=version, **body.model_dump(mode="json"))
        work.session.flush()
    stamp(response, lesion)
    return LesionReply.of(lesion)
