"""`macule combine`: several runs -> one bundle. Needs the training extra."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Literal

import typer

from macule.cli.train import need_training


def combine(
    runs: Annotated[list[Path], typer.Argument(metavar="RUN...", help="Folders of runs that have ended, two or more.")],
    *,
    data: Annotated[Path, typer.Option(help="The folder that holds their data sets as unzipped.")],
    work: Annotated[Path, typer.Option(help="Caches and the new run's folder.")] = Path("work"),
    out: Annotated[Path | None, typer.Option(help="The bundle's folder; by default in the new run's.")] = None,
    how: Annotated[Literal["ensemble", "average"], typer.Option(
        help="All networks in one graph, or one network with the mean of the weights.")] = "ensemble",
    name: Annotated[str | None, typer.Option(help="Of the new run and bundle.")] = None,
    links: Annotated[Path | None, typer.Option(help="pairs.csv of macule data audit: one photograph, two ids.")] = None,
    allow_leak: Annotated[bool, typer.Option("--allow-leak", help="Score on what members know; marked LEAKY.")] = False,
) -> None:
    """Combine runs, fit and score the whole on pictures that none of them has learnt from."""
    need_training()
    from macule.evaluation import runs as records
    from macule.exchange import run_page
    from macule.training import combine as combining

    folder = combining.combine(runs, data, work, how=how, name=name, out=out, pairs=links, allow_leak=allow_leak,
                               log=typer.echo)
    page = run_page.write(records.read(folder), now=datetime.now(UTC))
    typer.echo(f"The run: {folder}\nIts page: {page}")
