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
from macule.evaluation.robustness_figures import Examined, figures
from macule.evaluation.stressed import CALLS, Answer, Answers, Change, figure

#: Told how many pictures there are; gives what to call after each.
Start = Callable[[int], Callable[[], None]]
SAMPLE = 200


def measure(analyzer: Analyzer, exam: Exam, *, sample: int = SAMPLE, kinds: Sequence[str] | None = None,
            strengths: Sequence[int] = STRENGTHS, seed: int = 0, with_patient: bool = True, workers: int | None = None,
            start: Start = lambda _: lambda: None) -> dict[str, Any]:
    """All changes by kind and strength, as plain numbers with n and paired 95 % intervals over lesions or patients.

    sample: pictures at most, see `stressed.drawn`; with four views each kind and strength of one takes a core 0.1 s.
    kinds: names; None is all. workers: threads; None is one a core.
    start: told how many pictures the sample has; gives what to call after each.

    The sample is richer in malignant pictures than the exam, so `summary` also has what does not depend on the sample:
    `own_mix`, with malignant and benign pictures weighted as the exam has them.

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
    said = exam.predictions.suspicious
    examined = Examined(said[kept] == 1, stressed.with_ones(exam.weights[:, kept]),
                        np.array(exam.predictions.groups)[kept], float(said[np.isfinite(said)].mean()))
    return {"measured": True, "failed": int((~read).sum()), "seed": seed, "strengths": list(strengths),
            "clean": clean_figures(columns[0], examined.positive, examined.weights, examined.groups),
            **figures(columns, suite, tuple(strengths), examined)}


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


def clean_figures(clean: Answers, positive: NDArray[np.bool_], weights: NDArray[np.float64],
                  groups: NDArray[np.str_] | None = None) -> dict[str, Any]:
    """What the untouched pictures of the sample get; the sample is richer in malignant ones than the exam.

    groups: lesion or patient of each; None if every picture is its own.
    """
    groups = np.arange(len(positive)).astype(str) if groups is None else groups
    kept = clean.usable
    auc, _ = Change(clean, clean, positive, weights).aucs()
    found = {"refused": int((~kept).sum()), "flagged": int((kept & clean.flagged).sum()),
             "malignant_auc": figure(auc, int(kept.sum()), int((kept & positive).sum())).to_dict()}
    for at, level in CALLS.items():
        for name, among in (("sensitivity", kept & positive), ("false_alarms", kept & ~positive)):
            rate = stressed.share(clean.risk[among] >= level, weights[:, among])
            behind = len(np.unique(groups[among]))
            found[f"{name}_{at}"] = figure(rate, int(among.sum()), groups=behind).to_dict()
    return found
