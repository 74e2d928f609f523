"""What a patient's own link opens: their spots, their pictures, and what may be told them of each."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Request
from starlette.responses import Response

from macule.records import consent, lesions, people, pictures, released
from macule.records.domain import ConsentScope
from macule.records.policy import Permission
from macule.records.released import Sight
from macule.web.clinic import plain
from macule.web.clinic.consents import own_patient
from macule.web.clinic.door import Visit, allow
from macule.web.clinic.pages import render
from macule.web.clinic.pictures import reply
from macule.web.clinic.state import clinic_of

router = APIRouter(include_in_schema=False)

Own = Annotated[Visit, allow(Permission.OWN_RECORDS)]
OwnSpot = Annotated[Visit, allow(Permission.OWN_RECORDS, of="lesion")]
OwnExam = Annotated[Visit, allow(Permission.OWN_RECORDS, of="exam")]

PAGES = {Sight.WAITING: "waiting", Sight.REFUSED: "refused", Sight.FAILED: "refused"}


@router.get("/my")
def start(request: Request, visit: Own) -> Response:
    clinic = clinic_of(request)
    with clinic.reading() as session:
        patient = people.known(session, own_patient(visit))
        exams = lesions.timeline(session, patient.id)
        sights = {exam.id: released.sight(session, actor=visit.actor, exam=exam) for exam in exams}
        agreed = consent.in_force(session, patient_id=patient.id, scope=ConsentScope.CARE) is not None
        spots = lesions.of_patient(session, patient.id)
    with clinic.work(visit.actor) as work:
        work.record("patient.seen", "patient", patient.id, patient_id=patient.id)
    newest = {exam.lesion_id: exam for exam in reversed(exams)}
    return render(request, "care/my.html", visit=visit, patient=patient, spots=spots, newest=newest, sights=sights,
                  agreed=agreed)


@router.get("/my/lesions/{lesion_id}")
def spot(request: Request, lesion_id: str, visit: OwnSpot) -> Response:
    with clinic_of(request).work(visit.actor) as work:
        session = work.session
        lesion = lesions.known(session, lesion_id)
        work.record("lesion.seen", "lesion", lesion.id, patient_id=lesion.patient_id)
        exams = lesions.exams(session, lesion.id)
        sights = {exam.id: released.sight(session, actor=visit.actor, exam=exam) for exam in exams}
        agreed = consent.in_force(session, patient_id=lesion.patient_id, scope=ConsentScope.CARE) is not None
    return render(request, "care/my_lesion.html", visit=visit, lesion=lesion, exams=exams, sights=sights,
                  agreed=agreed)


@router.get("/my/exams/{exam_id}")
def exam(request: Request, exam_id: str, visit: OwnExam) -> Response:
    seen = plain.read(clinic_of(request), actor=visit.actor, exam_id=exam_id)
    page = PAGES.get(seen.sight, "my_answer")
    return render(request, f"care/{page}.html", visit=visit, seen=seen, home="/my")


@router.get("/my/exams/{exam_id}/picture")
def picture(request: Request, exam_id: str, visit: OwnExam) -> Response:
    return reply(pictures.picture(clinic_of(request), actor=visit.actor, exam_id=exam_id))


@router.get("/my/exams/{exam_id}/thumbnail")
def thumbnail(request: Request, exam_id: str, visit: OwnExam) -> Response:
    return reply(pictures.thumbnail(clinic_of(request), actor=visit.actor, exam_id=exam_id))


@router.get("/my/exams/{exam_id}/heatmap")
def heatmap(request: Request, exam_id: str, visit: OwnExam) -> Response:
    return reply(pictures.heatmap(clinic_of(request), actor=visit.actor, exam_id=exam_id))
