"""The figures of a run's locked part, with intervals over lesions, and of the difference between two runs."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from macule.analysis.calibration import SUSPICIOUS, softmax
from macule.data import kinship
from macule.data import links as pairs
from macule.data.record import Record
from macule.evaluation import metrics
from macule.evaluation.metrics import Figure, Floats
from macule.taxonomy import Diagnosis
from macule.training import bundling
from macule.training.networks.spread import GROUPS, grouped
from macule.training.prepare import Parts
from macule.training.recipe import Recipe, Targets

CODES = list(Diagnosis)
MELANOMA = CODES.index(Diagnosis.MEL)
RESAMPLES = 2000
_AT_ONCE = 250
#: Two runs' locked parts are resampled each by itself.
SEEDS = {"leak-free": 1, "leaky": 2}

Bools = NDArray[np.bool_]
Metric = Callable[[Floats], Floats]


@dataclass(frozen=True)
class Scored:
    """A locked part of N pictures. shares: (N, 11), sum to 1. targets: (N,), places in the taxonomy. known: (11,), the
    classes that the set's labels take; the others' shares stand aside.

    lesion: (N,), linked photographs count as one. sibling: (N,), whether another picture of the lesion was trained on;
    several: whether there is another at all, in any part. pictures: `dataset:id` of all parts.
    """

    shares: Floats
    targets: NDArray[np.int64]
    known: Bools
    lesion: Sequence[str]
    sibling: Bools
    several: Bools
    binary: bool
    pictures: frozenset[str]

    def only(self, chosen: Bools) -> Scored:
        return replace(self, shares=self.shares[chosen], targets=self.targets[chosen],
                       lesion=[each for each, kept in zip(self.lesion, chosen, strict=True) if kept],
                       sibling=self.sibling[chosen], several=self.several[chosen])


def load(folder: Path, made: Recipe, parts: Parts, links: Path) -> Scored:
    """A run's answers on its locked part, at the one temperature of its bundle: recipes are compared here, and the
    class shifts that it serves with (ADR 19) would be one more thing that differs."""
    bundle = json.loads((folder / "bundle" / "bundle.json").read_text(encoding="utf-8"))
    with np.load(folder / bundling.PREDICTIONS) as kept:
        names, logits = kept["test"].tolist(), kept["test_logits"]
    if names != [_name(record) for record in parts.test]:
        raise ValueError(f"{folder} was scored on other pictures than its recipe parts now: delete it and run again")
    everything = [*parts.test, *parts.train, *parts.calibration]
    components = kinship.of_records(everything, pairs.read(links)).components()
    count = len(parts.test)
    there = np.bincount(components, minlength=len(everything))
    own, trained = components[:count], components[count:count + len(parts.train)]
    targets = np.array([CODES.index(record.diagnosis) for record in parts.test])
    return Scored(
        shares=_shares(logits, bundle["calibration"]["temperature"], binary=made.targets is Targets.MALIGNANT),
        targets=targets,
        known=np.isin(np.arange(len(CODES)), [CODES.index(record.diagnosis) for record in everything]),
        lesion=[str(each) for each in own], sibling=np.isin(own, trained), several=there[own] > 1,
        binary=made.targets is Targets.MALIGNANT, pictures=frozenset(map(_name, everything)))


def _shares(logits: Floats, temperature: float, *, binary: bool) -> Floats:
    """Of two classes, the temperature divides the groups' logits: over eleven it would move the groups' odds."""
    if not binary:
        return softmax(logits / temperature)
    pair = grouped(logits)
    return softmax(logits + (pair * (1 / temperature - 1))[:, GROUPS])


def _name(record: Record) -> str:
    return f"{record.dataset}:{record.picture_id}"


def measures(scored: Scored) -> dict[str, Metric]:
    """What a recipe is judged by: classes where it tells them apart, else malignant against benign at 0.5."""
    malignant, positive = scored.shares[:, SUSPICIOUS].sum(axis=1), SUSPICIOUS[scored.targets]
    auc = {"malignant AUC": lambda w: metrics.auc(malignant, positive, w)}
    if scored.binary:
        called = malignant >= 0.5
        return {"balanced accuracy": lambda w: metrics.balanced_accuracy(called.astype(int), positive.astype(int), w),
                "malignant sensitivity": lambda w: metrics.accuracy(called, w * positive),
                "malignant specificity": lambda w: metrics.accuracy(~called, w * ~positive), **auc}
    known = np.where(scored.known, scored.shares, 0.0)
    predicted, present = known.argmax(axis=1), np.unique(scored.targets)
    melanoma = scored.targets == MELANOMA
    return {"balanced accuracy": lambda w: metrics.balanced_accuracy(predicted, scored.targets, w),
            "macro AUC": lambda w: _mean_of_known([metrics.auc(known[:, k], scored.targets == k, w) for k in present]),
            "melanoma sensitivity": lambda w: metrics.accuracy(predicted == MELANOMA, w * melanoma), **auc}


def _mean_of_known(rows: Sequence[Floats]) -> Floats:
    """Over the classes that a resample holds."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # one that holds a single class has no AUC at all: NaN
        return np.asarray(np.nanmean(rows, axis=0))


@dataclass(frozen=True)
class Spread:
    """A figure and its values over resamples; sums and differences keep the pairing. values: (1 + RESAMPLES,)."""

    values: Floats

    def __sub__(self, other: Spread) -> Spread:
        return Spread(self.values - other.values)

    @property
    def figure(self) -> Figure:
        value, rest = float(self.values[0]), self.values[1:][np.isfinite(self.values[1:])]
        low, high = np.quantile(rest, [0.025, 0.975]) if len(rest) and not np.isnan(value) else (np.nan, np.nan)
        return Figure(value, float(low), float(high), 0)


def mean(spreads: Sequence[Spread]) -> Spread:
    return Spread(np.asarray(np.mean([each.values for each in spreads], axis=0)))


def spreads(scored: Scored, chosen: Bools | None = None, *, seed: int) -> dict[str, Spread]:
    """The figures of the chosen pictures, or of all.

    Lesions are drawn from the whole locked part, so that groups of one run are paired. Equal seeds and locked parts
    draw equal lesions, whatever the recipe.
    """
    draws = metrics.resample(scored.lesion, resamples=RESAMPLES, seed=seed)
    weights = np.concatenate([np.ones((1, len(scored.lesion))), draws])
    return _over(scored, weights) if chosen is None else _over(scored.only(chosen), weights[:, chosen])


def _over(scored: Scored, weights: Floats) -> dict[str, Spread]:
    starts = range(0, len(weights), _AT_ONCE)
    return {name: Spread(np.concatenate([metric(weights[i:i + _AT_ONCE]) for i in starts]))
            for name, metric in measures(scored).items()}
