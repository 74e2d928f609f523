"""Readers' words by way of a machine: the decision of a reading system, and the laboratory's result."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any

from fastapi import Request
from pydantic import Field
from starlette.responses import Response

from macule.errors import NoSuchRecord
from macule.records import biopsies, feeds, reviews
from macule.records.domain import Decision, Management, OverrideReason
from macule.records.policy import Permission
from macule.records.tables import Exam
from macule.taxonomy import Diagnosis
from macule.web.clinic.api.locks import IfMatch, stamp, wanted
from macule.web.clinic.api.route import make_router
from macule.web.clinic.api.shapes import Ask, Reply, Text, etag_header, failures
from macule.web.clinic.api.views import BiopsyReply, ReviewReply
from macule.web.clinic.door import Visit, allow
from macule.web.clinic.state import clinic_of

router = make_router("reviews")
ReaderOf = Annotated[Visit, allow(Permission.READ_CASE, of="exam")]
WriterOf = Annotated[Visit, allow(Permission.REVIEW, of="exam")]


class ReviewAsk(Ask):
    own_code: Diagnosis | None = Field(
        default=None, description="What the system itself found. Refused if this key was shown the machine's answer, "
        "or a reader's word, before. Stored once.",
    )
    decision: Decision
    final_code: Diagnosis | None = Field(default=None, description="Of an override: the diagnosis that stands.")
    reason: OverrideReason | None = Field(default=None, description="Of an override.")
    management: Management
    note: Text | None = Field(default=None, max_length=reviews.MAX_NOTE)


class ReviewList(Reply):
    reviews: list[ReviewReply]


@router.post("/exams/{exam_id}/reviews", status_code=201, response_model=ReviewReply,
             responses={**failures(400, 404, 409, 412, 413), 201: etag_header()})
def decide(*, request: Request, response: Response, exam_id: str, body: ReviewAsk, visit: WriterOf,
           if_match: IfMatch = None) -> Any:
    """Confirm the machine's first diagnosis or override it, in the name of the reading system that holds the key.

    `own_code` may be left out, whatever people must do at this site. Figures of programs stand apart from theirs.
    `If-Match`: the exam's ETag.
    """
    with clinic_of(request).work(visit.actor) as work:
        version = wanted(if_match, work.get(Exam, exam_id))
        feeds.ensure_reader(work)
        if body.own_code is not None:
            reviews.commit(work, exam_id=exam_id, own_code=body.own_code)
            version = None  # checked above, and the exam is locked from here on
        asked = body.model_dump(mode="json", exclude={"own_code"})
        review = reviews.decide(work, exam_id=exam_id, version=version, **asked)
        work.session.flush()
    stamp(response, review)
    return ReviewReply.of(review, visit.actor.name)


@router.get("/exams/{exam_id}/reviews", response_model=ReviewList, responses=failures(404))
def list_reviews(request: Request, exam_id: str, visit: ReaderOf) -> Any:
    """The oldest first."""
    with clinic_of(request).work(visit.actor) as work:
        exam, found = work.get(Exam, exam_id), feeds.reviews(work.session, exam_id)
        work.record("reviews.seen", "exam", exam.id, patient_id=exam.patient_id)
    return ReviewList(reviews=[ReviewReply.of(review, reader) for review, reader in found])


class BiopsyAsk(Ask):
    code: Diagnosis = Field(description="What the laboratory found.")
    reported_on: date
    note: Text | None = Field(default=None, max_length=biopsies.MAX_NOTE)


@router.post("/exams/{exam_id}/biopsy", response_model=BiopsyReply, tags=["biopsies"],
             responses={**failures(400, 404, 409, 412, 413), 200: etag_header()})
def record_biopsy(*, request: Request, response: Response, exam_id: str, body: BiopsyAsk, visit: WriterOf,
                  if_match: IfMatch = None) -> Any:
    """Record the laboratory's result, or correct it. `If-Match`: the ETag of the result that is corrected.

    `409` unless a reader has decided the exam: before, the result would tell who still has to read it.
    """
    with clinic_of(request).work(visit.actor) as work:
        version = wanted(if_match, feeds.biopsy(work.session, exam_id))
        biopsy = biopsies.record(work, exam_id=exam_id, version=version, **body.model_dump())
        work.session.flush()
    stamp(response, biopsy)
    return BiopsyReply.of(biopsy)


@router.get("/exams/{exam_id}/biopsy", response_model=BiopsyReply, tags=["biopsies"],
            responses={**failures(404), 200: etag_header()})
def read_biopsy(request: Request, response: Response, exam_id: str, visit: ReaderOf) -> Any:
    with clinic_of(request).work(visit.actor) as work:
        exam, biopsy = work.get(Exam, exam_id), feeds.biopsy(work.session, exam_id)
        if biopsy is None:
            raise NoSuchRecord(f"exam {exam_id!r} has no biopsy result: none was recorded yet.")
        work.record("biopsy.seen", "exam", exam.id, patient_id=exam.patient_id)
    stamp(response, biopsy)
    return BiopsyReply.of(biopsy)
