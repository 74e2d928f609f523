"""Everything of one case that this reader may see now; what is hidden from them is not in it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session, joinedload

from macule.errors import NoSuchRecord
from macule.records import blinding, reviews, site
from macule.records.domain import Actor, ExamState, ReviewState
from macule.records.reviews import Switch
from macule.records.tables import Biopsy, BundleRecord, Comment, Exam, Lesion, Patient, Review, User
from macule.records.words import sentence
from macule.taxonomy import Diagnosis


@dataclass(frozen=True)
class Verdict:
    """The machine's answer, from `Result.to_dict()`. plausible: None where the bundle has no conformal sets."""

    ranked: tuple[tuple[Diagnosis, float], ...]
    malignant: float
    risk: str
    cannot_exclude: tuple[Diagnosis, ...]
    plausible: tuple[Diagnosis, ...] | None
    in_distribution: bool
    bundle: str


@dataclass(frozen=True)
class CaseFile:
    """exam, lesion, patient: their columns only. mine: this reader's row, None before they began.

    hidden: the machine's answer and the others' words are withheld; verdict, words, biopsy and comments are empty then.
    words: the decisions, the first reader's first. withheld: how many comments are not shown.
    may_decide: None if this reader may decide now, else why not.
    """

    exam: Exam
    lesion: Lesion
    patient: Patient
    commit_first: bool
    hidden: bool
    state: ReviewState | None
    quality: Mapping[str, Mapping[str, Any]]
    mine: Review | None
    verdict: Verdict | None = None
    words: tuple[Review, ...] = ()
    switch: Switch | None = None
    biopsy: Biopsy | None = None
    biopsy_by: str | None = None
    comments: tuple[Comment, ...] = ()
    withheld: int = 0
    exams_of_lesion: int = 1
    may_decide: str | None = None
    names: Mapping[str, str] = field(default_factory=dict)

    @property
    def second(self) -> bool:
        """Whether a decision of this reader would be a second reading."""
        return any(word.reader_id != (self.mine.reader_id if self.mine else None) for word in self.words)


def read(session: Session, *, actor: Actor, exam_id: str) -> CaseFile:
    """Raises: NoSuchRecord."""
    exam = session.scalar(select(Exam).where(Exam.id == exam_id).options(
        joinedload(Exam.lesion).joinedload(Lesion.patient)))
    if exam is None:
        raise NoSuchRecord(f"there is no exam {exam_id!r}: check the address.")
    answered = exam.state == ExamState.ANSWERED.value
    hidden = answered and blinding.hidden(session, actor=actor, exam_id=exam_id)
    mine = session.scalar(select(Review).where(Review.exam_id == exam_id, Review.reader_id == actor.id))
    about: dict[str, Any] = {
        "exam": exam, "lesion": exam.lesion, "patient": exam.lesion.patient, "hidden": hidden, "mine": mine,
        "commit_first": site.read(session).commit_first,
        "state": ReviewState(exam.review_state) if exam.review_state else None,
        "quality": exam.result["quality"]["checks"] if exam.result else {},
        "exams_of_lesion": session.scalar(select(func.count()).where(Exam.lesion_id == exam.lesion_id)) or 1,
    }
    if hidden:
        withheld = session.scalar(select(func.count()).where(Comment.exam_id == exam_id)) or 0
        return CaseFile(**about, withheld=withheld)
    return CaseFile(**about, **_shown(session, exam, mine, commit_first=about["commit_first"]))


def _shown(session: Session, exam: Exam, mine: Review | None, *, commit_first: bool) -> dict[str, Any]:
    words = session.scalars(
        select(Review).where(Review.exam_id == exam.id, Review.decided_at.is_not(None))
        .options(joinedload(Review.reader)).order_by(Review.second, Review.decided_at)).all()
    biopsy = session.scalar(select(Biopsy).where(Biopsy.exam_id == exam.id))
    comments = session.scalars(
        select(Comment).where(Comment.exam_id == exam.id).options(joinedload(Comment.author))
        .order_by(Comment.created_at, Comment.id)).all()
    recorder = session.get(User, biopsy.recorded_by) if biopsy else None
    return {
        "verdict": _verdict(session, exam), "words": tuple(words), "comments": tuple(comments), "biopsy": biopsy,
        "biopsy_by": recorder.name if recorder else None,
        "may_decide": _obstacle(exam, words, mine, commit_first=commit_first),
        "switch": reviews.switch(mine, top_code=exam.top_code) if mine else None,
    }


def _verdict(session: Session, exam: Exam) -> Verdict | None:
    answer = exam.result
    if answer is None or exam.malignant is None or exam.risk is None:
        return None
    plausible = answer.get("plausible")
    bundle = session.get(BundleRecord, exam.bundle_sha256)
    return Verdict(
        ranked=tuple((Diagnosis(each["code"]), float(each["probability"])) for each in answer["diagnoses"]),
        malignant=exam.malignant, risk=exam.risk, cannot_exclude=tuple(map(Diagnosis, answer["cannot_exclude"])),
        plausible=None if plausible is None else tuple(map(Diagnosis, plausible)),
        in_distribution=bool(answer["in_distribution"]), bundle=bundle.name if bundle else answer["bundle"]["id"],
    )


def _obstacle(exam: Exam, words: Any, mine: Review | None, *, commit_first: bool) -> str | None:
    """Why this reader cannot decide now; None if they can."""
    if exam.state != ExamState.ANSWERED.value:
        return "This picture was not answered."
    if mine is not None and mine.decided_at is not None:
        return "You have decided this case."
    if len(words) > 1:
        return "Two readers have decided this case."
    if commit_first and (mine is None or mine.own_code is None):
        return sentence(reviews.NO_OWN)
    return None
