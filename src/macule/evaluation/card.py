"""The exams that a bundle sits for its card, and what of their reports travels in it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from macule.analysis import bundle as bundles
from macule.analysis.bundle import Bundle
from macule.analysis.patient import Modality
from macule.data import sources
from macule.data.links import read as read_links
from macule.evaluation import card_text, provenance, service
from macule.evaluation import report as whole
from macule.evaluation.report import Plan
from macule.evaluation.service import Evaluation


@dataclass(frozen=True)
class Exam:
    """title: of its row in the card. The rest: what `macule evaluate` is asked for."""

    title: str
    dataset: str
    part: str
    modality: Modality | None = None
    with_patient: bool = True

    @property
    def slug(self) -> str:
        """A folder's name for its report."""
        kind = f"-{self.modality}" if self.modality else ""
        return f"{self.dataset}-{self.part}{kind}{'' if self.with_patient else '-picture-alone'}"

    def command(self, name: str, *, allow_leak: bool = False, links: Path | None = None) -> str:
        options = f" --modality {self.modality}" if self.modality else ""
        options += "" if self.with_patient else " --no-patient"
        options += " --allow-leak" if allow_leak else ""
        # A folder of somebody's machine has no place in a card.
        options += f" --links {links.name if links.is_absolute() else links.as_posix()} --drop-leaks" if links else ""
        root = f"DATA/{sources.find(self.dataset).folder}"
        return f"macule evaluate --bundle {name} --dataset {self.dataset} --root {root} --split {self.part}{options}"


EXAMS = (
    Exam("HAM10000, locked lesions", "ham10000", "test"),
    Exam("HAM10000, locked lesions, picture alone", "ham10000", "test", with_patient=False),
    Exam("ISIC 2018 task 3 validation", "isic2018", "val"),
    Exam("ISIC 2017 test (set not trained on)", "isic2017", "test"),
    Exam("MILK10k, locked lesions, dermoscopic", "milk10k", "test", Modality.DERMOSCOPIC),
    Exam("MILK10k, locked lesions, clinical", "milk10k", "test", Modality.CLINICAL),
)


def measure(name: str, data: Path, *, allow_leak: bool = False, links: Path | None = None,
            threads: int | None = None, plan: Plan | None = None,
            leads: Callable[[Mapping[str, Any]], Mapping[str, str]] | None = None,
            keep: Callable[[Exam, Evaluation, dict[str, Any]], None] = lambda _e, _f, _m: None,
            start: Callable[[str, int], Callable[[], None]] = lambda _t, _n: lambda: None) -> list[dict[str, Any]]:
    """Sit every exam that is under `data`; each report carries its title, its command and the hash of its pictures.

    links: pairs.csv of `macule data audit`; pictures that leak by it are left out and counted.
    plan: what to measure beside the headline figures; None is nothing. leads: of a whole report, section -> what was
    found, in words; kept for the card. keep: given each exam's answers and whole report, to write them somewhere.

    Raises: LeakingSplit if an exam shares lesions with what was fitted on, unless allow_leak.
    """
    loaded, pairs = bundles.load(name), read_links(links)
    reports = []
    for exam in EXAMS:
        asked = service.Asked(exam.dataset, data / sources.find(exam.dataset).folder, exam.part, exam.modality,
                              exam.with_patient, allow_leak, links is not None, pairs)
        found = service.examine(loaded, asked, threads=threads,
                                start=lambda count, title=exam.title: start(title, count))  # type: ignore[misc]
        measured = found.report if plan is None else whole.measure(found, plan, start=start)
        keep(exam, found, measured)
        said = found.exam.predictions
        reports.append({
            "title": exam.title, "command": exam.command(loaded.id, allow_leak=allow_leak, links=links),
            "exam_sha256": provenance.exam_hash([*said.records, *said.refused, *said.failed]),
            **measured, **({} if leads is None else {"said": dict(leads(measured))}),
        })
    return reports


#: Sections whose finding the card quotes in words.
QUOTED = ("uncertainty", "fairness", "robustness", "outliers", "explanations", "baselines", "decision")
#: Figures of sections that the card sets in a table: name -> keys within keys of the report.
CHOSEN = {
    "medium_sensitivity": ("diagnosis", "malignant", "operating_points", "medium", "sensitivity"),
    "medium_specificity": ("diagnosis", "malignant", "operating_points", "medium", "specificity"),
    "high_sensitivity": ("diagnosis", "malignant", "operating_points", "high", "sensitivity"),
    "high_specificity": ("diagnosis", "malignant", "operating_points", "high", "specificity"),
    "served_balanced_accuracy": ("diagnosis", "served", "balanced_accuracy"),
    "calibration_slope": ("calibration", "malignant", "after", "slope"),
    "calibration_intercept": ("calibration", "malignant", "after", "intercept"),
    "malignant_calibration_error": ("calibration", "malignant", "after", "ece"),
}


def subset(report: Mapping[str, Any]) -> dict[str, Any]:
    """What of a report travels in bundle.json: its headline figures, those of CHOSEN under `chosen`, and what the
    sections of QUOTED found, in words, under `said`. Curves, tables and people stay in the report. What is a subset
    already stays as it is."""
    # The hash of a bundle cannot stand in the bundle itself.
    left = {*whole.ORDER, "provenance", "checklist", "bundle", "said", "chosen"}
    kept = {name: value for name, value in report.items() if name not in left}
    chosen = dict(report.get("chosen", {})) | {name: figure for name, path in CHOSEN.items()
                                               if (figure := _within(report, path)) is not None}
    said = {name: words for name in QUOTED if (words := report.get("said", {}).get(name))}
    return kept | ({"chosen": chosen} if chosen else {}) | ({"said": said} if said else {})


def _within(found: Any, path: Sequence[str]) -> Any:
    for key in path:
        found = found.get(key) if isinstance(found, Mapping) else None
    return found


#: How far a headline figure of a repeated training may lie from the committed one. The same seeds draw the same
#: batches, but sums over threads are not ordered, and small differences grow over thousands of steps.
TOLERANCE = 0.03
HEADLINES = ("balanced_accuracy", "accuracy", "macro_auc", "malignant_auc")


@dataclass(frozen=True)
class Change:
    """A headline figure of one exam, here and in the bundle that it is compared with."""

    exam: str
    figure: str
    found: float
    expected: float

    @property
    def within(self) -> bool:
        return abs(self.found - self.expected) <= TOLERANCE


def compare(reports: Sequence[Mapping[str, Any]], committed: Bundle) -> list[Change]:
    """Headline figures beside those of another bundle's card; an exam that only one of them sat is left out."""
    known = {exam["title"]: exam for exam in committed.metrics.get("exams", [])}
    return [
        Change(report["title"], name, report[name]["value"], known[report["title"]][name]["value"])
        for report in reports if report["title"] in known
        for name in HEADLINES if None not in (report[name]["value"], known[report["title"]][name]["value"])
    ]


def write(folder: Path, reports: Sequence[Mapping[str, Any]]) -> None:
    """Put the figures into the bundle's bundle.json and card.md."""
    manifest = folder / "bundle.json"
    content = json.loads(manifest.read_text(encoding="utf-8"))
    content["metrics"] = {"exams": [subset(report) for report in reports]}
    manifest.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    (folder / "card.md").write_text(card_text.render(bundles.load(folder), content), encoding="utf-8")
