"""Agreement of two raters over the classes, and of the machine's malignant call with what was found.

Of biopsies it must be kept in mind that only lesions which looked suspicious are biopsied: verification bias (Begg and
Greenes, Biometrics 1983). Sensitivity among the biopsied is not the clinic's: cancers that nobody suspected are
missing from it, which flatters it, and specificity among them is lower than among all comers.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property

from sqlalchemy import ColumnElement, exists, func, select, tuple_
from sqlalchemy.orm import Session, aliased

from macule.analysis.result import Risk
from macule.records.domain import ReviewState
from macule.records.figures import TOO_FEW, Estimate, Share, Window
from macule.records.tables import Biopsy, Exam
from macule.statistics import Z
from macule.taxonomy import Diagnosis

#: Labels of the answer yes or no.
YES, NO = "malignant", "benign"


@dataclass(frozen=True)
class Confusion:
    """cells: {(reference, machine): count}, both class codes, or YES and NO."""

    cells: Mapping[tuple[str, str], int]

    @cached_property
    def n(self) -> int:
        return sum(self.cells.values())

    @cached_property
    def labels(self) -> tuple[str, ...]:
        """Those that occur, in the taxonomy's order."""
        present = {label for pair in self.cells for label in pair}
        return tuple(label for label in (*(code.value for code in Diagnosis), YES, NO) if label in present)

    def count(self, reference: str, machine: str) -> int:
        return self.cells.get((reference, machine), 0)

    def row(self, reference: str) -> int:
        return sum(count for (row, _), count in self.cells.items() if row == reference)

    def column(self, machine: str) -> int:
        return sum(count for (_, column), count in self.cells.items() if column == machine)

    @cached_property
    def agreed(self) -> Share:
        return Share(sum(self.count(label, label) for label in self.labels), self.n)

    @cached_property
    def kappa(self) -> Estimate:
        """Cohen's kappa (1960), unweighted; interval by its asymptotic error (Fleiss, Cohen and Everitt 1969).

        None where chance alone would agree always.
        """
        if self.n < TOO_FEW:
            return Estimate(None, None, None, self.n)
        rows = {label: self.row(label) / self.n for label in self.labels}
        columns = {label: self.column(label) / self.n for label in self.labels}
        expected = sum(rows[label] * columns[label] for label in self.labels)
        if math.isclose(expected, 1):
            return Estimate(None, None, None, self.n)
        value = (self.agreed.count / self.n - expected) / (1 - expected)
        reach = Z * _error(self, rows, columns, value, expected)
        return Estimate(value, max(value - reach, -1.0), min(value + reach, 1.0), self.n)

    def binary(self) -> Confusion:
        """Folded to malignant yes or no; indeterminate counts as yes, as it does in the malignant probability."""
        folded: Counter[tuple[str, str]] = Counter()
        for (reference, machine), count in self.cells.items():
            folded[_call(reference), _call(machine)] += count
        return Confusion(dict(folded))


def _call(code: str) -> str:
    return YES if Diagnosis(code).suspicious else NO


def _error(table: Confusion, rows: Mapping[str, float], columns: Mapping[str, float], kappa: float,
           expected: float) -> float:
    """Standard error of kappa, not under the hypothesis that it is 0."""
    on = sum(table.count(k, k) / table.n * (1 - (rows[k] + columns[k]) * (1 - kappa)) ** 2 for k in table.labels)
    off = sum(count / table.n * (columns[i] + rows[j]) ** 2 for (i, j), count in table.cells.items() if i != j)
    rest = (kappa - expected * (1 - kappa)) ** 2
    return math.sqrt(max(on + (1 - kappa) ** 2 * off - rest, 0) / table.n) / (1 - expected)


@dataclass(frozen=True)
class Call:
    """The machine's yes against what was found. yes: the risk from which on it counts as a yes.

    hits and misses: of the malignant; alarms and passes: of the benign.
    """

    yes: Risk
    hits: int
    misses: int
    alarms: int
    passes: int

    @property
    def n(self) -> int:
        return self.hits + self.misses + self.alarms + self.passes

    @property
    def sensitivity(self) -> Share:
        return Share(self.hits, self.hits + self.misses)

    @property
    def specificity(self) -> Share:
        return Share(self.passes, self.passes + self.alarms)

    @property
    def ppv(self) -> Share:
        return Share(self.hits, self.hits + self.alarms)

    @property
    def table(self) -> Confusion:
        cells = {(YES, YES): self.hits, (YES, NO): self.misses, (NO, YES): self.alarms, (NO, NO): self.passes}
        return Confusion({pair: count for pair, count in cells.items() if count})


@dataclass(frozen=True)
class Biopsied:
    """Biopsied lesions that came out alike. risk, machine: what was answered of the exam that led to the biopsy."""

    found: str
    machine: str
    risk: Risk
    bundle: str | None
    count: int


def biopsies(session: Session, *, window: Window) -> list[Biopsied]:
    """Biopsied lesions, each by the newest result that was entered in the window, of exams that readers have decided.

    Not of a case that is open again or waits for its second reader: a table of few would tell them the answer.
    """
    later, its = aliased(Biopsy), aliased(Exam)
    newer = exists().where(
        later.lesion_id == Biopsy.lesion_id, *_chosen(later, its, window),
        tuple_(later.recorded_at, later.id) > tuple_(Biopsy.recorded_at, Biopsy.id))
    columns = (Biopsy.code, Exam.top_code, Exam.risk, Exam.bundle_sha256)
    query = select(*columns, func.count()).where(*_chosen(Biopsy, Exam, window), ~newer).group_by(*columns)
    return [Biopsied(found, machine, Risk(risk), bundle, count)
            for found, machine, risk, bundle, count in session.execute(query)
            if machine is not None and risk is not None]


def _chosen(biopsy: type[Biopsy], exam: type[Exam], window: Window) -> list[ColumnElement[bool]]:
    # The state is wrapped for the reason that `Window.of_model` gives.
    return [exam.id == biopsy.exam_id, exam.top_code.is_not(None), exam.risk.is_not(None),
            func.coalesce(exam.review_state, "") == ReviewState.DECIDED.value,
            *window.holds(biopsy.recorded_at), *window.of_model(exam.bundle_sha256)]


def classes(groups: Iterable[Biopsied]) -> Confusion:
    """The machine's first diagnosis against the laboratory's."""
    cells: Counter[tuple[str, str]] = Counter()
    for group in groups:
        cells[group.found, group.machine] += group.count
    return Confusion(dict(cells))


def call(groups: Iterable[Biopsied], *, yes: Risk) -> Call:
    """The machine's malignant call from the risk `yes` upwards.

    The risk is the one that was shown, by the thresholds of the bundle that answered; a picture unlike those that the
    bundle knows is never low (`analysis.calibrate.risk`), so it counts as a call from medium.
    """
    calls = {Risk.HIGH} if yes is Risk.HIGH else {Risk.MEDIUM, Risk.HIGH}
    tally: Counter[tuple[bool, bool]] = Counter()
    for group in groups:
        tally[Diagnosis(group.found).suspicious, group.risk in calls] += group.count
    return Call(yes, hits=tally[True, True], misses=tally[True, False], alarms=tally[False, True],
                passes=tally[False, False])
