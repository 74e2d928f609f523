"""The leak guard: pictures that are scored on, and stand in training too as a copy, a lesion or a patient."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from macule.data import kinship
from macule.data.kinship import Key, Kin, Kind
from macule.errors import LeakingSplit
from macule.taxonomy import Diagnosis

#: Which of N pictures are meant: bool, shape (N,).
Rows = NDArray[np.bool_]

#: Stands before every figure of a leaking split.
MARK = "LEAKY"


def marked(entry: Mapping[str, Any], leaky: bool) -> dict[str, Any]:
    """An entry of bundle.json, with what it was fitted on marked if that leaks."""
    return {**entry, "fitted_on": f"{MARK} {entry['fitted_on']}"} if leaky and "fitted_on" in entry else dict(entry)


def mark(leaky: bool | None) -> str:
    """What stands before every figure. leaky: None where a bundle does not say what it has seen."""
    return {True: f"{MARK} ", False: "", None: "LEAK UNKNOWN "}[leaky]


@dataclass(frozen=True)
class Example:
    """One picture of the later part with one of the earlier part, and how they belong together.

    kind: None if only a chain does: one lesion with a picture that shows another's patient.
    """

    picture: str
    sibling: str
    kind: Kind | None

    def __str__(self) -> str:
        return f"for example {self.picture} and {self.sibling} ({self.kind or 'through others'})"


@dataclass(frozen=True)
class Leak:
    """What a part shares with what was seen before it.

    pictures, melanomas: of the part. leaking, leaking_melanomas: those with a sibling in `seen`, of any kind.
    lesions: how many lesions the leaking pictures show.
    by_kind: leaking pictures by kind; one picture may count in several, and in none if only a chain leads to it.
    """

    seen: str
    part: str
    pictures: int
    leaking: int
    lesions: int
    melanomas: int
    leaking_melanomas: int
    by_kind: Mapping[Kind, int]
    example: Example | None

    def sentence(self) -> str:
        kinds = ", ".join(f"{kind} {count}" for kind, count in self.by_kind.items() if count) or "through others"
        melanomas = f", {_share(self.leaking_melanomas, self.melanomas)} of its melanomas" if self.melanomas else ""
        example = f"; {self.example}" if self.example else ""
        return (f"{self.leaking} of {self.pictures} pictures of {self.part} "
                f"({_share(self.leaking, self.pictures)}{melanomas}) have a sibling in {self.seen}: {kinds}{example}")

    def to_dict(self) -> dict[str, Any]:
        return asdict(self) | {"by_kind": {kind.value: count for kind, count in self.by_kind.items()}}


@dataclass(frozen=True)
class LeakReport:
    """Every pair of an earlier and a later part, leaking or not."""

    leaks: tuple[Leak, ...]

    @property
    def leaky(self) -> bool:
        return any(leak.leaking for leak in self.leaks)

    def to_dict(self) -> dict[str, Any]:
        return {"leaky": self.leaky, "parts": [leak.to_dict() for leak in self.leaks]}


def check(parts: Mapping[str, Kin], *, rotating: bool = False) -> LeakReport:
    """What each part shares with each part before it; rotating: with all the others, as folds do.

    parts: in the order of their use: train, val, test.
    """
    found = _Found(kinship.join(list(parts.values())))
    place = np.repeat(np.arange(len(parts)), [len(each) for each in parts.values()])
    names = list(parts)
    if rotating:
        pairs = [("the other folds", place != later, later) for later in range(len(names))]
    else:
        pairs = [(names[earlier], place == earlier, later) for later in range(len(names)) for earlier in range(later)]
    return LeakReport(tuple(
        found.compare(before, place == later, seen=seen, part=names[later]) for seen, before, later in pairs
    ))


class _Found:
    """Who is kin of whom among all pictures, by each kind and by all of them together (None)."""

    def __init__(self, kin: Kin) -> None:
        self._kin = kin
        self._lesions = [group or name for group, name in zip(kin.keys[Key.GROUP], kin.names, strict=True)]
        self._melanoma = np.array([label == Diagnosis.MEL for label in kin.labels], bool)
        self._component: dict[Kind | None, NDArray[np.int64]] = {kind: kin.components({kind}) for kind in Kind}
        self._component[None] = kin.components()

    def compare(self, before: Rows, here: Rows, *, seen: str, part: str) -> Leak:
        """before: what was seen. here: the later part."""
        leaking = {kind: here & np.isin(found, found[before]) for kind, found in self._component.items()}
        return Leak(
            seen, part,
            pictures=int(here.sum()), leaking=int(leaking[None].sum()),
            lesions=len({self._lesions[place] for place in np.flatnonzero(leaking[None])}),
            melanomas=int((here & self._melanoma).sum()),
            leaking_melanomas=int((leaking[None] & self._melanoma).sum()),
            by_kind={kind: int(leaking[kind].sum()) for kind in Kind},
            example=self._example(before, leaking),
        )

    def _example(self, before: Rows, leaking: Mapping[Kind | None, Rows]) -> Example | None:
        """The first picture that leaks in the surest way."""
        for kind, mask in leaking.items():
            if mask.any():
                one = int(np.argmax(mask))
                component = self._component[kind]
                other = int(np.argmax(before & (component == component[one])))
                return Example(self._kin.names[one], self._kin.names[other], kind)
        return None


def enforce(report: LeakReport, *, allow_leak: bool = False, remedy: str) -> bool:
    """remedy: what to do about it, for the message.

    Returns: whether every figure must be marked LEAKY.
    Raises: LeakingSplit with the counts and one example, unless allow_leak.
    """
    if report.leaky and not allow_leak:
        said = "; ".join(leak.sentence() for leak in report.leaks if leak.leaking)
        raise LeakingSplit(f"the split leaks: {said}. {remedy}, or mark every figure {MARK} with --allow-leak.")
    return report.leaky


def _share(count: int, of: int) -> str:
    return f"{100 * count / of:.1f} %"
