"""One exam as the pages of care show it: plain facts, taken from the records, the store and the model."""

from __future__ import annotations

import io
from dataclasses import dataclass

import numpy as np
from PIL import Image

from macule.analysis.bundle import Thresholds
from macule.errors import EnvironmentFault, NoSuchRecord
from macule.records import people, released
from macule.records.clinic import Clinic
from macule.records.domain import Actor
from macule.records.released import Sight, Word
from macule.records.tables import Exam, Lesion, Patient
from macule.taxonomy import Diagnosis
from macule.web.place import Place, find

#: Share of the picture from which a warm area points nowhere.
SPREAD = 0.4
_ROWS, _COLUMNS = {-1: "above", 0: "", 1: "below"}, {-1: "left", 0: "", 1: "right"}


@dataclass(frozen=True)
class Plain:
    """failed: names of the quality checks that refused it. exclude: names of what cannot be ruled out.

    top: name of the first diagnosis. place: key below `answer.place`, None if no area stands out or none is shown.
    limits: None where another model answered than the one of today.
    """

    exam: Exam
    lesion: Lesion
    patient: Patient
    sight: Sight
    word: Word | None
    failed: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    top: str = ""
    place: str | None = None
    limits: Thresholds | None = None


def read(clinic: Clinic, *, actor: Actor, exam_id: str) -> Plain:
    """What this actor is shown of the exam; the look is written down. Raises: NoSuchRecord, DatabaseAway."""
    with clinic.work(actor) as work:
        exam = work.get(Exam, exam_id)
        patient = people.known(work.session, exam.patient_id)
        sight = released.sight(work.session, actor=actor, exam=exam)
        word = None if sight is Sight.HIDDEN else released.word(work.session, exam)
        lesion = exam.lesion
        work.record("exam.seen", "exam", exam.id, patient_id=exam.patient_id, shown=sight.value)
    if sight is not Sight.ANSWERED or exam.result is None or exam.top_code is None:
        return Plain(exam, lesion, patient, sight, word, failed=_failed(exam))
    return Plain(
        exam, lesion, patient, sight, word, top=Diagnosis(exam.top_code).entry.name, place=_place(clinic, exam),
        exclude=tuple(Diagnosis(code).entry.name for code in exam.result["cannot_exclude"]),
        limits=_limits(clinic, exam),
    )


def _failed(exam: Exam) -> tuple[str, ...]:
    checks = (exam.result or {}).get("quality", {}).get("checks", {})
    return tuple(name for name, check in checks.items() if not check["passed"])


def _place(clinic: Clinic, exam: Exam) -> str | None:
    """Where the heatmap is warm. Without the store there is an answer still, only no picture."""
    if exam.heatmap is None:
        return None
    try:
        grey = clinic.store.get(exam.heatmap)
    except (EnvironmentFault, NoSuchRecord):
        return None
    with Image.open(io.BytesIO(grey), formats=["PNG"]) as image:
        found = find(np.asarray(image, dtype=np.float32) / np.float32(255))
    return None if found is None else _words(found)


def _words(place: Place) -> str:
    if place.share > SPREAD:
        return "spread"
    return "_".join(filter(None, (_ROWS[place.row], _COLUMNS[place.column]))) or "centre"


def _limits(clinic: Clinic, exam: Exam) -> Thresholds | None:
    try:
        bundle = clinic.models.current().bundle
    except EnvironmentFault:
        return None
    return bundle.thresholds if bundle.sha256 == exam.bundle_sha256 else None
