"""`macule evaluate`: a bundle's figures on a data set. `macule card`: all its exams, written into the bundle."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from macule.cli import options
from macule.cli.exit import SOME_FAILED
from macule.cli.progress import bars

if TYPE_CHECKING:
    from macule.evaluation.card import Change


AllowLeak = Annotated[bool, typer.Option("--allow-leak", help="Score what was fitted on; marked LEAKY.")]
DropLeaks = Annotated[bool, typer.Option("--drop-leaks", help="Leave out the pictures that leak, and count them.")]
Also = Annotated[list[str] | None, typer.Option(
    help="More to measure: outliers (in every --report), robustness, explanations, adversarial. Repeat.")]
ImageNet = Annotated[Path | None, typer.Option(
    help="Folder of the data sets that the bundle was made of: adds a probe on ImageNet features to the baselines.")]
Sample = Annotated[int, typer.Option(help="Pictures for each of --also.")]
Links = Annotated[Path | None, typer.Option(help="pairs.csv of macule data audit: one lesion under two ids.")]


def evaluate(
    *,
    dataset: Annotated[str, typer.Option(help="One of `macule data list`.")],
    root: Annotated[Path, typer.Option(help="The folder that the data set was unzipped in.")],
    bundle: options.BundleName = None,
    split: Annotated[str, typer.Option(help="train, val, test or all: the publisher's, else the bundle's.")] = "all",
    modality: Annotated[str | None, typer.Option(help="Only dermoscopic or only clinical pictures.")] = None,
    no_patient: Annotated[bool, typer.Option("--no-patient", help="Hide age, sex, site and modality.")] = False,
    allow_leak: AllowLeak = False,
    drop_leaks: DropLeaks = False,
    links: Links = None,
    report: Annotated[Path | None, typer.Option(help="Folder for index.html, report.pdf, report.json, ....")] = None,
    json_file: Annotated[Path | None, typer.Option("--json", help="Write every figure to this file.")] = None,
    also: Also = None,
    sample: Sample = 200,
    imagenet: ImageNet = None,
    engine: Annotated[str, typer.Option(help="local, or ray for a cluster (RAY_ADDRESS) or this machine.")] = "local",
    threads: options.Threads = None,
) -> None:
    """Score a bundle on labelled pictures, through the same path as serving, with 95 % intervals over lesions."""
    from macule.analysis import bundle as bundles
    from macule.analysis.patient import Patient
    from macule.cli import sinks
    from macule.cli.train import need_training
    from macule.data import atomic
    from macule.data import engine as engines
    from macule.data import links as pairs
    from macule.evaluation import report as reports
    from macule.evaluation import service

    if json_file:
        _need_place(json_file)
    plan = reports.Plan((*(also or ()), *(("outliers",) if report else ())), sample, threads=threads,
                        imagenet=imagenet)
    if imagenet or "adversarial" in plan.also:
        need_training()
    if report:
        sinks.make_folder(report, "--report")  # told now, and not after an hour of scoring
    asked = service.Asked(dataset, root, split, Patient.parse(modality=modality).modality, not no_patient, allow_leak,
                          drop_leaks, pairs.read(links))
    runner = None if engine == "local" else engines.make(engine, workers=threads)
    with bars() as start:
        found = service.examine(bundles.load(bundle), asked, engine=runner, threads=threads,
                                start=lambda count: start(dataset, count))
        measured = reports.measure(found, plan, start=start) if report or json_file or also else found.report
    _print(measured)
    if json_file:
        with atomic.writing(json_file) as stream:
            stream.write(json.dumps(measured, indent=2, allow_nan=False) + "\n")
    if report:
        from macule.cli import asked as asked_for
        from macule.evaluation import provenance
        from macule.exchange import evaluation_folder

        command = provenance.spoken(asked_for.command())
        evaluation_folder.write(found, measured, report, command=command, now=datetime.now(UTC))
        typer.echo(f"The report: {report / evaluation_folder.PAGE}")
    if measured["failed"] or measured["without_picture"] or not measured["pictures"]:
        raise typer.Exit(SOME_FAILED)


def _need_place(path: Path) -> None:
    """Told now, and not after an hour of scoring. Raises: UsageError."""
    from macule.errors import UsageError

    if path.is_dir() or not path.absolute().parent.is_dir():
        what = "is a folder" if path.is_dir() else "is in no folder that exists"
        raise UsageError(f"--json is {path}, which {what}: name a file.")


def card(
    *,
    data: Annotated[Path, typer.Option(help="The folder that holds HAM10000, ISIC2017, ISIC2018 and MILK10k.")],
    bundle: Annotated[str, typer.Option(help="Name or folder of the bundle to write the card into.")],
    against: Annotated[str | None, typer.Option(help="A bundle whose card the figures are compared with.")] = None,
    allow_leak: AllowLeak = False,
    links: Links = None,
    reports: Annotated[Path | None, typer.Option(help="A folder for a whole report of each exam.")] = None,
    also: Also = None,
    sample: Sample = 200,
    threads: options.Threads = None,
) -> None:
    """Sit every exam and write the figures into the bundle's bundle.json and card.md.

    With --reports, each exam's whole report is written too. With --links, exam pictures whose lesion was fitted on
    under another id are left out and counted. Compared with another bundle, the status is 1 if a headline figure lies
    outside the tolerance.
    """
    from macule.analysis import bundle as bundles
    from macule.evaluation import card as cards
    from macule.evaluation.report import Plan
    from macule.evaluation.service import Evaluation
    from macule.exchange import evaluation_folder

    loaded = bundles.load(bundle)
    committed = bundles.load(against) if against else None

    def keep(exam: cards.Exam, found: Evaluation, measured: dict[str, Any]) -> None:
        if reports:
            command = exam.command(loaded.id, allow_leak=allow_leak, links=links)
            evaluation_folder.write(found, measured, reports / exam.slug, command=command, now=datetime.now(UTC))

    with bars() as start:
        measured = cards.measure(bundle, data, allow_leak=allow_leak, links=links, threads=threads, start=start,
                                 plan=Plan(("outliers", *(also or ())), sample, threads=threads), keep=keep,
                                 leads=evaluation_folder.leads)
    cards.write(loaded.folder, measured)
    for report in measured:
        _print(report)
    leaky = any(report["leaky"] for report in measured)
    if committed and not _print_changes(cards.compare(measured, committed), cards.TOLERANCE, leaky=leaky):
        raise typer.Exit(SOME_FAILED)


def _print_changes(changes: list[Change], tolerance: float, *, leaky: bool) -> bool:
    """Returns: whether every figure lies within the tolerance."""
    from macule.data import guard

    marked = guard.mark(leaky)
    table = Table(title=f"compared with the committed card, tolerance {tolerance}")
    for column in ("exam", "figure", "here", "committed", ""):
        table.add_column(column)
    for change in changes:
        verdict = "within" if change.within else "OUTSIDE"
        table.add_row(change.exam, change.figure, f"{marked}{change.found:.3f}", f"{change.expected:.3f}", verdict)
    Console().print(table)
    return all(change.within for change in changes)


def _print(report: dict[str, Any]) -> None:
    from macule.data import guard

    title = report.get("title", f"{report['dataset']} {report['split']}")
    marked = guard.mark(report["leaky"])
    counts = f"{report['pictures']} pictures, {report['lesions']} lesions, {report['refused']} refused"
    if report.get("dropped_leaks"):
        counts += f", {report['dropped_leaks']} left out because they leak"
    if report.get("without_picture"):
        counts += f", {report['without_picture']} without a file"
    if report.get("duplicates", {}).get("surplus"):
        counts += f", {report['duplicates']['surplus']} the same file twice"
    if report["failed"]:
        counts += f", {report['failed']} unreadable"
    table = Table(title=f"{marked}{title}: {counts}")
    table.add_column("figure")
    table.add_column(f"{marked}value (95 % interval), positives", justify="right")
    for name, figure in _figures(report):
        table.add_row(name.replace("_", " "), marked + _shown(figure))
    Console().print(table)


def _figures(report: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    yield from ((name, value) for name, value in report.items() if isinstance(value, dict) and "value" in value)
    yield from ((f"{code}: {name}", figure) for code, row in report["classes"].items() for name, figure in row.items())


def _shown(figure: dict[str, Any]) -> str:
    if figure["value"] is None:
        return "undefined"
    interval = "" if figure["low"] is None else f" ({figure['low']:.3f} to {figure['high']:.3f})"
    count = f"  {figure['positives']} of {figure['n']}" if "positives" in figure else ""
    return f"{figure['value']:.3f}{interval}{count}"
