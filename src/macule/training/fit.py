"""What is fitted after training: temperature and thresholds on the calibration part alone, and the gate."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from macule.analysis.calibrate import SUSPICIOUS
from macule.analysis.gate import Gate
from macule.taxonomy import Diagnosis

Rows = NDArray[np.float64]
CODES = list(Diagnosis)
MEDIUM_SENSITIVITY, HIGH_SENSITIVITY, EXCLUSION_SENSITIVITY = 0.95, 0.80, 0.95
#: Fewer positives than this make a threshold at 95 % sensitivity meaningless.
MIN_POSITIVES = 30
GATE_DIRECTIONS = 64
GATE_QUANTILE = 0.995


def offsets(targets: NDArray[np.int64], *, sampling_exponent: float, adjustment: float) -> NDArray[np.float64]:
    """What to add to the logits so that a share of the drawn mixture no longer acts as the prior (Menon et al. 2021).

    targets: class of each training picture. Returns: float64, shape (K,), mean 0 over the classes that occur.
    """
    counts = np.bincount(targets, minlength=len(CODES)).astype(np.float64)
    present = counts > 0
    logs = np.zeros(len(CODES))
    logs[present] = (1 - sampling_exponent) * np.log(counts[present])
    logs[present] -= logs[present].mean()
    return -adjustment * logs


def softmax(logits: Rows) -> Rows:
    weights = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(weights / weights.sum(axis=1, keepdims=True))


def negative_log_likelihood(logits: Rows, targets: NDArray[np.int64]) -> float:
    shares = softmax(logits)[np.arange(len(targets)), targets]
    return float(-np.log(np.maximum(shares, 1e-12)).mean())


def temperature(logits: Rows, targets: NDArray[np.int64]) -> float:
    """The divisor of the logits with the smallest negative log-likelihood (Guo et al. 2017).

    logits: shape (N, K). targets: shape (N,).
    """
    grid = np.exp(np.linspace(np.log(0.2), np.log(5), 401))
    return float(min(grid, key=lambda t: negative_log_likelihood(logits / t, targets)))


def threshold(scores: NDArray[np.float64], positive: NDArray[np.bool_], sensitivity: float) -> float:
    """The largest probability at which at least `sensitivity` of the positives are found.

    Raises: ValueError with fewer than MIN_POSITIVES positives.
    """
    found = np.sort(scores[positive])[::-1]
    if len(found) < MIN_POSITIVES:
        raise ValueError(f"{len(found)} positives in the calibration part; at least {MIN_POSITIVES} are needed.")
    # The smallest score that must still be found; its own value is included (>=).
    return float(found[int(np.ceil(sensitivity * len(found))) - 1])


def thresholds(shares: Rows, targets: NDArray[np.int64]) -> dict[str, object]:
    """The `thresholds` entry of bundle.json."""
    positive = SUSPICIOUS[targets]
    malignant = shares[:, SUSPICIOUS].sum(axis=1)
    exclusion = {
        code.value: _entry(threshold(shares[:, i], targets == i, EXCLUSION_SENSITIVITY), EXCLUSION_SENSITIVITY)
        for i, code in enumerate(CODES)
        if code.suspicious and (targets == i).sum() >= MIN_POSITIVES
    }
    return {
        "medium": _entry(threshold(malignant, positive, MEDIUM_SENSITIVITY), MEDIUM_SENSITIVITY),
        "high": _entry(threshold(malignant, positive, HIGH_SENSITIVITY), HIGH_SENSITIVITY),
        "cannot_exclude": exclusion,
        "fitted_on": "calibration part, lesion-disjoint from training and test",
        "n": len(targets),
    }


def _entry(probability: float, sensitivity: float) -> dict[str, float]:
    # Rounded down, so that the lesion that sets the threshold stays above it.
    return {"probability": float(np.floor(probability * 1e6) / 1e6), "sensitivity": sensitivity}


def gate(train: NDArray[np.float32], calibration: NDArray[np.float32]) -> Gate:
    """The distance beyond which a picture is unlike the training pictures.

    train, calibration: embeddings, shape (N, D). The directions come from the first, the threshold from the second.

    Raises: ValueError with too few training pictures to tell what lies outside their span.
    """
    if len(train) <= GATE_DIRECTIONS + 1:
        raise ValueError(f"{len(train)} training pictures; more than {GATE_DIRECTIONS + 1} are needed for the gate.")
    rows = train.astype(np.float64)
    mean = rows.mean(axis=0)
    _, singular, directions = np.linalg.svd(rows - mean, full_matrices=False)
    basis = directions[:GATE_DIRECTIONS].T
    whitening = basis / (singular[:GATE_DIRECTIONS] / np.sqrt(len(rows)))
    centred = rows - mean
    residual = float(((centred**2).sum(axis=1) - ((centred @ basis) ** 2).sum(axis=1)).mean())
    unlimited = Gate(mean, whitening, basis, residual, np.inf)
    scores = [unlimited.score(row) for row in calibration]
    return Gate(mean, whitening, basis, residual, float(np.quantile(scores, GATE_QUANTILE)))
