"""What a threshold of its own would change for each group. Shown, never applied: see docs/fairness.md."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from macule.evaluation import metrics
from macule.evaluation.fairness.figures import Facts, Group
from macule.evaluation.metrics import Floats

FOLDS = 5


def own(facts: Facts, weights: NDArray[Any], groups: Sequence[tuple[Group, NDArray[np.intp]]], *,
        sensitivity: float, seed: int) -> list[dict[str, Any]]:
    """Sensitivity and specificity of each group at the threshold that reaches `sensitivity` in the group itself.

    A threshold is found on four fifths of the group's lesions and scored on the rest, in turn, so that nothing is
    fitted on what it is scored on. What the gate flags counts as called at every threshold, as it is served.
    groups: with their places. Empty if fewer than two are large enough.
    """
    enough = [(group, members) for group, members in groups
              if group.counts("sensitivity_medium") and group.counts("specificity_medium")]
    if len(enough) < 2:
        return []
    found = []
    for group, places in enough:
        members = places[facts.known[places]]
        limits = _limits(facts, members, sensitivity, seed)
        found.append(_changed(facts, weights[:, members], group, members, limits))
    return found


def _changed(facts: Facts, chosen: NDArray[Any], group: Group, members: NDArray[np.intp],
             limits: Floats) -> dict[str, Any]:
    """chosen: the weights of the members. limits: the threshold that each is called by."""
    positive, called = facts.positive[members], _lifted(facts, members) >= limits
    count = int(positive.sum())

    def rate(hit: NDArray[np.bool_], among: NDArray[np.bool_]) -> dict[str, Any]:
        found = metrics.figure(lambda w: metrics.ratio(w @ (hit & among), w @ among), chosen, positives=count)
        return metrics.settle(found, len(np.unique(facts.units[members[among]]))).to_dict()

    return {"name": group.name, "threshold": round(float(np.mean(limits)), 4),
            "sensitivity": rate(called, positive), "specificity": rate(~called, ~positive),
            "sensitivity_now": group.figure("sensitivity_medium").to_dict(),
            "specificity_now": group.figure("specificity_medium").to_dict()}


def _limits(facts: Facts, members: NDArray[np.intp], sensitivity: float, seed: int) -> Floats:
    """The threshold that each picture is called by, found on the other folds' lesions. float64, (n,)."""
    units, of = np.unique(facts.units[members], return_inverse=True)
    fold = np.random.default_rng(seed).permutation(np.arange(len(units)) % FOLDS)[of]
    found = np.full(len(members), np.nan)
    for number in range(FOLDS):
        scores = np.sort(_lifted(facts, members)[(fold != number) & facts.positive[members]])
        found[fold == number] = scores[int((1 - sensitivity) * len(scores) + 1e-9)] if len(scores) else 0.0
    return found


def _lifted(facts: Facts, members: NDArray[np.intp]) -> Floats:
    """Malignant probabilities, 1 where the gate's flag alone calls the picture. float64, (n,)."""
    scores = facts.scores[members]
    return scores if facts.flagged is None else np.where(facts.flagged[members], 1.0, scores)
