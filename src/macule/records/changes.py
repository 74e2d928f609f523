"""One lesion over time: two of its pictures laid over each other, and what the machine said at each."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import cv2
import numpy as np
from numpy.typing import NDArray
from sqlalchemy import select
from sqlalchemy.orm import Session

from macule.analysis.change import Change, Comparison, Refusal, compare
from macule.analysis.explain import to_jpeg
from macule.analysis.image import decode
from macule.errors import NoSuchRecord
from macule.records import blinding, pictures
from macule.records.clinic import Clinic
from macule.records.domain import Actor, ExamState
from macule.records.tables import BundleRecord, Exam

#: Pixels kept on the short side: enough to see structures on a screen, and quick to align.
SIDE = 480
#: Comparisons that are kept in memory, and for how long: a page, its pictures, and going back to it.
KEPT, KEPT_FOR = 32, timedelta(minutes=15)
#: States in which an exam's picture shows the lesion well enough.
SEEN = (ExamState.ANSWERED.value, ExamState.REFUSED.value)


@dataclass(frozen=True)
class Pair:
    """Two pictures of one lesion in one frame, that of the later.

    earlier, later: JPEG; the earlier is laid over the later, or None if they could not be aligned.
    width, height: of both. outlines: SVG paths of the earlier and the later lesion; empty where none was found.
    dark: SVG path of what darkened.
    """

    refusal: Refusal | None
    change: Change | None
    scale: float | None
    width: int
    height: int
    earlier: bytes | None = field(repr=False)
    later: bytes = field(repr=False)
    outlines: tuple[str, str] = field(repr=False)
    dark: str = field(repr=False)


class Comparer:
    """One a process; safe from several threads. Keeps the last comparisons for a quarter of an hour."""

    def __init__(self) -> None:
        self._kept: OrderedDict[tuple[str, str], tuple[datetime, Pair]] = OrderedDict()
        self._lock = threading.Lock()

    def pair(self, clinic: Clinic, *, earlier: Exam, later: Exam) -> Pair:
        """Raises: PictureDamaged, StoreAway, KeyMissing, NoSuchRecord for a picture that is gone."""
        key, now = (earlier.picture, later.picture), clinic.clock()
        with self._lock:
            for old in [name for name, (made, _) in self._kept.items() if now - made > KEPT_FOR]:
                del self._kept[old]
            if key in self._kept:
                self._kept.move_to_end(key)
                return self._kept[key][1]
        rgb = [decode(clinic.store.get(address), short_side=SIDE).rgb for address in key]
        made = _pair(_limited(rgb[0]), _limited(rgb[1]))
        with self._lock:
            self._kept[key] = (now, made)
            while len(self._kept) > KEPT:
                self._kept.popitem(last=False)
        return made


def two(clinic: Clinic, *, actor: Actor, exam_id: str, other_id: str) -> tuple[Exam, Exam]:
    """Both exams, the earlier first; that they were seen is written down.

    Raises: NoSuchRecord unless they are two exams, or one, of one lesion.
    """
    with clinic.reading() as session:
        exam, other = session.get(Exam, exam_id), session.get(Exam, other_id)
    if exam is None or other is None or other.lesion_id != exam.lesion_id:
        raise NoSuchRecord(f"there is no exam {other_id[:64]!r} of this lesion: choose one on the history's page.")
    for each in (exam, other):
        pictures.note(clinic, actor=actor, exam=each)
    return (exam, other) if (exam.created_at, exam.id) <= (other.created_at, other.id) else (other, exam)


def _pair(earlier: NDArray[np.uint8], later: NDArray[np.uint8]) -> Pair:
    found = compare(earlier, later)
    moved = None if found.moved is None or found.covered is None else _dimmed(found)
    return Pair(
        refusal=found.alignment if isinstance(found.alignment, Refusal) else None, change=found.change,
        scale=None if isinstance(found.alignment, Refusal) else found.alignment.scale,
        width=later.shape[1], height=later.shape[0], earlier=to_jpeg(moved if moved is not None else earlier),
        later=to_jpeg(later), outlines=(path(found.outlines[0]), path(found.outlines[1])),
        dark=path(found.change.dark if found.change else None),
    )


def _dimmed(found: Comparison) -> NDArray[np.uint8]:
    """Black where the earlier picture shows nothing: its edge drawn out would look like skin."""
    assert found.moved is not None and found.covered is not None  # noqa: S101 - asked by the caller  # nosec B101
    return np.where(found.covered[..., None], found.moved, np.uint8(0))


def _limited(rgb: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """At most SIDE on the short side."""
    scale = SIDE / min(rgb.shape[:2])
    if scale >= 1:
        return rgb
    size = round(rgb.shape[1] * scale), round(rgb.shape[0] * scale)
    return np.asarray(cv2.resize(rgb, size, interpolation=cv2.INTER_AREA), dtype=np.uint8)


def path(mask: NDArray[np.bool_] | None) -> str:
    """The outline of a mask as the `d` of an SVG path, in pixels; empty for none."""
    if mask is None or not mask.any():
        return ""
    contours, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    rings = (cv2.approxPolyDP(ring, 0.8, True)[:, 0] for ring in contours)
    return " ".join("M" + "L".join(f"{x},{y}" for x, y in ring) + "Z" for ring in rings if len(ring) > 2)


@dataclass(frozen=True)
class Visit:
    """One exam of the lesion. malignant: None where there is no answer, or it is hidden from this reader.

    bundle: name of the model; renewed: whether another model answered the exam before.
    """

    exam_id: str
    at: datetime
    state: str
    thumbnail: bool
    malignant: float | None
    bundle: str | None
    bundle_sha256: str | None
    renewed: bool
    hidden: bool


def course(session: Session, *, actor: Actor, exam_id: str) -> list[Visit]:
    """Every exam of the lesion that has a picture worth comparing, the oldest first.

    In commit-first mode no probability of any of them is shown before this exam's own diagnosis is stored.
    Raises: NoSuchRecord.
    """
    exam = session.get(Exam, exam_id)
    if exam is None:
        raise NoSuchRecord(f"there is no exam {exam_id!r}: check the address.")
    rows = session.execute(
        select(Exam, BundleRecord.name).outerjoin(BundleRecord, BundleRecord.sha256 == Exam.bundle_sha256)
        .where(Exam.lesion_id == exam.lesion_id, Exam.state.in_(SEEN)).order_by(Exam.created_at, Exam.id)
    ).all()
    exams = [row.id for row, _ in rows]
    unread = blinding.hidden_among(session, actor=actor, exam_ids=[exam_id, *exams])
    return _visits([(row, bundle) for row, bundle in rows], set(exams) if exam_id in unread else unread)


def seen(clinic: Clinic, *, actor: Actor, exam_id: str) -> list[Visit]:
    """As `course`, for somebody who looks at it: which exams they were shown is written down. Raises: NoSuchRecord."""
    with clinic.reading() as session:
        visits = course(session, actor=actor, exam_id=exam_id)
    with clinic.work(actor) as work:
        exam = work.get(Exam, exam_id)
        work.record("history.seen", "exam", exam.id, patient_id=exam.patient_id,
                    exams=[visit.exam_id for visit in visits])
    return visits


def _visits(rows: Sequence[tuple[Exam, str | None]], unread: Collection[str]) -> list[Visit]:
    visits, last = [], None
    for exam, bundle in rows:
        answered = exam.state == ExamState.ANSWERED.value
        hidden = answered and exam.id in unread
        visits.append(Visit(
            exam.id, exam.created_at, exam.state, exam.thumbnail is not None, None if hidden else exam.malignant,
            bundle, exam.bundle_sha256, renewed=answered and last not in (None, exam.bundle_sha256), hidden=hidden,
        ))
        last = exam.bundle_sha256 if answered else last
    return visits
