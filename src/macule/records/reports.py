"""An exam's report on paper: what is known is gathered here and drawn by `exchange.exam_pdf`."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from sqlalchemy import select
from sqlalchemy.orm import Session

from macule.analysis import explain
from macule.analysis.bundle import Threshold
from macule.analysis.image import decode
from macule.errors import Conflict, NoSuchRecord, NotAllowed
from macule.exchange import exam_pdf
from macule.exchange.exam_pdf import Audience, ExamPaper, Limit, Limits, Person, Reading, Remark, Tissue, Visit
from macule.records import blinding, reviews, site, thresholds
from macule.records.clinic import Clinic
from macule.records.domain import Actor, ActorKind, ExamState, ReviewState, Role
from macule.records.released import Sight, sight
from macule.records.tables import Biopsy, Comment, Exam, Review

#: Long side of the pictures on paper, in pixels: 64 mm at over 300 dots an inch.
SIDE = 900


def pdf(
    clinic: Clinic, *, actor: Actor, exam_id: str, audience: Audience, language: str = "en",
    public_url: str | None = None,
) -> bytes:
    """The report, A4. Whether the reader may have it is asked by `issue`.

    actor: whose paper it is; of the lesion's other exams it tells no answer that is hidden from them.
    language: of the patient's wording. public_url: of this clinic, for the QR code; None puts the exam's id there.
    Raises: NoSuchRecord, Conflict (no answer yet), PictureDamaged, StoreAway, KeyMissing, DatabaseAway.
    """
    paper = gather(clinic, actor=actor, exam_id=exam_id, language=language, public_url=public_url)
    return exam_pdf.draw(paper, audience=audience)


def issue(
    clinic: Clinic, *, actor: Actor, exam_id: str, audience: Audience, language: str = "en",
    public_url: str | None = None,
) -> bytes:
    """The report for somebody, with a row in the audit log.

    Raises: NotAllowed for a reader who has yet to commit and for a patient whose answer is not released; as `pdf`.
    """
    with clinic.reading() as session:
        _permitted(session, actor, exam_id)
    content = pdf(clinic, actor=actor, exam_id=exam_id, audience=audience, language=language, public_url=public_url)
    with clinic.work(actor) as work:
        if actor.kind is ActorKind.USER and actor.role is Role.DERMATOLOGIST and _has_answer(work.get(Exam, exam_id)):
            reviews.seen(work, exam_id=exam_id)
        patient_id = work.get(Exam, exam_id).patient_id
        work.record("report.issued", "exam", exam_id, patient_id=patient_id, audience=audience.value, language=language)
    return content


def _permitted(session: Session, actor: Actor, exam_id: str) -> None:
    exam = session.get(Exam, exam_id)
    if exam is None:
        raise NoSuchRecord(f"there is no exam {exam_id!r}: check the address.")
    seen = sight(session, actor=actor, exam=exam)
    if seen is Sight.REVIEW:
        raise NotAllowed("your clinic has not released this answer yet: ask there when it will be ready.")
    if seen is Sight.HIDDEN:
        raise NotAllowed("the report holds the machine's answer: store your own diagnosis of this case first.")


def _has_answer(exam: Exam) -> bool:
    return exam.state == ExamState.ANSWERED.value


def gather(clinic: Clinic, *, actor: Actor, exam_id: str, language: str, public_url: str | None) -> ExamPaper:
    """Everything that a report shows. Raises: as `pdf`."""
    with clinic.reading() as session:
        exam = session.get(Exam, exam_id)
        if exam is None:
            raise NoSuchRecord(f"there is no exam {exam_id!r}: check the address.")
        if exam.result is None:
            raise Conflict("this exam has no answer yet, so there is nothing to print: wait for it, or take it again.")
        facts = _facts(session, actor, exam)
        clinic_name = site.read(session).name
    rgb = decode(clinic.store.get(exam.picture), short_side=SIDE).rgb
    picture = _shrunk(rgb)
    heat = None if exam.heatmap is None else explain.overlay(picture, _heat(clinic.store.get(exam.heatmap)))
    link = f"{public_url.rstrip('/')}/cases/{exam.id}" if public_url else exam.id
    return ExamPaper(
        clinic=clinic_name, language=language, exam_id=exam.id, link=link, taken_at=exam.created_at, result=exam.result,
        picture=picture, heatmap=heat, modality=exam.modality, answered_at=exam.answered_at,
        preprocessing_sha256=exam.preprocessing_sha256 or "", thresholds_sha256=exam.thresholds_sha256 or "",
        limits=_limits(thresholds.of(clinic, exam.bundle_sha256)),
        decided=exam.review_state == ReviewState.DECIDED.value, **facts,
    )


def _facts(session: Session, actor: Actor, exam: Exam) -> dict[str, Any]:
    """What the rows around the exam say."""
    lesion, patient = exam.lesion, exam.lesion.patient
    readings = tuple(_reading(row) for row in exam.reviews)
    rows = session.scalars(select(Comment).where(Comment.exam_id == exam.id).order_by(Comment.created_at, Comment.id))
    remarks = tuple(Remark(row.author.name, row.created_at, row.text) for row in rows)
    biopsy = session.scalar(select(Biopsy).where(Biopsy.exam_id == exam.id))
    moments = [exam.created_at, exam.answered_at, exam.decided_at, biopsy.recorded_at if biopsy else None]
    moments += [each.decided_at or each.own_at for each in readings] + [each.at for each in remarks]
    return {
        "person": Person(
            pseudonym=patient.pseudonym, birth_year=patient.birth_year, sex=patient.sex, skin_type=patient.skin_type,
            lesion=lesion.label, body_site=exam.body_site or lesion.body_site, map_view=lesion.map_view,
            map_x=lesion.map_x, map_y=lesion.map_y,
        ),
        "readings": readings, "remarks": remarks, "history": _history(session, actor, exam),
        "tissue": None if biopsy is None else Tissue(biopsy.code, biopsy.reported_on, biopsy.note),
        "written_at": max(each for each in moments if each is not None),
    }


def _reading(row: Review) -> Reading:
    return Reading(
        reader=row.reader.name, second=row.second, own=row.own_code, own_at=row.own_at, decision=row.decision,
        final=row.final_code, reason=row.reason, management=row.management, note=row.note, decided_at=row.decided_at,
    )


def _history(session: Session, actor: Actor, exam: Exam) -> tuple[Visit, ...]:
    """Every exam of the lesion, the oldest first; of those that this actor has yet to read, the day alone."""
    rows = session.execute(
        select(Exam, Biopsy.code).outerjoin(Biopsy, Biopsy.exam_id == Exam.id).where(Exam.lesion_id == exam.lesion_id)
        .order_by(Exam.created_at, Exam.id)
    ).all()
    answered = [row.id for row, _ in rows if row.state == ExamState.ANSWERED.value]
    hidden = blinding.hidden_among(session, actor=actor, exam_ids=answered)
    return tuple(
        Visit(row.created_at, "not read") if row.id in hidden else Visit(
            row.created_at, row.state, row.id == exam.id, row.risk, row.malignant, row.top_code, row.final_code, code)
        for row, code in rows
    )


def _shrunk(rgb: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """At most SIDE pixels on the long side. rgb: uint8, shape (H, W, 3)."""
    height, width = rgb.shape[:2]
    scale = min(1.0, SIDE / max(height, width))
    size = max(1, round(width * scale)), max(1, round(height * scale))
    return np.asarray(Image.fromarray(rgb).resize(size, Image.Resampling.LANCZOS))


def _heat(png: bytes) -> NDArray[np.float32]:
    """The coarse map as the network gave it: float32, shape (h, w), 0 to 1."""
    with Image.open(io.BytesIO(png), formats=["PNG"]) as image:
        return np.asarray(image.convert("L"), dtype=np.float32) / np.float32(255)


def _limits(found: thresholds.Limits | None) -> Limits | None:
    if found is None:
        return None
    return Limits(_limit(found.medium), _limit(found.high),
                  {code: _limit(each) for code, each in found.cannot_exclude.items()})


def _limit(found: Threshold) -> Limit:
    return Limit(found.probability, found.sensitivity)


__all__ = ["Audience", "gather", "issue", "pdf"]
