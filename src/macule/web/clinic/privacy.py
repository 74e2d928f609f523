"""Exporting and erasing a person, and what the site's retention would do."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from macule.errors import EnvironmentFault, NoSuchRecord, RecordInvalid
from macule.records import people, portable, privacy, retention, site
from macule.records.policy import Permission
from macule.records.privacy import ErasureReason
from macule.web.clinic.door import Visit, allow
from macule.web.clinic.forms import Fields, form_fields
from macule.web.clinic.pages import render, see_other
from macule.web.clinic.state import clinic_of

router = APIRouter(prefix="/admin/privacy", include_in_schema=False)

Eraser = Annotated[Visit, allow(Permission.ERASE)]
EraserOf = Annotated[Visit, allow(Permission.ERASE, of="patient")]
Form = Annotated[Fields, form_fields]
REASONS = {
    ErasureReason.REQUEST.value: "The patient asked for it",
    ErasureReason.CONSENT_WITHDRAWN.value: "Consent was withdrawn",
    ErasureReason.MISTAKE.value: "It should never have been here",
}
#: Patients of the preview.
SHOWN = 50


@router.get("")
def overview(request: Request, visit: Eraser, done: Annotated[str, Query(max_length=10)] = "") -> Response:
    return _page(request, visit, done=done)


@router.post("/find")
def find(request: Request, visit: Eraser, fields: Form) -> Response:
    """By POST, because it is written down: who asks for a person's whole record begins here."""
    clinic, pseudonym = clinic_of(request), fields.get("pseudonym", "")
    with clinic.work(visit.actor) as work:
        patient = people.by_pseudonym(work.session, pseudonym)
        if patient is not None:
            work.record("patient.found", "patient", patient.id, patient_id=patient.id)
    if patient is None:
        words = f"There is no patient {pseudonym[:64]!r}. Give the whole number; capitals do not matter."
        return _page(request, visit, wrong={"pseudonym": words}, values=fields)
    return see_other(f"/admin/privacy/{patient.id}")


@router.get("/{patient_id}")
def one(request: Request, patient_id: str, visit: EraserOf) -> Response:
    return _person(request, visit, patient_id)


@router.post("/{patient_id}/export")
def export(request: Request, patient_id: str, visit: EraserOf) -> Response:
    content = portable.export(clinic_of(request), actor=visit.actor, patient_id=patient_id)
    shown = f'attachment; filename="macule-patient-{patient_id}.zip"'
    return Response(content, media_type="application/zip", headers={"Content-Disposition": shown})


@router.post("/{patient_id}/erase")
def erase(request: Request, patient_id: str, visit: EraserOf, fields: Form) -> Response:
    try:
        privacy.erase(clinic_of(request), actor=visit.actor, patient_id=patient_id, reason=fields.get("reason"),
                      typed=fields.get("typed", ""))
    except RecordInvalid as fault:
        return _person(request, visit, patient_id, wrong=fault.fields, values=fields)
    except EnvironmentFault:
        if not _begun(request, patient_id):
            raise
        return see_other("/admin/privacy?done=begun")  # the rows are gone; the worker deletes the pictures
    return see_other("/admin/privacy?done=erased")


def _begun(request: Request, patient_id: str) -> bool:
    with clinic_of(request).reading() as session:
        try:
            people.known(session, patient_id)
        except NoSuchRecord:
            return True
    return False


def _person(
    request: Request, visit: Visit, patient_id: str, *, wrong: dict[str, str] | None = None,
    values: Fields | None = None,
) -> Response:
    with clinic_of(request).work(visit.actor) as work:
        patient = people.known(work.session, patient_id)
        found = privacy.holding(work.session, pseudonym=patient.pseudonym)
        work.record("patient.seen", "patient", patient.id, patient_id=patient.id)
    return render(request, "privacy/person.html", visit=visit, status=422 if wrong else 200, found=found,
                  patient=found.patient, reasons=REASONS, wrong=wrong or {}, values=values or {})


def _page(
    request: Request, visit: Visit, *, done: str = "", wrong: dict[str, str] | None = None, values: Fields | None = None
) -> Response:
    clinic = clinic_of(request)
    with clinic.reading() as session:
        days, now = site.read(session).retention_days, clinic.clock()
        due = [] if days is None else retention.overdue(session, now=now, days=days, limit=SHOWN)
        total = 0 if days is None else retention.count(session, now=now, days=days)
        erasures = privacy.erasures(session)
    if due:
        with clinic.work(visit.actor) as work:
            work.record("patients.listed", "patients", "overdue", patients=[each.patient_id for each in due])
    return render(request, "privacy/overview.html", visit=visit, status=422 if wrong else 200, days=days, due=due,
                  total=total, erasures=erasures, done=done, wrong=wrong or {}, values=values or {},
                  reasons={**REASONS, ErasureReason.RETENTION.value: "Retention"})
