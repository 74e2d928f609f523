"""Which diagnoses stay plausible: class-conditional conformal sets (Vovk 2012; Sadinle, Lei & Wasserman 2019).

A class belongs to the set where its probability reaches a limit that 90 % of that class's own calibration pictures
reach. So, of each class apart, the true diagnosis is in the set for at least that share of pictures, as far as they
come from the same population as the calibration part. docs/adr/0011 says why this score was chosen.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from macule.taxonomy import Diagnosis

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Limit:
    """probability: from which a class is in the set. n, lesions: its calibration pictures, and of how many lesions.

    guaranteed: whether there were enough of them; the others take the limit of all classes together.
    """

    probability: float
    n: int
    lesions: int
    guaranteed: bool


@dataclass(frozen=True)
class Conformal:
    """coverage: the share aimed at. n: calibration pictures."""

    coverage: float
    n: int
    limits: Mapping[Diagnosis, Limit]

    @property
    def thresholds(self) -> Floats:
        """float64, shape (11,), in the taxonomy's order."""
        return np.array([self.limits[code].probability for code in Diagnosis])

    def plausible(self, shares: Floats) -> tuple[Diagnosis, ...]:
        """The set, the most probable first. shares: float64, shape (11,)."""
        inside, codes = sets(shares[None], self.thresholds)[0], tuple(Diagnosis)
        return tuple(codes[i] for i in np.argsort(-shares, kind="stable") if inside[i])


def sets(shares: Floats, thresholds: Floats) -> NDArray[np.bool_]:
    """Whether each class is plausible. shares: (N, 11). thresholds: (11,). Returns: bool, (N, 11); a row may be empty.
    """
    return np.asarray(shares >= thresholds)
