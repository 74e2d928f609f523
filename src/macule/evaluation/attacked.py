"""What attacks achieved: how often the network was turned, and how often the quality checks or the gate noticed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from macule.evaluation import stressed
from macule.evaluation.exam import Exam
from macule.evaluation.robustness import clean_figures
from macule.evaluation.stressed import CALLS, Answer, Answers, Change, figure

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]


def attack_figures(exam: Exam, kept: Sequence[int], rows: Sequence[Sequence[tuple[Answer, float]]],
                   named: Sequence[tuple[str, int]], *, threshold: float) -> dict[str, Any]:
    """kept: places of the pictures in the exam. rows: of each, the untouched answer and the network's own malignant
    probability, then those after each attack in `named` (method, grey levels). threshold: of medium risk.

    Success is counted among the pictures that were right before: benign called neither medium nor high, malignant
    called. Turned: the network's own probability crosses the threshold; caught: turned, but refused or flagged.
    """
    columns = list(zip(*rows, strict=True))
    clean = Answers.of(answer for answer, _ in columns[0])
    positive = exam.predictions.suspicious[list(kept)] == 1
    weights, groups = stressed.with_ones(exam.weights[:, list(kept)]), np.array(exam.predictions.groups)[list(kept)]
    attacks = []
    for (method, level), column in zip(named, columns[1:], strict=True):
        change = Change(clean, Answers.of(answer for answer, _ in column), positive, weights)
        own = np.array([probability for _, probability in column])
        attacks.append({"method": method, "eps": level, **_attack(change, own >= threshold, groups)})
    own_clean = np.array([probability for _, probability in columns[0]])
    apart = np.abs(own_clean - clean.malignant)[clean.usable]
    return {
        "pictures": len(positive),
        "malignant": int(positive.sum()),
        "benign": int((~positive).sum()),
        "clean": clean_figures(clean, positive, weights, groups),
        # How far the network in torch is from the one that serves: near 0, or the attack aimed at something else.
        "apart": round(float(apart.max()), 4) if len(apart) else None,
        "attacks": attacks,
    }


def _attack(change: Change, called: Bools, groups: NDArray[np.str_]) -> dict[str, Any]:
    """called: bool, (N,): whether the network itself now puts the picture at medium or above."""
    positive, clean, worse = change.positive, change.clean, change.worse
    before = clean.usable & ((clean.risk >= CALLS["medium"]) == positive)
    turned = before & (called != positive)
    noticed = ~worse.usable | worse.flagged
    kept = change.both
    _, auc = change.aucs()
    return {
        "n": len(positive),
        "refused": int((clean.usable & ~worse.usable).sum()),
        "flagged": int((kept & worse.flagged).sum()),
        "answered": int(kept.sum()),
        "turned": int(turned.sum()),
        "caught": int((turned & noticed).sum()),
        "auc": figure(auc, int(kept.sum()), int((kept & positive).sum())).to_dict(),
        "false_alarm": _rate(turned & ~noticed, before & ~positive, change.weights, groups),
        "missed": _rate(turned & ~noticed, before & positive, change.weights, groups),
        "caught_share": _rate(noticed, turned, change.weights, groups),
    }


def _rate(happened: Bools, among: Bools, weights: Floats, groups: NDArray[np.str_]) -> dict[str, Any]:
    return figure(stressed.share(happened[among], weights[:, among]), int(among.sum()),
                  groups=len(np.unique(groups[among]))).to_dict()
