"""What a bundle says about labelled pictures, by the path that serves a clinic: one pass, read by every section."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from macule.analysis.calibration import SUSPICIOUS
from macule.analysis.pipeline import Analyzer, shared_analyzer
from macule.analysis.result import Assessment
from macule.data.engine import Engine, Local
from macule.data.record import Record
from macule.errors import EnvironmentFault, MaculeError
from macule.evaluation import colours, ita
from macule.taxonomy import Diagnosis

CODES = list(Diagnosis)
Floats = NDArray[np.float64]
#: Of a picture whose label names no single class.
NO_CLASS = -1


@dataclass(frozen=True)
class Predictions:
    """The pictures that were answered, in order, and those that were not; of lesions, see `lesions.together`.

    shares: float64, (N, 11), calibrated, each row sums to 1. risks: low, medium or high.
    excluded_not: bool, (N, 11): the classes that the answer says cannot be excluded.
    admitted: bool, (N,): what the gate took for a picture of the kind that was trained on.
    embeddings: float32, (N, D). colours: float32, (N, F), from `colours.histogram`. tones: float64, (N,), degrees of
    the individual typology angle (`ita.estimate`), NaN where no skin was found.
    refused: by quality or the gate. failed: unreadable.
    keys: of each picture, the same for the same bytes; empty where it is not known.
    members: the pictures behind each answer, where it is one of a lesion; empty where each is of one picture.
    """

    records: Sequence[Record]
    shares: Floats
    risks: Sequence[str] = ()
    refused: Sequence[Record] = ()
    failed: Sequence[Record] = ()
    excluded_not: NDArray[np.bool_] = field(default_factory=lambda: np.zeros((0, len(CODES)), bool), repr=False)
    admitted: NDArray[np.bool_] = field(default_factory=lambda: np.zeros(0, bool), repr=False)
    embeddings: NDArray[np.float32] = field(default_factory=lambda: np.zeros((0, 0), np.float32), repr=False)
    colours: NDArray[np.float32] = field(default_factory=lambda: np.zeros((0, 0), np.float32), repr=False)
    tones: Floats = field(default_factory=lambda: np.zeros(0), repr=False)
    keys: Sequence[str] = field(default=(), repr=False)
    members: Sequence[Sequence[Record]] = field(default=(), repr=False)

    @property
    def pictures(self) -> list[Record]:
        """Every picture that an answer was made of."""
        return [record for of in self.members for record in of] if self.members else list(self.records)

    @property
    def groups(self) -> list[str]:
        """What is resampled together: the patient, where the publisher names one, else the lesion."""
        return [f"{r.dataset}:{r.patient_id}" if r.patient_id else r.group for r in self.records]

    @property
    def allowed(self) -> NDArray[np.bool_]:
        """bool, (N, 11): the classes that each label stands for; more than one where the source lumps them."""
        rows = [[code in record.labels for code in CODES] for record in self.records]
        return np.array(rows, dtype=bool).reshape(-1, len(CODES))

    @property
    def targets(self) -> NDArray[np.int64]:
        """int64, (N,): index of the single class; NO_CLASS where the label names none or several."""
        allowed = self.allowed
        return np.where(allowed.sum(axis=1) == 1, allowed.argmax(axis=1), NO_CLASS)

    @property
    def suspicious(self) -> Floats:
        """float64, (N,): 1 for malignant or indeterminate, 0 for benign, NaN where the label does not say which."""
        allowed = self.allowed
        some, every = (allowed & SUSPICIOUS).any(axis=1), (allowed <= SUSPICIOUS).all(axis=1) & allowed.any(axis=1)
        by_label = np.where(every, 1.0, np.where(some | ~allowed.any(axis=1), np.nan, 0.0))
        words = np.array([np.nan if r.malignant is None else float(r.malignant) for r in self.records])
        return np.where(np.isnan(by_label), words.reshape(by_label.shape), by_label)

    @property
    def malignant(self) -> Floats:
        """float64, (N,): probability of the malignant and indeterminate classes together."""
        return np.asarray(self.shares[:, SUSPICIOUS].sum(axis=1))

    def only(self, keep: NDArray[np.bool_]) -> Predictions:
        """The answered pictures where `keep` is True; none refused or failed."""
        where = [int(i) for i in np.flatnonzero(keep)]

        def of(array: NDArray[np.generic]) -> NDArray[np.generic]:
            return array[where] if len(array) else array

        return Predictions(
            [self.records[i] for i in where], self.shares[where], [self.risks[i] for i in where] if self.risks else (),
            excluded_not=of(self.excluded_not), admitted=of(self.admitted), embeddings=of(self.embeddings),  # type: ignore[arg-type]
            colours=of(self.colours), tones=of(self.tones),  # type: ignore[arg-type]
            keys=[self.keys[i] for i in where] if self.keys else (),
            members=[self.members[i] for i in where] if self.members else (),
        )


@dataclass(frozen=True)
class Seen:
    """What is kept of one picture's answer; its pixels are not. assessment: None if it was refused. key: SHA-256."""

    assessment: Assessment | None
    colours: NDArray[np.float32]
    tone: float
    key: str


