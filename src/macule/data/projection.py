"""From the eleven classes to a smaller vocabulary (HAM-7, ISIC-8, PAD-6, MILK-11, binary), with what is lost stated."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from macule.errors import UsageError
from macule.taxonomy import PROJECTIONS, TABLE, Diagnosis

CODES = tuple(Diagnosis)
#: What a picture may be: one class; several where its source lumps them; none where nothing is said.
Labels = frozenset[Diagnosis]


class Loss(StrEnum):
    """Why a row has no label in a vocabulary."""

    NO_CLASS = "its class has no place there"
    LUMPED = "its source lumps classes that do not fall under one label"
    UNLABELLED = "its class is unknown"


@dataclass(frozen=True)
class Projected:
    """labels: the vocabulary's, K of them. shares: float64, (N, K); a row sums to 1, or is NaN if all of it is lost.

    lost: float64, (N,): the probability of the classes that have no place there, before the rest was scaled up.
    """

    labels: tuple[str, ...]
    shares: NDArray[np.float64]
    lost: NDArray[np.float64]


@dataclass(frozen=True)
class Description:
    """What became of labelled rows. after: label -> rows, in the vocabulary's order. before: class -> rows.

    merged: labels that hold several classes which occur. no_class: rows lost, by class. lumped, unlabelled: rows lost.
    """

    vocabulary: str
    before: Mapping[str, int]
    after: Mapping[str, int]
    merged: Mapping[str, tuple[Diagnosis, ...]] = field(default_factory=dict)
    no_class: Mapping[Diagnosis, int] = field(default_factory=dict)
    lumped: int = 0
    unlabelled: int = 0

    @property
    def rows(self) -> int:
        return sum(self.before.values())

    @property
    def lost(self) -> int:
        return sum(self.no_class.values()) + self.lumped + self.unlabelled

    def sentences(self) -> list[str]:
        """What is lost and what is merged, for a person."""
        said = [f"{self.lost} of {self.rows} rows have no label in {self.vocabulary}."]
        said += [f"{count} are {code} ({TABLE[code].name}), which has no place there."
                 for code, count in self.no_class.items()]
        said += [f"{count} are lost because {reason}."
                 for count, reason in ((self.lumped, Loss.LUMPED), (self.unlabelled, Loss.UNLABELLED)) if count]
        return said + [f"{label} holds {', '.join(codes)}." for label, codes in self.merged.items()]


def classes(vocabulary: str) -> Mapping[str, tuple[Diagnosis, ...]]:
    """Label -> the classes of ours that fall under it.

    Raises: UsageError for a vocabulary that is not in PROJECTIONS.
    """
    if vocabulary not in PROJECTIONS:
        raise UsageError(f"there is no vocabulary {vocabulary!r}; known: {', '.join(PROJECTIONS)}.")
    return PROJECTIONS[vocabulary]


def project_label(labels: Labels, vocabulary: str, malignant: bool | None = None) -> str | Loss:
    """The one label that every class of a row falls under, or why there is none.

    malignant: the publisher's word. It decides only in `binary`, and only where the classes do not: ISIC 2020 says
    "benign" and nothing else, which leaves an actinic keratosis possible (docs/adr/0001).
    """
    targets = {_TARGETS[vocabulary].get(code) for code in labels}
    if len(targets) == 1 and None not in targets:
        return str(*targets)
    if len(labels) == 1:
        return Loss.NO_CLASS
    if vocabulary == "binary" and malignant is not None:
        return "malignant" if malignant else "benign"
    return Loss.LUMPED if labels else Loss.UNLABELLED


def project_labels(labels: Iterable[Labels], vocabulary: str,
                   malignant: Iterable[bool | None] | None = None) -> tuple[str | None, ...]:
    """The label of each row; None where it is lost. See project_label.

    Raises: UsageError for an unknown vocabulary.
    """
    classes(vocabulary)
    rows = list(labels)
    words = [None] * len(rows) if malignant is None else list(malignant)
    found = (project_label(row, vocabulary, word) for row, word in zip(rows, words, strict=True))
    return tuple(None if isinstance(each, Loss) else each for each in found)


def project_probabilities(shares: NDArray[np.floating], vocabulary: str) -> Projected:
    """Probabilities over a vocabulary's labels: those of its classes are added up and scaled to sum to 1.

    shares: float, shape (N, 11), in the order of Diagnosis; a row that is NaN stays so.

    Raises: UsageError for an unknown vocabulary; ValueError for another shape or a negative number.
    """
    if shares.ndim != 2 or shares.shape[1] != len(CODES):
        raise ValueError(f"shares have the shape {shares.shape}; (N, {len(CODES)}) is needed.")
    if (shares < 0).any():
        raise ValueError(f"the smallest share is {shares.min()}; probabilities are not negative.")
    table = classes(vocabulary)
    member = np.array([[code in codes for codes in table.values()] for code in CODES], np.float64)
    kept = shares.astype(np.float64) @ member
    with np.errstate(invalid="ignore"):
        scaled = kept / kept.sum(axis=1, keepdims=True)  # 0 / 0 is NaN: everything is lost
    return Projected(tuple(table), scaled, shares.astype(np.float64) @ (1 - member.sum(axis=1)))


def describe(vocabulary: str, counts: Mapping[tuple[Labels, bool | None], int]) -> Description:
    """What a projection keeps, merges and loses.

    counts: (classes of a row, publisher's word on malignancy) -> how many rows say so.

    Raises: UsageError for an unknown vocabulary.
    """
    table = classes(vocabulary)
    after, lost, gone = Counter(dict.fromkeys(table, 0)), Counter[Loss](), Counter[Diagnosis]()
    before: Counter[str] = Counter()
    for (labels, malignant), count in counts.items():
        before[name(labels)] += count
        found = project_label(labels, vocabulary, malignant)
        if not isinstance(found, Loss):
            after[found] += count
        elif found is Loss.NO_CLASS:
            gone[min(labels)] += count
        else:
            lost[found] += count
    present = {code for labels, _ in counts for code in labels}
    held = {label: tuple(code for code in codes if code in present) for label, codes in table.items()}
    return Description(
        vocabulary=vocabulary, before=dict(sorted(before.items())), after=dict(after),
        merged={label: codes for label, codes in held.items() if len(codes) > 1},
        no_class=dict(sorted(gone.items())), lumped=lost[Loss.LUMPED], unlabelled=lost[Loss.UNLABELLED],
    )


def count(labels: Iterable[Labels], malignant: Iterable[bool | None]) -> dict[tuple[Labels, bool | None], int]:
    """The rows of two columns, counted for `describe`."""
    return dict(Counter(zip(labels, malignant, strict=True)))


def labels_of(codes: Iterable[str] | None) -> Labels:
    """A manifest's column `labels` as classes."""
    return frozenset(map(Diagnosis, codes or ()))


def name(labels: Iterable[str]) -> str:
    """Classes as one word: `mel`; `bcc+mel` where they are lumped; `unknown`."""
    return "+".join(sorted(labels)) or "unknown"


_TARGETS = {vocabulary: {code: label for label, codes in table.items() for code in codes}
            for vocabulary, table in PROJECTIONS.items()}
