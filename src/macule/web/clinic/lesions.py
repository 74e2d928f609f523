"""Spots: a new one on the body map, one with its history, and corrections."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from macule.errors import Conflict, RecordInvalid
from macule.records import consent, lesions, people, released
from macule.records.body_map import REGIONS, region_at
from macule.records.domain import ConsentScope, MapView
from macule.records.policy import Permission
from macule.records.tables import Lesion
from macule.web.clinic import care_forms
from macule.web.clinic.door import Visit, allow
from macule.web.clinic.forms import Fields, form_fields
from macule.web.clinic.pages import render, see_other
from macule.web.clinic.state import clinic_of

router = APIRouter(include_in_schema=False)

WriterOf = Annotated[Visit, allow(Permission.WRITE_PATIENTS, of="patient")]
ReaderOfSpot = Annotated[Visit, allow(Permission.READ_PATIENTS, of="lesion")]
WriterOfSpot = Annotated[Visit, allow(Permission.WRITE_PATIENTS, of="lesion")]
Form = Annotated[Fields, form_fields]


@router.get("/patients/{patient_id}/lesions/new")
def empty(request: Request, patient_id: str, visit: WriterOf) -> Response:
    return _form(request, visit, patient_id, values={})


@router.post("/patients/{patient_id}/lesions/new")
def add(request: Request, patient_id: str, visit: WriterOf, fields: Form) -> Response:
    try:
        with clinic_of(request).work(visit.actor) as work:
            lesion = lesions.add(work, patient_id=patient_id, **care_forms.place_on_body(fields))
    except RecordInvalid as fault:
        return _form(request, visit, patient_id, values=fields, fault=fault)
    return see_other(f"/lesions/{lesion.id}/capture")


@router.get("/lesions/{lesion_id}")
def one(request: Request, lesion_id: str, visit: ReaderOfSpot) -> Response:
    with clinic_of(request).work(visit.actor) as work:
        session = work.session
        lesion = lesions.known(session, lesion_id)
        patient = lesion.patient
        work.record("lesion.seen", "lesion", lesion.id, patient_id=patient.id)
        exams = lesions.exams(session, lesion.id)
        sights = {exam.id: released.sight(session, actor=visit.actor, exam=exam) for exam in exams}
        agreed = consent.in_force(session, patient_id=patient.id, scope=ConsentScope.CARE) is not None
    return render(request, "care/lesion.html", visit=visit, lesion=lesion, patient=patient, exams=exams,
                  sights=sights, agreed=agreed)


@router.get("/lesions/{lesion_id}/edit")
def correct(request: Request, lesion_id: str, visit: WriterOfSpot) -> Response:
    with clinic_of(request).reading() as session:
        lesion = lesions.known(session, lesion_id)
    values = {"label": lesion.label, "version": str(lesion.version)}
    if lesion.map_view and lesion.map_x is not None and lesion.map_y is not None:
        region = region_at(MapView(lesion.map_view), lesion.map_x, lesion.map_y)
        values |= {"region": region.key if region else "", "map_x": str(lesion.map_x), "map_y": str(lesion.map_y)}
    return _form(request, visit, lesion.patient_id, values=values, lesion=lesion)


@router.post("/lesions/{lesion_id}/edit")
def change(request: Request, lesion_id: str, visit: WriterOfSpot, fields: Form) -> Response:
    clinic = clinic_of(request)
    try:
        with clinic.work(visit.actor) as work:
            lesions.change(work, lesion_id=lesion_id, version=care_forms.version_of(fields),
                           **_place_now(lesions.known(work.session, lesion_id)) | care_forms.place_on_body(fields))
    except (RecordInvalid, Conflict) as fault:
        with clinic.reading() as session:
            lesion = lesions.known(session, lesion_id)
        return _form(request, visit, lesion.patient_id, values=fields, fault=fault, lesion=lesion)
    return see_other(f"/lesions/{lesion_id}")


def _place_now(lesion: Lesion) -> dict[str, Any]:
    """What stays when the form names no part of the body: a machine may have given a site without a place."""
    return {name: getattr(lesion, name) for name in ("body_site", "map_view", "map_x", "map_y")}


def _form(
    request: Request, visit: Visit, patient_id: str, *, values: Fields, fault: RecordInvalid | Conflict | None = None,
    lesion: Lesion | None = None,
) -> Response:
    with clinic_of(request).reading() as session:
        patient = people.known(session, patient_id)
        spots = lesions.of_patient(session, patient_id)
    with clinic_of(request).work(visit.actor) as work:  # the drawing shows all of the patient's spots
        work.record("patient.seen", "patient", patient.id, patient_id=patient.id)
    others = [(number, spot) for number, spot in enumerate(spots, 1) if lesion is None or spot.id != lesion.id]
    status = 200 if fault is None else 409 if isinstance(fault, Conflict) else 422
    return render(
        request, "care/lesion_form.html", visit=visit, status=status, patient=patient, others=others, values=values,
        lesion=lesion, wrong=fault.fields if isinstance(fault, RecordInvalid) else {},
        conflict=isinstance(fault, Conflict), regions=list(REGIONS.values()), views=list(MapView),
    )
