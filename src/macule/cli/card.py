"""`macule card`: all exams of a bundle, written into it; or its figures in tables, without scoring anew."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from macule.cli import options
from macule.cli.evaluate import AllowLeak, Also, Links, Sample, show
from macule.cli.exit import SOME_FAILED
from macule.cli.progress import bars

if TYPE_CHECKING:
    from macule.analysis.bundle import Bundle
    from macule.evaluation.card import Change, Exam
    from macule.evaluation.report import Plan
    from macule.evaluation.service import Evaluation

Data = Annotated[Path | None, typer.Option(help="The folder that holds HAM10000, ISIC2017, ISIC2018 and MILK10k.")]
Folds = Annotated[Path | None, typer.Option(
    help="work/RECIPE-Nfolds-... of the bundle's recipe: its figures out of fold are added to the card.")]
AnotherRecipe = Annotated[bool, typer.Option(
    "--another-recipe", help="Let --folds be of another recipe than the bundle's; the card says so.")]
AsTable = Annotated[bool, typer.Option("--table", help="Print the card's exams as one Markdown table.")]
AsAims = Annotated[bool, typer.Option("--aims", help="Print the project's aims beside what the exams found.")]


def card(
    *,
    bundle: Annotated[str, typer.Option(help="Name or folder of the bundle to write the card into.")],
    data: Data = None,
    against: Annotated[str | None, typer.Option(help="A bundle whose card the figures are compared with.")] = None,
    allow_leak: AllowLeak = False,
    links: Links = None,
    views: options.Views = None,
    reports: Annotated[Path | None, typer.Option(help="A folder for a whole report of each exam.")] = None,
    also: Also = None,
    sample: Sample = 200,
    threads: options.Threads = None,
    folds: Folds = None,
    another_recipe: AnotherRecipe = False,
    as_table: AsTable = False,
    as_aims: AsAims = False,
) -> None:
    """Sit every exam and write the figures into the bundle's bundle.json and card.md.

    With --reports, each exam's whole report is written too. With --links, exam pictures whose lesion was fitted on
    under another id are left out and counted. Compared with another bundle, the status is 1 if a headline figure lies
    outside the tolerance. Without --data nothing is scored: --table and --aims print what the card holds, and --folds
    adds to it.
    """
    from macule.analysis import bundle as bundles
    from macule.errors import UsageError
    from macule.evaluation import card as cards
    from macule.evaluation import out_of_fold
    from macule.evaluation.report import Plan

    if data is None and folds is None and not (as_table or as_aims):
        raise UsageError("there is nothing to score: give --data; or --table or --aims for the figures of the card.")
    if another_recipe and folds is None:
        raise UsageError("--another-recipe is about the folds of --folds: give both.")
    if data is None and against:
        raise UsageError("--against compares figures that are scored here: give --data.")
    loaded = bundles.load(bundle)
    if folds is not None:
        # Told now, and not after an hour of scoring.
        out_of_fold.of_bundle(folds, loaded.folder, another_recipe=another_recipe)
    within = True
    if data is not None:
        plan = Plan(("outliers", *(also or ())), sample, threads=threads)
        committed = bundles.load(against) if against else None
        within = _sit(loaded, data, committed, plan, name=bundle, reports=reports, allow_leak=allow_leak, links=links,
                      views=views)
    if folds is not None:
        cards.rewrite(loaded.folder, folds=folds, another_recipe=another_recipe)
    _tell(bundles.load(bundle), as_table=as_table, as_aims=as_aims)
    if not within:
        raise typer.Exit(SOME_FAILED)


def _sit(loaded: Bundle, data: Path, committed: Bundle | None, plan: Plan, *, name: str, reports: Path | None,
         allow_leak: bool, links: Path | None, views: int | None) -> bool:
    """Returns: whether all headline figures are within the tolerance of the committed ones, where there are any."""
    from macule.evaluation import card as cards
    from macule.exchange import evaluation_folder

    def keep(exam: Exam, found: Evaluation, measured: dict[str, Any]) -> None:
        if reports:
            command = exam.command(loaded.id, allow_leak=allow_leak, links=links, views=views)
            evaluation_folder.write(found, measured, reports / exam.slug, command=command, now=datetime.now(UTC))

    with bars() as start:
        measured = cards.measure(name, data, allow_leak=allow_leak, links=links, threads=plan.threads, views=views,
                                 start=start, plan=plan, keep=keep, leads=evaluation_folder.leads)
    cards.write(loaded.folder, measured)
    for report in measured:
        show(report)
    leaky = any(report["leaky"] for report in measured)
    return committed is None or _print_changes(cards.compare(measured, committed), cards.TOLERANCE, leaky=leaky)


def _tell(bundle: Bundle, *, as_table: bool, as_aims: bool) -> None:
    """Markdown, from the figures that the bundle holds alone."""
    from macule.evaluation import aims, card_tables

    if as_table:
        typer.echo("\n".join(card_tables.summary(bundle.metrics)))
    if as_aims:
        typer.echo("\n".join(aims.table(aims.measure(bundle, bundle.metrics))))


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
