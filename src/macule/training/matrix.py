"""Train on one data set, test on another: how far a figure holds outside the set that it comes from.

All sets are parted together, kin on one side, so that a lesion that stands in two of them is never trained on and
tested. Every network of a column is then scored on the same locked pictures, its own set's among them.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from macule.analysis import bundle as bundles
from macule.analysis.patient import Modality
from macule.analysis.pipeline import Analyzer
from macule.data import sources
from macule.data.record import Record
from macule.errors import UsageError
from macule.evaluation import metrics, predictions
from macule.evaluation.exam import Exam
from macule.evaluation.metrics import Figure, Floats
from macule.evaluation.predictions import CODES, Predictions
from macule.taxonomy import Diagnosis
from macule.training import build, prepare
from macule.training.build import Source
from macule.training.loop import Row
from macule.training.recipe import Recipe

JOIN = "+"
MEL = CODES.index(Diagnosis.MEL)
#: Fewer pictures of a kind than this carry no figure of a modality.
LEAST = 30


@dataclass(frozen=True)
class Column:
    """Locked pictures that every network is scored on. modality: only of this kind; None is any."""

    dataset: str
    modality: Modality | None
    records: tuple[Record, ...]

    @property
    def name(self) -> str:
        return self.dataset if self.modality is None else f"{self.dataset}, {self.modality}"


def measure(recipe: Recipe, source: Source, rows: Sequence[str], tests: Sequence[str], *,
            resamples: int = metrics.RESAMPLES, log: Callable[[str], None] = print,
            show: Callable[[Row], None] = lambda _: None) -> dict[str, Any]:
    """One training a row, one score a cell. Run again, it goes on; what is trained already is not repeated.

    rows: data sets to train on, several together joined by `+`. tests: data sets to score on.

    Returns: plain numbers: `rows`, `columns`, `cells` (row, column, pictures, lesions, refused, own, and figures with
    intervals) and what they were made of.
    Raises: UsageError for a set that is named twice; DatasetError for one that is unknown; whatever training raises.
    """
    _check(rows, tests)
    together = sorted({name for row in rows for name in row.split(JOIN)} | set(tests))
    joint = recipe.changed({"datasets": together, "exams": []})
    parts = build.read(joint, source)
    columns = list(_columns(tests, parts.test))
    cells: list[dict[str, Any]] = []
    runs: dict[str, str] = {}
    for row in rows:
        names = tuple(row.split(JOIN))
        log(f"== trained on {row}")
        run = build.build(joint.changed({"name": f"{recipe.name}-on-{row.replace(JOIN, '-')}"}),
                          replace(source, only=names), None, log=log, show=show, again=False)
        runs[row] = run.name
        known = _classes(record for record in prepare.narrowed(parts, names).train)
        analyzer = Analyzer(bundles.load(run / "bundle"))
        cells += [_cell(analyzer, row, column, known, resamples) for column in columns]
    return {
        "recipe": recipe.name, "made": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "rows": list(rows), "columns": [column.name for column in columns], "resamples": resamples,
        "training": {row: _counts(prepare.narrowed(parts, row.split(JOIN)).train) for row in rows},
        "runs": runs, "split": dict(parts.split), "leaky": parts.leaky, "cells": cells,
    }


def _check(rows: Sequence[str], tests: Sequence[str]) -> None:
    for kind, names in (("to train on", list(rows)), ("to test on", list(tests))):
        if not names:
            raise UsageError(f"no data set {kind} is named: name at least one of `macule data list`.")
        if len(set(names)) < len(names):
            raise UsageError(f"{next(n for n in names if names.count(n) > 1)} is named twice among those {kind}.")
    for name in {part for row in rows for part in row.split(JOIN)} | set(tests):
        sources.find(name)


def _columns(tests: Sequence[str], locked: Sequence[Record]) -> Iterator[Column]:
    """A set's locked pictures; of a set with both kinds of pictures, each kind by itself."""
    for name in tests:
        here = [record for record in locked if record.dataset == name]
        kinds = {kind: tuple(r for r in here if r.patient.modality is kind) for kind in Modality}
        if all(len(found) >= LEAST for found in kinds.values()):
            yield from (Column(name, kind, found) for kind, found in kinds.items())
        else:
            yield Column(name, None, tuple(here))


def _classes(records: Iterator[Record]) -> frozenset[Diagnosis]:
    return frozenset(code for record in records if len(record.labels) == 1 for code in record.labels)


def _counts(records: Sequence[Record]) -> dict[str, int]:
    return {"pictures": len(records), "lesions": prepare.lesions(records)}


def _cell(analyzer: Analyzer, row: str, column: Column, known: frozenset[Diagnosis], resamples: int) -> dict[str, Any]:
    """Balanced accuracy is over the classes that the column labels and the row was trained on."""
    said = predictions.predict(analyzer, column.records)
    labelled = {code for record in column.records if len(record.labels) == 1 for code in record.labels}
    classes = tuple(sorted(CODES.index(code) for code in labelled & known))
    exam = Exam.of(analyzer.bundle, said, dataset=column.dataset, part="test", classes=classes, resamples=resamples)
    return {
        "row": row, "column": column.name, "own": column.dataset in row.split(JOIN), "pictures": len(said.records),
        "lesions": len(set(said.groups)), "refused": len(said.refused), "failed": len(said.failed),
        "classes": [exam.code(k) for k in classes],
        **{name: found.to_dict() for name, found in _figures(exam, said).items()},
    }


def _figures(exam: Exam, said: Predictions) -> Mapping[str, Figure]:
    scored = np.isin(exam.targets, exam.classes)
    clear = ~np.isnan(said.suspicious)
    positive = np.nan_to_num(said.suspicious).astype(bool)
    called, melanoma = exam.projected.argmax(axis=1), exam.targets == MEL
    weights = exam.weights.astype(np.float64)

    def over(keep: NDArray[np.bool_], metric: Callable[[Floats], Floats], positives: int) -> Figure:
        return metrics.figure(metric, weights[:, keep], positives=positives)

    return {
        "malignant_auc": over(clear, lambda w: metrics.auc(said.malignant[clear], positive[clear], w),
                              int(positive[clear].sum())),
        "melanoma_auc": over(exam.single, lambda w: metrics.auc(said.shares[exam.single][:, MEL],
                                                                melanoma[exam.single], w), int(melanoma.sum())),
        "balanced_accuracy": metrics.figure(
            lambda w: metrics.balanced_accuracy(called[scored], exam.targets[scored], w), weights[:, scored]),
        # Resampling itself raises it: its interval is moved to lie around the value.
        "calibration_error": metrics.figures(
            lambda w: {"": metrics.calibration_error(
                np.maximum(said.malignant, 1 - said.malignant)[clear],
                ((said.malignant >= 0.5) == positive)[clear], w)}, weights[:, clear], centred=("",))[""],
    }

