"""What a network is taught about each picture: the set of classes that it may belong to.

A set that lumps classes ("naevus or other benign") teaches that the answer lies among them; the probability of a set
is the sum of its classes' probabilities, so such pictures train along with the others.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from macule.analysis.calibration import SUSPICIOUS
from macule.data.record import Record
from macule.errors import ClassMissing, DatasetError
from macule.taxonomy import Diagnosis
from macule.training.recipe import Targets

Allowed = NDArray[np.bool_]
CODES = list(Diagnosis)
_NAMES = {Targets.DIAGNOSIS: tuple(code.value for code in CODES), Targets.MALIGNANT: ("benign", "malignant")}


def names(targets: Targets) -> tuple[str, ...]:
    """The classes of the network's answer, in order."""
    return _NAMES[targets]


def allowed(records: Sequence[Record], targets: Targets) -> Allowed:
    """Which classes each picture may belong to.

    Returns: bool, shape (N, C); at least one class a row, and never all.
    Raises: DatasetError for a picture whose label says nothing about these classes.
    """
    found = rows(records, targets)
    if (silent := ~found.any(axis=1) | found.all(axis=1)).any():
        first = records[int(np.flatnonzero(silent)[0])]
        raise DatasetError(f"{int(silent.sum())} pictures say nothing about the classes trained ({first.dataset} "
                           f"{first.picture_id} says {first.dx_original or 'nothing'!r}): leave them out of the "
                           "training part, by a reason in the manifest.")
    return found


def rows(records: Sequence[Record], targets: Targets) -> Allowed:
    """As `allowed`, but a picture of which nothing is known has all classes, or none."""
    return np.array([_row(record, targets) for record in records], bool).reshape(len(records), len(names(targets)))


def _row(record: Record, targets: Targets) -> list[bool]:
    if targets is Targets.DIAGNOSIS:
        return [code in record.labels for code in CODES]
    if record.labels:
        suspicious = {bool(SUSPICIOUS[CODES.index(code)]) for code in record.labels}
        if len(suspicious) == 1 or record.malignant is None:
            return [False in suspicious, True in suspicious]
    # A bare "benign" lumps classes on both sides (publishers call actinic keratosis either): their word decides.
    return [record.malignant is not True, record.malignant is not False]


def counts(allowed: Allowed) -> NDArray[np.float64]:
    """Pictures a class; one that may belong to several counts for each in equal shares. float64, shape (C,)."""
    return np.asarray((allowed / allowed.sum(axis=1, keepdims=True)).sum(axis=0))


def need(train: Allowed, others: Allowed, targets: Targets) -> None:
    """Raises: ClassMissing if a class that the other parts hold has no picture in the training part."""
    absent = np.asarray(others.any(axis=0) & ~train.any(axis=0))
    if targets is Targets.MALIGNANT:
        absent |= ~train.any(axis=0)
    if absent.any():
        missing = ", ".join(name for name, gone in zip(names(targets), absent.tolist(), strict=True) if gone)
        raise ClassMissing(f"the training part has no picture of {missing}: the network could never learn it. Split "
                           "anew with another seed or other shares, or leave the class out of the data.")
