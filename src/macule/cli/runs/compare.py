"""`macule runs compare`: several runs side by side."""

from __future__ import annotations

import datetime
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from macule.cli import outputs, table

if TYPE_CHECKING:
    from macule.evaluation.comparing import Differences
    from macule.evaluation.runs import Run


def compare(
    *,
    folders: Annotated[list[Path], typer.Argument(metavar="RUN RUN...", help="Folders of runs, from 2 to 8.")],
    page: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write a page with the curves laid over each other.")
    ] = None,
) -> None:
    """Print the settings that differ and the figures, a column for each run.

    What makes the figures incomparable (another test part, a leak, other start weights) is said on standard error.
    """
    from macule.evaluation import comparing, runs

    outputs.check("--page", page)
    comparing.check(len(folders))
    read = [runs.read(folder) for folder in folders]
    if page:
        from macule.exchange import compare_page

        compare_page.write(read, page, now=datetime.datetime.now(datetime.UTC))
    _print(read, comparing.labels(read), comparing.differences(read))
    for doubt in comparing.doubts(read):
        print(f"macule: {doubt}", file=sys.stderr)


def _print(runs: Sequence[Run], labels: Sequence[str], found: Differences) -> None:
    from macule.cli.runs.list import figure
    from macule.evaluation.runs import HEADLINES

    console = table.make_console()
    heads = tuple(table.printable(label) for label in labels)
    table.print_rows(console, ("figure, on the locked test part", *heads), [
        (words, *(figure(run, name) or "not scored" for run in runs)) for name, words in HEADLINES.items()])
    for title, rows in (("setting that differs", found.settings), ("other things that differ", found.facts)):
        table.print_rows(console, (title, *heads), [
            (table.printable(row.name), *map(table.printable, row.values)) for row in rows])
