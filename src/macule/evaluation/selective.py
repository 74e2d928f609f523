"""Selective prediction: what is left of the mistakes if the least sure pictures are deferred to a person."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from macule.evaluation import metrics
from macule.evaluation.exam import Exam
from macule.evaluation.metrics import Figure, Floats
from macule.evaluation.sample import Sample, alarms, plain

Mask = NDArray[np.bool_]
#: Shares of pictures kept at which the curves are drawn, and those that are listed.
GRID = np.linspace(0.02, 1, 50)
LISTED = (1.0, 0.9, 0.8, 0.7, 0.5)
#: A curve starts where so many of the pictures that count are kept.
LEAST = 10


def measure(exam: Exam) -> dict[str, Any]:
    """By the probability of the class ranked first, over the classes of the exam: the least sure are deferred first.

    error: wrong first diagnoses (over the classes of the exam too) among the pictures of one class. missed_malignant:
    malignant or indeterminate lesions that are served as low risk, among all of them that are kept; a picture that the
    gate flags is never one.
    """
    answers, confidence = exam.predictions, exam.projected.max(axis=1)
    suspicious = answers.suspicious == 1
    wrong = exam.projected.argmax(axis=1) != exam.targets
    missed = suspicious & ~alarms(exam, "medium")
    return {
        "error": _curve(_Risk.of(exam, exam.single, confidence, wrong, exam.single)),
        "missed_malignant": _curve(_Risk.of(exam, np.isfinite(answers.suspicious), confidence, missed, suspicious)),
    }


@dataclass(frozen=True)
class _Risk:
    """The share of `bad` among `counted` pictures, each (n,), the most confident first; bad only where counted.

    units: number of the lesion or patient. weights: (B, n), of the pictures as they come; order: places in these.
    """

    confidence: Floats
    bad: Mask
    counted: Mask
    units: NDArray[np.int64]
    order: NDArray[np.intp] = field(repr=False)
    weights: NDArray[Any] = field(repr=False)

    @classmethod
    def of(cls, exam: Exam, keep: Mask, confidence: Floats, bad: Mask, counted: Mask) -> _Risk:
        """Each (N,), of the exam."""
        sample = Sample.of(exam, keep)
        order = np.argsort(-confidence[keep], kind="stable")
        return cls(confidence[keep][order], (bad & counted)[keep][order], counted[keep][order], sample.groups[order],
                   order, sample.weights)

    def every(self, weights: Any) -> dict[str, Floats]:
        """Of every resample: the risk at each share of GRID, and its mean over all sizes."""
        kept = np.asarray(weights[:, self.order], np.float64)
        pictures, risk = np.cumsum(kept, axis=1), metrics.ratio(np.cumsum(kept * self.bad, axis=1),
                                                                np.cumsum(kept * self.counted, axis=1))
        points = np.stack([row[np.minimum(np.searchsorted(size, GRID * size[-1] - 1e-9), len(row) - 1)]
                           for row, size in zip(risk, pictures, strict=True)])
        known = np.isfinite(risk)
        area = metrics.ratio((kept * np.where(known, risk, 0)).sum(axis=1), (kept * known).sum(axis=1))
        return {"points": points, "aurc": area, "random": risk[:, -1], "gain": risk[:, -1] - area}

    def kept(self, share: float) -> int:
        """How many pictures this share is."""
        return max(1, int(np.ceil(share * len(self.counted) - 1e-9)))

    def settled(self, spread: Floats, share: float) -> tuple[Figure, int]:
        """The risk of what is kept at a share, and how many are bad. n: of the counted pictures among them."""
        counted = self.counted[:self.kept(share)]
        n, bad = int(counted.sum()), int(self.bad[:len(counted)].sum())
        value = bad / n if n else np.nan
        # Of a share of 0 or 1 the resamples keep other pictures, or say the same: Wilson's interval stands in.
        ends = (np.nan, np.nan) if value in (0.0, 1.0) else metrics.interval(spread, value)
        found = Figure(value, *ends, n)
        return metrics.settle(found, len(np.unique(self.units[:len(counted)][counted]))), bad


def _curve(risk: _Risk) -> dict[str, Any]:
    """For every size of the most confident part of the pictures.

    aurc: the risk averaged over all sizes (Geifman & El-Yaniv 2017). random: what deferring at random comes to at every
    size. gain: random less aurc.
    """
    if not risk.counted.any():
        return {"n": 0}
    whole, spread = metrics.gathered(risk.every, risk.weights)
    count, counted = len(risk.counted), int(risk.counted.sum())
    found = {name: Figure(float(whole[name]), *metrics.interval(spread[name], float(whole[name])), count, counted)
             for name in ("aurc", "random", "gain")}
    found["random"] = dataclasses.replace(risk.settled(spread["points"][:, -1], 1.0)[0], n=count, positives=counted)
    points = [(share, risk.settled(spread["points"][:, place], share)[0]) for place, share in enumerate(GRID)]
    drawn = [(share, figure) for share, figure in points if figure.n >= LEAST]
    return {
        "n": count, "counted": counted,
        **{name: figure.to_dict() for name, figure in found.items()},
        "curve": {"x": plain(np.array([share for share, _ in drawn])),
                  **{key: plain(np.array([getattr(figure, name) for _, figure in drawn]))
                     for key, name in (("y", "value"), ("low", "low"), ("high", "high"))}},
        "kept": [_kept(risk, spread["points"], share) for share in LISTED],
        "confidence": plain(risk.confidence[[risk.kept(share) - 1 for share in LISTED]]),
    }


def _kept(risk: _Risk, points: Floats, share: float) -> dict[str, Any]:
    """pictures: that are kept; of these, risk's n count, and `bad` of them are bad."""
    figure, bad = risk.settled(points[:, int(np.argmin(np.abs(GRID - share)))], share)
    return {"share": share, "pictures": risk.kept(share), "bad": bad, "risk": figure.to_dict()}
