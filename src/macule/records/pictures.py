"""An exam's pictures as a browser shows them, and the trace that showing them leaves."""

from __future__ import annotations

import io
from dataclasses import dataclass
from datetime import timedelta

import cv2
import numpy as np
from PIL import Image
from sqlalchemy import select

from macule.analysis.explain import FLOOR, OPACITY, enlarge, to_jpeg
from macule.analysis.image import decode
from macule.analysis.sniff import HEAD, sniff
from macule.errors import NoSuchRecord, NotAllowed
from macule.records import released
from macule.records.clinic import Clinic
from macule.records.domain import Actor
from macule.records.released import Sight
from macule.records.tables import AuditRow, Exam

#: What every browser shows as it is; the rest is turned into JPEG on the way out.
_SHOWN = {"JPEG": "image/jpeg", "PNG": "image/png", "WEBP": "image/webp"}
#: Long side of a heatmap in pixels; it is coarse, and laid over pictures of any size.
HEATMAP_SIDE = 640
#: A page with its pictures is one look, not one a picture.
ONE_LOOK = timedelta(minutes=15)


@dataclass(frozen=True)
class Shown:
    content: bytes
    media_type: str


def picture(clinic: Clinic, *, actor: Actor, exam_id: str) -> Shown:
    """The picture as it was received, without its metadata.

    Raises: NoSuchRecord, PictureDamaged, StoreAway, KeyMissing, DatabaseAway.
    """
    exam = _exam(clinic, exam_id)
    note(clinic, actor=actor, exam=exam)
    return _displayable(clinic.store.get(exam.picture))


def thumbnail(clinic: Clinic, *, actor: Actor, exam_id: str) -> Shown:
    """A JPEG of at most 640 px; of a picture without an answer, the picture itself. Raises: as `picture`."""
    exam = _exam(clinic, exam_id)
    note(clinic, actor=actor, exam=exam)
    if exam.thumbnail is None:
        return Shown(to_jpeg(decode(clinic.store.get(exam.picture)).rgb), "image/jpeg")
    return Shown(clinic.store.get(exam.thumbnail), "image/jpeg")


def heatmap(clinic: Clinic, *, actor: Actor, exam_id: str) -> Shown:
    """A PNG with transparency, in the picture's proportions, to be laid over it.

    Raises: NotAllowed for who may not see the answer yet, NoSuchRecord for an exam without one, and as `picture`.
    """
    exam = _exam(clinic, exam_id)
    with clinic.reading() as session:
        allowed = released.sight(session, actor=actor, exam=exam)
    if allowed is Sight.HIDDEN:
        raise NotAllowed("the heatmap is shown once your own diagnosis is stored: commit to one first.")
    if allowed is Sight.REVIEW:
        raise NotAllowed("the answer is shown once a dermatologist has looked at it.")
    if exam.heatmap is None or not exam.width or not exam.height:
        raise NoSuchRecord(f"exam {exam_id!r} has no heatmap: its picture was not answered.")
    note(clinic, actor=actor, exam=exam)
    return Shown(_overlay(clinic.store.get(exam.heatmap), exam.width, exam.height), "image/png")


def note(clinic: Clinic, *, actor: Actor, exam: Exam) -> None:
    """Write down that the actor sees this exam, once for all of its pictures. Raises: DatabaseAway."""
    since = clinic.clock() - ONE_LOOK
    lately = select(AuditRow.seq).where(
        AuditRow.subject_kind == "exam", AuditRow.subject_id == exam.id, AuditRow.actor_id == actor.id,
        AuditRow.action == "exam.seen", AuditRow.at > since,
    ).limit(1)
    with clinic.reading() as session:
        if session.scalar(lately) is not None:
            return
    with clinic.work(actor) as work:
        work.record("exam.seen", "exam", exam.id, patient_id=exam.patient_id)


def _exam(clinic: Clinic, exam_id: str) -> Exam:
    with clinic.reading() as session:
        exam = session.get(Exam, exam_id)
    if exam is None:
        raise NoSuchRecord(f"there is no exam {exam_id!r}: check the address.")
    return exam


def _displayable(content: bytes) -> Shown:
    kind = sniff(content[:HEAD]) or ""
    if kind in _SHOWN:
        return Shown(content, _SHOWN[kind])
    return Shown(to_jpeg(decode(content, short_side=1080).rgb), "image/jpeg")


def _overlay(grey: bytes, width: int, height: int) -> bytes:
    """grey: a PNG, 8 bit, coarse. Returns: a PNG, RGBA, with the opacity of `explain.overlay`."""
    with Image.open(io.BytesIO(grey), formats=["PNG"]) as image:
        heat = np.asarray(image, dtype=np.float32) / np.float32(255)
    scale = HEATMAP_SIDE / max(width, height)
    large = enlarge(heat, max(1, round(width * scale)), max(1, round(height * scale)))
    colours = cv2.applyColorMap(np.round(large * 255).astype(np.uint8), cv2.COLORMAP_VIRIDIS)
    opacity = np.round(255 * OPACITY * np.clip((large - FLOOR) / (1 - FLOOR), 0, 1)).astype(np.uint8)
    _, encoded = cv2.imencode(".png", np.dstack([colours, opacity]), [cv2.IMWRITE_PNG_COMPRESSION, 6])
    return encoded.tobytes()
