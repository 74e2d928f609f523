"""Where readers and model stand: sensitivity and specificity for malignant or indeterminate against benign."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from macule.evaluation import metrics
from macule.evaluation.metrics import Figure, Floats, Weights
from macule.evaluation.predictions import NO_CLASS
from macule.evaluation.readers import chance, intervals, mrmc
from macule.evaluation.readers.study import ARMS, Study

Bools = NDArray[np.bool_]
ROC_POINTS = 200


def of_readers(study: Study, weights: Weights) -> list[dict[str, Any]]:
    """One entry a reader and arm that was read."""
    return [{"reader": name, "arm": arm} | _of_calls(study, study.calls[k, j], weights)
            | {"auc": _area(study, study.scores[k, j], study.read[k, j], weights).to_dict(),
               "diagnosis_accuracy": _classes(study, study.codes[k, j], weights).to_dict()}
            for k, arm in enumerate(ARMS) for j, name in enumerate(study.readers) if study.read[k, j].any()]


def of_model(study: Study, weights: Weights) -> dict[str, Any] | None:
    """answered: pictures of the study that the model did not refuse."""
    if study.model is None:
        return None
    answered = ~np.isnan(study.model_scores)
    return {
        "name": study.model.name,
        "sha256": study.model.sha256,
        "leaky": study.model.leaky,
        "answered": int(answered.sum()),
        "auc": _area(study, study.model_scores, answered, weights).to_dict(),
        "diagnosis_accuracy": _classes(study, study.model_codes, weights).to_dict(),
        "points": [{"name": point.name} | _of_calls(study, point.calls, weights) for point in study.points],
        "roc": roc(study.model_scores[answered], study.positive[answered]),
    }


def _of_calls(study: Study, calls: Floats, weights: Weights) -> dict[str, Any]:
    """calls: shape (N,), NaN where there is none."""
    positive, made = study.positive, ~np.isnan(calls)
    right = np.stack([calls == 1, calls == 0]).astype(np.float64)
    counted = np.stack([made & positive, made & ~positive]).astype(np.float64)

    def both(w: Weights) -> Floats:
        halves = metrics.ratio(w @ (right * counted).T, w @ counted.T)
        return np.column_stack([halves, halves.mean(axis=1)])

    counts = [*(int(row.sum()) for row in counted), int(made.sum())]
    behind = [len(np.unique(study.cases[which])) for which in (made & positive, made & ~positive, made)]
    found = [metrics.settle(figure, groups)
             for figure, groups in zip(intervals.figures(both, weights, counts), behind, strict=True)]
    return {name: figure.to_dict()
            for name, figure in zip(("sensitivity", "specificity", "balanced_accuracy"), found, strict=True)}


def _area(study: Study, scores: Floats, counted: Bools, weights: Weights) -> Figure:
    """NaN if a picture that was read has no score: a curve through half of the readings would be another one."""
    count = int(study.positive[counted].sum())
    if not counted.any() or np.isnan(scores[counted]).any():
        return Figure(np.nan, np.nan, np.nan, int(counted.sum()), count)
    area = partial(metrics.auc, scores[counted], study.positive[counted])
    return metrics.figure(area, weights[:, counted], positives=count)


def _classes(study: Study, codes: NDArray[np.int64], weights: Weights) -> Figure:
    """Share of classes named rightly, of the readings that name a class of pictures whose class is known."""
    counted = (codes != NO_CLASS) & (study.truth != NO_CLASS)
    right = counted & (codes == study.truth)
    return intervals.shares(right[None].astype(np.float64), counted[None].astype(np.float64), weights, study.cases)[0]


def roc(scores: Floats, positive: Bools) -> list[list[float]]:
    """At most 200 points (1 - specificity, sensitivity) from corner to corner; empty without both kinds."""
    if not positive.any() or positive.all():
        return []
    order = np.argsort(-scores, kind="stable")
    ends = np.flatnonzero(np.r_[np.diff(scores[order]) < 0, True])
    hits, alarms = (np.r_[0, np.cumsum(which[order])[ends]] / which.sum() for which in (positive, ~positive))
    if len(hits) > ROC_POINTS:
        kept = np.unique(np.linspace(0, len(hits) - 1, ROC_POINTS).round().astype(int))
        hits, alarms = hits[kept], alarms[kept]
    return [[round(float(x), 4), round(float(y), 4)] for x, y in zip(alarms, hits, strict=True)]


def against_model(study: Study, weights: Weights) -> list[dict[str, Any]]:
    """Each reader and arm beside the model on the pictures that both answered."""
    return [_beside(study, k, j, weights) for k in range(len(ARMS)) for j in range(len(study.readers))
            if study.model is not None and study.read[k, j].any()]


def _beside(study: Study, arm: int, reader: int, weights: Weights) -> dict[str, Any]:
    both = study.read[arm, reader] & ~np.isnan(study.model_scores)
    calls, scores, positive = study.calls[arm, reader][both] == 1, study.model_scores[both], study.positive[both]
    counts = int(positive.sum()), int(positive.sum()), int((~positive).sum())
    measured = partial(_at_specificity, metrics.Ranking.of(scores, positive), calls, positive)
    found = intervals.figures(measured, weights[:, both], counts)
    names = ("model_sensitivity", "difference", "specificity")
    return {
        "reader": study.readers[reader], "arm": ARMS[arm], "pictures": int(both.sum()),
        "at_the_readers_specificity": {name: each.to_dict() for name, each in zip(names, found, strict=True)},
        "mcnemar": [{"point": point.name} | mcnemar(calls == positive, (point.calls[both] == 1) == positive)
                    for point in study.points],
    }


def _at_specificity(ranking: metrics.Ranking, calls: Bools, positive: Bools, weights: Weights) -> Floats:
    """The model's sensitivity at the lowest threshold that keeps the reader's specificity, found anew in each resample;
    that less the reader's; the reader's specificity. ranking: the model's. Shape (b, 3)."""
    corners = ranking.points(weights)
    hits, alarms = (weights @ (calls & which).astype(np.float64) for which in (positive, ~positive))
    best = np.where(corners.upto <= alarms[:, None], corners.hits, 0.0).max(axis=1, initial=0.0)
    model = np.where(corners.negatives > 0, metrics.ratio(best, corners.positives), np.nan)
    return np.stack([model, model - metrics.ratio(hits, corners.positives),
                     1 - metrics.ratio(alarms, corners.negatives)], axis=1)


def mcnemar(first: Bools, second: Bools) -> dict[str, Any]:
    """first, second: whether each was right, of the same pictures. Counts, and the exact two-sided p."""
    ones, others = int((first & ~second).sum()), int((~first & second).sum())
    return {"both_right": int((first & second).sum()), "reader_only": ones, "model_only": others,
            "both_wrong": int((~first & ~second).sum()), "p": mrmc.rounded(chance.mcnemar(ones, others))}
