"""`macule evaluate`: a bundle's figures on a data set. `macule card`: all its exams, written into the bundle."""

from __future__ import annotations

import json
from collections.abc import Iterator
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
    json_file: Annotated[Path | None, typer.Option("--json", help="Write every figure to this file.")] = None,
    engine: Annotated[str, typer.Option(help="local, or ray for a cluster (RAY_ADDRESS) or this machine.")] = "local",
    threads: options.Threads = None,
) -> None:
    """Score a bundle on labelled pictures, through the same path as serving, with 95 % intervals over lesions."""
    from macule.analysis import bundle as bundles
    from macule.analysis.patient import Patient
    from macule.data import engine as engines
    from macule.data import links as pairs
    from macule.evaluation import service

    runner = None if engine == "local" else engines.make(engine, workers=threads)
    with bars() as start:
        report = service.evaluate(
            bundle=bundles.load(bundle), dataset=dataset, root=root, part=split,
            modality=Patient.parse(modality=modality).modality, with_patient=not no_patient, allow_leak=allow_leak,
            drop_leaks=drop_leaks, pairs=pairs.read(links), engine=runner, threads=threads,
            start=lambda count: start(dataset, count),
        )
    _print(report)
    if json_file:
        json_file.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")


def card(
    *,
    data: Annotated[Path, typer.Option(help="The folder that holds HAM10000, ISIC2017, ISIC2018 and MILK10k.")],
    bundle: Annotated[str, typer.Option(help="Name or folder of the bundle to write the card into.")],
    against: Annotated[str | None, typer.Option(help="A bundle whose card the figures are compared with.")] = None,
    allow_leak: AllowLeak = False,
    links: Links = None,
    threads: options.Threads = None,
) -> None:
    """Sit every exam and write the figures into the bundle's bundle.json and card.md.

    With --links, exam pictures whose lesion was fitted on under another id are left out and counted. Compared with
    another bundle, the status is 1 if a headline figure lies outside the tolerance.
    """
    from macule.analysis import bundle as bundles
    from macule.evaluation import card as cards

    folder = bundles.load(bundle).folder
    committed = bundles.load(against) if against else None
    with bars() as start:
        reports = cards.measure(bundle, data, allow_leak=allow_leak, links=links, threads=threads, start=start)
    cards.write(folder, reports)
    for report in reports:
        _print(report)
    leaky = any(report["leaky"] for report in reports)
    if committed and not _print_changes(cards.compare(reports, committed), cards.TOLERANCE, leaky=leaky):
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
