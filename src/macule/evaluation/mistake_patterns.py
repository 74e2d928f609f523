"""Where mistakes are more common than elsewhere: counts and risk ratios by what is known of the pictures.

A ratio says where to look, not why: sites, ages and diagnoses come together.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from macule.evaluation import metrics
from macule.evaluation.exam import Exam
from macule.evaluation.fairness import groups
from macule.evaluation.fairness.groups import NOT_STATED, OUTSIDE, Attribute
from macule.evaluation.metrics import Floats, Weights, ratio

#: Below so many pictures, of the group or of the others, or so many mistakes in all, a ratio is shown faintly.
FEW, FEW_EVENTS = 30, 10
Mask = NDArray[np.bool_]


class _Kind(NamedTuple):
    """One way to be wrong. among: the pictures that it can befall."""

    title: str
    event: Mask
    among: Mask


def wrong(exam: Exam) -> Mask:
    """bool, (N,): another class was ranked first than the single one that is true.

    First of all the classes that are served, so that what is listed is what was answered; a class that the exam's
    labels cannot take is a mistake too.
    """
    return np.asarray(exam.single & (exam.predictions.shares.argmax(axis=1) != exam.targets))


def missed(exam: Exam) -> Mask:
    """bool, (N,): malignant or indeterminate, and called low risk."""
    said = exam.predictions
    return np.asarray((said.suspicious == 1) & (np.array(said.risks) == "low"))


def alarmed(exam: Exam) -> Mask:
    """bool, (N,): benign, and called medium or high risk."""
    said = exam.predictions
    return np.asarray((said.suspicious == 0) & (np.array(said.risks) != "low"))


def measure(exam: Exam) -> list[dict[str, Any]]:
    """Each kind of mistake, by every group of every attribute that has two groups among these pictures.

    ratio: how often it befalls the group's pictures, over how often it befalls the others that state the attribute.
    """
    suspicious = exam.predictions.suspicious
    kinds = {
        "wrong": _Kind("Wrong diagnosis", wrong(exam), exam.single),
        "missed": _Kind("Malignant, called low risk", missed(exam), suspicious == 1),
        "alarmed": _Kind("Benign, called medium or high risk", alarmed(exam), suspicious == 0),
    }
    known = [*_ours(exam), *groups.attributes(exam.predictions)]
    return [{"kind": name, "title": kind.title, "n": int(kind.among.sum()), "events": int(kind.event.sum()),
             "rows": [row for attribute in known for row in _rows(exam, attribute, kind)]}
            for name, kind in kinds.items() if kind.among.any()]


def _ours(exam: Exam) -> Iterator[Attribute]:
    """What is no attribute of a person: the true class, and the gate's word."""
    yield Attribute("truth", "True diagnosis", tuple(exam.code(k) for k in exam.classes),
                    _places(exam.targets, exam.classes), None)
    if len(exam.predictions.admitted):
        yield Attribute("gate", "Gate", ("like the training pictures", "unlike them"),
                        np.where(exam.predictions.admitted, 0, 1).astype(np.intp), None)


def _places(targets: NDArray[np.int64], classes: tuple[int, ...]) -> NDArray[np.intp]:
    return np.array([classes.index(k) if k in classes else OUTSIDE for k in targets.tolist()], dtype=np.intp)


def _rows(exam: Exam, attribute: Attribute, kind: _Kind) -> list[dict[str, Any]]:
    stated = [place for place, name in enumerate(attribute.names) if name != NOT_STATED]
    member = np.equal.outer(attribute.of, stated) & kind.among[:, None]
    used = [column for column in range(len(stated)) if member[:, column].any()]
    if len(used) < 2:
        return []
    member = member[:, used]
    count = member.shape[1]
    columns = np.hstack([member, member & kind.event[:, None]]).astype(np.float64)

    def ratios(weights: Weights) -> dict[int, Floats]:
        counts, events = np.split(weights @ columns, 2, axis=1)
        own = ratio(events, counts)
        others = ratio(events.sum(axis=1, keepdims=True) - events, counts.sum(axis=1, keepdims=True) - counts)
        found = ratio(own, others)
        return {place: found[:, place] for place in range(count)}

    figures = metrics.figures(ratios, exam.weights)
    return [{**_named(attribute, stated[used[place]]), **_counted(member, place, kind.event),
             "ratio": replace(figures[place], n=int(member[:, place].sum())).to_dict()} for place in range(count)]


def _named(attribute: Attribute, group: int) -> dict[str, Any]:
    refused = None if attribute.refused is None else int((attribute.refused == group).sum())
    return {"attribute": attribute.key, "title": attribute.title, "name": attribute.names[group], "refused": refused}


def _counted(member: Mask, place: int, event: Mask) -> dict[str, Any]:
    """member: (N, groups), which pictures of these groups it can befall. place: the group's column."""
    n, everyone, hit = int(member[:, place].sum()), int(member.sum()), member & event[:, None]
    return {"n": n, "events": int(hit[:, place].sum()),
            "muted": min(n, everyone - n) < FEW or int(hit.sum()) < FEW_EVENTS}
