"""How well the individual typology angle, read off the picture, follows the labelled skin tone."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from macule.analysis.patient import Modality
from macule.data.vocabulary import ToneScale
from macule.evaluation import metrics
from macule.evaluation.exam import Exam
from macule.evaluation.fairness.groups import NOT_STATED
from macule.evaluation.metrics import Floats

#: Scales on which a larger number is a lighter skin, as a larger angle is.
_LIGHTER_UP = frozenset({ToneScale.MILK, ToneScale.ITA})


def agreement(exam: Exam) -> list[dict[str, Any]]:
    """Spearman's rank correlation of angle and label by scale and modality; above 0 the proxy follows the label."""
    answers = exam.predictions
    if len(answers.tones) != len(answers.records):
        return []
    found = []
    for scale in ToneScale:
        labels = np.array([r.skin_tone.value if r.skin_tone and r.skin_tone.scale is scale else np.nan
                           for r in answers.records])
        for modality in (*Modality, None):
            members = np.array([r.patient.modality is modality for r in answers.records], bool) & np.isfinite(labels)
            if members.any():
                found.append(_one(exam, scale, modality, members, labels))
    return found


def _one(exam: Exam, scale: ToneScale, modality: Modality | None, members: NDArray[np.bool_],
         labels: Floats) -> dict[str, Any]:
    answers = exam.predictions
    seen = members & np.isfinite(answers.tones)
    sign = 1 if scale in _LIGHTER_UP else -1
    angle, label = answers.tones[seen], sign * labels[seen]
    figure = metrics.figure(lambda w: spearman(angle, label, w), exam.weights[:, seen])
    return {"scale": scale.value, "modality": modality.value if modality else NOT_STATED,
            "not_estimated": int((members & ~seen).sum()),
            "spearman": metrics.settle(figure, metrics.independent(answers.groups, seen), share=False).to_dict()}


def spearman(one: Floats, other: Floats, weights: NDArray[Any]) -> Floats:
    """Spearman's rank correlation; equal values share their mean rank. NaN where one of them does not vary."""
    first, second = _ranks(one, weights), _ranks(other, weights)
    total = weights.sum(axis=1, dtype=np.float64)[:, None]
    first, second = (ranks - metrics.ratio((weights * ranks).sum(axis=1)[:, None], total) for ranks in (first, second))
    spread = np.sqrt((weights * first**2).sum(axis=1) * (weights * second**2).sum(axis=1))
    return metrics.ratio((weights * first * second).sum(axis=1), spread)


def _ranks(values: Floats, weights: NDArray[Any]) -> Floats:
    """The rank of every picture in every resample, where each stands as often as it counts. (B, N)."""
    _, place = np.unique(values, return_inverse=True)
    order = np.argsort(place, kind="stable")
    starts = np.flatnonzero(np.diff(place[order], prepend=-1))
    if not len(starts):
        return np.zeros(weights.shape)
    counts = np.add.reduceat(weights[:, order].astype(np.float64), starts, axis=1)
    middle = np.cumsum(counts, axis=1) - counts / 2 + 0.5
    return np.asarray(middle[:, place])
