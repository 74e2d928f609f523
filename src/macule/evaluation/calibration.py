"""Whether probabilities can be taken at their word, before and after the bundle's calibration.

Nothing is fitted here: that was done on the bundle's calibration part, and can be undone from the probabilities alone.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from macule.analysis.calibration import SUSPICIOUS, softmax
from macule.evaluation import metrics
from macule.evaluation.exam import Exam
from macule.evaluation.metrics import Figure, Floats, Reliability
from macule.evaluation.sample import Sample, plain

Metric = Callable[[Any], Floats]


def measure(exam: Exam) -> dict[str, Any]:
    """top: of the most probable class, over the single-class pictures. malignant: of the malignant probability.

    Each has `before` and `after` the calibration, and the paired `change` of every figure; bins of equal count.
    """
    raw = dataclasses.replace(exam, predictions=dataclasses.replace(
        exam.predictions, shares=softmax(exam.bundle.calibration.logits(exam.predictions.shares))))
    found = {name: {"before": way(raw), "after": way(exam)} for name, way in (("top", _top), ("malignant", _malignant))}
    samples = {"top": Sample.of(exam, exam.single), "malignant": Sample.of(exam, _known(exam))}
    how = exam.bundle.calibration
    return {"temperature": how.temperature, "malignant_apart": how.malignant is not None, "bins": metrics.ECE_BINS,
            **{name: _both(ways["before"], ways["after"], samples[name]) for name, ways in found.items()}}


@dataclasses.dataclass(frozen=True)
class _Word:
    """probability and outcome, (n,), that are held against each other, and the figures of both."""

    probability: Floats
    outcome: NDArray[np.bool_]
    reliability: Reliability
    scores: dict[str, Metric]

    def figures(self, weights: Any) -> dict[str, Floats]:
        sums = self.reliability.sums(weights)
        return {"ece": Reliability.error(sums), "largest_error": Reliability.largest(sums),
                **{name: score(weights) for name, score in self.scores.items()}}


def _top(exam: Exam) -> _Word:
    shares, targets = exam.projected[exam.single], exam.targets[exam.single]
    confidence, right = shares.max(axis=1), shares.argmax(axis=1) == targets
    bins = Reliability.of(confidence, right)
    given = shares[np.arange(len(targets)), targets]
    return _Word(confidence, right, bins, {
        "brier": lambda w: metrics.brier(shares, targets, w),
        "log_loss": lambda w: metrics.log_loss(given, w),
    })


def _malignant(exam: Exam) -> _Word:
    known = _known(exam)
    probability = np.minimum(exam.predictions.shares[known][:, SUSPICIOUS].sum(axis=1), 1.0)
    outcome = exam.predictions.suspicious[known] == 1
    bins, given = Reliability.of(probability, outcome), np.where(outcome, probability, 1 - probability)
    return _Word(probability, outcome, bins, {
        "brier": lambda w: metrics.ratio(w @ (1 - given) ** 2, w.sum(axis=1)),
        "log_loss": lambda w: metrics.log_loss(given, w),
        "intercept": lambda w: metrics.in_the_large(probability, outcome, w),
        "slope": lambda w: metrics.slope(probability, outcome, w),
    })


def _known(exam: Exam) -> NDArray[np.bool_]:
    return ~np.isnan(exam.predictions.suspicious)


def _both(before: _Word, after: _Word, sample: Sample) -> dict[str, Any]:
    def every(weights: Any) -> dict[tuple[str, str], Floats]:
        old, new = before.figures(weights), after.figures(weights)
        return {(way, name): value for way, values in (("before", old), ("after", new), ("change", {
            name: new[name] - old[name] for name in new})) for name, value in values.items()}

    # Means of distances, which the noise of a resample raises.
    raised = [(way, name) for way in ("before", "after", "change") for name in ("ece", "largest_error")]
    figures = {key: _bounded(key, figure) for key, figure in sample.figures(every, centred=raised).items()}
    found: dict[str, Any] = {way: {name: figure.to_dict() for (key, name), figure in figures.items() if key == way}
                             for way in ("before", "after", "change")}
    for way, word in (("before", before), ("after", after)):
        found[way]["reliability"] = _diagram(word, sample)
    return {"n": sample.count, "outcomes": int(after.outcome.sum()), **found}


def _bounded(key: tuple[str, str], figure: Figure) -> Figure:
    """An error is not below 0; a change may be."""
    if key[0] == "change" or key[1] not in ("ece", "largest_error"):
        return figure
    return dataclasses.replace(figure, low=np.maximum(figure.low, 0.0), high=np.minimum(figure.high, 1.0))


def _diagram(word: _Word, sample: Sample) -> dict[str, Any]:
    """Of each bin: pictures, mean probability, share of outcomes with its interval."""
    bins = word.reliability

    def shares(weights: Any) -> dict[str, Floats]:
        counts, expected, seen = bins.sums(weights)
        return {"probability": metrics.ratio(expected, counts), "observed": metrics.ratio(seen, counts)}

    whole, spread = metrics.gathered(shares, sample.weights)
    settled = []
    for number, value in enumerate(whole["observed"].tolist()):
        here = bins.places == number
        bounds = metrics.interval(spread["observed"][:, number], value)
        settled.append(metrics.settle(Figure(value, *bounds, int(here.sum())), sample.behind(here)))
    return {"pictures": [each.n for each in settled], "probability": plain(whole["probability"]),
            "observed": plain(whole["observed"]), "low": plain(np.array([each.low for each in settled])),
            "high": plain(np.array([each.high for each in settled]))}
