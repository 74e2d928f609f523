"""How a manifest is parted: shares, folds, centres or the publishers' own parts; kin stay together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from macule.data import stratify
from macule.data.kinship import Kin, Kind
from macule.errors import DatasetError, UsageError

CENTRE = "centre:"
WRITTEN = "70/15/15 (any two or three percentages), kfold:5, leave-one-centre-out or official"
_NAMES = {2: ("train", "test"), 3: ("train", "val", "test")}


class By(StrEnum):
    """What is never parted. Each but the last also keeps together what stands below it."""

    PATIENT = "patient"
    LESION = "lesion"
    DUPLICATE = "duplicate"
    #: Every picture for itself: the leaky split of many papers, made on purpose.
    PICTURE = "picture"


_KEPT = {
    By.PATIENT: frozenset(Kind),
    By.LESION: frozenset({Kind.LESION, Kind.LINK, Kind.PICTURE}),
    By.DUPLICATE: frozenset({Kind.LINK, Kind.PICTURE}),
    By.PICTURE: frozenset[Kind](),
}


@dataclass(frozen=True)
class Scheme:
    """text: as written. shares: part -> share of the pictures; empty where the parts come from the rows."""

    text: str
    shares: Mapping[str, float] = field(default_factory=dict)

    @property
    def folds(self) -> bool:
        """Whether the parts take turns in being the test part."""
        return "train" not in self.shares and self.text != "official"


@dataclass(frozen=True)
class Rows:
    """What is parted. centres, parts: the publisher's; None where unknown."""

    kin: Kin
    centres: Sequence[str | None]
    parts: Sequence[str | None]


def parse(text: str) -> Scheme:
    """Raises: UsageError for anything but WRITTEN."""
    if text in ("official", "leave-one-centre-out"):
        return Scheme(text)
    kind, _, count = text.partition(":")
    try:
        if kind == "kfold":
            return _folds(text, int(count))
        return _percentages(text, [float(each) for each in text.split("/")])
    except ValueError:
        raise UsageError(f"the scheme is {text!r}; {WRITTEN} is needed.") from None


def _folds(text: str, count: int) -> Scheme:
    if not 2 <= count <= 100:
        raise UsageError(f"the scheme is {text!r}; 2 to 100 folds can be made.")
    return Scheme(text, {f"fold{place}": 1 / count for place in range(count)})


def _percentages(text: str, values: Sequence[float]) -> Scheme:
    if len(values) not in _NAMES:
        raise UsageError(f"the scheme is {text!r}; two percentages (train/test) or three (train/val/test) are needed.")
    if not (min(values) > 0 and abs(sum(values) - 100) < 1e-6):  # written so that NaN is refused
        raise UsageError(f"the scheme is {text!r}; percentages above 0 that sum to 100 are needed.")
    return Scheme(text, {part: value / 100 for part, value in zip(_NAMES[len(values)], values, strict=True)})


def assign(rows: Rows, scheme: Scheme, *, by: By = By.PATIENT, seed: int = 0) -> list[str | None]:
    """The part of each row; None for a row that can stand in none (leave-one-centre-out).

    Equal for equal rows in any order: what is drawn depends on the pictures' names and the seed alone.

    Raises: DatasetError where rows lack what the scheme needs.
    """
    if scheme.text == "official":
        return _official(rows)
    components = rows.kin.components(_KEPT[by])
    if scheme.text == "leave-one-centre-out":
        return _centres(rows, components)
    order = np.array(sorted(range(len(rows.kin)), key=rows.kin.names.__getitem__), np.int64)
    dealt = np.empty(len(order), np.int64)
    dealt[order] = stratify.deal(_renumbered(components[order]), _strata(rows.kin)[order], scheme.shares, seed=seed)
    names = list(scheme.shares)
    return [names[part] for part in dealt]


def _renumbered(components: NDArray[np.int64]) -> NDArray[np.int64]:
    """Components by the place of their first row, which no longer tells of the file's order."""
    _, first, inverse = np.unique(components, return_index=True, return_inverse=True)
    return np.asarray(first[inverse], np.int64)


def _strata(kin: Kin) -> NDArray[np.int64]:
    """Data set and diagnosis of each row, numbered in alphabetical order."""
    words = [f"{name.partition(':')[0]} {label}" for name, label in zip(kin.names, kin.labels, strict=True)]
    numbers = {word: number for number, word in enumerate(sorted(set(words)))}
    return np.array([numbers[word] for word in words], np.int64)


def _official(rows: Rows) -> list[str | None]:
    _need(rows, rows.parts, "official part", "leave its data set out of the manifest, or choose another scheme")
    return list(rows.parts)


def _centres(rows: Rows, components: NDArray[np.int64]) -> list[str | None]:
    """One fold a centre. Of kin who stand in several centres, those outside the commonest one go into no fold.

    Any other rule would either part kin or show a centre to the network before it is tested there.
    """
    _need(rows, rows.centres, "centre", "leave its data set out of the manifest, or fill in its centres")
    counts: dict[int, Counter[str]] = {}
    for component, centre in zip(components.tolist(), rows.centres, strict=True):
        counts.setdefault(component, Counter())[str(centre)] += 1
    home = {component: min(found, key=lambda name: (-found[name], name)) for component, found in counts.items()}
    return [f"{CENTRE}{centre}" if home[component] == centre else None
            for component, centre in zip(components.tolist(), rows.centres, strict=True)]


def _need(rows: Rows, values: Sequence[str | None], what: str, remedy: str) -> None:
    absent = [name for name, value in zip(rows.kin.names, values, strict=True) if value is None]
    if absent:
        raise DatasetError(f"{len(absent)} of {len(rows.kin)} pictures have no {what} ({absent[0]}, ...): {remedy}.")
