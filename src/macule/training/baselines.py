"""Fits the baselines that travel in a bundle, and a probe of features that have seen no lesion."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from macule.data.record import Record
from macule.errors import MissingExtra, TooFewPictures
from macule.evaluation.baseline_file import GRID, Baselines, Linear, cell, grid
from macule.evaluation.predictions import CODES, NO_CLASS, Floats, Predictions

#: More pictures take minutes and move the figures by less than their intervals.
MOST_PICTURES = 8000
LEAST_PICTURES = 20
#: Inverse regularisation of standardised features, chosen on the shipped bundle's calibration part (docs/baselines.md).
COLOUR_C, PROBE_C = 1e-2, 3e-4


def fit(train: Predictions, *, seed: int = 0) -> Baselines:
    """Fit every baseline on what the bundle was trained on.

    train: the bundle's answers to its training part; pictures whose label names no single class are passed over.
    The probabilities follow the classes' shares of the training pictures; `evaluation.baselines.measure` lifts the
    rare classes where a figure asks for it.

    Raises: TooFewPictures with fewer than 20 pictures or with one class; MissingExtra without scikit-learn.
    """
    rows = _rows(train.targets, seed)
    targets = train.targets[rows]
    return Baselines(
        pictures=len(rows),
        priors=np.bincount(targets, minlength=len(CODES)) / len(rows),
        metadata=_table([train.records[row] for row in rows], targets, seed),
        colours=_linear(train.colours[rows], targets, COLOUR_C),
        probe=_linear(train.embeddings[rows], targets, PROBE_C),
    )


def imagenet(train: Sequence[Record], asked: Sequence[Record], *, seed: int = 0,
             tick: Callable[[], None] = lambda: None) -> Floats:
    """A linear probe on features that have seen no lesion, for `evaluation.baselines.measure(more={"imagenet": ...})`.

    It is fitted when it is asked for: its network would double what a bundle weighs.

    train: what the bundle was trained on. asked: the pictures of the exam that the bundle answered. tick: after each.
    Returns: float64, shape (N, 11), probabilities in the order of `asked`.
    Raises: TooFewPictures, MissingExtra, UnreadableImage.
    """
    from macule.training import frozen

    labels = [CODES.index(record.diagnosis) if len(record.labels) == 1 else NO_CLASS for record in train]
    targets = np.array(labels, dtype=np.int64)
    rows = _rows(targets, seed)
    probe = _linear(frozen.features([train[row] for row in rows], tick=tick), targets[rows], PROBE_C)
    fitted = np.bincount(targets[rows], minlength=len(CODES)) > 0
    return probe.shares(frozen.features(asked, tick=tick), fitted)


def looked_at(train: Sequence[Record]) -> int:
    """How many of these pictures `imagenet` looks at, for a progress bar."""
    return min(sum(len(record.labels) == 1 for record in train), MOST_PICTURES)


def _rows(targets: NDArray[np.int64], seed: int) -> NDArray[np.int64]:
    """The pictures to fit on: those of a single class, at most MOST_PICTURES of them, drawn."""
    rows = np.flatnonzero(targets != NO_CLASS)
    kinds = len(np.unique(targets[rows]))
    if len(rows) < LEAST_PICTURES or kinds < 2:
        raise TooFewPictures(f"the training part has {len(rows)} pictures with a single diagnosis, of {kinds} classes; "
                             f"baselines need {LEAST_PICTURES} of two: give what the bundle was trained on.")
    if len(rows) > MOST_PICTURES:
        rows = np.sort(np.random.default_rng(seed).choice(rows, MOST_PICTURES, replace=False))
    return rows


def _table(records: Sequence[Record], targets: NDArray[np.int64], seed: int) -> NDArray[np.float16]:
    """Gradient boosting on the patient's facts, asked about every patient that there can be."""
    try:
        from sklearn.ensemble import HistGradientBoostingClassifier
    except ImportError as error:
        raise MissingExtra("baselines need scikit-learn: pip install 'macule[training]'.") from error
    everyone = grid()
    # What is learnt from is rounded as what is asked about, so that the table is the model and no sketch of it.
    patients = everyone[[np.ravel_multi_index(cell(record.patient), GRID) for record in records]]
    model = HistGradientBoostingClassifier(max_iter=60, max_leaf_nodes=15, l2_regularization=1.0, early_stopping=False,
                                           random_state=seed).fit(patients, targets)
    found = np.zeros((len(everyone), len(CODES)), np.float16)
    found[:, model.classes_] = model.predict_proba(everyone)
    return found.reshape(*GRID, len(CODES))


def _linear(features: NDArray[np.float32], targets: NDArray[np.int64], strength: float) -> Linear:
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression

    mean, spread = features.mean(axis=0), features.std(axis=0)
    # A bin that is never filled says nothing, and must not divide by nothing.
    scale = np.where(spread > 1e-6, spread, 1.0).astype(np.float32)
    with warnings.catch_warnings():
        # The solver stops at a step count: its last digits change no figure.
        warnings.simplefilter("ignore", ConvergenceWarning)
        model = LogisticRegression(C=strength, max_iter=200).fit((features - mean) / scale, targets)
    weights, bias = np.zeros((features.shape[1], len(CODES)), np.float32), np.zeros(len(CODES), np.float32)
    if len(model.classes_) == 2:  # scikit-learn gives two classes one row: that of the second
        weights[:, model.classes_[1]], bias[model.classes_[1]] = model.coef_[0], model.intercept_[0]
    else:
        weights[:, model.classes_], bias[model.classes_] = model.coef_.T, model.intercept_
    return Linear(mean, scale, weights, bias)
