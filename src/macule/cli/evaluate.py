"""`macule evaluate`: a bundle's figures on a data set."""

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
    from macule.evaluation.service import Evaluation

AllowLeak = Annotated[bool, typer.Option("--allow-leak", help="Score what was fitted on; marked LEAKY.")]
DropLeaks = Annotated[bool, typer.Option("--drop-leaks", help="Leave out the pictures that leak, and count them.")]
Also = Annotated[list[str] | None, typer.Option(
    help="More to measure: outliers (in every --report), robustness, explanations, adversarial. Repeat.")]
ImageNet = Annotated[Path | None, typer.Option(
    help="Folder of the data sets that the bundle was made of: adds a probe on ImageNet features to the baselines.")]
Sample = Annotated[int, typer.Option(help="Pictures for each of --also.")]
By = Annotated[str, typer.Option(help="picture, or lesion: one answer from all of a lesion's pictures.")]
Apart = Annotated[list[str] | None, typer.Option(
    "--apart-from", help="Leave out lesions that --links find in this other data set too. Repeat.")]
Links = Annotated[Path | None, typer.Option(help="pairs.csv of macule data audit: one lesion under two ids.")]


def evaluate(
    *,
    dataset: Annotated[str, typer.Option(help="One of `macule data list`.")],
    root: Annotated[Path, typer.Option(help="The folder that the data set was unzipped in.")],
    bundle: options.BundleName = None,
    split: Annotated[str, typer.Option(help="train, val, test or all: the publisher's, else the bundle's.")] = "all",
    modality: Annotated[str | None, typer.Option(help="Only dermoscopic or only clinical pictures.")] = None,
    no_patient: Annotated[bool, typer.Option("--no-patient", help="Hide age, sex, site and modality.")] = False,
    by: By = "picture",
    views: options.Views = None,
    allow_leak: AllowLeak = False,
    drop_leaks: DropLeaks = False,
    links: Links = None,
    apart_from: Apart = None,
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
                          drop_leaks, pairs.read(links), views, by, tuple(apart_from or ()))
    runner = None if engine == "local" else engines.make(engine, workers=threads)
    with bars() as start:
        found = service.examine(bundles.load(bundle), asked, engine=runner, threads=threads,
                                start=lambda count: start(dataset, count))
        measured = reports.measure(found, plan, start=start) if report or json_file or also else found.report
    show(measured)
    if json_file:
        with atomic.writing(json_file) as stream:
            stream.write(json.dumps(measured, indent=2, allow_nan=False) + "\n")
    if report:
        _write(found, measured, report)
    if measured["failed"] or measured["without_picture"] or not measured["pictures"]:
        raise typer.Exit(SOME_FAILED)


def _need_place(path: Path) -> None:
    """Told now, and not after an hour of scoring. Raises: UsageError."""
    from macule.errors import UsageError

    if path.is_dir() or not path.absolute().parent.is_dir():
        what = "is a folder" if path.is_dir() else "is in no folder that exists"
        raise UsageError(f"--json is {path}, which {what}: name a file.")


def _write(found: Evaluation, measured: dict[str, Any], folder: Path) -> None:
    from macule.cli import asked
    from macule.evaluation import provenance
    from macule.exchange import evaluation_folder

    command = provenance.spoken(asked.command())
    evaluation_folder.write(found, measured, folder, command=command, now=datetime.now(UTC))
    typer.echo(f"The report: {folder / evaluation_folder.PAGE}")


def show(report: dict[str, Any]) -> None:
    """Print the headline figures of a report as a table."""
    from macule.data import guard

    title = report.get("title", f"{report['dataset']} {report['split']}")
    marked = guard.mark(report["leaky"])
    counts = f"{report['pictures']} pictures, {report['lesions']} lesions, {report['refused']} refused"
    if report.get("together"):
        counts += f", {report['together']['several']} lesions answered from several pictures"
    if report.get("linked_elsewhere"):
        counts += f", {report['linked_elsewhere']} left out that stand in {', '.join(report['apart_from'])} too"
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
