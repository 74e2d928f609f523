"""Several runs on one page: their figures, their curves laid over each other, and the settings that differ."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from macule import __version__
from macule.analysis.result import DISCLAIMER
from macule.data import guard
from macule.evaluation import comparing
from macule.evaluation.runs import HEADLINES, Run
from macule.exchange import run_curves, run_page
from macule.exchange.run_page import Figure


@dataclass(frozen=True)
class Entry:
    """One run in the legend. number: which line it is, from 1. exam: the part that its figures are of."""

    number: int
    label: str
    run: Run
    duration: str
    exam: str
    figures: tuple[Figure, ...]


def write(runs: Sequence[Run], path: Path, *, now: datetime) -> None:
    """Raises: UsageError for fewer than 2 runs or more than can be told apart; OSError."""
    comparing.check(len(runs))
    differences = comparing.differences(runs)
    run_page.put(
        path, "compare.html", entries=[_entry(number, label, run) for number, (label, run) in
                                       enumerate(zip(comparing.labels(runs), runs, strict=True), 1)],
        charts=run_curves.overlaid(runs), differences=differences, doubts=list(comparing.doubts(runs)), now=now,
        headlines=tuple(HEADLINES.values()), version=__version__, disclaimer=DISCLAIMER,
    )


def _entry(number: int, label: str, run: Run) -> Entry:
    mark = guard.mark(run.marked)
    figures = tuple(run_page.shown(words, run.figure(name), mark) for name, words in HEADLINES.items())
    exam = run_page.report(run.metrics[0], run).title if run.metrics else "not scored"
    return Entry(number, label, run, run_page.lasted(run.duration), exam, figures)
