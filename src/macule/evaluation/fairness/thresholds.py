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
    fitted on what it is scored on. groups: with their places. Empty if fewer than two are large enough.
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
    positive, called = facts.positive[members], facts.scores[members] >= limits
    count = int(positive.sum())
    hit = metrics.figure(lambda w: metrics.ratio(w @ (called & positive), w @ positive), chosen, positives=count)
    spared = metrics.figure(lambda w: metrics.ratio(w @ (~called & ~positive), w @ ~positive), chosen, positives=count)
    return {"name": group.name, "threshold": round(float(np.mean(limits)), 4),
            "sensitivity": hit.to_dict(), "specificity": spared.to_dict(),
            "sensitivity_now": group.figure("sensitivity_medium").to_dict(),
            "specificity_now": group.figure("specificity_medium").to_dict()}


def _limits(facts: Facts, members: NDArray[np.intp], sensitivity: float, seed: int) -> Floats:
    """The threshold that each picture is called by, found on the other folds' lesions. float64, (n,)."""
    units, of = np.unique(facts.units[members], return_inverse=True)
    fold = np.random.default_rng(seed).permutation(np.arange(len(units)) % FOLDS)[of]
    found = np.full(len(members), np.nan)
    for number in range(FOLDS):
        scores = np.sort(facts.scores[members][(fold != number) & facts.positive[members]])
        found[fold == number] = scores[int((1 - sensitivity) * len(scores) + 1e-9)] if len(scores) else 0.0
    return found
