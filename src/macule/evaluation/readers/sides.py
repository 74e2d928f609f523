"""What readers are measured against: the truth, and the model's answers to the same pictures."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from macule.data.record import Record
from macule.data.sources.tables import Row
from macule.evaluation.predictions import CODES, Predictions
from macule.evaluation.readers import sheet
from macule.evaluation.readers.sheet import Problems
from macule.taxonomy import Diagnosis

_PICTURE = dict.fromkeys(("image", "picture_id", "image_id"), "picture")
RISKS = ("low", "medium", "high")


@dataclass(frozen=True)
class Truth:
    """code: None where only benign or malignant is known. group: what is resampled together."""

    code: Diagnosis | None
    suspicious: bool
    group: str


@dataclass(frozen=True)
class Answer:
    """The model's, to one picture. code: the most probable class, None if the file names no classes. risk: or None."""

    malignant: float
    code: Diagnosis | None
    risk: str | None


@dataclass(frozen=True)
class Model:
    """answers: by picture; one that was refused is not among them. leaky: as in a report; None where unknown."""

    name: str
    answers: dict[str, Answer]
    sha256: str | None = None
    leaky: bool | None = None


def truth_of_records(records: Iterable[Record]) -> dict[str, Truth]:
    """Those whose label says at least whether the lesion is benign."""
    kept = list(records)
    label = Predictions(kept, np.zeros((len(kept), len(CODES))))
    return {sheet.name_of(record.picture_id): Truth(record.diagnosis if len(record.labels) == 1 else None,
                                                    bool(suspicious), group)
            for record, suspicious, group in zip(kept, label.suspicious, label.groups, strict=True)
            if not np.isnan(suspicious)}


def read_truth(path: Path, problems: Problems) -> dict[str, Truth]:
    """A CSV with the columns picture, diagnosis and, where known, lesion and patient.

    Raises: InputNotFound, DatasetError
    """
    others = {**_PICTURE, "dx": "diagnosis", "lesion_id": "lesion", "patient_id": "patient"}
    found: dict[str, Truth] = {}
    for row in sheet.rows(path, problems, needed={"picture", "diagnosis"}, others=others):
        name = sheet.name_of(row.get("picture"))
        try:
            code, suspicious = sheet.diagnosis(row.get("diagnosis"))
        except KeyError:
            problems.add(row.file, row.number, f"the true diagnosis {row.get('diagnosis')!r} is in no vocabulary: "
                                               "write a class code, one of its names, benign or malignant.")
            continue
        if not name or name in found:
            problems.add(row.file, row.number, f"the picture {name} stands twice: keep one row." if name
                         else "the cell picture is empty: fill it in.")
            continue
        found[name] = Truth(code, suspicious, _group(row, name))
    return found


def _group(row: Row, name: str) -> str:
    for column in ("patient", "lesion"):
        if row.get(column):
            return f"{column}:{row.get(column)}"
    return f"picture:{name}"


def model_of_predictions(predictions: Predictions, *, name: str, sha256: str, leaky: bool | None) -> Model:
    answers = {
        sheet.name_of(record.picture_id): Answer(float(malignant), CODES[int(best)], risk)
        for record, malignant, best, risk in zip(predictions.records, predictions.malignant,
                                                 predictions.shares.argmax(axis=1), predictions.risks, strict=True)}
    return Model(name, answers, sha256, leaky)


def read_model(path: Path, problems: Problems) -> Model:
    """The CSV of `macule predict --csv` or of an evaluation: picture or image, class codes, malignant, risk.

    A picture without probabilities (refused, or unreadable) has no answer. `malignant` may be absent where all classes
    are there.

    Raises: InputNotFound, DatasetError
    """
    found: dict[str, Answer] = {}
    for row in sheet.rows(path, problems, needed={"picture"}, others=_PICTURE):
        name = sheet.name_of(row.get("picture"))
        try:
            answer = _answer(row)
        except ValueError as error:
            problems.add(row.file, row.number, str(error))
            continue
        if name in found:
            problems.add(row.file, row.number, f"the picture {name} stands twice: keep one row.")
        elif answer is not None:
            found[name] = answer
    return Model(path.name, found)


def _answer(row: Row) -> Answer | None:
    """Raises: ValueError with the sentence to tell."""
    shares = {code: share for code in CODES if (share := _share(row, code.value)) is not None}
    malignant = _share(row, "malignant")
    if malignant is None and len(shares) == len(CODES):
        malignant = min(sum(share for code, share in shares.items() if code.suspicious), 1.0)
    if malignant is None:
        if shares:
            raise ValueError(f"{len(shares)} of {len(CODES)} class probabilities stand here, and no malignant one: "
                             "give all, or malignant.")
        return None
    risk = row.get("risk").lower() or None
    if risk not in (None, *RISKS):
        raise ValueError(f"the risk is {risk!r}; one of {', '.join(RISKS)} is expected.")
    return Answer(malignant, max(shares, key=lambda code: shares[code]) if shares else None, risk)


def _share(row: Row, column: str) -> float | None:
    try:
        value = sheet.number(row.get(column))
    except ValueError:
        value = -1.0
    if value is not None and not 0 <= value <= 1:
        raise ValueError(f"{column} is {row.get(column)!r}; a probability from 0 to 1 is expected.")
    return value
