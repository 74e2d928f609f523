"""The answers that were wrong, picture by picture, and the ones that nearly were."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from macule.data.record import Record
from macule.errors import BundleInvalid
from macule.evaluation import mistake_patterns, neighbours
from macule.evaluation.exam import Exam
from macule.evaluation.fairness import groups
from macule.evaluation.metrics import Floats
from macule.evaluation.neighbours import Index
from macule.evaluation.predictions import CODES

MOST, MOST_OF_A_CLASS, NEAREST = 12, 6, 6
#: Diagnoses that are told of each picture.
_TOLD = 3

TITLES = {
    "missed": "Malignant, called low risk",
    "false_alarms": "Benign, the highest malignant probabilities",
    "uncertain": "The least certain diagnoses",
    "borderline": "The closest to the threshold of medium risk",
}


def measure(exam: Exam, *, index: Index | None = None, most: int = MOST) -> dict[str, Any]:
    """Which answers were wrong: lists of pictures, pairs of classes that are confused, and what mistakes share.

    index: the training pictures; None takes those of the bundle, where it has any.
    most: pictures of each list; of each class MOST_OF_A_CLASS at most.
    Returns: plain numbers and ids; no picture. `items` holds each picture that a list names once, by its name.
    Raises: BundleInvalid if the index does not fit the bundle's network.
    """
    if not exam.predictions.records:
        return {"measured": False, "why": "No picture was answered."}
    where = exam.bundle.folder / neighbours.FILE
    if index is None and where.is_file():
        index = neighbours.load(where)
    _need_same_length(exam, index)
    by_class = _by_class(exam, min(most, MOST_OF_A_CLASS))
    lists = {name: [int(row) for row in rows[:most]] for name, rows in _lists(exam).items()}
    rows = sorted({row for of in (*by_class.values(), *lists.values()) for row in of})
    names = [_name(record) for record in exam.predictions.records]
    return {
        "measured": True,
        "pictures": int(exam.single.sum()),
        "mistakes": int(mistake_patterns.wrong(exam).sum()),
        "thresholds": {"medium": exam.bundle.thresholds.medium.probability,
                       "high": exam.bundle.thresholds.high.probability},
        "confusions": _confusions(exam),
        "by_class": {exam.code(k): [names[row] for row in rows] for k, rows in by_class.items()},
        "lists": {name: [names[row] for row in of] for name, of in lists.items()},
        "items": {names[row]: item for row, item in zip(rows, _items(exam, rows, index), strict=True)},
        "nearest": index is not None,
        "patterns": mistake_patterns.measure(exam),
    }


def _need_same_length(exam: Exam, index: Index | None) -> None:
    found = exam.predictions.embeddings.shape[1]
    if index is not None and len(index.mean) != found:
        raise BundleInvalid(f"the {neighbours.FILE} of bundle {exam.bundle.id} was made of embeddings of "
                            f"{len(index.mean)} numbers; {found} are found: repeat `macule refit`.")


def _name(record: Record) -> str:
    return f"{record.dataset}:{record.picture_id}"


def _by_class(exam: Exam, most: int) -> dict[int, list[int]]:
    """The mistakes of each true class that were made with the most confidence."""
    wrong, confidence = mistake_patterns.wrong(exam), exam.predictions.shares.max(axis=1)
    found = {k: np.flatnonzero(wrong & (exam.targets == k)) for k in exam.classes}
    return {k: _by(-confidence, rows)[:most] for k, rows in found.items() if len(rows)}


def _lists(exam: Exam) -> dict[str, list[int]]:
    said = exam.predictions
    medium, everything = exam.bundle.thresholds.medium.probability, np.arange(len(said.records))
    return {
        "missed": _by(said.malignant, np.flatnonzero(mistake_patterns.missed(exam))),
        "false_alarms": _by(-said.malignant, np.flatnonzero(mistake_patterns.alarmed(exam))),
        "uncertain": _by(-entropy(said.shares), everything),
        "borderline": _by(np.abs(said.malignant - medium), everything),
    }


def _by(score: Floats, rows: NDArray[np.intp]) -> list[int]:
    """Rows in ascending order of their score."""
    return [int(row) for row in rows[np.argsort(score[rows], kind="stable")]]


def entropy(shares: Floats) -> Floats:
    """Shannon entropy of each row, in bits. shares: (N, K), each row sums to 1."""
    return np.asarray(-(shares * np.log2(np.maximum(shares, 1e-15))).sum(axis=1))


def _confusions(exam: Exam) -> list[dict[str, Any]]:
    """Each pair of true and answered class, the commonest first. of: pictures of the true class.

    crosses: malignant taken for benign or the reverse.
    """
    wrong = mistake_patterns.wrong(exam)
    pairs, counts = np.unique(np.stack([exam.targets[wrong], exam.predictions.shares[wrong].argmax(axis=1)]), axis=1,
                              return_counts=True)
    rows = [{"truth": exam.code(t), "said": exam.code(s), "n": int(n), "of": int((exam.targets == t).sum()),
             "crosses": CODES[t].suspicious is not CODES[s].suspicious}
            for (t, s), n in zip(pairs.T, counts, strict=True)]
    return sorted(rows, key=lambda row: -int(row["n"]))


def _items(exam: Exam, rows: Sequence[int], index: Index | None) -> Iterator[dict[str, Any]]:
    said = exam.predictions
    likes = neighbours.neighbours(said.embeddings[list(rows)], index, k=NEAREST) if index and rows else [[]] * len(rows)
    for row, like in zip(rows, likes, strict=True):
        yield _Item(exam, row).to_dict() | {"nearest": [
            {"picture": each.name, "truth": CODES[each.code].value if each.code >= 0 else None,
             "likeness": round(each.likeness, 3)} for each in like]}


@dataclass(frozen=True)
class _Item:
    """What is told of one picture."""

    exam: Exam
    row: int

    def to_dict(self) -> dict[str, Any]:
        said, record = self.exam.predictions, self.exam.predictions.records[self.row]
        shares = said.shares[self.row]
        first = np.argsort(-shares, kind="stable")[:_TOLD]
        return {
            "group": record.group,
            **({"pictures": [_name(each) for each in said.members[self.row]]} if said.members else {}),
            "truth": sorted(code.value for code in record.labels),
            "answers": [{"code": self.exam.code(int(k)), "probability": round(float(shares[k]), 4)} for k in first],
            "malignant": round(float(said.malignant[self.row]), 4),
            "risk": said.risks[self.row],
            "entropy": round(float(entropy(shares[None])[0]), 3),
            "cannot_exclude": self._flags(said.excluded_not),
            "admitted": bool(said.admitted[self.row]) if len(said.admitted) else None,
            "age_band": groups.age(record),
            **{name: None if value is None else value.value for name, value in (
                ("sex", record.patient.sex), ("site", record.patient.site), ("modality", record.patient.modality))},
            "centre": record.centre,
        }

    def _flags(self, flags: NDArray[np.bool_]) -> list[str]:
        return [self.exam.code(int(k)) for k in np.flatnonzero(flags[self.row])] if len(flags) else []
