"""Patients: by a pseudonym, never by a name."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Query, Request
from pydantic import Field
from starlette.responses import Response

from macule.analysis.patient import Sex
from macule.records import feeds, people
from macule.records.domain import SkinType
from macule.records.policy import Permission
from macule.records.tables import Patient
from macule.web.clinic.api.locks import IfMatch, stamp, wanted
from macule.web.clinic.api.route import make_router
from macule.web.clinic.api.shapes import (
    Ask,
    Cursor,
    Limit,
    Reply,
    Text,
    etag_header,
    failures,
    from_cursor,
    to_cursor,
)
from macule.web.clinic.api.views import PatientReply
from macule.web.clinic.door import Visit, allow
from macule.web.clinic.state import clinic_of

router = make_router("patients")
Writer = Annotated[Visit, allow(Permission.WRITE_PATIENTS)]
WriterOf = Annotated[Visit, allow(Permission.WRITE_PATIENTS, of="patient")]
Reader = Annotated[Visit, allow(Permission.READ_PATIENTS)]
ReaderOf = Annotated[Visit, allow(Permission.READ_PATIENTS, of="patient")]


class PatientAsk(Ask):
    pseudonym: Text = Field(max_length=64, description="The clinic's own number; never a name.", examples=["P-1042"])
    birth_year: int | None = Field(default=None, examples=[1970])
    sex: Sex | None = None
    skin_type: SkinType | None = Field(default=None, description="Fitzpatrick, 1 to 6.")


class PatientPage(Reply):
    patients: list[PatientReply]
    next_cursor: str | None


@router.post("/patients", status_code=201, response_model=PatientReply,
             responses={**failures(400, 413), 201: etag_header()})
def register_patient(request: Request, response: Response, body: PatientAsk, visit: Writer) -> Any:
    """A new patient. A pseudonym that is in use already gives 422."""
    with clinic_of(request).work(visit.actor) as work:
        patient = people.register(work, **body.model_dump(mode="json"))
    stamp(response, patient)
    response.headers["Location"] = f"/api/v1/patients/{patient.id}"
    return PatientReply.of(patient)


@router.get("/patients", response_model=PatientPage, responses=failures())
def list_patients(
    request: Request, visit: Reader, cursor: Annotated[Cursor, Query()] = None, limit: Annotated[Limit, Query()] = 50,
    pseudonym: Annotated[Text | None, Query(max_length=64, description="Only this one.")] = None,
) -> Any:
    """The oldest first, page after page: patients who come in meanwhile are on the last page."""
    after = from_cursor(cursor)
    with clinic_of(request).work(visit.actor) as work:
        if pseudonym is None:
            page = feeds.patients(work.session, after=after, limit=limit)
        else:
            found = people.by_pseudonym(work.session, pseudonym)
            page = feeds.Page([found] if found else [], None)
        work.record("patients.listed", "patient", "*", patients=[row.id for row in page.rows])
    return PatientPage(patients=[PatientReply.of(row) for row in page.rows], next_cursor=to_cursor(page.after))


@router.get("/patients/{patient_id}", response_model=PatientReply, responses={**failures(404), 200: etag_header()})
def read_patient(request: Request, response: Response, patient_id: str, visit: ReaderOf) -> Any:
    with clinic_of(request).work(visit.actor) as work:
        patient = people.known(work.session, patient_id)
        work.record("patient.seen", "patient", patient.id, patient_id=patient.id)
    stamp(response, patient)
    return PatientReply.of(patient)


@router.put("/patients/{patient_id}", response_model=PatientReply,
            responses={**failures(400, 404, 409, 412, 413), 200: etag_header()})
def correct_patient(*, request: Request, response: Response, patient_id: str, body: PatientAsk, visit: WriterOf,
                    if_match: IfMatch = None) -> Any:
    """Replace what is known of a patient. Exams that were received before keep what the model was told then."""
    with clinic_of(request).work(visit.actor) as work:
        version = wanted(if_match, work.get(Patient, patient_id))
        patient = people.change(work, patient_id=patient_id, version=version, **body.model_dump(mode="json"))
        work.session.flush()
    stamp(response, patient)
    return PatientReply.of(patient)
