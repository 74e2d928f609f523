"""Figures of `macule.evaluation.robustness`: by kind and strength, by kind, and of all together."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from macule.evaluation import stressed
from macule.evaluation.corruptions import Kind
from macule.evaluation.stressed import CALLS, Answers, Change, Spread, figure

#: How many kinds are named as the worst.
WORST = 5


@dataclass(frozen=True)
class Examined:
    """positive: bool, (N,). weights: (1 + B, N), as in `Change`. groups: (N,), lesion or patient of each.

    malignant_share: of the exam's labelled pictures, as it is.
    """

    positive: NDArray[np.bool_]
    weights: NDArray[np.float64] = field(repr=False)
    groups: NDArray[np.str_]
    malignant_share: float

    def behind(self, among: NDArray[np.bool_]) -> int:
        return len(np.unique(self.groups[among]))

    def mixed(self, change: Change) -> dict[str, Spread]:
        """Shares of malignant and of benign pictures, added up as the exam has them; NaN if one of them is missing."""
        sides = ((self.malignant_share, self.positive), (1 - self.malignant_share, ~self.positive))
        parts = [(part, _shares(dataclasses.replace(change, weights=change.weights * side)))
                 for part, side in sides if part > 0]
        return {name: np.asarray(sum(part * each[name] for part, each in parts)) for name in parts[0][1]}


def figures(columns: list[Answers], suite: tuple[Kind, ...], strengths: tuple[int, ...],
            examined: Examined) -> dict[str, Any]:
    """columns: the untouched answers, then those by kind and strength, kind by kind."""
    clean, *worse = columns
    positive, weights = examined.positive, examined.weights
    changes = [Change(clean, each, positive, weights) for each in worse]
    spreads = [_spreads(change) for change in changes]
    mixed = [examined.mixed(change) for change in changes]
    named = [(kind, strength) for kind in suite for strength in strengths]
    counted = [2 * int(change.both.sum()) >= len(positive) for change in changes]
    by_kind, mixed_by_kind = (
        {kind: _mean_of([s if enough else {**_blank(s), "refused": s["refused"]}
                         for (k, _), s, enough in zip(named, each, counted, strict=True) if k is kind])
         for kind in suite} for each in (spreads, mixed))
    return {
        "pictures": len(positive),
        "malignant": int(positive.sum()),
        "benign": int((~positive).sum()),
        "cells": [{"kind": kind.name, "strength": strength, "counted": enough, **_cell(change, spread, examined)}
                  for (kind, strength), change, spread, enough in zip(named, changes, spreads, counted, strict=True)],
        "kinds": [{"kind": kind.name, "words": kind.words, "family": kind.family.value, "source": kind.source,
                   **_means(by_kind[kind], examined)} for kind in suite],
        "summary": _summary(by_kind, examined) | {"conditions": len(changes), "own_mix": {
            "malignant_share": round(examined.malignant_share, 4),
            **_means(_mean_of(list(mixed_by_kind.values())), examined)}},
    }


_OF_KINDS = ("auc_drop", "alarm_rise_medium", "alarm_rise_high", "flip_risk", "flip_diagnosis", "refused")


def _spreads(change: Change) -> dict[str, Spread]:
    clean, worse = change.aucs()
    return {
        "clean_error": 1 - clean,
        "error": 1 - worse,
        "auc_drop": clean - worse,
        **{f"alarm_rise_{at}": change.called(at, positive=False) for at in CALLS},
        **{f"new_alarms_{at}": change.newly_called(at) for at in CALLS},
        **{f"sensitivity_drop_{at}": -change.called(at, positive=True) for at in CALLS},
        "shift": change.shift(),
        **_shares(change),
    }


def _shares(change: Change) -> dict[str, Spread]:
    """What is counted among malignant and benign pictures alike, and so depends on how many of each there are."""
    asked = change.clean.usable
    return {"flip_risk": change.flipped("risk"), "flip_diagnosis": change.flipped("first"),
            "refused": stressed.share(~change.worse.usable[asked], change.weights[:, asked])}


def _blank(spreads: dict[str, Spread]) -> dict[str, Spread]:
    return {name: np.full_like(spread, np.nan) for name, spread in spreads.items()}


def _mean_of(spreads: list[dict[str, Spread]]) -> dict[str, Spread]:
    return {name: stressed.mean([each[name] for each in spreads]) for name in spreads[0]}


_SHARES = ("flip_risk", "flip_diagnosis", "refused", "new_alarms_medium", "new_alarms_high")


def _cell(change: Change, spreads: dict[str, Spread], examined: Examined) -> dict[str, Any]:
    both, positive = change.both, change.positive
    among = {"auc_drop": both, "flip_risk": both, "flip_diagnosis": both, "shift": both,
             **{f"alarm_rise_{at}": both & ~positive for at in CALLS},
             **{f"new_alarms_{at}": both & ~positive & (change.clean.risk < level) for at, level in CALLS.items()},
             **{f"sensitivity_drop_{at}": both & positive for at in CALLS}}
    ranked = {"positives": int((both & positive).sum())}
    return {
        "n": len(positive),
        "refused": int((change.clean.usable & ~change.worse.usable).sum()),
        "answered": int(both.sum()),
        "flagged": int((both & change.worse.flagged).sum()),
        **{name: figure(spreads[name], int(of.sum()), groups=examined.behind(of) if name in _SHARES else None).to_dict()
           | (ranked if name == "auc_drop" else {}) for name, of in among.items()},
    }


def _means(spreads: dict[str, Spread], examined: Examined) -> dict[str, Any]:
    """Figures averaged over strengths. n: of the sample; the refused ones of each strength are left out of it."""
    benign, n = int((~examined.positive).sum()), len(examined.positive)
    behind = examined.behind(np.ones(n, bool))
    return {name: figure(spreads[name], benign if "alarm" in name else n,
                         groups=behind if name in _SHARES else None).to_dict()
            for name in _OF_KINDS if name in spreads}


def _summary(by_kind: dict[Kind, dict[str, Spread]], examined: Examined) -> dict[str, Any]:
    """relative_error: mean of 1 - AUC over all kinds and strengths, over the same of the untouched pictures (after mCE,
    but relative to the network itself): 1 where nothing is lost. Like every AUC it does not depend on the mix."""
    whole = _mean_of(list(by_kind.values()))
    with np.errstate(divide="ignore", invalid="ignore"):
        relative = np.where(whole["clean_error"] > 0, whole["error"] / whole["clean_error"], np.nan)

    def worst(name: str) -> list[str]:
        known = [kind for kind in by_kind if not np.isnan(by_kind[kind][name][0])]
        return [kind.name for kind in sorted(known, key=lambda kind: -by_kind[kind][name][0])[:WORST]]

    return {
        **_means(whole, examined),
        "relative_error": figure(relative, len(examined.positive)).to_dict(),
        "worst_by_auc": worst("auc_drop"),
        "worst_by_alarms": worst("alarm_rise_medium"),
        "worst_by_flips": worst("flip_risk"),
    }
