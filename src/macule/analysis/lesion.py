"""Several pictures of one lesion -> one answer: the mean of what the network says of each, calibrated once.

Logits are averaged and not probabilities, as over the views of one picture: so one picture gives what it gives alone.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import repeat
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from macule.analysis import advice
from macule.analysis.answer import Reading, answer
from macule.analysis.bundle import Bundle
from macule.analysis.image import MAX_BYTES
from macule.analysis.patient import Modality, Patient
from macule.analysis.result import DISCLAIMER, Answer, Assessment, BundleId, Result, Risk
from macule.errors import InvalidMetadata, MaculeError, UsageError

#: All of a lesion's pictures are held at once; nobody takes so many of one spot.
MOST = 32
UNNAMED = "picture"
_OF_EACH = ("malignant", "risk", "in_distribution")
_RANK = {risk: place for place, risk in enumerate(Risk)}

Source = Path | str | bytes


@dataclass(frozen=True)
class Given:
    """One picture to look at. key: the same for the same bytes. copies: names of further ones of the same bytes."""

    source: Source = field(repr=False)
    name: str
    patient: Patient
    key: str
    copies: tuple[str, ...] = ()


@dataclass(frozen=True)
class Shot:
    """One picture of a lesion, and its part in the answer.

    modality: as it was given. copies: names of further files of the same bytes, which were not counted again.
    result: what the picture says alone, as `analyze` answers; None if it could not be read: `error` says why.
    heatmap: float32, shape (h, w), 0 to 1: where the evidence for the lesion's first diagnosis lies; None if left out.
    """

    image: str
    modality: Modality | None
    result: Result | None
    error: MaculeError | None = None
    copies: tuple[str, ...] = ()
    heatmap: NDArray[np.float32] | None = field(default=None, repr=False, compare=False)

    @property
    def alone(self) -> Assessment | None:
        """What the picture says alone; None if it could not be judged, and was left out."""
        return self.result.assessment if self.result else None

    def to_dict(self) -> dict[str, Any]:
        head: dict[str, Any] = {"image": self.image, "counted": self.alone is not None}
        head |= {"modality": self.modality.value} if self.modality else {}
        head |= {"copies": list(self.copies)} if self.copies else {}
        if self.result is None:
            return head | ({"error": self.error.to_dict()} if self.error else {})
        head |= {"quality": self.result.quality.to_dict()}
        if self.alone is None:
            return head | {"advice": self.result.advice}
        said = self.alone.to_dict()
        return head | {"first": said["diagnoses"][0], **{key: said[key] for key in _OF_EACH}}


@dataclass(frozen=True)
class LesionResult:
    """The answer to a lesion. shots: its different pictures, in the order given. answer: None if none could be judged.

    views: how many copies of each picture were averaged; None where it was the bundle's own number.
    """

    bundle: BundleId
    shots: tuple[Shot, ...]
    advice: str
    answer: Answer | None = None
    views: int | None = None
    disclaimer: str = DISCLAIMER

    @property
    def alone(self) -> tuple[Assessment, ...]:
        """What each counted picture says alone."""
        return tuple(shot.alone for shot in self.shots if shot.alone is not None)

    @property
    def agree(self) -> bool:
        """Whether the counted pictures alone all have the same first diagnosis."""
        return len({each.diagnoses[0].code for each in self.alone}) <= 1

    def to_dict(self) -> dict[str, Any]:
        """The object that `macule predict --lesion --json` prints."""
        said = {} if self.answer is None else self.answer.to_dict()
        if self.alone:
            found = [round(each.malignant, 6) for each in self.alone]
            said["agreement"] = {"counted": len(found), "same_first": self.agree,
                                 "malignant": {"least": min(found), "most": max(found)}}
        return {
            "bundle": {"id": self.bundle.id, "sha256": self.bundle.sha256},
            **({} if self.views is None else {"views": self.views}),
            "pictures": [shot.to_dict() for shot in self.shots],
            **said,
            "advice": self.advice,
            "disclaimer": self.disclaimer,
        }


def distinct(
    sources: Sequence[Source], patient: Patient, modalities: Sequence[Modality | None] | None,
    names: Sequence[str] | None,
) -> list[Given]:
    """The different pictures, each where it came first, with what is known of each.

    Raises: UsageError, InvalidMetadata; see `Analyzer.analyze_lesion`.
    """
    if not 0 < len(sources) <= MOST:
        raise UsageError(f"a lesion has {len(sources)} pictures here; 1 to {MOST} are needed: choose among them.")
    for what, listed in (("modalities", modalities), ("names", names)):
        if listed is not None and len(listed) != len(sources):
            raise InvalidMetadata(f"{len(listed)} {what} are given for {len(sources)} pictures: give one for each.")
    found: dict[str, Given] = {}
    kinds = repeat(patient.modality) if modalities is None else modalities
    for source, kind, name in zip(sources, kinds, names or map(named, sources), strict=False):
        one = Given(source, name, replace(patient, modality=kind), _key(source))
        found[one.key] = _merged(found[one.key], one) if one.key in found else one
    return list(found.values())


def combine(looked: Sequence[tuple[Given, tuple[Result, Reading | None] | MaculeError]], bundle: Bundle, *,
            views: int | None) -> LesionResult:
    """looked: each picture with its own answer and what the network made of it, or why it could not be read."""
    # In an order of their own: sums of floating-point numbers depend on it, and an answer must not.
    read = sorted((given.key, told[1]) for given, told in looked if not isinstance(told, MaculeError) and told[1])
    said = answer([reading for _, reading in read], bundle) if read else None
    shots = tuple(_shot(given, told, said) for given, told in looked)
    return LesionResult(bundle.identity, shots, advise(shots, said), said, views)


def advise(shots: Sequence[Shot], said: Answer | None) -> str:
    """What the answer means and what to do next; of a single picture what `analyze` advises."""
    if len(shots) == 1 and shots[0].result is not None:
        return shots[0].result.advice
    left_out = {number: _reason(shot) for number, shot in enumerate(shots, 1) if shot.alone is None}
    if said is None:
        return advice.for_refused_lesion(left_out)
    alone = {number: shot.alone for number, shot in enumerate(shots, 1) if shot.alone is not None}
    return advice.for_lesion(
        risk=said.risk,
        cannot_exclude=said.cannot_exclude,
        unfamiliar=[number for number, one in alone.items() if not one.in_distribution],
        # One that the model does not know is never of low risk: that says nothing of the skin, and is said already.
        riskier=[number for number, one in alone.items() if one.in_distribution and _RANK[one.risk] > _RANK[said.risk]],
        left_out=left_out,
    )


def named(source: Source) -> str:
    """What an answer calls a picture of which nobody says how to call it."""
    return UNNAMED if isinstance(source, bytes) else str(source)


def _shot(given: Given, told: tuple[Result, Reading | None] | MaculeError, said: Answer | None) -> Shot:
    modality = given.patient.modality
    if isinstance(told, MaculeError):
        return Shot(given.name, modality, None, told, given.copies)
    result, reading = told
    heat = reading.heatmap(said.diagnoses[0].code) if reading and said else None
    return Shot(given.name, modality, result, copies=given.copies, heatmap=heat)


def _merged(one: Given, again: Given) -> Given:
    """Raises: InvalidMetadata if the same picture is said to be taken in two ways."""
    first, second = one.patient.modality, again.patient.modality
    if first and second and first is not second:
        raise InvalidMetadata(f"{one.name} and {again.name} are the same picture, but one is called {first} and the "
                              f"other {second}: correct one of the two.")
    return replace(one, patient=one.patient if first else again.patient, copies=(*one.copies, again.name))


def _reason(shot: Shot) -> str:
    return str(shot.error) if shot.result is None else advice.remedies(shot.result.quality)


def _key(source: Source) -> str:
    """Of the content; of a file that cannot be read, or is too large, its path: looking at it will say so."""
    if isinstance(source, bytes):
        return hashlib.sha256(source).hexdigest()
    try:
        if Path(source).stat().st_size > MAX_BYTES:
            return str(source)
        with Path(source).open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except (OSError, ValueError):
        return str(source)
