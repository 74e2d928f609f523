"""Figures of one answer a picture, all from the table of truth against answer of each resample."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from macule.evaluation.metrics.bootstrap import Floats, Weights, mean_of_known, ratio, tally


@dataclass(frozen=True)
class Cells:
    """places: (N,), which cell of the K x K table each picture falls into, row by row.

    present: bool, (K,), the classes that some picture is of, whatever is drawn.
    """

    places: NDArray[np.intp]
    classes: int
    present: NDArray[np.bool_]


@dataclass(frozen=True)
class Confusion:
    """counts: (B, K, K), truth by answer. present: bool, (K,), see `Cells`."""

    counts: Floats
    present: NDArray[np.bool_]

    @staticmethod
    def cells(predicted: NDArray[np.int64], targets: NDArray[np.int64], classes: int) -> Cells:
        present = np.bincount(targets, minlength=classes) > 0
        return Cells(np.asarray(targets * classes + predicted, np.intp), classes, present)

    @classmethod
    def of(cls, weights: Weights, cells: Cells) -> Confusion:
        counts = tally(cells.places, cells.classes**2, weights)
        return cls(counts.reshape(-1, cells.classes, cells.classes), cells.present)

    @property
    def right(self) -> Floats:
        return np.diagonal(self.counts, axis1=1, axis2=2)

    @property
    def truths(self) -> Floats:
        return np.asarray(self.counts.sum(axis=2))

    @property
    def answers(self) -> Floats:
        return np.asarray(self.counts.sum(axis=1))

    @property
    def pictures(self) -> Floats:
        return np.asarray(self.counts.sum(axis=(1, 2)))

    def sensitivity(self) -> Floats:
        """Of each class, (B, K); as are the four that follow."""
        return ratio(self.right, self.truths)

    def precision(self) -> Floats:
        """Positive predictive value: NaN where the class is never answered."""
        return ratio(self.right, self.answers)

    def specificity(self) -> Floats:
        others = self.pictures[:, None] - self.truths
        return ratio(others - (self.answers - self.right), others)

    def npv(self) -> Floats:
        """Negative predictive value: NaN where no other class is answered."""
        others = self.pictures[:, None] - self.answers
        return ratio(others - (self.truths - self.right), others)

    def f1(self) -> Floats:
        """NaN for a class that is neither there nor answered."""
        return ratio(2 * self.right, self.truths + self.answers)

    def accuracy(self) -> Floats:
        return ratio(self.right.sum(axis=1), self.pictures)

    def balanced_accuracy(self) -> Floats:
        """Mean sensitivity of the classes that are there; NaN for a resample that lacks one of them.

        A mean over what is left would be of other classes, and rise as the hard ones drop out.
        """
        return self.balanced_accuracy_of(self.present)

    def balanced_accuracy_of(self, some: NDArray[np.bool_]) -> Floats:
        """The same of a part of the classes. some: bool, (K,)."""
        if not some.any():
            return np.full(len(self.counts), np.nan)
        return np.asarray(self.sensitivity()[:, some].mean(axis=1))

    def macro_f1(self) -> Floats:
        """Mean over the classes that are there or answered; NaN for a resample that lacks one that is there."""
        return np.where(self.complete(), mean_of_known(self.f1()), np.nan)

    def complete(self) -> NDArray[np.bool_]:
        """(B,): whether a resample holds every class that is there."""
        return np.asarray((self.truths[:, self.present] > 0).all(axis=1))

    def kappa(self) -> Floats:
        """Cohen's kappa (1960), unweighted: NaN where chance alone agrees always."""
        n = self.pictures
        chance = ratio((self.truths * self.answers).sum(axis=1), n * n)
        return ratio(np.where(chance < 1, self.accuracy() - chance, np.nan), np.where(chance < 1, 1 - chance, 1))

    def matthews(self) -> Floats:
        """Correlation of truth and answer (Matthews 1975; Gorodkin 2004). NaN if either is constant."""
        n, right = self.pictures, self.right.sum(axis=1)
        spread = [n * n - (margin * margin).sum(axis=1) for margin in (self.truths, self.answers)]
        return ratio(right * n - (self.truths * self.answers).sum(axis=1), np.sqrt(spread[0] * spread[1]))


def accuracy(correct: NDArray[np.bool_], weights: Weights) -> Floats:
    return ratio(weights @ correct, weights.sum(axis=1))


def balanced_accuracy(predicted: NDArray[np.int64], targets: NDArray[np.int64], weights: Weights) -> Floats:
    """Mean sensitivity of the classes that are there; NaN for a resample that lacks one of them."""
    present = np.unique(targets)
    rows = [ratio(weights @ ((targets == k) & (predicted == k)), weights @ (targets == k)) for k in present]
    return np.asarray(np.mean(rows, axis=0)) if rows else np.full(len(weights), np.nan)


def f1(called: NDArray[np.bool_], positive: NDArray[np.bool_], weights: Weights) -> Floats:
    """Harmonic mean of precision and sensitivity; NaN without positives and without calls."""
    return ratio(2 * (weights @ (called & positive)), weights @ called + weights @ positive)
