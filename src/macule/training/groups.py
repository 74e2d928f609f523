"""Groups of people in the training pictures, and how often each is drawn within a class.

After the reweighing of Kamiran & Calders 2012, Knowledge and Information Systems 33:1: within every class the groups
come up in the same shares, so that a network gains nothing by telling the group to guess the class. Drawing a picture
more often is, on average, weighting its loss; and every class keeps its own total.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray

from macule.data.record import Record
from macule.errors import UsageError
from macule.evaluation import ita
from macule.evaluation.fairness import groups as said
from macule.training.batches import TrainingSet
from macule.training.labels import Allowed
from macule.training.recipe import Sampling

#: What a record states; the angle is read off its picture.
STATED: dict[str, Callable[[Record], str]] = {"skin_tone": said.any_tone} | {
    key: read for key, (_, read, _) in said.STATED.items()}


def names(settings: Sampling, data: TrainingSet) -> list[str] | None:
    """The group of each training picture, what is not stated being one of its own; None if the recipe asks for none.

    Raises: UsageError if all pictures are of one group, so that nothing could be weighted.
    """
    if settings.groups is None:
        return None
    if settings.groups == "ita":
        with ThreadPoolExecutor() as pool:
            found = [said.band(angle) for angle in pool.map(ita.estimate, data.pictures)]
    else:
        found = [str(STATED[settings.groups](record)) for record in data.records]
    if len(set(found)) == 1:
        raise UsageError(f"sampling.groups is {settings.groups!r}, but all {len(found)} training pictures are of one "
                         f"group ({found[0]}): name another attribute, or leave it out.")
    return found


def factors(rows: Allowed, groups: list[str], settings: Sampling) -> NDArray[np.float64]:
    """How much more often than otherwise each picture is drawn; the mean over a class is 1.

    rows: bool, shape (N, C). A picture of several classes takes their mean. Returns: float64, shape (N,).
    """
    _, group = np.unique(np.asarray(groups), return_inverse=True)
    shared = rows / rows.sum(axis=1, keepdims=True)
    mass = np.stack([shared[group == number].sum(axis=0) for number in range(int(group.max()) + 1)])
    return np.asarray((shared * _by_cell(mass, settings)[group]).sum(axis=1))


def _by_cell(mass: NDArray[np.float64], settings: Sampling) -> NDArray[np.float64]:
    """mass: pictures of each group and class, (G, C). Returns: the factor of each, (G, C); 0 where there are none."""
    present = mass > 0
    wanted = present * (mass.sum(axis=1, keepdims=True) ** (1 - settings.group_power))
    shares = wanted / np.maximum(wanted.sum(axis=0), 1e-12) * mass.sum(axis=0)
    factor = np.minimum(shares / np.where(present, mass, 1.0), settings.group_most)
    # What the limit took away is given to all pictures of the class alike.
    return np.asarray(factor * mass.sum(axis=0) / np.maximum((factor * mass).sum(axis=0), 1e-12))
