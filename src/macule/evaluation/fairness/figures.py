"""The figures of one group, and of every resample of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from macule.evaluation import metrics
from macule.evaluation.exam import Exam
from macule.evaluation.metrics import Figure, Floats
from macule.evaluation.predictions import CODES
from macule.evaluation.sample import alarms
from macule.taxonomy import Diagnosis

Mask = NDArray[np.bool_]
Columns = dict[str, tuple[NDArray[Any], NDArray[Any]]]
#: Below so many pictures a group is shown faintly and never compared; below so many of the class that counts, neither.
LEAST, LEAST_OF_CLASS = 30, 10
#: Of a two-sided 95 % interval.
_SAME = 1e-9
#: What is shown of every group, in order.
SHOWN = ("sensitivity_medium", "specificity_medium", "sensitivity_high", "specificity_high", "malignant_auc",
         "balanced_accuracy", "melanoma_sensitivity", "calibration_error", "overestimate", "flagged", "refused")
#: Shares of pictures, which need Wilson's interval where all or none count.
_SHARES = frozenset({"sensitivity_medium", "specificity_medium", "sensitivity_high", "specificity_high",
                     "melanoma_sensitivity", "flagged"})


@dataclass(frozen=True)
class Facts:
    """What the figures are made of, each of shape (N,), once for all groups.

    known: whether the label says malignant or benign. positive: and says malignant. single: whether it names one class.
    first: the diagnosis ranked first. units: number of the lesion or patient that is resampled. medium, high: called at
    this risk or above, as served: a flagged picture is never called low risk, however small its probability.
    """

    scores: Floats
    known: Mask
    positive: Mask
    single: Mask
    targets: NDArray[np.int64]
    first: NDArray[np.int64]
    confidence: Floats
    flagged: Mask | None
    units: NDArray[np.intp]
    medium: Mask
    high: Mask

    @classmethod
    def of(cls, exam: Exam) -> Facts:
        answers, said = exam.predictions, exam.predictions.suspicious
        units = np.unique(np.asarray(answers.groups, dtype=str), return_inverse=True)[1]
        flagged = ~answers.admitted if len(answers.admitted) == len(answers.records) else None
        return cls(answers.malignant, np.isfinite(said), said == 1, exam.single, exam.targets,
                   exam.projected.argmax(axis=1), exam.projected.max(axis=1), flagged, np.asarray(units),
                   alarms(exam, "medium"), alarms(exam, "high"))


@dataclass(frozen=True, eq=False)
class Group:
    """whole: each figure. spread: the same of every resample, (B,); NaN where it is undefined.

    n: pictures. positives, negatives, melanomas: of them. lesions: or patients, as they are resampled. behind: how many
    of these stand behind a figure. refused: pictures that were not answered, of how many; None where nobody knows.
    """

    name: str
    whole: dict[str, float]
    spread: dict[str, Floats]
    n: int
    positives: int
    negatives: int
    melanomas: int
    lesions: int
    behind: dict[str, int]
    refused: tuple[int, int] | None

    @property
    def muted(self) -> bool:
        return self.n < LEAST

    def counts(self, metric: str) -> bool:
        """Whether the group is large enough to be compared by this figure."""
        enough = {"sensitivity": self.positives, "specificity": self.negatives, "melanoma": self.melanomas,
                  "malignant": min(self.positives, self.negatives)}
        needed = enough.get(metric.split("_", maxsplit=1)[0], LEAST_OF_CLASS)
        return not self.muted and needed >= LEAST_OF_CLASS and not np.isnan(self.value(metric))

    def value(self, metric: str) -> float:
        if metric != "refused":
            return self.whole[metric]
        return self.refused[0] / self.refused[1] if self.refused and self.refused[1] else np.nan

    def is_stiff(self, metric: str) -> bool:
        """Whether resampling says nothing of how the figure would vary: all were right, say, or it is of refusals."""
        if metric == "refused":
            return True
        known = self.spread[metric][np.isfinite(self.spread[metric])]
        return len(known) < 2 or bool(np.ptp(known) < _SAME)

    def figure(self, metric: str) -> Figure:
        if metric == "refused":
            return _refusal(self.refused)
        low, high = metrics.interval(self.spread[metric], self.whole[metric], centred=metric == "calibration_error")
        count = {"melanoma_sensitivity": self.melanomas, "flagged": None, "calibration_error": None,
                 "balanced_accuracy": None}.get(metric, self.positives)
        found = Figure(self.whole[metric], low, high, self.n, count)
        return metrics.settle(found, self.behind.get(metric, self.lesions), share=metric in _SHARES)

    def to_dict(self) -> dict[str, Any]:
        return {"name": self.name, "n": self.n, "positives": self.positives, "melanomas": self.melanomas,
                "lesions": self.lesions, "refused": self.refused[0] if self.refused else None, "muted": self.muted,
                "compared": [metric for metric in SHOWN if self.counts(metric)],
                "figures": {metric: self.figure(metric).to_dict() for metric in SHOWN}}


def measure(name: str, facts: Facts, weights: NDArray[Any], members: NDArray[np.intp],
            refused: int | None) -> Group:
    """members: the group's places among the answered pictures. refused: how many of the group were not answered."""
    known, positive = facts.known[members], facts.positive[members]
    columns = _columns(facts, members)
    whole, spread = metrics.gathered(_measurer(facts, members, columns), weights[:, members])
    return Group(
        name, {key: float(value) for key, value in whole.items()}, spread, len(members), int(positive.sum()),
        int((known & ~positive).sum()), int((facts.targets[members] == CODES.index(Diagnosis.MEL)).sum()),
        _units(facts, members), {key: _units(facts, members[np.asarray(below, bool)])
                                 for key, (_, below) in columns.items()},
        None if refused is None else (refused, refused + len(members)),
    )


