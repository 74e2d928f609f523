"""What is fitted after training: calibration and thresholds on the calibration part alone, and the gate."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from macule.analysis.calibration import SUSPICIOUS, Calibration, MalignantSum, softmax
from macule.analysis.gate import Gate
from macule.data.record import Record
from macule.errors import Diverged, TooFewPictures
from macule.taxonomy import Diagnosis

Rows = NDArray[np.float64]
CODES = list(Diagnosis)
MEDIUM_SENSITIVITY, HIGH_SENSITIVITY, EXCLUSION_SENSITIVITY = 0.95, 0.80, 0.95
#: Fewer positives than this make a threshold at 95 % sensitivity meaningless.
MIN_POSITIVES = 30
GATE_DIRECTIONS = 64
GATE_QUANTILE = 0.995
#: Of the largest: less is the noise of single precision.
LEAST_VARIATION = 1e-5
NEWTON_STEPS, NEWTON_CLOSE, NEWTON_FARTHEST = 50, 1e-6, 1.0
#: In what each sensitivity is reached: see `strata`.
WITHIN = "data set and kind of picture"


def offsets(drawn: NDArray[np.float64], *, adjustment: float) -> NDArray[np.float64]:
    """What to add to the logits so that a share of the drawn mixture no longer acts as the prior (Menon et al. 2021).

    drawn: how often each class was drawn in training. Returns: float64, shape (C,), mean 0 over the classes that occur.
    """
    present = drawn > 0
    logs = np.zeros(len(drawn))
    logs[present] = np.log(drawn[present])
    logs[present] -= logs[present].mean()
    return -adjustment * logs


def negative_log_likelihood(logits: Rows, allowed: NDArray[np.bool_]) -> float:
    """allowed: the classes that each label stands for, bool, shape (N, K); their probabilities are summed."""
    shares = (softmax(logits) * allowed).sum(axis=1)
    return float(-np.log(np.maximum(shares, 1e-12)).mean())


def temperature(logits: Rows, allowed: NDArray[np.bool_]) -> float:
    """The divisor of the logits with the smallest negative log-likelihood (Guo et al. 2017).

    logits: shape (N, K). allowed: bool, shape (N, K).
    """
    grid = np.exp(np.linspace(np.log(0.2), np.log(5), 401))
    return float(min(grid, key=lambda t: negative_log_likelihood(logits / t, allowed)))


def malignant_sum(logits: Rows, allowed: NDArray[np.bool_]) -> MalignantSum | None:
    """One factor and one shift a class with the largest likelihood (Alexandari et al. 2020), for `Calibration`.

    With a normal prior of deviation 1 on how far they are from a factor of 1 and no shift, since most classes have few
    pictures: a class that has none stays where it is. Newton's method, with the curvature of single labels.
    logits: shape (N, K). allowed: bool, shape (N, K); rows without any class do not count.
    Returns: None where no factor above 0 is found: the logits of a network that has learnt nothing carry no sum.
    """
    told = allowed.any(axis=1)
    logits, allowed = logits[told], allowed[told]
    count, classes = logits.shape
    start = np.append(np.zeros(classes), 1.0)
    rows = np.concatenate([np.broadcast_to(np.eye(classes), (count, classes, classes)), logits[:, :, None]], axis=2)
    found = start.copy()
    for _ in range(NEWTON_STEPS):
        shares = softmax(rows @ found)
        within = softmax(np.where(allowed, rows @ found, -np.inf))
        mean = np.einsum("nk,nkp->np", shares, rows)
        slope = np.einsum("nk,nkp->p", shares - within, rows) + (found - start)
        curvature = np.einsum("nk,nkp,nkq->pq", shares, rows, rows, optimize=True) - mean.T @ mean + np.eye(len(start))
        step = np.linalg.solve(curvature, slope)
        found -= np.clip(step, -NEWTON_FARTHEST, NEWTON_FARTHEST)
        if np.abs(step).max() < NEWTON_CLOSE and found[-1] > 0:
            return MalignantSum(float(found[-1]), tuple(found[:-1].tolist()))
    return None


def calibrated(logits: Rows, allowed: NDArray[np.bool_]) -> Calibration:
    """Shapes as for `temperature`."""
    return Calibration(temperature(logits, allowed), malignant_sum(logits, allowed))


def entry(how: Calibration, *, fitted_on: str, count: int) -> dict[str, object]:
    """The `calibration` entry of bundle.json. count: pictures that it was fitted on."""
    told: dict[str, object] = {"temperature": how.temperature, "fitted_on": fitted_on, "n": count}
    if how.malignant is None:
        return told
    shift = {code.value: float(value) for code, value in zip(CODES, how.malignant.shift, strict=True)}
    return told | {"malignant": {"scale": how.malignant.scale, "shift": shift}}


def need(train: int, calibration: NDArray[np.bool_]) -> None:
    """What can be known before training of what cannot be fitted after it.

    train: pictures. calibration: bool, shape (N, K), as for `thresholds`.

    Raises: TooFewPictures.
    """
    _need_positives(int((calibration & SUSPICIOUS).any(axis=1).sum()), MEDIUM_SENSITIVITY)
    _need_pictures(train)


def _need_positives(count: int, sensitivity: float) -> None:
    if count < MIN_POSITIVES:
        raise TooFewPictures(f"{count} positives in the calibration part; at least {MIN_POSITIVES} are needed for "
                             f"a threshold at {sensitivity:.0%} sensitivity: give more data or a larger such part.")


def _need_pictures(count: int) -> None:
    if count <= GATE_DIRECTIONS + 1:
        raise TooFewPictures(f"{count} training pictures; more than {GATE_DIRECTIONS + 1} are needed for the gate "
                             "that tells pictures unlike them: give more data or a larger training part.")


def strata(records: Sequence[Record]) -> list[str]:
    """The data set and the kind of picture of each: a sensitivity over all may hide that one of them misses more."""
    return [f"{record.dataset}, {record.patient.modality}" for record in records]


def threshold(scores: NDArray[np.float64], positive: NDArray[np.bool_], sensitivity: float,
              within: Sequence[str] = ()) -> float:
    """The largest probability at which at least `sensitivity` of the positives are found, over all and in each stratum
    of at least MIN_POSITIVES of them.

    within: the stratum of each picture, length N; empty for all together alone.
    Raises: TooFewPictures with fewer than MIN_POSITIVES positives.
    """
    _need_positives(int(positive.sum()), sensitivity)
    parts = [positive, *(positive & (np.asarray(within) == stratum) for stratum in sorted(set(within)))]
    return min(_limit(scores[part], sensitivity) for part in parts if part.sum() >= MIN_POSITIVES)


def _limit(scores: NDArray[np.float64], sensitivity: float) -> float:
    """The smallest score that must still be found; its own value is included (>=)."""
    return float(np.sort(scores)[::-1][int(np.ceil(sensitivity * len(scores))) - 1])


def thresholds(shares: Rows, allowed: NDArray[np.bool_], within: Sequence[str] = ()) -> dict[str, object]:
    """The `thresholds` entry of bundle.json; a class gets one of its own where labels name it alone.

    shares: probabilities, shape (N, K). allowed: bool, shape (N, K): all suspicious, or all benign, in each row.
    within: as for `threshold`.
    """
    positive = (allowed & SUSPICIOUS).any(axis=1)
    alone = allowed & (allowed.sum(axis=1, keepdims=True) == 1)
    malignant = shares[:, SUSPICIOUS].sum(axis=1)
    exclusion = {
        code.value: _entry(threshold(shares[:, i], alone[:, i], EXCLUSION_SENSITIVITY, within), EXCLUSION_SENSITIVITY)
        for i, code in enumerate(CODES)
        if code.suspicious and alone[:, i].sum() >= MIN_POSITIVES
    }
    return {
        "medium": _entry(threshold(malignant, positive, MEDIUM_SENSITIVITY, within), MEDIUM_SENSITIVITY),
        "high": _entry(threshold(malignant, positive, HIGH_SENSITIVITY, within), HIGH_SENSITIVITY),
        "cannot_exclude": exclusion,
        "fitted_on": "calibration part, lesion-disjoint from training and test",
        **({"within": WITHIN} if within else {}),
        "n": len(allowed),
    }


def _entry(probability: float, sensitivity: float) -> dict[str, float]:
    # Rounded down, so that the lesion that sets the threshold stays above it.
    return {"probability": float(np.floor(probability * 1e6) / 1e6), "sensitivity": sensitivity}


def gate(train: NDArray[np.float32], calibration: NDArray[np.float32]) -> Gate:
    """The distance beyond which a picture is unlike the training pictures.

    train, calibration: embeddings, shape (N, D). The directions come from the first, the threshold from the second.

    Raises: TooFewPictures with too few training pictures to tell what lies outside their span; Diverged if all are
    alike to the network.
    """
    _need_pictures(len(train))
    rows = train.astype(np.float64)
    mean = rows.mean(axis=0)
    _, singular, directions = np.linalg.svd(rows - mean, full_matrices=False)
    energy = float((singular**2).sum() / len(rows))
    if not energy > 0:  # written so that NaN is told
        raise Diverged("the network sees no difference between the training pictures: lower its learning rates and "
                       "train again.")
    # Directions in which the embeddings do not vary (dead units, few channels) have no scale to whiten by.
    count = min(GATE_DIRECTIONS, int((singular > singular[0] * LEAST_VARIATION).sum()))
    basis = directions[:count].T
    whitening = basis / (singular[:count] / np.sqrt(len(rows)))
    centred = rows - mean
    outside = float(((centred**2).sum(axis=1) - ((centred @ basis) ** 2).sum(axis=1)).mean())
    residual = max(outside, energy * LEAST_VARIATION)
    unlimited = Gate(mean, whitening, basis, residual, np.inf)
    scores = [unlimited.score(row) for row in calibration]
    return Gate(mean, whitening, basis, residual, float(np.quantile(scores, GATE_QUANTILE)))
