"""One exam on paper, for its patient or for a doctor: the same record is always the same bytes.

What is drawn is gathered in `ExamPaper`, so that this room needs to know neither database nor store.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray


class Audience(StrEnum):
    PATIENT = "patient"
    DOCTOR = "doctor"


@dataclass(frozen=True)
class Reading:
    """One reader's word. own: the diagnosis stored before the answer was shown. Codes are the clinic's vocabularies."""

    reader: str
    second: bool = False
    own: str | None = None
    own_at: datetime | None = None
    decision: str | None = None
    final: str | None = None
    reason: str | None = None
    management: str | None = None
    note: str | None = None
    decided_at: datetime | None = None


@dataclass(frozen=True)
class Remark:
    author: str
    at: datetime
    text: str


@dataclass(frozen=True)
class Tissue:
    """What the laboratory found. code: of `taxonomy.Diagnosis`."""

    code: str
    reported_on: date
    note: str | None = None


@dataclass(frozen=True)
class Visit:
    """One exam of the same lesion. this: the exam that the paper is about. malignant: probability."""

    taken_at: datetime
    state: str
    this: bool = False
    risk: str | None = None
    malignant: float | None = None
    top: str | None = None
    final: str | None = None
    tissue: str | None = None


@dataclass(frozen=True)
class Limit:
    """A probability from which a statement holds, and the sensitivity at which it was fitted."""

    probability: float
    sensitivity: float


@dataclass(frozen=True)
class Limits:
    """The thresholds of the bundle that answered. cannot_exclude: by code."""

    medium: Limit
    high: Limit
    cannot_exclude: Mapping[str, Limit] = field(default_factory=dict)


@dataclass(frozen=True)
class Person:
    """What the paper says of the patient: never a name. body_site: analysis.patient.Site. map_x, map_y: 0 to 1."""

    pseudonym: str
    birth_year: int | None = None
    sex: str | None = None
    skin_type: int | None = None
    lesion: str = ""
    body_site: str | None = None
    map_view: str | None = None
    map_x: float | None = None
    map_y: float | None = None


@dataclass(frozen=True)
class ExamPaper:
    """link: what the QR code holds, an address or the exam's id; never anything of the patient.

    written_at: of the newest thing on the paper, which is the document's own date.
    result: `analysis.result.Result.to_dict()`.
    picture: uint8, shape (H, W, 3). heatmap: the same with the heatmap laid over it; None where nothing was judged.
    limits: None where the bundle is no longer to be had. readings: in the order of time.
    decided: whether the readers are done; while a second one is awaited there is no last word.
    """

    clinic: str
    language: str
    exam_id: str
    link: str
    taken_at: datetime
    written_at: datetime
    person: Person
    result: Mapping[str, Any]
    picture: NDArray[np.uint8] = field(repr=False, compare=False)
    heatmap: NDArray[np.uint8] | None = field(default=None, repr=False, compare=False)
    modality: str | None = None
    answered_at: datetime | None = None
    preprocessing_sha256: str = ""
    thresholds_sha256: str = ""
    limits: Limits | None = None
    decided: bool = False
    readings: tuple[Reading, ...] = ()
    remarks: tuple[Remark, ...] = ()
    tissue: Tissue | None = None
    history: tuple[Visit, ...] = ()

    @property
    def judged(self) -> bool:
        """Whether there is an answer: a picture too poor to judge has none."""
        return "risk" in self.result

    @property
    def last_word(self) -> Reading | None:
        """The decision that stands: the second reader's, where there is one."""
        words = [each for each in self.readings if each.decided_at is not None]
        return max(words, key=lambda each: (each.second, each.decided_at)) if self.decided and words else None


def draw(paper: ExamPaper, *, audience: Audience) -> bytes:
    """A PDF, A4. For the patient one page in plain words; for a doctor everything that is known of the exam."""
    # Here: the PDF writer is slow to import.
    from macule.exchange import exam_pdf_doctor, exam_pdf_patient

    drawer = exam_pdf_patient.draw if audience is Audience.PATIENT else exam_pdf_doctor.draw
    return drawer(paper)
