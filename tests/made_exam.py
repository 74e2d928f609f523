"""Exams whose answers the test decides, on the tiny bundle: for sections that only read answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from macule_testing import write_bundle

from macule.analysis import bundle as bundles
from macule.analysis.patient import Modality, Patient, Sex, Site
from macule.data.record import Record
from macule.evaluation.exam import Exam
from macule.evaluation.predictions import CODES, Predictions
from macule.taxonomy import Diagnosis

HAM = tuple(CODES.index(Diagnosis(code)) for code in ("akiec", "bcc", "bkl", "df", "mel", "nv", "vasc"))


@dataclass(frozen=True)
class Answer:
    """truth: codes, several where the label lumps them. said: gets `share`, the others of the set the rest alike."""

    truth: str
    said: str
    share: float = 0.8
    risk: str = "low"
    patient: Patient = field(default_factory=Patient)
    admitted: bool = True
    centre: str | None = None
    picture: Path | None = None


def make(folder: Path, answers: Sequence[Answer], *, embeddings: np.ndarray | None = None,
         colours: np.ndarray | None = None, refused: Sequence[Record] = (), resamples: int = 60,
         groups: Sequence[str] | None = None) -> Exam:
    """embeddings: (N, 3) by default zeros, as the tiny bundle has them. colours: (N, 4) by default."""
    records = [record(f"{place:04}", answer, groups[place] if groups else f"lesion-{place}")
               for place, answer in enumerate(answers)]
    count = len(answers)
    said = Predictions(
        records, np.array([shares(answer) for answer in answers]).reshape(count, len(CODES)),
        [answer.risk for answer in answers], refused=refused,
        excluded_not=np.array([[code.suspicious and share > 0.05 for code, share in zip(CODES, shares(answer),
                                                                                          strict=True)]
                               for answer in answers], bool).reshape(count, len(CODES)),
        admitted=np.array([answer.admitted for answer in answers], bool),
        embeddings=np.zeros((count, 3), np.float32) if embeddings is None else embeddings.astype(np.float32),
        colours=np.zeros((count, 4), np.float32) if colours is None else colours.astype(np.float32),
        tones=np.full(count, np.nan),
    )
    bundle = bundles.load(folder if (folder / "bundle.json").exists() else write_bundle(folder))
    return Exam.of(bundle, said, dataset="ham10000", part="test", classes=HAM, resamples=resamples)


def record(name: str, answer: Answer, group: str) -> Record:
    labels = frozenset(Diagnosis(code) for code in answer.truth.split())
    return Record(answer.picture, "ham10000", name, labels, group, answer.patient, centre=answer.centre)


def shares(answer: Answer) -> np.ndarray:
    found = np.zeros(len(CODES))
    found[list(HAM)] = (1 - answer.share) / (len(HAM) - 1)
    found[CODES.index(Diagnosis(answer.said))] = answer.share
    return found


def somebody(place: int) -> Patient:
    """Another patient each time; now and then something is not known."""
    return Patient(age=None if place % 7 == 0 else float(5 * (place % 18)), sex=(Sex.FEMALE, Sex.MALE, None)[place % 3],
                   site=(*Site, None)[place % 8], modality=Modality.DERMOSCOPIC)
