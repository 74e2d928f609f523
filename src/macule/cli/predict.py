"""`macule predict`: judge pictures."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
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
    from macule.analysis.lesion import LesionResult
    from macule.analysis.patient import Patient
    from macule.analysis.pipeline import Analyzer
    from macule.analysis.result import Result
    from macule.cli.sinks import CsvFile, Heatmaps, JsonLines, LesionSink, Sink
    from macule.cli.table import Table
    from macule.exchange.html import Report
    from macule.exchange.lesion_page import LesionReport

_LESION = "The pictures are all of one lesion: one answer to them together."
_MODALITY = "dermoscopic or clinical; with --lesion one for all, or one a picture in their order, with commas between."
_SITES = "Where on the body: head, neck, trunk, back, arm, leg, hand, foot, genital, ..."


def predict(
    paths: options.Paths,
    *,
    age: Annotated[str | None, typer.Option(help="Age in years, 0 to 120.")] = None,
    sex: Annotated[str | None, typer.Option(help="female or male.")] = None,
    site: Annotated[str | None, typer.Option(help=_SITES)] = None,
    modality: Annotated[str | None, typer.Option(help=_MODALITY)] = None,
    lesion: Annotated[bool, typer.Option("--lesion", help=_LESION)] = False,
    as_json: options.Json = False,
    csv: Annotated[Path | None, typer.Option(metavar="FILE", help="Write a CSV file as well.")] = None,
    heatmaps: Annotated[Path | None, typer.Option(metavar="DIR", help="Write heatmaps as PNGs as well.")] = None,
    report: Annotated[Path | None, typer.Option(metavar="DIR", help="Write a page, index.html, as well.")] = None,
    bundle: options.BundleName = None,
    threads: options.Threads = None,
    views: options.Views = None,
) -> None:
    """Judge pictures: risk, ranked diagnoses and advice for each.

    What is known of the patient holds for all of the pictures, and may be left out. One core works on one picture.
    With --lesion the pictures show one lesion and are answered together; those that cannot be judged are left out.
    """
    from macule.analysis.bundle import load
    from macule.analysis.patient import Patient
    from macule.analysis.pipeline import Analyzer

    kinds = modality.split(",") if lesion and modality else [modality]
    patients = [Patient.parse(age=age, sex=sex, site=site, modality=kind) for kind in kinds]
    found = expand(paths)
    analyzer = Analyzer(load(bundle), threads=threads if len(found) == 1 else 1, views=views)
    sinks = _sinks(lesion=lesion, as_json=as_json, csv=csv, heatmaps=heatmaps)
    if lesion:
        pages = _lesion_pages(analyzer, report)
        failed = _send_lesion(lambda: _judge_lesion(analyzer, found, patients, threads), [*sinks, *pages])
    else:
        answers = track(_judge(analyzer, found, patients[0], threads), total=len(found), what="judging")
        failed = _send(answers, [*sinks, *_pages(analyzer, report)])
    raise typer.Exit(SOME_FAILED if failed else DONE)


Answered = tuple[Path, "Result | MaculeError"]


def _judge(analyzer: Analyzer, found: list[Found], patient: Patient, threads: int | None) -> Iterator[Answered]:
    """Answers in the order of `found`."""
    answers = analyzer.analyze_many((path for path, error in found if error is None), patient=patient, workers=threads)
    return (next(answers) if error is None else (path, error) for path, error in found)


def _judge_lesion(
    analyzer: Analyzer, found: list[Found], patients: list[Patient], threads: int | None
) -> LesionResult:
    """patients: one for all pictures, or what is known with each. Raises: InputNotFound for a folder without pictures.
    """
    for _, error in found:
        if error is not None:
            raise error
    modalities = None if len(patients) == 1 else [patient.modality for patient in patients]
    paths = [path for path, _ in found]
    return analyzer.analyze_lesion(paths, patient=patients[0], modalities=modalities, workers=threads)


def _sinks(
    *, lesion: bool, as_json: bool, csv: Path | None, heatmaps: Path | None
) -> list[JsonLines | Table | CsvFile | Heatmaps]:
    from macule.cli.sinks import COLUMNS, LESION_COLUMNS, CsvFile, Heatmaps, JsonLines
    from macule.cli.table import Table

    return [
        JsonLines() if as_json else Table(),
        *([CsvFile(csv, LESION_COLUMNS if lesion else COLUMNS)] if csv else []),
        *([Heatmaps(heatmaps)] if heatmaps else []),
    ]


def _pages(analyzer: Analyzer, report: Path | None) -> list[Report]:
    from macule.exchange.html import Report

    return [Report(report, bundle=analyzer.bundle.identity)] if report else []


def _lesion_pages(analyzer: Analyzer, report: Path | None) -> list[LesionReport]:
    from macule.exchange.lesion_page import LesionReport

    return [LesionReport(report, bundle=analyzer.bundle)] if report else []


def _send(answers: Iterable[Answered], sinks: Sequence[Sink]) -> int:
    """Returns: how many inputs could not be read or judged."""
    failed = 0
    with ExitStack() as stack:
        opened = [stack.enter_context(sink) for sink in sinks]
        for path, answer in answers:
            failed += isinstance(answer, MaculeError) or answer.assessment is None
            for sink in opened:
                sink.add(str(path), answer)
    return failed


def _send_lesion(judge: Callable[[], LesionResult], sinks: Sequence[LesionSink]) -> int:
    """Returns: how many of the pictures could not be read or judged. A place that cannot be written to is found first.
    """
    with ExitStack() as stack:
        opened = [stack.enter_context(sink) for sink in sinks]
        result = judge()
        for sink in opened:
            sink.add_lesion(result)
    return len(result.shots) - len(result.alone)
