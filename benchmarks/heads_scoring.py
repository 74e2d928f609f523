"""Answers of several heads to the same pictures: figures, paired differences, and temperatures fitted across folds."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from macule.analysis.calibration import SUSPICIOUS, softmax
from macule.analysis.patient import Modality
from macule.data import sources
from macule.data.record import Record
from macule.evaluation import metrics
from macule.evaluation.metrics import Figure, Floats
from macule.evaluation.predictions import projected
from macule.taxonomy import Diagnosis
from macule.training import fit

CODES = list(Diagnosis)
MEL = CODES.index(Diagnosis.MEL)
FOLDS = 5
Bools = NDArray[np.bool_]
Metric = Callable[[Floats], Floats]


@dataclass(frozen=True)
class Exam:
    """N pictures that every head answers. lesion: what is resampled together and kept in one fold."""

    records: Sequence[Record]
    lesion: Sequence[str]
    resamples: int = metrics.RESAMPLES
    weights: NDArray[np.float32] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "weights", metrics.resample(self.lesion, resamples=self.resamples, seed=0))

    @cached_property
    def targets(self) -> NDArray[np.int64]:
        return np.array([CODES.index(record.diagnosis) for record in self.records])

    @property
    def allowed(self) -> Bools:
        return np.eye(len(CODES), dtype=bool)[self.targets]

    def of(self, dataset: str, modality: Modality | None = None) -> Bools:
        return np.array([record.dataset == dataset and modality in (None, record.patient.modality)
                         for record in self.records])

    @cached_property
    def folds(self) -> NDArray[np.int64]:
        """A fold of each picture, whole lesions, drawn at random. Returns: int64, (N,)."""
        names, place = np.unique(self.lesion, return_inverse=True)
        return np.asarray(np.random.default_rng(0).permutation(len(names))[place] % FOLDS)

    def only(self, chosen: Bools) -> Exam:
        return Exam([r for r, kept in zip(self.records, chosen, strict=True) if kept],
                    [name for name, kept in zip(self.lesion, chosen, strict=True) if kept], self.resamples)


def tempered(exam: Exam, logits: Floats) -> Floats:
    """Probabilities at a temperature that was fitted to the other folds' lesions. Returns: (N, 11)."""
    shares = np.empty_like(logits)
    for fold in range(FOLDS):
        held = exam.folds == fold
        shares[held] = softmax(logits[held] / fit.temperature(logits[~held], exam.allowed[~held]))
    return shares


def figures(exam: Exam, shares: Floats) -> dict[str, Metric]:
    """Name -> figure of weights, (B,). The first five make up `SCORE`."""
    ham, milk = exam.of("ham10000"), exam.of("milk10k")
    dermoscopic, clinical = (exam.of("milk10k", kind) for kind in (Modality.DERMOSCOPIC, Modality.CLINICAL))
    named = {
        "HAM balanced accuracy": balanced(exam, shares, ham, "ham10000"),
        "HAM macro AUC": macro(exam, shares, ham, "ham10000"),
        "HAM malignant AUC": malignant(exam, shares, ham),
        "MILK dermoscopic malignant AUC": malignant(exam, shares, dermoscopic),
        "MILK clinical malignant AUC": malignant(exam, shares, clinical),
    }
    whole = dict(named)
    return {SCORE: lambda w: np.mean([each(w) for each in whole.values()], axis=0), **named,
            "HAM melanoma AUC": melanoma(exam, shares, ham),
            "MILK balanced accuracy": balanced(exam, shares, milk, "milk10k"),
            "log loss": lambda w: metrics.log_loss(shares[np.arange(len(shares)), exam.targets], w),
            "HAM calibration error": error(exam, shares, ham), "MILK calibration error": error(exam, shares, milk)}


SCORE = "score"
#: That resampling itself raises.
CENTRED = ("HAM calibration error", "MILK calibration error")


def _within(chosen: Bools, metric: Metric) -> Metric:
    return lambda w: metric(w[:, chosen])


def _projected(shares: Floats, dataset: str) -> Floats:
    """Over the classes that a data set labels."""
    return projected(shares, [CODES.index(code) for code in sources.find(dataset).classes])


