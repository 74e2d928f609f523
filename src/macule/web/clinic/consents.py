"""The consent page: the text of today, in a language, with what was agreed to."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from macule.records import consent, people, site
from macule.records.policy import Permission
from macule.web.clinic.door import Visit, allow
from macule.web.clinic.forms import Fields, form_fields
from macule.web.clinic.pages import render, see_other
from macule.web.clinic.state import clinic_of

router = APIRouter(include_in_schema=False)

ReaderOf = Annotated[Visit, allow(Permission.READ_PATIENTS, of="patient")]
WriterOf = Annotated[Visit, allow(Permission.WRITE_PATIENTS, of="patient")]
Own = Annotated[Visit, allow(Permission.OWN_RECORDS)]
Form = Annotated[Fields, form_fields]
Language = Annotated[str | None, Query(pattern="^[a-z]{2}$")]


@router.get("/patients/{patient_id}/consent")
def shown(request: Request, patient_id: str, visit: ReaderOf, language: Language = None) -> Response:
    return _page(request, visit, patient_id, f"/patients/{patient_id}", language)


@router.post("/patients/{patient_id}/consent")
def changed(request: Request, patient_id: str, visit: WriterOf, fields: Form) -> Response:
    _change(request, visit, patient_id, fields)
    return see_other(f"/patients/{patient_id}/consent")


@router.get("/my/consent")
def mine(request: Request, visit: Own, language: Language = None) -> Response:
    return _page(request, visit, own_patient(visit), "/my", language)


@router.post("/my/consent")
def mine_changed(request: Request, visit: Own, fields: Form) -> Response:
    _change(request, visit, own_patient(visit), fields)
    return see_other("/my/consent")


def own_patient(visit: Visit) -> str:
    """The one whose link this is."""
    # OWN_RECORDS is a patient's, and theirs come by a link.
    assert visit.actor.patient_id is not None  # noqa: S101  # nosec B101
    return visit.actor.patient_id


def _change(request: Request, visit: Visit, patient_id: str, fields: Fields) -> None:
    scope = fields.get("scope", "")
    with clinic_of(request).work(visit.actor) as work:
        if fields.get("action") == "withdraw":
            consent.withdraw(work, patient_id=patient_id, scope=scope)
        else:
            consent.give(work, patient_id=patient_id, scope=scope, language=fields.get("language") or consent.FALLBACK)


def _page(request: Request, visit: Visit, patient_id: str, home: str, language: str | None) -> Response:
    with clinic_of(request).work(visit.actor) as work:
        session = work.session
        patient = people.known(session, patient_id)
        work.record("consent.seen", "patient", patient.id, patient_id=patient.id)
        past = consent.history(session, patient.id)
        about: dict[str, Any] = {
            "patient": patient, "past": past, "recorders": consent.recorders(session, past),
            "standings": consent.standings(session, patient_id=patient.id,
                                           language=language or site.read(session).language),
        }
    return render(request, "care/consent.html", visit=visit, home=home, own=visit.actor.patient_id is not None,
                  languages=consent.languages(), **about)
