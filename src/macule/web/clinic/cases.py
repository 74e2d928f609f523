"""A case as its reader works on it: look, say, see, decide; then the laboratory and the second reader."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Annotated

from fastapi import APIRouter, Request
from starlette.responses import Response

from macule.errors import Conflict, RecordInvalid
from macule.records import biopsies, blinding, casefile, comments, reviews, thresholds, worklist
from macule.records.casefile import CaseFile
from macule.records.domain import ExamState
from macule.records.policy import Permission
from macule.records.tables import Exam
from macule.records.work import Work
from macule.taxonomy import Diagnosis, Malignancy
from macule.web.clinic.door import Visit, allow
from macule.web.clinic.forms import Fields, form_fields
from macule.web.clinic.pages import render, see_other
from macule.web.clinic.state import clinic_of
from macule.web.clinic.worklist import NAMES, waiting
from macule.web.faults import MalformedRequest

router = APIRouter(prefix="/cases", include_in_schema=False)
Looker = Annotated[Visit, allow(Permission.READ_CASE, of="exam")]
Reader = Annotated[Visit, allow(Permission.REVIEW, of="exam")]
Form = Annotated[Fields, form_fields]


@router.get("/{exam_id}")
def show(request: Request, exam_id: str, visit: Looker) -> Response:
    return _page(request, visit, exam_id)


@router.get("/{exam_id}/next")
def next_case(request: Request, exam_id: str, visit: Reader) -> Response:
    clinic = clinic_of(request)
    with clinic.reading() as session:
        view = worklist.view(session, actor=visit.actor, now=clinic.clock())
        found = worklist.following(session, view=view, exam_id=exam_id)
    return see_other(f"/cases/{found}" if found else "/worklist")


@router.post("/{exam_id}/diagnosis")
def commit(request: Request, exam_id: str, visit: Reader, fields: Form) -> Response:
    return _do(request, visit, exam_id, "diagnosis", fields, act=lambda work: reviews.commit(
        work, exam_id=exam_id, own_code=fields.get("own_code")), then="answer")


@router.post("/{exam_id}/look")
def look(request: Request, exam_id: str, visit: Reader, fields: Form) -> Response:
    return _do(request, visit, exam_id, "look", fields, act=lambda work: reviews.look(
        work, exam_id=exam_id), then="answer")


@router.post("/{exam_id}/decision")
def decide(request: Request, exam_id: str, visit: Reader, fields: Form) -> Response:
    return _do(request, visit, exam_id, "decision", fields, act=lambda work: reviews.decide(
        work, exam_id=exam_id, version=_version(fields), decision=fields.get("decision"),
        final_code=fields.get("final_code"), reason=fields.get("reason"), management=fields.get("management"),
        note=fields.get("note"), second=bool(fields.get("second"))))


@router.post("/{exam_id}/second")
def ask_second(request: Request, exam_id: str, visit: Reader, fields: Form) -> Response:
    return _do(request, visit, exam_id, "second", fields, act=lambda work: reviews.ask_second(
        work, exam_id=exam_id, version=_version(fields)), then="decision")


@router.post("/{exam_id}/reopen")
def reopen(request: Request, exam_id: str, visit: Reader, fields: Form) -> Response:
    return _do(request, visit, exam_id, "reopen", fields, act=lambda work: reviews.reopen(
        work, exam_id=exam_id, version=_version(fields), reason=fields.get("reopen_reason")), then="decision")


@router.post("/{exam_id}/biopsy")
def biopsy(request: Request, exam_id: str, visit: Reader, fields: Form) -> Response:
    return _do(request, visit, exam_id, "biopsy", fields, act=lambda work: biopsies.record(
        work, exam_id=exam_id, version=_version(fields), code=fields.get("code"), note=fields.get("note"),
        reported_on=fields.get("reported_on")))


@router.post("/{exam_id}/comments")
def comment(request: Request, exam_id: str, visit: Reader, fields: Form) -> Response:
    return _do(request, visit, exam_id, "comments", fields, act=lambda work: comments.add(
        work, exam_id=exam_id, text=fields.get("text")))


def _version(fields: Fields) -> int:
    text = fields.get("version", "")
    if not text.isdecimal() or len(text) > 9:
        raise MalformedRequest(f"version is {text[:20]!r}; send the form of the case's own page.")
    return int(text)


def _do(request: Request, visit: Visit, exam_id: str, form: str, fields: Fields, *, act: Callable[[Work], object],
        then: str = "") -> Response:
    """Change something. What does not fit, or no longer fits, comes back with all that was typed."""
    try:
        with clinic_of(request).work(visit.actor) as work:
            act(work)
    except RecordInvalid as fault:
        return _page(request, visit, exam_id, status=422, form=form, typed=fields, faults=fault.fields)
    except Conflict as fault:
        return _page(request, visit, exam_id, status=409, form=form, typed=fields, conflict=str(fault))
    return see_other(f"/cases/{exam_id}#{then or form}")


def _page(request: Request, visit: Visit, exam_id: str, *, status: int = 200, form: str = "",
          typed: Mapping[str, str] | None = None, faults: Mapping[str, str] | None = None,
          conflict: str = "") -> Response:
    """form: which form `typed` and `faults` belong to."""
    clinic = clinic_of(request)
    with clinic.work(visit.actor) as work:
        case = _opened(work, exam_id)
        following = worklist.following(
            work.session, view=worklist.view(work.session, actor=visit.actor, now=work.now), exam_id=exam_id)
    limits = thresholds.of(clinic, case.exam.bundle_sha256) if case.verdict else None
    return render(
        request, "reading/case.html", visit=visit, status=status, case=case, limits=limits, following=following,
        groups=GROUPS, groups_of=GROUP_OF, names=NAMES, form=form, typed=typed or {}, faults=faults or {},
        conflict=conflict, since=waiting(clinic.clock()), today=clinic.clock().date(),
    )


def _opened(work: Work, exam_id: str) -> CaseFile:
    """The case, with the log's rows of who saw what of it."""
    exam = work.get(Exam, exam_id)
    hidden = blinding.hidden(work.session, actor=work.actor, exam_id=exam_id)
    work.record("exam.seen", "exam", exam_id, patient_id=exam.patient_id, answer_hidden=hidden)
    if exam.state == ExamState.ANSWERED.value and not hidden:
        reviews.seen(work, exam_id=exam_id)
        work.session.flush()
    return casefile.read(work.session, actor=work.actor, exam_id=exam_id)


def _group(kind: Malignancy) -> tuple[Diagnosis, ...]:
    return tuple(sorted((code for code in Diagnosis if code.malignancy is kind), key=lambda code: code.entry.name))


#: The diagnoses as a reader looks for them.
GROUPS: dict[Malignancy, tuple[Diagnosis, ...]] = {kind: _group(kind) for kind in Malignancy}
GROUP_OF = {code.value: code.malignancy.value for code in Diagnosis}
