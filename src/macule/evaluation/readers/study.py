"""One reader study as arrays: readings by arm, reader and picture, the truth, and the model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from macule.evaluation.predictions import CODES, NO_CLASS
from macule.evaluation.readers.readings import Reading, Readings
from macule.evaluation.readers.scales import Scale
from macule.evaluation.readers.sheet import Problems
from macule.evaluation.readers.sides import Model, Truth

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]
ARMS = ("unaided", "aided")
#: What a confidence is of: of the reader's own diagnosis, or of malignancy whatever the diagnosis.
Meaning = Literal["diagnosis", "malignancy"]


@dataclass(frozen=True)
class Point:
    """A threshold of the model. calls: shape (N,), 1 suspicious, 0 benign, NaN unanswered."""

    name: str
    calls: Floats = field(repr=False)


@dataclass(frozen=True)
class Study:
    """Two arms, R readers, N pictures: those that were read, sorted by id.

    groups: what is resampled and left out together, of each picture. truth: class index, NO_CLASS where only malignant
    or benign is known. positive: malignant or indeterminate.
    codes: shape (2, R, N), as `truth`, NO_CLASS also where not read. calls: (2, R, N), 1 suspicious, 0 benign, NaN not
    read. scores: (2, R, N), 0 benign for sure, 1 malignant for sure, NaN without a confidence. seconds: (2, R, N).
    """

    readers: tuple[str, ...]
    experience: tuple[str, ...]
    pictures: tuple[str, ...]
    groups: tuple[str, ...]
    truth: Ints = field(repr=False)
    positive: Bools = field(repr=False)
    codes: Ints = field(repr=False)
    calls: Floats = field(repr=False)
    scores: Floats = field(repr=False)
    seconds: Floats = field(repr=False)
    scale: Scale
    detected: bool
    meaning: Meaning
    simulated: bool
    model: Model | None = field(repr=False)

    @property
    def read(self) -> Bools:
        """bool, (2, R, N)."""
        return ~np.isnan(self.calls)

    @cached_property
    def cases(self) -> Ints:
        """int64, (N,): number of each picture's group."""
        return np.asarray(np.unique(np.array(self.groups), return_inverse=True)[1], dtype=np.int64)

    @cached_property
    def model_scores(self) -> Floats:
        """float64, (N,): the malignant probability, NaN where the model gave no answer or there is no model."""
        answers = self.model.answers if self.model else {}
        return np.array([answers[name].malignant if name in answers else np.nan for name in self.pictures])

    @cached_property
    def model_codes(self) -> Ints:
        answers = self.model.answers if self.model else {}
        codes = [answers[name].code if name in answers else None for name in self.pictures]
        return np.array([NO_CLASS if code is None else CODES.index(code) for code in codes], dtype=np.int64)

    @cached_property
    def points(self) -> tuple[Point, ...]:
        """The model's risks as it says them; a probability of a half where its file names none."""
        if self.model is None:
            return ()
        answers = [self.model.answers.get(name) for name in self.pictures]
        if any(answer is not None and answer.risk is None for answer in answers):
            calls = np.where(np.isnan(self.model_scores), np.nan, self.model_scores >= 0.5)
            return (Point("probability 0.5", calls),)
        risks = [answer.risk if answer else None for answer in answers]
        return tuple(Point(name, np.array([np.nan if risk is None else float(risk in called) for risk in risks]))
                     for name, called in (("medium or high risk", ("medium", "high")), ("high risk", ("high",))))


def assemble(readings: Readings, truth: Mapping[str, Truth], model: Model | None, *, meaning: Meaning = "diagnosis",
             problems: Problems | None = None) -> Study:
    """problems: the wrong rows that were met before; they are told together with readings without truth.

    Raises: DatasetError
    """
    found = problems or Problems()
    _check_truth(readings.rows, truth, found)
    found.check()
    readers = tuple(sorted({reading.reader for reading in readings.rows}))
    pictures = tuple(sorted({reading.picture for reading in readings.rows}))
    of_reader, of_picture = ({name: n for n, name in enumerate(names)} for names in (readers, pictures))
    shape = 2, len(readers), len(pictures)
    codes = np.full(shape, NO_CLASS, np.int64)
    calls, scores, seconds = (np.full(shape, np.nan) for _ in range(3))
    for reading in readings.rows:
        at = int(reading.aided), of_reader[reading.reader], of_picture[reading.picture]
        calls[at] = float(reading.suspicious)
        codes[at] = NO_CLASS if reading.code is None else CODES.index(reading.code)
        scores[at] = score(reading, readings.scale, meaning)
        seconds[at] = np.nan if reading.seconds is None else reading.seconds
    true = [truth[name] for name in pictures]
    return Study(
        readers, tuple(_experience(readings.rows, name) for name in readers), pictures,
        tuple(each.group for each in true),
        np.array([NO_CLASS if each.code is None else CODES.index(each.code) for each in true], dtype=np.int64),
        np.array([each.suspicious for each in true], dtype=bool), codes, calls, scores, seconds,
        readings.scale, readings.detected, meaning, readings.simulated, model,
    )


def score(reading: Reading, scale: Scale, meaning: Meaning) -> float:
    """From 0, benign for sure, to 1, malignant for sure; NaN without a confidence.

    A confidence in one's own diagnosis counts from the middle: up where that is malignant or indeterminate, else down.
    """
    if reading.confidence is None:
        return np.nan
    if meaning == "malignancy":
        return (reading.confidence - scale.low) / (scale.high - scale.low)
    half = reading.confidence / scale.high / 2
    return 0.5 + half if reading.suspicious else 0.5 - half


def _check_truth(readings: tuple[Reading, ...], truth: Mapping[str, Truth], problems: Problems) -> None:
    told: set[str] = set()
    for reading in readings:
        if reading.picture not in truth and reading.picture not in told:
            told.add(reading.picture)
            problems.add(reading.file, reading.row, f"the truth does not name the picture {reading.picture}: add it "
                                                    "there, or take its readings out.")


def _experience(readings: tuple[Reading, ...], reader: str) -> str:
    return next((each.experience for each in readings if each.reader == reader and each.experience), "")
