"""Limits for class-conditional conformal sets, from the calibration part alone."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from macule.errors import TooFewPictures
from macule.evaluation.predictions import CODES

COVERAGE = 0.90
#: Calibration lesions of a class for a limit of its own: the finite-sample quantile at 90 % needs 9.
LEAST_LESIONS, LEAST_PICTURES = 10, 20


def fit(shares: NDArray[np.float64], targets: NDArray[np.int64], lesions: Sequence[str]) -> dict[str, object]:
    """The `conformal` entry of bundle.json, from calibration pictures whose label names one class.

    Of each class, the probability that is reached by `ceil((n + 1) * coverage)` of its n pictures (Vovk 2012). Too
    rare a class takes the limit of all pictures together, and no guarantee.
    shares: probabilities, shape (N, K). targets: index of the class, shape (N,). lesions: of each picture, length N.

    Raises: TooFewPictures.
    """
    if len(targets) < LEAST_PICTURES:
        raise TooFewPictures(f"{len(targets)} calibration pictures with a single diagnosis; conformal sets need "
                             f"{LEAST_PICTURES}: give a larger calibration part.")
    given, names = shares[np.arange(len(targets)), targets], np.asarray(lesions)
    counts = [(int((targets == k).sum()), len(set(names[targets == k]))) for k in range(len(CODES))]
    enough = [found[1] >= LEAST_LESIONS for found in counts]
    limits = [_reached(given[targets == k] if enough[k] else given) for k in range(len(CODES))]
    return {
        "coverage": COVERAGE, "score": "1 - probability", "fitted_on": "calibration part", "n": len(targets),
        "classes": {code.value: {"probability": limits[k], "n": counts[k][0], "lesions": counts[k][1],
                                 "guaranteed": enough[k]} for k, code in enumerate(CODES)},
    }


def _reached(given: NDArray[np.float64]) -> float:
    """The largest probability that enough of the pictures give to their true class.

    Rounded down, so that the picture that sets it stays above it.
    """
    rank = int(np.ceil((len(given) + 1) * COVERAGE))
    return float(np.floor(np.sort(given)[::-1][rank - 1] * 1e6) / 1e6) if rank <= len(given) else 0.0
