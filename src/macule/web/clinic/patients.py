"""Patients: the list, one person, and a link for themselves."""

from __future__ import annotations

import io
from typing import Annotated, Any

import segno
from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from macule.errors import Conflict, RecordInvalid
from macule.records import consent, lesions, people, released, site, tickets
from macule.records.domain import SkinType
from macule.records.policy import Permission
from macule.records.tickets import PATHS, VALID_FOR, Purpose
from macule.web.clinic import care_forms
from macule.web.clinic.door import Visit, allow
from macule.web.clinic.forms import Fields, form_fields
from macule.web.clinic.pages import render, see_other
from macule.web.clinic.state import address_here, clinic_of

router = APIRouter(include_in_schema=False)

Reader = Annotated[Visit, allow(Permission.READ_PATIENTS)]
ReaderOf = Annotated[Visit, allow(Permission.READ_PATIENTS, of="patient")]
Writer = Annotated[Visit, allow(Permission.WRITE_PATIENTS)]
WriterOf = Annotated[Visit, allow(Permission.WRITE_PATIENTS, of="patient")]
Form = Annotated[Fields, form_fields]


@router.get("/patients")
def everybody(
    request: Request, visit: Reader, q: Annotated[str, Query(max_length=64)] = "",
    page: Annotated[int, Query(ge=1, le=1_000_000)] = 1,
) -> Response:
    clinic, search = clinic_of(request), q.strip()
    # Read first, noted after: a reader must not hold up those who write.
    with clinic.reading() as session:
        found = people.listed(session, search=search, page=page)
    with clinic.work(visit.actor) as work:
        work.record("patients.listed", "patients", "list", page=found.page,
                    patients=[row.patient.id for row in found.rows])
    return render(request, "care/patients.html", visit=visit, found=found, search=search)


@router.get("/patients/new")
def empty(request: Request, visit: Writer) -> Response:
    return _form(request, visit, values={})


@router.post("/patients/new")
def register(request: Request, visit: Writer, fields: Form) -> Response:
    try:
        with clinic_of(request).work(visit.actor) as work:
            patient = people.register(work, **care_forms.patient_facts(fields))
    except RecordInvalid as fault:
        return _form(request, visit, values=fields, fault=fault)
    return see_other(f"/patients/{patient.id}/consent")


@router.get("/patients/{patient_id}")
def one(request: Request, patient_id: str, visit: ReaderOf) -> Response:
    return _page(request, visit, patient_id)


@router.get("/patients/{patient_id}/edit")
def correct(request: Request, patient_id: str, visit: WriterOf) -> Response:
    with clinic_of(request).work(visit.actor) as work:
        patient = people.known(work.session, patient_id)
        work.record("patient.seen", "patient", patient.id, patient_id=patient.id)
    values = {name: getattr(patient, name) for name in ("pseudonym", "birth_year", "sex", "skin_type", "version")}
    return _form(request, visit, values={name: value for name, value in values.items() if value is not None},
                 patient_id=patient_id)


@router.post("/patients/{patient_id}/edit")
def change(request: Request, patient_id: str, visit: WriterOf, fields: Form) -> Response:
    try:
        with clinic_of(request).work(visit.actor) as work:
            people.change(work, patient_id=patient_id, version=care_forms.version_of(fields),
                          **care_forms.patient_facts(fields))
    except (RecordInvalid, Conflict) as fault:
        return _form(request, visit, values=fields, fault=fault, patient_id=patient_id)
    return see_other(f"/patients/{patient_id}")


@router.post("/patients/{patient_id}/link")
def link(request: Request, patient_id: str, visit: WriterOf, fields: Form) -> Response:  # noqa: ARG001 - proves the form
    """Shown on this answer and never again, so it is no redirect: an address with the secret in it would be kept."""
    with clinic_of(request).work(visit.actor) as work:
        people.known(work.session, patient_id)
        released.check_link(work.session, actor=visit.actor, patient_id=patient_id)
        secret = tickets.issue(work, purpose=Purpose.PATIENT, patient_id=patient_id)
    address = address_here(request) + PATHS[Purpose.PATIENT] + secret
    return _page(request, visit, patient_id, link=address, qr=_qr(address))


@router.post("/patients/{patient_id}/links/end")
def end_links(request: Request, patient_id: str, visit: WriterOf, fields: Form) -> Response:  # noqa: ARG001
    with clinic_of(request).work(visit.actor) as work:
        for ticket in tickets.of_patient(work.session, patient_id=patient_id, now=work.now):
            tickets.revoke(work, ticket_id=ticket.id)
    return see_other(f"/patients/{patient_id}")


def _page(request: Request, visit: Visit, patient_id: str, **more: Any) -> Response:
    clinic = clinic_of(request)
    with clinic.reading() as session:
        patient = people.known(session, patient_id)
        exams = lesions.timeline(session, patient.id)
        shown: dict[str, Any] = {
            "patient": patient, "spots": lesions.of_patient(session, patient.id), "exams": exams,
            "sights": {exam.id: released.sight(session, actor=visit.actor, exam=exam) for exam in exams},
            "standings": consent.standings(session, patient_id=patient.id, language=site.read(session).language),
            "links": tickets.of_patient(session, patient_id=patient.id, now=clinic.clock()),
            "days": VALID_FOR[Purpose.PATIENT].days, "year": clinic.clock().year, "link": None, "qr": None,
        }
    with clinic.work(visit.actor) as work:
        work.record("patient.seen", "patient", patient.id, patient_id=patient.id)
    return render(request, "care/patient.html", visit=visit, **(shown | more))


def _form(
    request: Request, visit: Visit, *, values: Fields, fault: RecordInvalid | Conflict | None = None,
    patient_id: str | None = None,
) -> Response:
    status = 200 if fault is None else 409 if isinstance(fault, Conflict) else 422
    return render(
        request, "care/patient_form.html", visit=visit, status=status, values=values, patient_id=patient_id,
        wrong=fault.fields if isinstance(fault, RecordInvalid) else {}, conflict=isinstance(fault, Conflict),
        skin_types={kind.value: kind.name for kind in SkinType}, year=clinic_of(request).clock().year,
    )


def _qr(address: str) -> str:
    """An SVG element; black on white in both themes, because cameras need it so."""
    drawn = io.BytesIO()
    segno.make(address, error="m", micro=False).save(
        drawn, kind="svg", xmldecl=False, svgns=True, scale=4, border=4, dark="#000", light="#fff", nl=False,
    )
    return drawn.getvalue().decode()