#: What was answered already, by picture and by whether the patient was told; None for a picture that cannot be read.
#: For several exams of the same pictures: of one bundle and one number of views only.
Memory: TypeAlias = dict[tuple[str, str, bool], Seen | None]


@dataclass(frozen=True)
class _Judge:
    """Gives None for a picture that cannot be read: the others are judged all the same.

    analyzer: or the folder of a bundle, which every process of a cluster loads once. views: of such a bundle.
    """

    analyzer: Analyzer | Path
    with_patient: bool
    views: int | None = None

    def __call__(self, record: Record) -> Seen | None:
        analyzer = (shared_analyzer(self.analyzer, views=self.views) if isinstance(self.analyzer, Path)
                    else self.analyzer)
        try:
            content = record.read()
            result = analyzer.analyze(content, patient=record.patient if self.with_patient else None)
        except EnvironmentFault:
            raise
        except MaculeError:
            return None
        pixels, answer, key = result.thumbnail, result.assessment, hashlib.sha256(content).hexdigest()
        if answer is not None:
            answer = replace(answer, heatmap=np.zeros((0, 0), np.float32))  # the largest part, and no figure's
        if answer is None or pixels is None:
            return Seen(answer, np.zeros(0, np.float32), np.nan, key)
        return Seen(answer, colours.histogram(pixels), ita.estimate(pixels), key)


def predict(analyzer: Analyzer | Path, records: Sequence[Record], *, with_patient: bool = True,
            engine: Engine | None = None, workers: int | None = None, views: int | None = None,
            memory: Memory | None = None, tick: Callable[[], None] = lambda: None) -> Predictions:
    """Answers to labelled pictures. Memory grows by what `Predictions` keeps, about 6 kB a picture.

    analyzer: for an engine of several machines, the bundle's folder; `views` are then asked of it.
    memory: pictures that it knows are not asked about again, and it learns the others.
    with_patient: whether age, sex, site and modality are given; else the picture stands alone.
    workers: threads of this machine, one picture each, where no engine is given; None is one a core.
    """
    known: Memory = {} if memory is None else memory
    keys = {id(record): (record.dataset, record.picture_id, with_patient) for record in records}
    fresh = [record for record in records if keys[id(record)] not in known]
    outcomes = (engine or Local(workers)).map(_Judge(analyzer, with_patient, views), fresh)
    for record, seen in zip(fresh, outcomes, strict=True):
        known[keys[id(record)]] = seen
        tick()
    for _ in range(len(records) - len(fresh)):
        tick()
    return _sorted((record, known[keys[id(record)]]) for record in records)


def _sorted(outcomes: Iterable[tuple[Record, Seen | None]]) -> Predictions:
    answered: list[tuple[Record, Assessment, Seen]] = []
    refused: list[Record] = []
    failed: list[Record] = []
    for record, seen in outcomes:
        if seen is None:
            failed.append(record)
        elif seen.assessment is None:
            refused.append(record)
        else:
            answered.append((record, seen.assessment, seen))
    return _gathered(answered, refused, failed)


def _gathered(answered: Sequence[tuple[Record, Assessment, Seen]], refused: Sequence[Record],
              failed: Sequence[Record]) -> Predictions:
    answers, seen = [answer for _, answer, _ in answered], [each for _, _, each in answered]
    wide = len(answers), -1 if answers else 0
    return Predictions(
        records=[record for record, _, _ in answered],
        shares=np.array([_row(answer) for answer in answers], dtype=np.float64).reshape(-1, len(CODES)),
        risks=[answer.risk.value for answer in answers],
        refused=refused,
        failed=failed,
        excluded_not=np.array([[code in answer.cannot_exclude for code in CODES] for answer in answers],
                              dtype=bool).reshape(-1, len(CODES)),
        admitted=np.array([answer.in_distribution for answer in answers], dtype=bool),
        embeddings=np.array([answer.embedding for answer in answers], dtype=np.float32).reshape(wide),
        colours=np.array([each.colours for each in seen], dtype=np.float32).reshape(wide),
        tones=np.array([each.tone for each in seen], dtype=np.float64),
        keys=[each.key for each in seen],
    )


def projected(shares: Floats, classes: Sequence[int]) -> Floats:
    """Probabilities over some classes alone. Returns: float64, (N, 11), each row sums to 1; 0 elsewhere."""
    found = np.zeros_like(shares)
    found[:, classes] = shares[:, classes]
    return np.asarray(found / np.maximum(found.sum(axis=1, keepdims=True), 1e-12))


def _row(answer: Assessment) -> list[float]:
    by_code = {ranked.code: ranked.probability for ranked in answer.diagnoses}
    return [by_code[code] for code in CODES]
