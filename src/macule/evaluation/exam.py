"""One bundle's answers to one set of labelled pictures: what every section of a report is measured on."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from macule.analysis.bundle import Bundle
from macule.evaluation import metrics
from macule.evaluation.predictions import CODES, NO_CLASS, Predictions, projected

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Exam:
    """classes: indices of those that the set's labels can take, ascending.

    weights: how often each answered picture counts in each resample of lesions or patients, shape (B, N): the same for
    every section, so that differences are paired.
    with_patient: whether the network was told age, sex, site and modality. views: None is the bundle's own.
    """

    bundle: Bundle
    predictions: Predictions
    dataset: str
    part: str
    classes: tuple[int, ...]
    weights: NDArray[np.generic] = field(repr=False)
    seed: int = 0
    with_patient: bool = True
    views: int | None = None

    @classmethod
    def of(cls, bundle: Bundle, predictions: Predictions, *, dataset: str, part: str, classes: tuple[int, ...],
           resamples: int = metrics.RESAMPLES, seed: int = 0, with_patient: bool = True,
           views: int | None = None) -> Exam:
        weights = metrics.resample(predictions.groups, resamples=resamples, seed=seed)
        return cls(bundle, predictions, dataset, part, classes, weights, seed, with_patient, views)

    @cached_property
    def projected(self) -> Floats:
        """float64, (N, 11): the probabilities over `classes` alone, each row sums to 1, 0 elsewhere."""
        return projected(self.predictions.shares, self.classes)

    @cached_property
    def targets(self) -> NDArray[np.int64]:
        """int64, (N,): index of the single class, NO_CLASS where there is none."""
        return self.predictions.targets

    @cached_property
    def single(self) -> NDArray[np.bool_]:
        """bool, (N,): the pictures whose label names one class: the others only count in malignant figures."""
        return np.asarray(self.targets != NO_CLASS)

    def code(self, index: int) -> str:
        return CODES[index].value
