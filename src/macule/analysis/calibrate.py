"""Logits -> calibrated probabilities -> what may be said: risk, and the diagnoses that cannot be excluded."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from macule.analysis.bundle import Thresholds
from macule.analysis.calibration import SUSPICIOUS, Calibration
from macule.analysis.result import RankedDiagnosis, Risk
from macule.taxonomy import Diagnosis


def probabilities(logits: NDArray[np.floating[Any]], how: Calibration) -> NDArray[np.float64]:
    """Of the mean logits.

    logits: shape (N, K), of the views of one picture, or the means of several. Returns: float64, shape (K,), sums to 1.
    """
    return np.asarray(how.shares(logits.astype(np.float64).mean(axis=0, keepdims=True))[0])


def rank(shares: NDArray[np.float64]) -> tuple[RankedDiagnosis, ...]:
    """All classes, most probable first; equal ones in the taxonomy's order."""
    codes = tuple(Diagnosis)
    return tuple(RankedDiagnosis(codes[i], float(shares[i])) for i in np.argsort(-shares, kind="stable"))


def malignant(shares: NDArray[np.float64]) -> float:
    """Probability of the malignant and indeterminate classes together."""
    return min(float(shares[SUSPICIOUS].sum()), 1.0)


def risk(probability: float, thresholds: Thresholds, *, in_distribution: bool) -> Risk:
    """A picture unlike the training pictures is never called low risk."""
    if probability >= thresholds.high.probability:
        return Risk.HIGH
    if probability >= thresholds.medium.probability or not in_distribution:
        return Risk.MEDIUM
    return Risk.LOW


def cannot_exclude(shares: NDArray[np.float64], thresholds: Thresholds) -> tuple[Diagnosis, ...]:
    """Suspicious classes at or above their own threshold, in the taxonomy's order."""
    limits = thresholds.cannot_exclude
    return tuple(code for i, code in enumerate(Diagnosis) if code in limits and shares[i] >= limits[code].probability)
