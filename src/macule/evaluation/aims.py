"""What the project aims at, and what a bundle's exams say of it. An aim is no permission: what is, is told."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from macule.analysis import inventory
from macule.analysis.bundle import Bundle
from macule.evaluation import markdown, out_of_fold
from macule.evaluation.card_exams import NOT_TRAINED_ON
from macule.evaluation.markdown import MISSING

MET, NOT_MET = "met", "not met"
#: A class of fewer pictures has no aim of its own: its coverage is luck.
ENOUGH = 30
COVERAGE = (0.88, 0.92)
MEGABYTES = 30.0


@dataclass(frozen=True)
class Aim:
    """figure: in words. exam: the title of the exam that measures it. path: where it stands there.

    least, most: the value that is aimed at lies between; None is no bound.
    """

    figure: str
    exam: str
    path: tuple[str, ...]
    least: float | None = None
    most: float | None = None

    @property
    def words(self) -> str:
        if self.least is not None and self.most is not None:
            return f"{self.least:g} to {self.most:g}"
        return f"at least {self.least:g}" if self.least is not None else f"at most {self.most:g}"

    def verdict(self, value: float | None) -> str:
        if value is None:
            return MISSING
        met = (self.least is None or value >= self.least) and (self.most is None or value <= self.most)
        return MET if met else NOT_MET


@dataclass(frozen=True)
class Row:
    """One line of the table. value: with its interval and count, or why there is none."""

    figure: str
    exam: str
    aim: str
    value: str
    verdict: str


_HAM, _ISIC = "HAM10000, locked lesions", f"ISIC 2017 test {NOT_TRAINED_ON}"
_MILK = "MILK10k, locked lesions"
_APART = f"{_MILK} not in HAM10000"
_MELANOMA_AUC = ("classes", "mel", "auc")
_MELANOMA_FOUND = ("classes", "mel", "sensitivity_at_90%_specificity")
AIMS = (
    *(aim for exam in (out_of_fold.title("ham10000"), _HAM) for aim in (
        Aim("balanced accuracy", exam, ("balanced_accuracy",), least=0.85),
        Aim("macro AUC", exam, ("macro_auc",), least=0.98),
        Aim("melanoma AUC", exam, _MELANOMA_AUC, least=0.95),
        Aim("melanoma sensitivity at 90 % specificity", exam, _MELANOMA_FOUND, least=0.88))),
    Aim("malignant AUC", f"{_APART}, dermoscopic", ("malignant_auc",), least=0.92),
    Aim("malignant AUC", f"{_APART}, clinical", ("malignant_auc",), least=0.86),
    Aim("malignant AUC", f"{_APART}, both pictures together", ("malignant_auc",), least=0.94),
    Aim("melanoma AUC, unseen institution", _ISIC, _MELANOMA_AUC, least=0.85),
    *(Aim("calibration error, inside", exam, ("calibration_error",), most=0.03)
      for exam in (_HAM, "ISIC 2018 task 3 validation", f"{_MILK}, dermoscopic", f"{_MILK}, clinical")),
    Aim("calibration error, outside", _ISIC, ("calibration_error",), most=0.08),
)
#: Whose calibration part was drawn from the same sets: only there is coverage promised.
COVERED = (_HAM, f"{_MILK}, dermoscopic", f"{_MILK}, clinical")
#: Aims that no exam measures: figure, aim, what does.
ELSEWHERE = (
    ("one picture on one core", "at most 15 ms", "`benchmarks/variants.py`"),
    ("speed of int8 against fp32", "at least 1.8 times", "`benchmarks/quantise.py`"),
    ("balanced accuracy lost by int8", "at most 0.5 points", "`benchmarks/quantise.py`"),
)


def measure(bundle: Bundle, metrics: Mapping[str, Any]) -> list[Row]:
    """Every aim with what is known of it. metrics: of bundle.json, with `exams` and perhaps `out_of_fold`."""
    exams = {exam["title"]: exam for exam in (*metrics.get("exams", ()), *metrics.get("out_of_fold", ()))}
    return [
        *(_row(aim, exams.get(aim.exam)) for aim in AIMS),
        *(row for title in COVERED for row in _coverage(title, exams.get(title))),
        _size(bundle.folder),
        _not_lesions(list(exams.values())),
        *(Row(figure, "-", aim, f"{MISSING} by an exam: {how} does", MISSING) for figure, aim, how in ELSEWHERE),
    ]


def table(rows: Sequence[Row]) -> list[str]:
    """Lines of Markdown."""
    return markdown.table(("Figure", "Exam", "Aim", "Value (95 % interval)", "Verdict"),
                          [(row.figure, row.exam, row.aim, row.value, row.verdict) for row in rows])


def _row(aim: Aim, exam: Mapping[str, Any] | None) -> Row:
    found = markdown.within(exam, aim.path)
    value = None if found is None or exam is None or exam.get("leaky") else found["value"]
    shown = MISSING if found is None or exam is None else (
        markdown.marked(exam, markdown.cell(found))[0] + _counted(found))
    return Row(aim.figure, aim.exam if exam is None else out_of_fold.titled(exam), aim.words, shown,
               aim.verdict(value))


def _counted(figure: Mapping[str, Any]) -> str:
    return f", {figure['positives']} of {figure['n']}" if figure.get("positives") is not None else f", n {figure['n']}"


def _coverage(title: str, exam: Mapping[str, Any] | None) -> Iterator[Row]:
    """One row a class with enough pictures."""
    known = {} if exam is None else exam.get("coverage", {})
    least, most = COVERAGE
    for code, figure in known.items():
        if figure["n"] >= ENOUGH:
            yield _row(Aim(f"conformal coverage, {code}", title, ("coverage", code), least, most), exam)
    if not any(figure["n"] >= ENOUGH for figure in known.values()):
        yield _row(Aim(f"conformal coverage, each class with n >= {ENOUGH}", title, (), least, most), None)


def _size(folder: Path) -> Row:
    aim = Aim("bundle's size", "-", (), most=MEGABYTES)
    size = inventory.size(folder) / 1e6
    return Row(aim.figure, "-", f"{aim.words} MB", f"{size:.1f} MB, {len(inventory.files(folder))} files",
               aim.verdict(size))


def _not_lesions(exams: Sequence[Mapping[str, Any]]) -> Row:
    """The same drawn pictures for every exam of a bundle."""
    aim = Aim("pictures of no lesion that got a diagnosis", "drawn, of kinds not learnt from", (), most=0)
    found = next((exam["not_lesions"] for exam in exams if exam.get("not_lesions")), None)
    if found is None:
        return Row(aim.figure, aim.exam, "none", MISSING, MISSING)
    given = found["answered"] + found["flagged"]
    return Row(aim.figure, aim.exam, "none", f"{given} of {found['n']}, {found['flagged']} of them with a warning",
               aim.verdict(given))
