"""The comparisons of a study over readers and cases: aided with unaided readers, and readers with the model."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from macule.evaluation.readers import jackknife, mrmc
from macule.evaluation.readers.jackknife import Spread
from macule.evaluation.readers.study import ARMS, Study

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
#: Pictures that are named where a study is not fully crossed.
NAMED = 10


def measure(study: Study) -> dict[str, Any]:
    """Each comparison that the study's arms and model allow; one whose readings are not complete says what is missing.

    Every reader of a comparison must have read every picture of it in every arm of it (fully crossed).
    """
    read = study.read
    both = np.flatnonzero(read[0].any(axis=1) & read[1].any(axis=1))
    found: dict[str, Any] = {}
    if len(both):
        found["aided_against_unaided"] = _aided(study, both)
    for arm in (k for k in (0, 1) if study.model and read[k].any()):
        found[f"{ARMS[arm]}_against_model"] = _with_model(study, arm)
    return found


def missing(study: Study, arm: int, readers: NDArray[np.int64], pictures: Bools) -> list[dict[str, Any]]:
    """What each of the readers has not read of the pictures: how many, and the first few names."""
    found = []
    for reader in readers:
        gaps = np.flatnonzero(pictures & ~study.read[arm, reader])
        if len(gaps):
            found.append({"reader": study.readers[reader], "arm": ARMS[arm], "missing": len(gaps),
                          "pictures": [study.pictures[i] for i in gaps[:NAMED]]})
    return found


def _aided(study: Study, readers: NDArray[np.int64]) -> dict[str, Any]:
    pictures = np.asarray(study.read[:, readers].any(axis=(0, 1)))
    gaps = [gap for arm in (0, 1) for gap in missing(study, arm, readers, pictures)]
    found = {"first": "unaided", "second": "aided", **_about(study, readers, pictures, gaps)}
    if gaps:
        return found
    pick = np.ix_(np.arange(2), readers, np.flatnonzero(pictures))
    calls = (study.calls[pick] == 1).reshape(2 * len(readers), -1)
    scores = study.scores[pick].reshape(2 * len(readers), -1)
    return found | {"figures": _figures(study, pictures, scores, calls, lambda spread: spread)}


def _with_model(study: Study, arm: int) -> dict[str, Any]:
    """The model stands as every reader's other arm: it is one fixed rater, whose cases are the readers'."""
    readers = np.flatnonzero(study.read[arm].any(axis=1))
    answered = ~np.isnan(study.model_scores)
    pictures = study.read[arm].any(axis=0) & answered
    gaps = missing(study, arm, readers, pictures)
    found = {"first": ARMS[arm], "second": "model", **_about(study, readers, pictures, gaps)}
    if gaps or not pictures.any():
        return found
    pick = np.ix_(readers, np.flatnonzero(pictures))
    calls, scores = study.calls[arm][pick] == 1, study.scores[arm][pick]

    def beside(spread: Spread) -> Spread:
        theirs, model = (Spread(spread.values[of], spread.left[of]) for of in (slice(None, -1), [-1] * len(readers)))
        return theirs.then(model)

    return found | {
        "figures": _figures(study, pictures, np.vstack([scores, study.model_scores[pictures]]), None, beside),
        "points": [{"point": point.name} | _figures(study, pictures, None,
                                                    np.vstack([calls, point.calls[pictures] == 1]), beside)
                   for point in study.points],
    }


def _about(study: Study, readers: NDArray[np.int64], pictures: Bools, gaps: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "readers": [study.readers[j] for j in readers],
        "pictures": int(pictures.sum()),
        "cases": len(set(study.cases[pictures].tolist())),
        "positives": int(study.positive[pictures].sum()),
        "crossed": not gaps,
        "missing": gaps,
    }


def _figures(study: Study, pictures: Bools, scores: Floats | None, calls: Bools | None,
             arms: Callable[[Spread], Spread]) -> dict[str, Any]:
    """Of the area under the curve where there are scores, and of what the calls give. Both of shape (M, n).

    arms: makes two arms of the raters' figures.
    """
    positive, cases = study.positive[pictures], study.cases[pictures]
    if not positive.any() or positive.all():
        return {}
    found: dict[str, Any] = {}
    if scores is not None and not np.isnan(scores).any():
        found["auc"] = mrmc.compare(arms(jackknife.areas(scores, positive, cases))).to_dict()
    if calls is not None:
        right = calls == positive
        found |= {
            "balanced_accuracy": mrmc.compare(arms(jackknife.balanced(right, positive, cases))).to_dict(),
            "sensitivity": mrmc.compare(arms(jackknife.ratios(right, positive, cases))).to_dict(),
            "specificity": mrmc.compare(arms(jackknife.ratios(right, ~positive, cases))).to_dict(),
        }
    return found
