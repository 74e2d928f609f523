"""A bundle sits its exams, and what of their reports travels in it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from macule.analysis import bundle as bundles
from macule.analysis.bundle import Bundle
from macule.data import membership
from macule.data.atomic import writing
from macule.data.links import read as read_links
from macule.evaluation import card_text, out_of_fold, provenance, service
from macule.evaluation import report as whole
from macule.evaluation.card_exams import EXAMS, Exam
from macule.evaluation.markdown import within
from macule.evaluation.predictions import Memory
from macule.evaluation.report import Plan
from macule.evaluation.service import Evaluation

__all__ = ["EXAMS", "HEADLINES", "TOLERANCE", "Change", "Exam", "compare", "fitted", "measure", "rewrite", "subset",
           "write"]


def measure(name: str, data: Path, *, allow_leak: bool = False, links: Path | None = None,
            threads: int | None = None, views: int | None = None, plan: Plan | None = None,
            leads: Callable[[Mapping[str, Any]], Mapping[str, str]] | None = None,
            keep: Callable[[Exam, Evaluation, dict[str, Any]], None] = lambda _e, _f, _m: None,
            start: Callable[[str, int], Callable[[], None]] = lambda _t, _n: lambda: None) -> list[dict[str, Any]]:
    """Sit every exam that is under `data`; each report carries its title, its command and the hash of its pictures.

    A picture that several exams ask about is judged once. Exams apart from another set are sat with `links` only.

    views: of each picture; None is the bundle's own number.
    links: pairs.csv of `macule data audit`; pictures that leak by it are left out and counted.
    plan: what to measure beside the headline figures; None is nothing. leads: of a whole report, section -> what was
    found, in words; kept for the card. keep: given each exam's answers and whole report, to write them somewhere.

    Raises: LeakingSplit if an exam shares lesions with what was fitted on, unless allow_leak.
    """
    loaded, pairs = bundles.load(name), read_links(links)
    trained_on, memory, reports = fitted(loaded), Memory(), []
    for exam in (each for each in EXAMS if links is not None or not each.apart):
        title = exam.titled(trained_on)
        asked = exam.asked(data, allow_leak=allow_leak, pairs=pairs, views=views)
        found = service.examine(loaded, asked, threads=threads, memory=memory,
                                start=lambda count, title=title: start(title, count))  # type: ignore[misc]
        measured = found.report if plan is None else whole.measure(found, _plan(plan, exam), start=start)
        keep(exam, found, measured)
        said = found.pictures.predictions
        reports.append({
            "title": title, "command": exam.command(loaded.id, allow_leak=allow_leak, links=links, views=views),
            "exam_sha256": provenance.exam_hash([*said.records, *said.refused, *said.failed]),
            **measured, **({} if leads is None or exam.derived else {"said": dict(leads(measured))}),
        })
    return reports


def fitted(bundle: Bundle) -> set[str]:
    """The data sets that the bundle's own split says were trained or calibrated on."""
    known = membership.load(bundle.folder / membership.FILE)
    return {group.partition(":")[0] for group, part in known.parts.items() if part != "test"}


def _plan(plan: Plan, exam: Exam) -> Plan:
    """What asks the network again is measured once for each picture."""
    return replace(plan, also=()) if exam.derived else plan


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
    """What of a report travels in bundle.json: its headline figures, those of CHOSEN under `chosen`, the conformal
    `coverage` of each class, what became of pictures that are `not_lesions`, and what the sections of QUOTED found, in
    words, under `said`. Curves, tables and people stay in the report. What is a subset already stays as it is."""
    # The hash of a bundle cannot stand in the bundle itself.
    left = {*whole.ORDER, "provenance", "checklist", "bundle", "said", "chosen"}
    kept = {name: value for name, value in report.items() if name not in left}
    chosen = dict(report.get("chosen", {})) | {name: figure for name, path in CHOSEN.items()
                                               if (figure := within(report, path)) is not None}
    said = {name: words for name in QUOTED if (words := report.get("said", {}).get(name))}
    more = {"chosen": chosen, "coverage": _coverage(report), "not_lesions": _not_lesions(report), "said": said}
    return kept | {name: found for name, found in more.items() if found}


def _coverage(report: Mapping[str, Any]) -> dict[str, Any]:
    """Class -> share of its pictures whose set holds it, with Wilson's interval; nothing of classes without any."""
    rows = within(report, ("uncertainty", "conformal", "classes")) or {}
    return {code: row["wilson"] | {"lesions": row["lesions"]} for code, row in rows.items() if row["wilson"]["n"]}


def _not_lesions(report: Mapping[str, Any]) -> dict[str, int]:
    """How many drawn pictures of no lesion there were, and how many got a diagnosis, without or with a warning. Kinds
    that the gate may have learnt from do not count."""
    rows = [row for row in within(report, ("outliers", "kinds")) or [] if not row["learnable"]]
    names = ("n", "answered", "flagged")
    return {name: sum(row[name] for row in rows) for name in names} if rows else {}


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
    _put(folder, {"exams": [subset(report) for report in reports]})


def rewrite(folder: Path, *, folds: Path | None = None, another_recipe: bool = False) -> None:
    """Write card.md again from the figures that bundle.json holds, without scoring anything.

    folds: the folder of a cross-validation, whose figures are added. another_recipe: whether it may be one of another
    recipe than the bundle's.
    Raises: RunDamaged if they cannot be read; UsageError if they are of another recipe.
    """
    found = None if folds is None else out_of_fold.of_bundle(folds, folder, another_recipe=another_recipe)
    _put(folder, {} if found is None else {"out_of_fold": found})


def _put(folder: Path, changes: Mapping[str, Any]) -> None:
    """Both files whole or as they were, bundle.json first: the card can be written again from it."""
    manifest = folder / bundles.MANIFEST
    content = json.loads(manifest.read_text(encoding="utf-8"))
    content["metrics"] = {"exams": [], **content["metrics"], **changes}
    bundle = replace(bundles.load(folder), metrics=content["metrics"])
    card_text.render(bundle, content)  # what cannot be rendered changes nothing
    told = json.dumps(content, indent=2, allow_nan=False)
    with writing(manifest) as stream:  # the only copy of calibration and thresholds
        stream.write(told + "\n")
    for _ in range(2):  # it tells the size of what is there, itself included
        text = card_text.render(bundle, content)
        with writing(folder / bundles.CARD) as stream:
            stream.write(text)
