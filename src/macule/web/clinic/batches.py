"""Many pictures at once: the form, the batches so far, and what becomes of each file."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

from fastapi import APIRouter, Query, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from macule.analysis.patient import Modality
from macule.errors import InputError, RecordInvalid
from macule.records import batch_outcomes, batches, consent, limits, site
from macule.records.archives import Limits
from macule.records.audit import listed
from macule.records.batch_outcomes import PAGE, Totals
from macule.records.batches import Belonging, Plan
from macule.records.clinic import Clinic
from macule.records.domain import ConsentScope
from macule.records.policy import Permission
from macule.web.clinic import batch_upload
from macule.web.clinic.door import Visit, allow
from macule.web.clinic.pages import render, see_other
from macule.web.clinic.proof import FIELD
from macule.web.clinic.state import clinic_of, state_of

router = APIRouter(prefix="/batches", include_in_schema=False)

Sender = Annotated[Visit, allow(Permission.BATCH)]
SenderOf = Annotated[Visit, allow(Permission.BATCH, of="batch")]
Page = Annotated[int, Query(ge=1, le=100_000)]
#: Batches that one account may send in an hour.
PER_HOUR = 60
MODALITIES = {Modality.CLINICAL.value: "Ordinary photo", Modality.DERMOSCOPIC.value: "Through a dermatoscope"}


@router.get("")
def everything(request: Request, visit: Sender) -> Response:
    return _list(request, visit, {})


@router.post("")
async def send(request: Request, visit: Sender) -> Response:
    clinic, most = clinic_of(request), state_of(request).settings.max_upload_bytes
    fields: dict[str, str] = {}

    def check(sent: dict[str, str]) -> None:
        fields.update(sent)
        visit.prove(fields.pop(FIELD, None))
        limits.hit(clinic, bucket=f"batch:{visit.actor.id}", limit=PER_HOUR, per=timedelta(hours=1))
        batches.checked(clinic, _plan(fields, site_language))

    site_language = await run_in_threadpool(_site_language, clinic)
    try:
        upload = await batch_upload.read(request, clinic=clinic, check=check, limits=Limits(member=most))
        batch_id = await run_in_threadpool(_take, visit, upload, clinic, _plan(fields, site_language))
    except RecordInvalid as fault:
        return await run_in_threadpool(_list, request, visit.looking(), fields, wrong=fault.fields)
    except InputError as fault:  # an archive that cannot be read belongs beside the field it came from
        if fault.code == "malformed_request":
            raise
        return await run_in_threadpool(_list, request, visit.looking(), fields, wrong={"files": str(fault)})
    state_of(request).worker.wake()
    return see_other(f"/batches/{batch_id}")


def _site_language(clinic: Clinic) -> str:
    with clinic.reading() as session:
        return site.read(session).language


def _plan(fields: dict[str, str], language: str) -> Plan:
    """Raises: RecordInvalid."""
    chosen, modality = fields.get("belonging", ""), fields.get("modality", "")
    if chosen not in list(Belonging):
        message = "Choose whose the pictures are."
        raise RecordInvalid(message, fields={"belonging": message})
    if modality and modality not in list(Modality):
        message = "Choose how the pictures were taken from the list."
        raise RecordInvalid(message, fields={"modality": message})
    belonging = Belonging(chosen)
    pseudonym = {Belonging.ONE: "pseudonym", Belonging.NEW: "prefix"}.get(belonging, "")
    spoken = consent.wording(ConsentScope.CARE, language=language).language
    return Plan(
        fields.get("name", ""), belonging, pseudonym=fields.get(pseudonym, "") if pseudonym else "",
        modality=Modality(modality) if modality else None, consent=fields.get("consent") == "on", language=spoken,
    )


def _take(visit: Visit, upload: batch_upload.Upload, clinic: Clinic, plan: Plan) -> str:
    try:
        return batches.create(clinic, actor=visit.actor, plan=plan, files=upload.files, table=upload.table)
    except BaseException:
        upload.discard()
        raise


def _list(request: Request, visit: Visit, values: dict[str, str], *, wrong: dict[str, str] | None = None) -> Response:
    clinic = clinic_of(request)
    with clinic.reading() as session:
        found = batch_outcomes.listed(session)
        suggested = f"B{clinic.clock():%y%m%d}-{len(found) + 1}"
    return render(request, "batches/list.html", visit=visit, status=422 if wrong else 200, batches=found,
                  values=values, wrong=wrong or {}, suggested=suggested, modalities=MODALITIES,
                  most=Limits().members, now=clinic.clock())


@router.get("/{batch_id}")
def one(request: Request, batch_id: str, visit: SenderOf, page: Page = 1) -> Response:
    return _page(request, visit, batch_id, page, "batches/batch.html")


@router.get("/{batch_id}/progress")
def progress(request: Request, batch_id: str, visit: SenderOf, page: Page = 1) -> Response:
    """The part of the page that changes while files are worked on; it asks for itself every two seconds."""
    return _page(request, visit, batch_id, page, "batches/_progress.html")


@router.get("/{batch_id}/outcomes.csv")
def outcomes(request: Request, batch_id: str, visit: SenderOf) -> Response:
    clinic = clinic_of(request)
    with clinic.reading() as session:
        rows = batch_outcomes.rows(session, actor=visit.actor, batch_id=batch_id, page=None)
    with clinic.work(visit.actor) as work:
        work.record("batch.exported", "batch", batch_id, rows=len(rows), **listed(row.patient_id for row in rows))
    content = batch_outcomes.table(rows)
    shown = f'attachment; filename="batch-{batch_id}.csv"'
    return Response(content, media_type="text/csv; charset=utf-8", headers={"Content-Disposition": shown})


@router.post("/{batch_id}/retry")
def retry(request: Request, batch_id: str, visit: SenderOf) -> Response:
    batches.retry(clinic_of(request), actor=visit.actor, batch_id=batch_id)
    state_of(request).worker.wake()
    return see_other(f"/batches/{batch_id}")


def _page(request: Request, visit: Visit, batch_id: str, page: int, template: str) -> Response:
    clinic = clinic_of(request)
    with clinic.reading() as session:
        totals: Totals = batch_outcomes.totals(session, [batch_id])[batch_id]
        pages = max(1, -(-totals.total // PAGE))
        rows = batch_outcomes.rows(session, actor=visit.actor, batch_id=batch_id, page=min(page, pages))
    if template.endswith("batch.html") or totals.done == totals.total:
        # Once opened and once complete, not at every turn of a page that renews itself.
        with clinic.work(visit.actor) as work:
            work.record("batch.seen", "batch", batch_id, page=page, **listed(row.patient_id for row in rows))
    return render(request, template, visit=visit, batch=batches.known(clinic, batch_id), totals=totals, rows=rows,
                  page=min(page, pages), pages=pages)
