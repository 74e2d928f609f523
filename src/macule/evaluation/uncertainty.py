"""What a bundle knows of its own doubt: sets of plausible diagnoses, and what deferring doubtful pictures spares."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from macule.analysis import conformal
from macule.analysis.conformal import Conformal, Limit
from macule.data import membership
from macule.evaluation import metrics, selective
from macule.evaluation.exam import Exam
from macule.evaluation.fairness import groups
from macule.evaluation.metrics import Figure, Floats
from macule.evaluation.predictions import CODES
from macule.evaluation.sample import Sample
from macule.taxonomy import Diagnosis

Mask = NDArray[np.bool_]
#: Below so many pictures a group is shown faintly.
LEAST = 30


def measure(exam: Exam) -> dict[str, Any]:
    """conformal: None where the bundle has no limits. selective: risk against coverage, of two risks.

    Sets are those that a clinic is served: of all 11 classes, also those that the exam's labels never take.
    """
    limits = exam.bundle.conformal
    return {"conformal": None if limits is None else _sets(exam, limits), "selective": selective.measure(exam)}


def _sets(exam: Exam, limits: Conformal) -> dict[str, Any]:
    sample, known, targets = Sample.of(exam, exam.single), list(exam.classes), exam.targets[exam.single]
    inside = conformal.sets(exam.predictions.shares, limits.thresholds)[exam.single]
    covered, size = inside[np.arange(len(targets)), targets], inside.sum(axis=1)
    every = np.ones(len(targets), bool)
    figures = _ratios(sample, {
        "coverage": (covered, every), "size": (size, every), "empty": (size == 0, every), "single": (size == 1, every),
        "right_when_single": (covered & (size == 1), size == 1),
    }, means=("size",))
    return {
        "wanted": limits.coverage, "calibration": limits.n, "same_population": _same_population(exam),
        "of_lesions": _of_lesions(exam),
        "classes_of_the_exam": [exam.code(k) for k in known],
        "overall": {name: figure.to_dict() for name, figure in figures.items()},
        "sizes": np.bincount(size, minlength=len(CODES) + 1).tolist(),
        "classes": {exam.code(k): _of_class(sample, limits.limits[CODES[k]], targets == k, covered, size)
                    for k in known},
        "melanoma_listed": _ratios(sample, {"": (inside[:, CODES.index(Diagnosis.MEL)], every)})[""].to_dict(),
        "groups": _by_group(exam, sample, covered, size),
    }


def _of_class(sample: Sample, limit: Limit, members: Mask, covered: Mask,
              size: NDArray[np.int64]) -> dict[str, Any]:
    found = _ratios(sample, {"coverage": (covered & members, members), "size": (size * members, members)},
                    means=("size",))
    lesions = sample.behind(members)
    return {name: figure.to_dict() for name, figure in found.items()} | {
        "wilson": _wilson(found["coverage"], lesions).to_dict(), "lesions": lesions,
        "probability": limit.probability, "calibration": limit.n, "calibration_lesions": limit.lesions,
        "guaranteed": limit.guaranteed}


def _wilson(coverage: Figure, lesions: int) -> Figure:
    """The same share with Wilson's interval (1927) over the lesions or patients: pictures of one are not independent,
    and for a small class it holds its word better than the bootstrap."""
    if not coverage.n:
        return coverage
    low, high = metrics.wilson(round(coverage.value * lesions), lesions)
    return dataclasses.replace(coverage, low=low, high=high)


def _by_group(exam: Exam, sample: Sample, covered: Mask, size: NDArray[np.int64]) -> list[dict[str, Any]]:
    """Of every attribute that tells at least two groups apart."""
    found = []
    for attribute in groups.attributes(exam.predictions):
        of = attribute.of[exam.single]
        places = [number for number in range(len(attribute.names)) if (of == number).any()]
        if len(places) < 2:
            continue
        columns: dict[Any, tuple[Any, Mask]] = {}
        for number in places:
            columns[number, "coverage"] = covered & (of == number), of == number
            columns[number, "size"] = size * (of == number), of == number
        figures = _ratios(sample, columns, means=[key for key in columns if key[1] == "size"])
        rows = [{"name": attribute.names[number], "muted": int((of == number).sum()) < LEAST,
                 **{name: figures[number, name].to_dict() for name in ("coverage", "size")}} for number in places]
        found.append({"key": attribute.key, "title": attribute.title, "proxy": attribute.proxy, "groups": rows})
    return found


def _ratios(sample: Sample, columns: Mapping[Any, tuple[NDArray[Any], Mask]], *,
            means: Collection[Any] = ()) -> dict[Any, Figure]:
    """Sums of `top` over counts of `below`, each (n,), with the pictures that count. means: the keys of no shares."""
    if not columns:
        return {}
    tops = np.stack([np.asarray(top, np.float32) for top, _ in columns.values()], axis=1)
    below = np.stack([np.asarray(bottom, np.float32) for _, bottom in columns.values()], axis=1)

    def every(weights: Any) -> dict[Any, Floats]:
        shares = metrics.ratio(weights @ tops.astype(weights.dtype), weights @ below.astype(weights.dtype))
        return {key: shares[:, number] for number, key in enumerate(columns)}

    found = {}
    for key, figure in sample.figures(every).items() if sample.count else ((key, _NOTHING) for key in columns):
        among = np.asarray(columns[key][1], bool)
        counted = dataclasses.replace(figure, n=int(among.sum()))
        found[key] = metrics.settle(counted, sample.behind(among), share=key not in means)
    return found


_NOTHING = Figure(np.nan, np.nan, np.nan, 0)


def _same_population(exam: Exam) -> bool:
    """Whether the calibration part was drawn from the same data sets as the exam: only then is coverage promised, and
    only of single pictures, which the limits were fitted on."""
    known = membership.load(exam.bundle.folder / membership.FILE)
    fitted = {group.partition(":")[0] for group, part in known.parts.items() if part == "calibration"}
    return bool(exam.dataset) and set(exam.dataset.split("+")) <= fitted and not _of_lesions(exam)


def _of_lesions(exam: Exam) -> bool:
    return any(len(of) > 1 for of in exam.predictions.members)
