"""Logits -> probabilities, as it was fitted on a bundle's calibration part."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from macule.taxonomy import Diagnosis

#: Which entries of a probability vector count towards the malignant probability.
SUSPICIOUS = np.array([code.suspicious for code in Diagnosis])
#: What a probability of nothing counts as where its logarithm is taken.
TINY = 1e-300


@dataclass(frozen=True)
class MalignantSum:
    """Bias-corrected temperature scaling (Alexandari et al. 2020), softmax(scale * logits + shift), of which only the
    sum of the suspicious classes is taken. shift: one a class."""

    scale: float
    shift: tuple[float, ...]

    def over(self, logits: NDArray[np.float64]) -> NDArray[np.float64]:
        """Shape (N, K), before the softmax."""
        return np.asarray(logits * self.scale + np.array(self.shift))


@dataclass(frozen=True)
class Calibration:
    """temperature: what the logits are divided by (Guo et al. 2017). malignant: how much the suspicious classes have
    together comes from it (ADR 19); None: from the one temperature too."""

    temperature: float
    malignant: MalignantSum | None = None

    def shares(self, logits: NDArray[np.float64]) -> NDArray[np.float64]:
        """Calibrated probabilities. logits: shape (N, K). Returns: shape (N, K), each row sums to 1."""
        logs = logits / self.temperature
        if self.malignant is not None:
            wanted = self.malignant.over(logits)
            for group in (SUSPICIOUS, ~SUSPICIOUS):
                logs[:, group] += _log_sum_exp(wanted[:, group]) - _log_sum_exp(logs[:, group])
        return softmax(logs)

    def logits(self, shares: NDArray[np.float64]) -> NDArray[np.float64]:
        """The other way round, but for a constant a row. shares: shape (N, K), as `shares` gives them.

        Within the suspicious and within the benign classes T log p are the logits but for a constant; what lies
        between the two constants follows from the sums of both.
        """
        found = self.temperature * np.log(np.maximum(shares, TINY))
        if self.malignant is None:
            return found
        scaled = self.malignant.over(found)
        for group in (SUSPICIOUS, ~SUSPICIOUS):
            whole = np.log(np.maximum(shares[:, group].sum(axis=1, keepdims=True), TINY))
            found[:, group] += (whole - _log_sum_exp(scaled[:, group])) / self.malignant.scale
        return found


def softmax(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    """Shape (N, K), over each row."""
    weights = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(weights / weights.sum(axis=1, keepdims=True))


def _log_sum_exp(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Over each row, shape (N, 1)."""
    return np.asarray(np.logaddexp.reduce(values, axis=1, keepdims=True))
