"""What it is worth to act on the malignant probability: decision curve analysis (Vickers & Elkin 2006)."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from macule.evaluation import metrics
from macule.evaluation.exam import Exam
from macule.evaluation.metrics import Benefit, Floats
from macule.evaluation.sample import Sample, alarms, band, plain

THRESHOLDS = np.arange(1, 100) / 100


def measure(exam: Exam) -> dict[str, Any]:
    """Net benefit of acting (a biopsy, a referral) from each probability on, against acting on all and on none.

    `useful`: ranges of thresholds, ends included, where the model is better than both by its whole interval.
    `operating_points`: acting on the risk as it is served, at the price of the bundle's own thresholds. Net benefit is
    of this set's share of malignant pictures.
    """
    suspicious = exam.predictions.suspicious
    sample = Sample.of(exam, ~np.isnan(suspicious))
    positive, scores = suspicious[sample.keep] == 1, exam.predictions.malignant[sample.keep]
    limits = exam.bundle.thresholds
    share = float(positive.mean()) if sample.count else np.nan
    return {
        "n": sample.count,
        "positives": int(positive.sum()),
        "prevalence": plain(np.array([share]))[0],
        **_curve(scores, positive, sample),
        "operating_points": {
            name: {"probability": limit.probability,
                   **_at(limit.probability, alarms(exam, name)[sample.keep], positive, sample)}
            for name, limit in (("medium", limits.medium), ("high", limits.high))
        },
    }


def _curve(scores: Floats, positive: NDArray[np.bool_], sample: Sample) -> dict[str, Any]:
    """Empty without both kinds: there is then nothing to decide."""
    if positive.all() or not positive.any():
        return {"thresholds": [], "model": [], "low": [], "high": [], "everyone": [], "gain": [], "useful": []}
    benefit = Benefit.of(scores, positive, THRESHOLDS)
    whole, spread = metrics.gathered(benefit.figures, sample.weights)
    low, high = band(spread["model"])
    gain_low, _ = band(spread["gain"])
    return {"thresholds": plain(THRESHOLDS), "model": plain(whole["model"]), "low": low, "high": high,
            "everyone": plain(whole["everyone"]), "gain": plain(whole["gain"]), "useful": _ranges(gain_low)}


def _ranges(gain_low: list[float | None]) -> list[list[float]]:
    """The thresholds where the gain's lower bound is above 0, as [first, last] of each run."""
    better = np.array([low is not None and low > 0 for low in gain_low])
    edges = np.diff(np.r_[False, better, False].astype(int))
    starts, ends = np.flatnonzero(edges == 1), np.flatnonzero(edges == -1) - 1
    return [[float(THRESHOLDS[start]), float(THRESHOLDS[end])] for start, end in zip(starts, ends, strict=True)]


def _at(threshold: float, alarm: NDArray[np.bool_], positive: NDArray[np.bool_], sample: Sample) -> dict[str, Any]:
    if threshold >= 1:  # nobody acts, at a price without end
        return {}
    # A call is a probability of 1 or 0: it reaches the threshold or not.
    benefit = Benefit.of(np.where(alarm, 1.0, -1.0), positive, np.array([threshold]))
    names = {"model": "net_benefit"}
    found = sample.figures(lambda w: {name: values[:, 0] for name, values in benefit.figures(w).items()})
    return {names.get(name, name): figure.to_dict() for name, figure in found.items()}
