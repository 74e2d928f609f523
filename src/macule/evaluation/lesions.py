"""One answer a lesion, from all its pictures in an exam: as `Analyzer.analyze_lesion` gives it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np

from macule.analysis import calibrate
from macule.analysis.bundle import Bundle
from macule.analysis.calibration import Calibration
from macule.analysis.patient import Patient
from macule.data.record import Record
from macule.evaluation import metrics
from macule.evaluation.metrics import Floats
from macule.evaluation.predictions import CODES, Predictions

#: What of a record is one picture's alone: of a lesion, the first picture's stands for it.
_OF_A_PICTURE = frozenset({"picture", "picture_id", "mask", "labels", "patient"})


def together(said: Predictions, bundle: Bundle) -> Predictions:
    """The same exam with one row a lesion (`Record.group`), in the order of their first pictures.

    Logits are averaged over the lesion's answered pictures, and the bundle's calibration and thresholds are used as
    they are. A lesion is like the training pictures if all these pictures are. Embeddings, colours and tones are
    means. A picture that a lesion has twice, byte by byte, counts once. What pictures of a lesion state differently is
    not stated of the lesion; under several labels it may be any of them.

    Returns: `refused` and `failed`: lesions of which no picture was answered, by the first picture's fate.
    """
    places = _distinct(said)
    shares = np.array([pooled(said.shares[of], bundle.calibration) for of in places.values()]).reshape(-1, len(CODES))
    known = [bool(said.admitted[of].all()) if len(said.admitted) else True for of in places.values()]
    limits = bundle.thresholds
    held = [calibrate.cannot_exclude(row, limits) for row in shares]
    members = [[said.records[place] for place in of] for of in places.values()]
    left = {group: (said.refused, of) for group, of in _grouped(said.refused).items() if group not in places}
    dark = {group: (said.failed, of) for group, of in _grouped(said.failed).items() if group not in {**places, **left}}
    return Predictions(
        records=[merged(of) for of in members],
        shares=shares,
        risks=[calibrate.risk(calibrate.malignant(row), limits, in_distribution=like).value
               for row, like in zip(shares, known, strict=True)],
        refused=[merged([records[place] for place in of]) for records, of in left.values()],
        failed=[merged([records[place] for place in of]) for records, of in dark.values()],
        excluded_not=np.array([[code in of for code in CODES] for of in held], bool).reshape(-1, len(CODES)),
        admitted=np.array(known, bool) if len(said.admitted) else said.admitted,
        embeddings=_means(said.embeddings, places.values()),
        colours=_means(said.colours, places.values()),
        tones=np.array([metrics.mean_of_known(said.tones[of]) for of in places.values()]) if len(said.tones)
        else said.tones,
        members=members,
    )


def pooled(shares: Floats, how: Calibration) -> Floats:
    """One answer from those to several pictures: of their mean logits, calibrated in the same way.

    shares: float64, (P, 11), each row sums to 1. Returns: float64, (11,), sums to 1.
    """
    if len(shares) == 1:
        return np.asarray(shares[0])
    return np.asarray(how.shares(how.logits(shares).mean(axis=0, keepdims=True))[0])


def merged(records: Sequence[Record]) -> Record:
    """What all pictures of a lesion say of it; the picture and its id are those of the first."""
    first = records[0]
    if len(records) == 1:
        return first
    same = {each.name: _same(getattr(record, each.name) for record in records)
            for each in fields(Record) if each.name not in _OF_A_PICTURE}
    patient = Patient(**{each.name: _same(getattr(record.patient, each.name) for record in records)
                         for each in fields(Patient)})
    return replace(first, **same, patient=patient, labels=frozenset().union(*(record.labels for record in records)))


@dataclass(frozen=True)
class Counts:
    """How pictures became lesions. several: lesions answered from more than one picture. partly: lesions answered
    without a picture of theirs that was refused or unreadable. unanswered: those without any answer. differing: those
    whose pictures have different labels."""

    pictures: int
    lesions: int
    several: int
    partly: int
    unanswered: int
    differing: int

    @classmethod
    def of(cls, said: Predictions, lesions: Predictions) -> Counts:
        """said: of the pictures. lesions: the same, together."""
        absent = {record.group for record in (*said.refused, *said.failed)}
        return cls(
            pictures=len(said.records),
            lesions=len(lesions.records),
            several=sum(len(of) > 1 for of in lesions.members),
            partly=sum(record.group in absent for record in lesions.records),
            unanswered=len(lesions.refused) + len(lesions.failed),
            differing=sum(len({record.labels for record in of}) > 1 for of in lesions.members),
        )


def _grouped(records: Sequence[Record]) -> dict[str, list[int]]:
    """Lesion -> places of its pictures."""
    found: dict[str, list[int]] = {}
    for place, record in enumerate(records):
        found.setdefault(record.group, []).append(place)
    return found


def _distinct(said: Predictions) -> dict[str, list[int]]:
    """Lesion -> places of its answered pictures, the first of each bytes."""
    places = _grouped(said.records)
    if not said.keys:
        return places
    return {group: list({said.keys[place]: place for place in reversed(of)}.values())[::-1]
            for group, of in places.items()}


def _means(rows: Any, places: Iterable[list[int]]) -> Any:
    """rows: float, (N, D), or empty. Returns: the same kind, (lesions, D)."""
    if not len(rows):
        return rows
    return np.array([rows[of].mean(axis=0, dtype=np.float64) for of in places]).astype(rows.dtype)


def _same(values: Iterable[Any]) -> Any:
    """What all say; None if they differ."""
    first, *others = values
    return first if all(value == first for value in others) else None
