"""How much a bundle's answers suffer when pictures come as they do in practice: 25 kinds of corruption, 5 strengths.

After ImageNet-C (Hendrycks & Dietterich 2019) and MedMNIST-C (Di Salvo et al. 2024), by the path that serves a clinic:
decoding, quality checks, network and gate all take part, and a refusal is no error of the network.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from macule.analysis.patient import Patient
from macule.analysis.pipeline import Analyzer
from macule.data.engine import Local
from macule.data.record import Record
from macule.errors import InputError
from macule.evaluation import corruptions, stressed
from macule.evaluation.corruptions import STRENGTHS, Kind
from macule.evaluation.exam import Exam
from macule.evaluation.stressed import CALLS, Answer, Answers, Change, Spread, figure

#: Told how many pictures there are; gives what to call after each.
Start = Callable[[int], Callable[[], None]]
SAMPLE = 200
#: How many kinds are named as the worst.
WORST = 5


def measure(analyzer: Analyzer, exam: Exam, *, sample: int = SAMPLE, kinds: Sequence[str] | None = None,
            strengths: Sequence[int] = STRENGTHS, seed: int = 0, with_patient: bool = True, workers: int | None = None,
            start: Start = lambda _: lambda: None) -> dict[str, Any]:
    """All changes by kind and strength, as plain numbers with n and paired 95 % intervals over lesions or patients.

    sample: pictures at most, see `stressed.drawn`; with four views each kind and strength of one takes a core 0.1 s.
    kinds: names; None is all. workers: threads; None is one a core.
    start: told how many pictures the sample has; gives what to call after each.

    Returns: `measured` is False, with `why`, where no picture can be used. A kind and strength at which more than half
    of the pictures are refused is not `counted` in the means: what is left is a selection.
    Raises: UsageError for an unknown kind or strength.
    """
    suite = corruptions.find(kinds)
    chosen = stressed.drawn(exam.predictions, sample=sample, seed=seed)
    if not len(chosen):
        return stressed.NOT_LABELLED
    judge = _Judge(analyzer, suite, tuple(strengths), exam.bundle.preprocessing.size, seed, with_patient)
    tick, rows = start(len(chosen)), list[tuple[Answer, ...] | None]()
    for row in Local(workers).map(judge, [exam.predictions.records[i] for i in chosen]):
        rows.append(row)
        tick()
    read = np.array([row is not None for row in rows], dtype=bool)
    if not read.any():
        return stressed.UNREADABLE
    columns = [Answers.of(column) for column in zip(*(row for row in rows if row is not None), strict=True)]
    kept = chosen[read]
    positive = exam.predictions.suspicious[kept] == 1
    weights = stressed.with_ones(exam.weights[:, kept])
    return {"measured": True, "failed": int((~read).sum()), "seed": seed, "strengths": list(strengths),
            **_figures(columns, suite, tuple(strengths), positive, weights)}


@dataclass(frozen=True)
class _Judge:
    """One picture's answers: as it is, then by kind and strength. None if it cannot be read."""

    analyzer: Analyzer
    kinds: tuple[Kind, ...]
    strengths: tuple[int, ...]
    size: int
    seed: int
    with_patient: bool

    def __call__(self, record: Record) -> tuple[Answer, ...] | None:
        try:
            rgb = stressed.working(record, self.size)
        except InputError:
            return None
        about = record.patient if self.with_patient else Patient()
        worse = (corruptions.apply(kind.name, rgb, strength, self.seed)
                 for kind in self.kinds for strength in self.strengths)
        return tuple(stressed.serve(self.analyzer, each, about) for each in (rgb, *worse))


def _figures(columns: list[Answers], suite: tuple[Kind, ...], strengths: tuple[int, ...],
             positive: NDArray[np.bool_], weights: NDArray[np.float64]) -> dict[str, Any]:
    clean, *worse = columns
    changes = [Change(clean, each, positive, weights) for each in worse]
    spreads = [_spreads(change) for change in changes]
    named = [(kind, strength) for kind in suite for strength in strengths]
    counted = [2 * int(change.both.sum()) >= len(positive) for change in changes]
    by_kind = {kind: _mean_of([s if enough else {**_blank(s), "refused": s["refused"]}
                               for (k, _), s, enough in zip(named, spreads, counted, strict=True) if k is kind])
               for kind in suite}
    return {
        "pictures": len(positive),
        "malignant": int(positive.sum()),
        "benign": int((~positive).sum()),
        "clean": clean_figures(clean, positive, weights),
        "cells": [{"kind": kind.name, "strength": strength, "counted": enough, **_cell(change, spread)}
                  for (kind, strength), change, spread, enough in zip(named, changes, spreads, counted, strict=True)],
        "kinds": [{"kind": kind.name, "words": kind.words, "family": kind.family.value, "source": kind.source,
                   **_means(by_kind[kind], positive)} for kind in suite],
        "summary": _summary(by_kind, positive) | {"conditions": len(changes)},
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
        "flip_risk": change.flipped("risk"),
        "flip_diagnosis": change.flipped("first"),
        "shift": change.shift(),
        "refused": stressed.share(~change.worse.usable[change.clean.usable], change.weights[:, change.clean.usable]),
    }


