"""Figures of the calibration part, and the lead over a baseline on the same pictures and resamples. Needs no torch.

Not of the locked part: what is chosen on it would no longer be an exam.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from macule.data import sources
from macule.evaluation import metrics
from macule.evaluation.metrics import Confusion, Figure, Floats, Ranking, Weights
from macule.evaluation.predictions import CODES, NO_CLASS, Predictions, projected
from macule.taxonomy import Diagnosis
from macule.training.queue.expectation import ALL

Bools = NDArray[np.bool_]
Measure = Callable[[Weights], Mapping[str, Floats]]
MEL = CODES.index(Diagnosis.MEL)


@dataclass(frozen=True)
class Measured:
    """One part of the calibration part. scope: a data set, DATASET/MODALITY, or all.

    figures: without those that are undefined there. lead: this one's less the baseline's, over `shared` pictures.
    """

    scope: str
    pictures: int
    lesions: int
    figures: Mapping[str, Figure]
    lead: Mapping[str, Figure]
    shared: int = 0


def measure(mine: Predictions, baseline: Predictions | None = None, *,
            resamples: int = metrics.RESAMPLES) -> list[Measured]:
    """baseline: its answers; a picture that only one of the two had in its calibration part counts in no lead."""
    return [_one(scope, mine.only(keep), baseline, resamples) for scope, keep in _scopes(mine)]


def _scopes(mine: Predictions) -> Iterator[tuple[str, Bools]]:
    """Each data set, its modalities where it has both, and all together where there are several sets."""
    sets = np.array([record.dataset for record in mine.records])
    kinds = np.array([str(record.patient.modality or "") for record in mine.records])
    names = list(dict.fromkeys(sets.tolist()))
    for name in names:
        yield name, sets == name
        modalities = [kind for kind in dict.fromkeys(kinds[sets == name].tolist()) if kind]
        if len(modalities) > 1:
            yield from ((f"{name}/{kind}", (sets == name) & (kinds == kind)) for kind in sorted(modalities))
    if len(names) > 1:
        yield ALL, np.ones(len(sets), bool)


def _one(scope: str, mine: Predictions, baseline: Predictions | None, resamples: int) -> Measured:
    weights = metrics.resample(mine.groups, resamples=resamples, seed=0)
    figures = {name: figure for part in _parts(mine) for name, figure in _figures(mine, part, weights).items()}
    lead, shared = ({}, 0) if baseline is None else _lead(mine, baseline, resamples)
    return Measured(scope, len(mine.records), len({record.group for record in mine.records}), figures, lead, shared)


def _lead(mine: Predictions, baseline: Predictions, resamples: int) -> tuple[dict[str, Figure], int]:
    theirs = {_name(baseline, i): i for i in range(len(baseline.records))}
    keep = np.array([_name(mine, i) in theirs for i in range(len(mine.records))], bool)
    ours = mine.only(keep)
    # Labels and groups are ours: a label that was corrected meanwhile must not part the two.
    others = replace(ours, shares=baseline.shares[[theirs[_name(ours, i)] for i in range(len(ours.records))]])
    weights = metrics.resample(ours.groups, resamples=resamples, seed=0)
    found: dict[str, Figure] = {}
    for part, other in zip(_parts(ours), _parts(others), strict=True):
        found |= _figures(ours, _Part(part.keep, _minus(part.measure, other.measure)), weights)
    return found, len(ours.records)


def _minus(one: Measure, other: Measure) -> Measure:
    def apart(weights: Weights) -> dict[str, Floats]:
        theirs = other(weights)
        return {name: value - theirs[name] for name, value in one(weights).items()}

    return apart


@dataclass(frozen=True)
class _Part:
    """Figures over the same pictures. keep: which."""

    keep: Bools
    measure: Measure


def _parts(predictions: Predictions) -> list[_Part]:
    """As macule.evaluation.scoring takes them: classes over pictures of a single one, malignancy where it is known."""
    single, told = predictions.targets != NO_CLASS, ~np.isnan(predictions.suspicious)
    classes = {code for record in predictions.records for code in sources.find(record.dataset).classes}
    known = sorted(CODES.index(code) for code in classes)
    shares = projected(predictions.shares, known)[single]
    return [_Part(single, _of_classes(shares, predictions.targets[single])),
            _Part(told, _of_malignancy(predictions.malignant[told], predictions.suspicious[told] == 1))]


def _of_classes(shares: Floats, targets: NDArray[np.int64]) -> Measure:
    cells = Confusion.cells(shares.argmax(axis=1), targets, len(CODES))
    rankings = {k: Ranking.of(shares[:, k], targets == k) for k in {MEL, *targets.tolist()}}
    present = sorted(set(targets.tolist()))

    def measured(weights: Weights) -> dict[str, Floats]:
        points = {k: ranking.points(weights) for k, ranking in rankings.items()}
        areas = {k: each.auc() for k, each in points.items()}
        return {"balanced_accuracy": Confusion.of(weights, cells).balanced_accuracy(),
                "macro_auc": np.asarray(np.mean([areas[k] for k in present], axis=0)),
                "melanoma_auc": areas[MEL], "melanoma_sensitivity": points[MEL].sensitivity_at(0.90)}

    return measured


def _of_malignancy(scores: Floats, positive: Bools) -> Measure:
    ranking = Ranking.of(scores, positive)
    return lambda weights: {"malignant_auc": ranking.points(weights).auc()}


def _figures(predictions: Predictions, part: _Part, weights: Weights) -> dict[str, Figure]:
    """Without those that are undefined; of one lesion or patient there is no interval."""
    if not part.keep.any():
        return {}
    groups = metrics.independent(predictions.groups, part.keep)
    found = metrics.figures(part.measure, weights if part.keep.all() else weights[:, part.keep])
    return {name: metrics.settle(figure, groups, share=False) for name, figure in found.items()
            if not np.isnan(figure.value)}


def _name(predictions: Predictions, place: int) -> str:
    record = predictions.records[place]
    return f"{record.dataset}:{record.picture_id}"
