"""`macule predict`: judge pictures."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from macule.cli import options
from macule.cli.exit import DONE, SOME_FAILED
from macule.cli.paths import Found, expand
from macule.cli.progress import track
from macule.errors import MaculeError

if TYPE_CHECKING:
    from macule.analysis.patient import Patient
    from macule.analysis.pipeline import Analyzer
    from macule.analysis.result import Result
    from macule.cli.sinks import Sink

_SITES = "Where on the body: head, neck, trunk, back, arm, leg, hand, foot, genital, ..."


def predict(
    paths: options.Paths,
    *,
    age: Annotated[str | None, typer.Option(help="Age in years, 0 to 120.")] = None,
    sex: Annotated[str | None, typer.Option(help="female or male.")] = None,
    site: Annotated[str | None, typer.Option(help=_SITES)] = None,
    modality: Annotated[str | None, typer.Option(help="dermoscopic or clinical.")] = None,
    as_json: options.Json = False,
    csv: Annotated[Path | None, typer.Option(metavar="FILE", help="Write a CSV file as well.")] = None,
    heatmaps: Annotated[Path | None, typer.Option(metavar="DIR", help="Write heatmaps as PNGs as well.")] = None,
    report: Annotated[Path | None, typer.Option(metavar="DIR", help="Write a page, index.html, as well.")] = None,
    bundle: options.BundleName = None,
    threads: options.Threads = None,
) -> None:
    """Judge pictures: risk, ranked diagnoses and advice for each.

    What is known of the patient holds for all of the pictures, and may be left out. One core works on one picture.
    """
    from macule.analysis.bundle import load
    from macule.analysis.patient import Patient
    from macule.analysis.pipeline import Analyzer

    patient = Patient.parse(age=age, sex=sex, site=site, modality=modality)
    found = expand(paths)
    analyzer = Analyzer(load(bundle), threads=threads if len(found) == 1 else 1)
    answers = track(_judge(analyzer, found, patient, threads), total=len(found), what="judging")
    failed = _send(answers, _sinks(analyzer, as_json=as_json, csv=csv, heatmaps=heatmaps, report=report))
    raise typer.Exit(SOME_FAILED if failed else DONE)


Answered = tuple[Path, "Result | MaculeError"]


def _judge(analyzer: Analyzer, found: list[Found], patient: Patient, threads: int | None) -> Iterator[Answered]:
    """Answers in the order of `found`."""
    answers = analyzer.analyze_many((path for path, error in found if error is None), patient=patient, workers=threads)
    return (next(answers) if error is None else (path, error) for path, error in found)


def _sinks(
    analyzer: Analyzer, *, as_json: bool, csv: Path | None, heatmaps: Path | None, report: Path | None
) -> list[Sink]:
    from macule.cli.sinks import CsvFile, Heatmaps, JsonLines
    from macule.cli.table import Table

    sinks: list[Sink] = [JsonLines() if as_json else Table()]
    sinks += [CsvFile(csv)] if csv else []
    sinks += [Heatmaps(heatmaps)] if heatmaps else []
    if report:
        from macule.exchange.html import Report

        sinks.append(Report(report, bundle=analyzer.bundle.identity))
    return sinks


def _send(answers: Iterable[Answered], sinks: list[Sink]) -> int:
    """Returns: how many inputs could not be read or judged."""
    failed = 0
    with ExitStack() as stack:
        opened = [stack.enter_context(sink) for sink in sinks]
        for path, answer in answers:
            failed += isinstance(answer, MaculeError) or answer.assessment is None
            for sink in opened:
                sink.add(str(path), answer)
    return failed