def _blank(spreads: dict[str, Spread]) -> dict[str, Spread]:
    return {name: np.full_like(spread, np.nan) for name, spread in spreads.items()}


def _mean_of(spreads: list[dict[str, Spread]]) -> dict[str, Spread]:
    return {name: stressed.mean([each[name] for each in spreads]) for name in spreads[0]}


def _cell(change: Change, spreads: dict[str, Spread]) -> dict[str, Any]:
    both, positive = change.both, change.positive
    quiet = {at: int((both & ~positive & (change.clean.risk < level)).sum()) for at, level in CALLS.items()}
    counts = {"auc_drop": int(both.sum()), "flip_risk": int(both.sum()), "flip_diagnosis": int(both.sum()),
              "shift": int(both.sum()),
              **{f"alarm_rise_{at}": int((both & ~positive).sum()) for at in CALLS},
              **{f"new_alarms_{at}": quiet[at] for at in CALLS},
              **{f"sensitivity_drop_{at}": int((both & positive).sum()) for at in CALLS}}
    ranked = {"positives": int((both & positive).sum())}
    return {
        "n": len(positive),
        "refused": int((change.clean.usable & ~change.worse.usable).sum()),
        "answered": int(both.sum()),
        "flagged": int((both & change.worse.flagged).sum()),
        **{name: figure(spreads[name], n).to_dict() | (ranked if name == "auc_drop" else {})
           for name, n in counts.items()},
    }


def clean_figures(clean: Answers, positive: NDArray[np.bool_], weights: NDArray[np.float64]) -> dict[str, Any]:
    """What the untouched pictures of the sample get; the sample is richer in malignant ones than the exam."""
    kept = clean.usable
    auc, _ = Change(clean, clean, positive, weights).aucs()
    found = {"refused": int((~kept).sum()), "flagged": int((kept & clean.flagged).sum()),
             "malignant_auc": figure(auc, int(kept.sum()), int((kept & positive).sum())).to_dict()}
    for at, level in CALLS.items():
        for name, among in (("sensitivity", kept & positive), ("false_alarms", kept & ~positive)):
            rate = stressed.share(clean.risk[among] >= level, weights[:, among])
            found[f"{name}_{at}"] = figure(rate, int(among.sum())).to_dict()
    return found


def _means(spreads: dict[str, Spread], positive: NDArray[np.bool_]) -> dict[str, Any]:
    """Figures averaged over strengths. n: of the sample; the refused ones of each strength are left out of it."""
    benign, n = int((~positive).sum()), len(positive)
    return {name: figure(spreads[name], benign if "alarm" in name else n).to_dict() for name in _OF_KINDS}


def _summary(by_kind: dict[Kind, dict[str, Spread]], positive: NDArray[np.bool_]) -> dict[str, Any]:
    """relative_error: mean of 1 - AUC over all kinds and strengths, over the same of the untouched pictures (after mCE,
    but relative to the network itself): 1 where nothing is lost."""
    whole = _mean_of(list(by_kind.values()))
    with np.errstate(divide="ignore", invalid="ignore"):
        relative = np.where(whole["clean_error"] > 0, whole["error"] / whole["clean_error"], np.nan)

    def worst(name: str) -> list[str]:
        known = [kind for kind in by_kind if not np.isnan(by_kind[kind][name][0])]
        return [kind.name for kind in sorted(known, key=lambda kind: -by_kind[kind][name][0])[:WORST]]

    return {
        **_means(whole, positive),
        "relative_error": figure(relative, len(positive)).to_dict(),
        "worst_by_auc": worst("auc_drop"),
        "worst_by_alarms": worst("alarm_rise_medium"),
        "worst_by_flips": worst("flip_risk"),
    }
