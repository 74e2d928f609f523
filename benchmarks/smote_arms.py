"""The arms of the SMOTE ablation: a linear classifier on embeddings under each way of handling rare classes.

Every arm is a logistic regression whose penalty is chosen on a fold that is neither fitted nor tested on.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from imblearn.over_sampling import SMOTE, RandomOverSampler
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import pairwise_distances_argmin

from macule.data import stratify
from macule.evaluation import metrics

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]
Rows = NDArray[np.float32]

FOLDS = 5
#: Of the mean loss, so that one value means the same whatever the number of rows. Strong ones first: see `_shares`.
PENALTIES = (10.0, 1.0, 0.1, 0.01)
MAX_ITERATIONS, TOLERANCE = 1000, 1e-3


@dataclass(frozen=True)
class Task:
    """N pictures. features: (N, D). targets: (N,), 0 to K - 1. suspicious: (K,), which classes are malignant.

    lesion: (N,): pictures of one lesion share a number.
    """

    features: Rows
    targets: Ints
    suspicious: Bools
    lesion: Ints


@dataclass(frozen=True)
class Scored:
    """The test rows of one fold. shares: (n, K), sum to 1. targets: (n,). penalty: the chosen one.

    origin: (n,): the picture that a row is; of a synthetic row the nearest picture of its class, with whose lesion it
    is resampled. synthetic: (n,).
    """

    shares: Floats
    targets: Ints
    origin: Ints
    synthetic: Bools
    penalty: float

    def real(self) -> Scored:
        """Without the synthetic rows."""
        kept = ~self.synthetic
        return replace(self, shares=self.shares[kept], targets=self.targets[kept], origin=self.origin[kept],
                       synthetic=self.synthetic[kept])


#: Training rows, their classes and a seed -> the rows, classes and weights to fit.
Balance = Callable[[Rows, Ints, int], tuple[Rows, Ints, Floats]]


def plain(rows: Rows, targets: Ints, _seed: int) -> tuple[Rows, Ints, Floats]:
    return rows, targets, np.ones(len(targets))


def class_weights(rows: Rows, targets: Ints, _seed: int) -> tuple[Rows, Ints, Floats]:
    """Weights that sum to the number of rows, and to the same in every class."""
    counts = np.bincount(targets)
    return rows, targets, len(targets) / ((counts > 0).sum() * counts[targets])


def oversample(rows: Rows, targets: Ints, seed: int) -> tuple[Rows, Ints, Floats]:
    return plain(*RandomOverSampler(random_state=seed).fit_resample(rows, targets), seed)


def smote(rows: Rows, targets: Ints, seed: int) -> tuple[Rows, Ints, Floats]:
    """Chawla et al. 2002: points between a row and one of its 5 nearest of its class, until all classes are equal."""
    return plain(*SMOTE(random_state=seed).fit_resample(rows, targets), seed)


def cross_validate(task: Task, balance: Balance, *, by_lesion: bool, seed: int) -> Iterator[Scored]:
    """One `Scored` a fold. by_lesion: False parts by picture, so that siblings stand on both sides: leaky."""
    count = len(task.targets)
    folds = _deal(task.lesion if by_lesion else np.arange(count), task.targets, seed)
    pool = _Pool(task.features, task.targets, np.arange(count), np.zeros(count, bool), task.suspicious)
    return pool.rotate(folds, balance, seed)


def smote_first(task: Task, *, seed: int) -> Iterator[Scored]:
    """The leaky way: SMOTE on all pictures, then a split of everything, synthetic rows among the tested ones.

    Points between a test picture and its neighbours are trained on, and points between training pictures are tested.
    """
    count = len(task.targets)
    scaled = _scaled(task.features, task.features)
    # imbalanced-learn puts the given rows first and the synthetic ones behind them.
    rows, targets, _ = smote(scaled, task.targets, seed)
    origin = np.concatenate([np.arange(count), _nearest(scaled, task.targets, rows[count:], targets[count:])])
    pool = _Pool(rows, targets, origin, np.arange(len(targets)) >= count, task.suspicious)
    return pool.rotate(_deal(np.arange(len(targets)), targets, seed), plain, seed)


def without_prior(task: Task, scored: Scored) -> Scored:
    """The shares as if all classes were equally common: thresholds move, no network or regression is fitted anew."""
    shares = scored.shares / np.bincount(task.targets)
    return replace(scored, shares=shares / shares.sum(axis=1, keepdims=True))


@dataclass(frozen=True)
class _Pool:
    """The rows that are parted: pictures, and in the leaky way synthetic ones too."""

    rows: Rows
    targets: Ints
    origin: Ints
    synthetic: Bools
    suspicious: Bools

    def rotate(self, folds: Ints, balance: Balance, seed: int) -> Iterator[Scored]:
        for fold in range(FOLDS):
            test, held = folds == fold, folds == (fold + 1) % FOLDS
            penalty = self._penalty(~test & ~held, held, balance, seed)
            (shares,) = self._shares(~test, test, balance, (penalty,), seed)
            yield Scored(shares, self.targets[test], self.origin[test], self.synthetic[test], penalty)

    def _penalty(self, fitted: Bools, held: Bools, balance: Balance, seed: int) -> float:
        """The penalty with the largest malignant AUC on the fold that is held out for the choice."""
        ones, positive = np.ones((1, int(held.sum()))), self.suspicious[self.targets[held]]
        found = [float(metrics.auc(shares[:, self.suspicious].sum(axis=1), positive, ones)[0])
                 for shares in self._shares(fitted, held, balance, PENALTIES, seed)]
        return PENALTIES[int(np.argmax(found))]

    def _shares(self, fitted: Bools, scored: Bools, balance: Balance, penalties: Sequence[float],
                seed: int) -> list[Floats]:
        """Fit on some rows, scaled by their own mean and spread, and score others; one (n, K) a penalty."""
        known, others = self.rows[fitted], _scaled(self.rows[fitted], self.rows[scored])
        rows, targets, weights = balance(_scaled(known, known), self.targets[fitted], seed)
        # Each goes on from the one before: a weaker penalty's solution lies near.
        model = LogisticRegression(max_iter=MAX_ITERATIONS, tol=TOLERANCE, warm_start=True)
        found = []
        with warnings.catch_warnings():
            warnings.simplefilter("error", ConvergenceWarning)
            for penalty in penalties:
                model.set_params(C=1 / (penalty * weights.sum())).fit(rows, targets, sample_weight=weights)
                found.append(np.asarray(model.predict_proba(others), np.float64))
        return found


def _nearest(rows: Rows, targets: Ints, made: Rows, classes: Ints) -> Ints:
    """The place of the nearest row of its class for each made one."""
    found = np.zeros(len(made), np.int64)
    for k in np.unique(classes):
        places = np.flatnonzero(targets == k)
        found[classes == k] = places[pairwise_distances_argmin(made[classes == k], rows[places])]
    return found


def _deal(units: Ints, targets: Ints, seed: int) -> Ints:
    return stratify.deal(units, targets, {f"fold{place}": 1 / FOLDS for place in range(FOLDS)}, seed=seed)


def _scaled(like: Rows, rows: Rows) -> Rows:
    spread = like.std(axis=0)
    return np.asarray((rows - like.mean(axis=0)) / np.where(spread > 0, spread, 1), np.float32)
