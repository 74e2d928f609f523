"""Calibration intercept and slope: logistic regressions on the logit of a probability, by Newton's method."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from macule.evaluation.metrics.bootstrap import Floats, Weights, ratio
from macule.evaluation.metrics.reliability import TINY

_STEPS = 25
_CLOSE = 1e-4  # the step after is its square
_SURE = 30.0  # beyond this stand the answers of separable data, which has none
Step = Callable[[Weights, Floats], Floats]


def logit(probability: Floats) -> Floats:
    kept = np.clip(probability, TINY, 1 - 1e-12)
    return np.asarray(np.log(kept) - np.log1p(-kept))


def in_the_large(probability: Floats, outcome: NDArray[np.bool_], weights: Weights) -> Floats:
    """Calibration intercept: what must be added to the logit so that the mean probability is right (Cox 1958).

    0 is right; below 0 the probabilities are too high. NaN if all outcomes are the same.
    """
    x = logit(probability)

    def step(weights: Weights, beta: Floats) -> Floats:
        share = _sigmoid(x.astype(weights.dtype) + beta.astype(weights.dtype))
        expected = weights * share
        bend = expected.sum(axis=1) - np.einsum("ij,ij->i", expected, share)
        return ratio(weights @ outcome - expected.sum(axis=1), bend)[:, None]

    return _fitted(step, outcome, weights, parameters=1)[:, 0]


def slope(probability: Floats, outcome: NDArray[np.bool_], weights: Weights) -> Floats:
    """Calibration slope: the factor of the logit in a logistic regression on it (Cox 1958).

    1 is right; below 1 the probabilities are too extreme. NaN if the regression has no finite answer: all outcomes or
    all probabilities the same, or a threshold that parts the outcomes without fault.
    """
    if not len(probability):
        return np.full(len(weights), np.nan)
    x = logit(probability)
    scale = x.std() or 1.0
    x = (x - x.mean()) / scale
    found = _fitted(lambda w, beta: _step(x.astype(w.dtype), outcome, w, beta), outcome, weights, parameters=2)
    return found[:, 1] / scale


def _step(x: Weights, outcome: NDArray[np.bool_], weights: Weights, beta: Floats) -> Floats:
    """One Newton step of every resample, (B, 2); NaN where x does not vary."""
    narrow = beta.astype(weights.dtype)
    share = _sigmoid(narrow[:, :1] + narrow[:, 1:] * x)
    expected = weights * share
    powers = np.stack([np.ones_like(x), x, x * x], axis=1)
    pull = (weights @ (powers[:, :2] * outcome[:, None]) - expected @ powers[:, :2]).astype(np.float64)
    expected *= 1 - share
    flat, lean, bent = (expected @ powers).astype(np.float64).T
    determinant = flat * bent - lean**2
    determinant = np.where(determinant > 1e-6 * flat * bent, determinant, 0.0)
    return np.stack([ratio(bent * pull[:, 0] - lean * pull[:, 1], determinant),
                     ratio(flat * pull[:, 1] - lean * pull[:, 0], determinant)], axis=1)


def _fitted(step: Step, outcome: NDArray[np.bool_], weights: Weights, *, parameters: int) -> Floats:
    """Every resample starts at the answer for all pictures, so that two or three steps are enough. NaN: no answer."""
    ones = np.ones((1, len(outcome)))
    start = _descended(step, outcome, ones, np.zeros((1, parameters)))
    return _descended(step, outcome, weights, np.repeat(start, len(weights), axis=0))


def _descended(step: Step, outcome: NDArray[np.bool_], weights: Weights, beta: Floats) -> Floats:
    total = weights @ outcome
    moving = (total > 0) & (total < weights.sum(axis=1)) & np.isfinite(beta).all(axis=1)
    beta = np.where(moving[:, None], beta, np.nan)
    for _ in range(_STEPS):
        if not moving.any():
            break
        # Taking all rows would copy them.
        moved = step(weights if moving.all() else weights[moving], beta[moving])
        beta[moving] += np.clip(moved, -4.0, 4.0)
        moving[moving] = np.abs(moved).max(axis=1) > _CLOSE
    known = ~moving & (np.abs(beta) < _SURE).all(axis=1)
    return np.where(known[:, None], beta, np.nan)


def _sigmoid(logits: Weights) -> Weights:
    with np.errstate(over="ignore"):  # 1 / inf is the 0 that is meant
        return np.asarray(1 / (1 + np.exp(-logits)))