def _columns(facts: Facts, members: NDArray[np.intp]) -> Columns:
    """Figures that are a ratio of two sums over pictures: what is added up above and below the line, each (n,)."""
    score, known, positive = facts.scores[members], facts.known[members], facts.positive[members]
    target, first = facts.targets[members], facts.first[members]
    found: Columns = {}
    for name, called in (("medium", facts.medium[members]), ("high", facts.high[members])):
        found[f"sensitivity_{name}"] = (positive & called, positive)
        found[f"specificity_{name}"] = (known & ~positive & ~called, known & ~positive)
    melanoma = target == CODES.index(Diagnosis.MEL)
    found["melanoma_sensitivity"] = (melanoma & (first == target), melanoma)
    found["overestimate"] = (np.where(known, score - positive, 0.0), known)
    if facts.flagged is not None:
        found["flagged"] = (facts.flagged[members], np.ones(len(members), bool))
    return found


def _measurer(facts: Facts, members: NDArray[np.intp], columns: Columns) -> Callable[[NDArray[Any]], dict[str, Floats]]:
    """What gives every figure of the group for weights of shape (b, n); all sums over pictures in one product."""
    single, known, target = facts.single[members], facts.known[members], facts.targets[members]
    right = facts.first[members] == target
    classes = [(target == k) & single for k in np.unique(target[single])]
    bins = _bins(facts.confidence[members], right, single)
    ratios = len(columns) + len(classes)
    above = [*(top for top, _ in columns.values()), *(each & right for each in classes)]
    below = [*(bottom for _, bottom in columns.values()), *classes]
    sums = np.stack([*above, *below, single, *bins], axis=1).astype(np.float32)
    ranking = metrics.Ranking.of(facts.scores[members][known], facts.positive[members][known])

    def each(weights: NDArray[Any]) -> dict[str, Floats]:
        found = np.asarray(weights @ sums.astype(weights.dtype), np.float64)
        shares = metrics.ratio(found[:, :ratios], found[:, ratios:2 * ratios])
        recalls, off = shares[:, len(columns):], np.abs(found[:, 2 * ratios + 1:]).sum(axis=1)
        present = np.isfinite(recalls)
        return {
            "flagged": np.full(len(weights), np.nan),
            **{key: shares[:, number] for number, key in enumerate(columns)},
            "balanced_accuracy": metrics.ratio(np.where(present, recalls, 0).sum(axis=1), present.sum(axis=1)),
            "malignant_auc": ranking.points(weights if known.all() else weights[:, known]).auc(),
            "calibration_error": metrics.ratio(off, found[:, 2 * ratios]),
        }

    return each


def _bins(confidence: Floats, right: Mask, single: Mask) -> list[Floats]:
    """Outcome less probability in each bin of equal count, as in metrics.calibration_error; each (n,)."""
    order = np.flatnonzero(single)[np.argsort(confidence[single], kind="stable")]
    found = []
    for places in np.array_split(order, min(metrics.ECE_BINS, len(order))) if len(order) else ():
        column = np.zeros(len(confidence))
        column[places] = right[places] - confidence[places]
        found.append(column)
    return found


def _units(facts: Facts, members: NDArray[np.intp]) -> int:
    return len(np.unique(facts.units[members]))


def _refusal(counted: tuple[int, int] | None) -> Figure:
    """Refused pictures stand in no resample, so the interval is Wilson's (1927), over pictures."""
    if counted is None or counted[1] == 0:
        return Figure(np.nan, np.nan, np.nan, 0)
    return Figure(counted[0] / counted[1], *metrics.wilson(*counted), counted[1])
