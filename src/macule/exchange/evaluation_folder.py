"""The folder of `macule evaluate --report`: the page, the PDF, every figure as JSON, every answer as CSV.

    index.html        the report; one file, no script, no request      report.pdf    the same for paper
    report.json       all figures; the pages are drawn from it alone    predictions.csv  one row an answer
    mistakes.html     the errors with their pictures: it stays on this disk
"""

from __future__ import annotations

import csv
import importlib
import json
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from macule.data import atomic, sources
from macule.data.record import Record
from macule.errors import MaculeError
from macule.evaluation import checklist, provenance, report
from macule.evaluation.service import Evaluation
from macule.exchange import evaluation_page, evaluation_pdf
from macule.exchange.blocks import Section, not_measured
from macule.exchange.sections import checklist as checklist_page
from macule.exchange.sections import mistakes
from macule.exchange.sections import provenance as provenance_page
from macule.spreadsheet import harmless

PAGE, PDF, JSON, CSV, MISTAKES = "index.html", "report.pdf", "report.json", "predictions.csv", "mistakes.html"
#: What a section that was not asked for is called, and how to get it.
ABSENT = {
    "outliers": ("Out of distribution", "--also outliers measures it, and so does every --report."),
    "robustness": ("Robustness", "--also robustness measures it: corrupted pictures at five strengths, minutes."),
    "adversarial": ("Adversarial attacks", "--also adversarial measures it; needs the training extra, minutes."),
    "explanations": ("Explanation checks", "--also explanations measures it, minutes."),
}


def write(found: Evaluation, measured: Mapping[str, Any], folder: Path, *, command: str, now: datetime) -> None:
    """measured: as `macule.evaluation.report.measure` gives it. command: see `provenance.spoken`.

    Raises: OSError; the file of that name that stands there stays then.
    """
    folder.mkdir(parents=True, exist_ok=True)
    measured = traced(found, measured, command=command, now=now)
    with atomic.writing(folder / JSON) as stream:
        stream.write(json.dumps(measured, indent=2, allow_nan=False) + "\n")
    _write_answers(found, folder / CSV)
    parts = [*sections(measured), provenance_page.section(measured["provenance"]),
             checklist_page.section(measured["checklist"])]
    evaluation_page.write(measured, parts, folder / PAGE, now=now)
    evaluation_pdf.write(measured, parts, folder / PDF, now=now)
    if "mistakes" in measured:
        pictures = mistakes.Pictures.of(found.exam, _neighbours(found))
        evaluation_page.write(measured, [mistakes.gallery(measured["mistakes"], pictures)], folder / MISTAKES, now=now)


def _neighbours(found: Evaluation) -> list[Record]:
    """Among which the nearest training pictures are sought: those of the same folder. None if it cannot be read whole,
    since a gallery must not sink a report."""
    reading = sources.Reading(found.asked.dataset, found.asked.root, "all", tables_only=True)
    try:
        return [record for record in sources.read(reading, strict=False) if record.picture is not None]
    except MaculeError:
        return []


def traced(found: Evaluation, measured: Mapping[str, Any], *, command: str, now: datetime) -> dict[str, Any]:
    """With where every number comes from, and the checklist that is answered from these records."""
    known = dict(measured) | {"provenance": provenance.of(found.pictures, measured, command=command, now=now)}
    return known | {"checklist": checklist.answers(known)}


def leads(measured: Mapping[str, Any]) -> dict[str, str]:
    """Section -> what was found, in words, for the card."""
    return {section.anchor: section.lead for section in sections(measured) if section.measured}


def sections(measured: Mapping[str, Any]) -> list[Section]:
    """In the order of the page; one that was not asked for says how to get it."""
    return [_section(name, measured) for name in report.ORDER]


def _section(name: str, measured: Mapping[str, Any]) -> Section:
    if name not in measured:
        title, how = ABSENT.get(name, (name.capitalize(), "This report was made without it."))
        return not_measured(name, title, how)
    module = importlib.import_module(f"macule.exchange.sections.{name}")
    made: Section = module.section(measured[name])
    return made


def _write_answers(found: Evaluation, path: Path) -> None:
    with atomic.writing(path, errors="backslashreplace") as stream:
        table = csv.DictWriter(stream, report.columns(), restval="", lineterminator="\n")
        table.writeheader()
        for row in report.rows(found):
            table.writerow({name: harmless(cell) for name, cell in row.items()})
