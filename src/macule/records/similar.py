"""The nearest verified cases of this clinic, by what the model makes of their pictures.

Exact cosine similarity over a matrix of all verified cases that one model answered. With 50,000 of them a look-up
takes 235 ms on a busy machine (docs/clinic-change.md), so there is no approximate index. Embeddings of different models
cannot be compared.

The matrix is only a list of candidates, kept in memory and added to; what a case turned out to be, and whether it may
be shown at all, is read from the database each time.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Select, func, or_, select, union
from sqlalchemy.orm import Session

from macule.errors import NoSuchRecord, NotAllowed
from macule.records import blinding
from macule.records.clinic import Clinic
from macule.records.domain import Actor, ReviewState
from macule.records.tables import Biopsy, Exam, Patient, Review
from macule.taxonomy import Diagnosis

F32 = NDArray[np.float32]

NEAREST = 8
#: Candidates that are read from the database first; four times as many each time that too few may be shown.
CANDIDATES = 64
#: A transaction's time is its beginning, its rows are seen at its end.
OVERLAP = timedelta(minutes=10)
#: After this time the matrix is read anew, so that nothing of an erased person stays in memory for longer.
RENEWED = timedelta(hours=1)
#: How many cases there are is counted anew after this time, or when some were added.
RECOUNTED = timedelta(minutes=5)


class Proof(StrEnum):
    """How a case is known. The laboratory's word stands above the readers'."""

    BIOPSY = "biopsy"
    READERS = "readers"


class Likeness(StrEnum):
    """Measured with the first embedded network on pairs of HAM10000: see docs/clinic-change.md."""

    VERY = "very_alike"  # as two pictures of one lesion
    ALIKE = "alike"  # as one pair of different lesions in twenty
    LITTLE = "little_alike"


#: Cosine similarities from which the words hold.
VERY_ALIKE, ALIKE = 0.83, 0.66


@dataclass(frozen=True)
class Case:
    """A verified case. similarity: cosine, -1 to 1."""

    exam_id: str
    code: Diagnosis
    proof: Proof
    known_on: date
    similarity: float

    @property
    def likeness(self) -> Likeness:
        if self.similarity >= VERY_ALIKE:
            return Likeness.VERY
        return Likeness.ALIKE if self.similarity >= ALIKE else Likeness.LITTLE


@dataclass(frozen=True)
class Similar:
    """cases: the most similar first, one a lesion, none of the same patient.

    library: verified cases that could be compared. left_out: verified cases that another model answered.
    """

    cases: tuple[Case, ...]
    library: int
    left_out: int

    @property
    def tally(self) -> list[tuple[Diagnosis, Proof, int]]:
        """(diagnosis, how it is known, how many), the most frequent first."""
        counted = Counter((case.code, case.proof) for case in self.cases)
        return [(code, proof, number) for (code, proof), number in counted.most_common()]


@dataclass
class _Shelf:
    """The candidates of one model. Blocks are never changed, only added. until: verified up to this time is in it."""

    made: datetime
    until: datetime | None = None
    known: set[str] = field(default_factory=set)
    ids: list[str] = field(default_factory=list)
    blocks: list[F32] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)
    counted: datetime | None = None


class Library:
    """One a process; safe from several threads."""

    def __init__(self) -> None:
        self._shelves: dict[tuple[str, str], _Shelf] = {}
        self._lock = threading.Lock()

    def nearest(self, clinic: Clinic, *, exam_id: str, most: int = NEAREST) -> Similar:
        """Raises: NoSuchRecord for an exam that is not there or has no embedding, DatabaseAway."""
        with clinic.reading() as session:
            exam = session.get(Exam, exam_id)
            if exam is None or exam.embedding is None or exam.bundle_sha256 is None:
                raise NoSuchRecord(f"exam {exam_id} has no answer, so nothing is known to be like it.")
            ids, matrix, counts = self._fresh(clinic, session, exam.bundle_sha256)
            likeness = _likeness(matrix, exam.embedding)
            cases = _shown(session, exam, ids, likeness, most)
            own = _counts(session, patient_id=exam.patient_id)
        others = {sha: number - own.get(sha, 0) for sha, number in counts.items()}
        here = max(others.pop(exam.bundle_sha256, 0), len(cases))
        return Similar(tuple(cases), here, sum(others.values()))

    def _fresh(
        self, clinic: Clinic, session: Session, bundle: str
    ) -> tuple[list[str], list[F32], dict[str, int]]:
        now, key = clinic.clock(), (str(clinic.database.url), bundle)
        with self._lock:
            shelf = self._shelves.get(key)
            if shelf is None or now - shelf.made > RENEWED:
                shelf = self._shelves[key] = _Shelf(now)
            rows = [row for row in session.execute(_verified(bundle, shelf.until)) if row.id not in shelf.known]
            if rows:
                shelf.known.update(row.id for row in rows)
                shelf.ids.extend(row.id for row in rows)
                shelf.blocks.append(_unit(np.stack([np.frombuffer(row.embedding, dtype="<f4") for row in rows])))
            if len(shelf.blocks) > 32:
                shelf.blocks = [np.concatenate(shelf.blocks)]
            if rows or shelf.counted is None or now - shelf.counted > RECOUNTED:
                shelf.counts, shelf.counted = _counts(session), now
            shelf.until = now - OVERLAP
            return list(shelf.ids), list(shelf.blocks), dict(shelf.counts)


def seen(clinic: Clinic, library: Library, *, actor: Actor, exam_id: str, most: int = NEAREST) -> Similar:
    """As `Library.nearest`, for somebody who looks at it: which cases they were shown is written down.

    Raises: NotAllowed for a reader who has yet to store an own diagnosis, and as `nearest`.
    """
    with clinic.reading() as session:
        if blinding.hidden(session, actor=actor, exam_id=exam_id):
            raise NotAllowed("similar cases are shown once your own diagnosis is stored: commit to one first.")
    found = library.nearest(clinic, exam_id=exam_id, most=most)
    with clinic.work(actor) as work:
        exam = work.get(Exam, exam_id)
        work.record("similar.seen", "exam", exam.id, patient_id=exam.patient_id,
                    exams=[case.exam_id for case in found.cases])
    return found


def _verified(bundle: str, since: datetime | None) -> Select[str, bytes | None]:
    """Ids and embeddings of what one model answered and somebody verified, since a time."""
    biopsies, reviews = select(Biopsy.lesion_id), select(Review.exam_id).where(Review.decided_at.is_not(None))
    if since is not None:
        biopsies = biopsies.where(Biopsy.recorded_at >= since)
        reviews = reviews.where(Review.decided_at >= since)
    # Two index look-ups: one condition with OR would read every exam each time.
    wanted = union(select(Exam.id).where(Exam.lesion_id.in_(biopsies)), reviews)
    return select(Exam.id, Exam.embedding).where(
        Exam.id.in_(wanted), Exam.bundle_sha256 == bundle, Exam.embedding.is_not(None)
    )


def _unit(rows: F32) -> F32:
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.asarray(rows / np.maximum(lengths, 1e-12), dtype=np.float32)


def _likeness(matrix: Sequence[F32], embedding: bytes) -> F32:
    """Cosine similarities, shape (n,), float32."""
    wanted = _unit(np.frombuffer(embedding, dtype="<f4")[None])[0]
    return np.concatenate([block @ wanted for block in matrix]) if matrix else np.zeros(0, np.float32)


def _shown(session: Session, exam: Exam, ids: Sequence[str], likeness: F32, most: int) -> list[Case]:
    """The nearest that may be shown, one a lesion."""
    looked_at = CANDIDATES
    while True:
        top = _top(likeness, looked_at)
        cases = _cases(session, exam, {ids[index]: float(likeness[index]) for index in top})
        if len(cases) >= most or looked_at >= len(ids):
            return cases[:most]
        looked_at *= 4


def _top(likeness: F32, number: int) -> NDArray[np.intp]:
    if len(likeness) <= number:
        return np.argsort(-likeness, kind="stable")
    part = np.argpartition(-likeness, number)[:number]
    return part[np.argsort(-likeness[part], kind="stable")]


def _cases(session: Session, exam: Exam, near: dict[str, float]) -> list[Case]:
    """Those of the candidates that are verified now, of other patients, none of them erased."""
    found: list[tuple[str, Case]] = []
    keys = list(near)
    for start in range(0, len(keys), 500):
        rows = session.execute(
            select(Exam, Biopsy).join(Patient, Patient.id == Exam.patient_id)
            .outerjoin(Biopsy, Biopsy.id == _last_biopsy())
            .where(Exam.id.in_(keys[start : start + 500]), Exam.patient_id != exam.patient_id,
                   Patient.erased_at.is_(None))
        )
        found += [(row.lesion_id, case) for row, biopsy in rows
                  if (case := _case(row, biopsy, near[row.id])) is not None]
    best: dict[str, Case] = {}
    for lesion_id, case in sorted(found, key=lambda pair: (-pair[1].similarity, pair[1].exam_id)):
        best.setdefault(lesion_id, case)
    return list(best.values())


def _last_biopsy() -> Any:
    return (
        select(Biopsy.id).where(Biopsy.lesion_id == Exam.lesion_id)
        .order_by(Biopsy.reported_on.desc(), Biopsy.id.desc()).limit(1).correlate(Exam).scalar_subquery()
    )


def _case(exam: Exam, biopsy: Biopsy | None, similarity: float) -> Case | None:
    if biopsy is not None:
        return Case(exam.id, Diagnosis(biopsy.code), Proof.BIOPSY, biopsy.reported_on, similarity)
    if exam.review_state == ReviewState.DECIDED.value and exam.final_code and exam.decided_at:
        return Case(exam.id, Diagnosis(exam.final_code), Proof.READERS, exam.decided_at.date(), similarity)
    return None


def _counts(session: Session, *, patient_id: str | None = None) -> dict[str, int]:
    """Verified exams that each model answered; of one patient, or of all who are not erased."""
    verified = or_(Exam.lesion_id.in_(select(Biopsy.lesion_id)), Exam.review_state == ReviewState.DECIDED.value)
    query = select(Exam.bundle_sha256, func.count()).where(verified, Exam.embedding.is_not(None))
    query = query.where(Exam.patient_id.not_in(select(Patient.id).where(Patient.erased_at.is_not(None)))
                        if patient_id is None else Exam.patient_id == patient_id)
    return {row[0]: row[1] for row in session.execute(query.group_by(Exam.bundle_sha256)) if row[0] is not None}
