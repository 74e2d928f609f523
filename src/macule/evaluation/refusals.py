"""The pictures that were not answered: whom they leave out, and what the figures are if they count as missed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from macule.data.record import Record
from macule.evaluation import metrics
from macule.evaluation.exam import Exam
from macule.evaluation.metrics import Figure, Floats
from macule.evaluation.predictions import CODES, Predictions
from macule.evaluation.sample import LEVELS, alarms

Key = tuple[str, str]


def measure(exam: Exam) -> dict[str, Any]:
    """`refused`: by quality or the gate, and `unreadable`, each by what the label says.

    `with_refusals`: sensitivity and specificity of the served risk over all pictures whose label says benign or
    suspicious, where one without an answer counts as not found and as not cleared. Its resamples are of all groups.
    """
    said = exam.predictions
    return {"refused": {"refused": _by_truth(_unanswered(said.refused)),
                        "unreadable": _by_truth(_unanswered(said.failed))},
            "with_refusals": _counted(exam)}


def _unanswered(records: Sequence[Record]) -> Predictions:
    """Pictures that have labels and groups, and no answer."""
    return Predictions(records, np.zeros((len(records), len(CODES))))


def _by_truth(pictures: Predictions) -> dict[str, int]:
    suspicious = pictures.suspicious
    return {"suspicious": int((suspicious == 1).sum()), "benign": int((suspicious == 0).sum()),
            "unknown": int(np.isnan(suspicious).sum())}


def _counted(exam: Exam) -> dict[str, Any]:
    said = exam.predictions
    absent = _unanswered([*said.refused, *said.failed])
    suspicious = np.concatenate([said.suspicious, absent.suspicious])
    groups = np.array([*said.groups, *absent.groups], dtype=str)
    # Without refusals these are the exam's own resamples, and the figures those of its operating points.
    weights = exam.weights if not absent.records else metrics.resample(
        groups.tolist(), resamples=len(exam.weights), seed=exam.seed)
    known, silent = ~np.isnan(suspicious), np.zeros(len(absent.records), bool)
    calls = {level: (np.r_[alarms(exam, level), silent], np.r_[~alarms(exam, level), silent]) for level in LEVELS}
    found = _figures(calls, suspicious, groups, weights, known)
    return {"n": int(known.sum()), "positives": int((suspicious == 1).sum()),
            **{level: {name: found[level, name].to_dict() for name in ("sensitivity", "specificity")}
               for level in LEVELS}}


def _figures(calls: dict[str, tuple[NDArray[np.bool_], NDArray[np.bool_]]], suspicious: Floats,
             groups: NDArray[np.str_], weights: Any, known: NDArray[np.bool_]) -> dict[Key, Figure]:
    """calls: of each level, which pictures were called and which cleared; those without an answer are neither."""
    kinds = {"sensitivity": suspicious[known] == 1, "specificity": suspicious[known] == 0}
    right = {(level, name): which[known] for level, each in calls.items()
             for name, which in zip(kinds, each, strict=True)}

    def every(weights: Any) -> dict[Key, Floats]:
        whole = {name: weights @ kind.astype(np.float64) for name, kind in kinds.items()}
        return {key: metrics.ratio(weights @ (which & kinds[key[1]]).astype(np.float64), whole[key[1]])
                for key, which in right.items()}

    found = metrics.figures(every, weights if known.all() else weights[:, known],
                            positives=int(kinds["sensitivity"].sum()))
    behind = {name: len(set(groups[known][kind].tolist())) for name, kind in kinds.items()}
    return {key: metrics.settle(figure, behind[key[1]]) for key, figure in found.items()}