def balanced(exam: Exam, shares: Floats, chosen: Bools, dataset: str) -> Metric:
    called, targets = _projected(shares, dataset)[chosen].argmax(axis=1), exam.targets[chosen]
    return _within(chosen, lambda w: metrics.balanced_accuracy(called, targets, w))


def macro(exam: Exam, shares: Floats, chosen: Bools, dataset: str) -> Metric:
    rows, targets = _projected(shares, dataset)[chosen], exam.targets[chosen]
    present = [k for k in range(len(CODES)) if (targets == k).any()]
    ranked = [metrics.Ranking.of(rows[:, k], targets == k) for k in present]
    return _within(chosen, lambda w: np.mean([each.points(w).auc() for each in ranked], axis=0))


def malignant(exam: Exam, shares: Floats, chosen: Bools) -> Metric:
    ranked = metrics.Ranking.of(shares[chosen][:, SUSPICIOUS].sum(axis=1), SUSPICIOUS[exam.targets[chosen]])
    return _within(chosen, lambda w: ranked.points(w).auc())


def melanoma(exam: Exam, shares: Floats, chosen: Bools) -> Metric:
    ranked = metrics.Ranking.of(_projected(shares, "ham10000")[chosen][:, MEL], exam.targets[chosen] == MEL)
    return _within(chosen, lambda w: ranked.points(w).auc())


def error(exam: Exam, shares: Floats, chosen: Bools) -> Metric:
    rows = shares[chosen]
    right = rows.argmax(axis=1) == exam.targets[chosen]
    bins = metrics.Reliability.of(rows.max(axis=1), right)
    return _within(chosen, lambda w: metrics.Reliability.error(bins.sums(w)))


@dataclass(frozen=True)
class Row:
    """of: each figure. ahead: its paired difference from the reference; empty for that one."""

    name: str
    of: Mapping[str, Figure]
    ahead: Mapping[str, Figure]


def compare(exam: Exam, arms: Mapping[str, Floats],
            measure: Callable[[Exam, Floats], Mapping[str, Metric]] | None = None) -> list[Row]:
    """Every arm's figures, and their differences from the first arm's. arms: name -> probabilities, (N, 11)."""
    spread: dict[str, tuple[Mapping[str, Floats], Mapping[str, Floats]]] = {}
    for name, shares in arms.items():
        named = (measure or figures)(exam, shares)
        spread[name] = metrics.gathered(lambda w, named=named: {key: each(w) for key, each in named.items()},  # type: ignore[misc]
                                        exam.weights)
    first = spread[next(iter(arms))]
    rows = []
    for name, (value, found) in spread.items():
        own = {key: _figure(value[key], found[key], exam, key) for key in value}
        ahead = {key: _figure(value[key] - first[0][key], found[key] - first[1][key], exam, key) for key in value}
        rows.append(Row(name, own, {} if value is first[0] else ahead))
    return rows


def _figure(value: Floats, spread: Floats, exam: Exam, key: str) -> Figure:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return Figure(float(value), *metrics.interval(spread, float(value), centred=key in CENTRED), len(exam.records))


def shown(found: Figure, *, signed: bool = False) -> str:
    """Three places with the interval."""
    if np.isnan(found.value):
        return "-"
    return found.signed() if signed else str(found)


def table(rows: Sequence[Row], columns: Sequence[str], first: str) -> Iterator[str]:
    """The reference's figures with their intervals, then every other arm's differences from it. first: its heading."""
    yield f"| {first} | " + " | ".join(columns) + " |"
    yield "|---|" + "---|" * len(columns)
    for row in rows:
        cells = [shown((row.ahead or row.of)[key], signed=bool(row.ahead)) for key in columns]
        yield f"| {row.name} | " + " | ".join(cells) + " |"
    yield ""


def clear(row: Row, key: str = "score") -> str:
    """`better`, `worse` or `same`, by whether the difference's interval holds 0; or `not measured`."""
    found = row.ahead[key]
    if np.isnan(found.value):
        return "not measured"
    return "better" if found.low > 0 else "worse" if found.high < 0 else "same"
