"""`macule runs page`: the page of one run."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import Annotated

import typer

from macule.cli import outputs


def page(
    *,
    folder: Annotated[Path, typer.Argument(metavar="RUN", help="The folder of a run.")],
    out: Annotated[Path | None, typer.Option(metavar="FILE", help="In place of RUN/index.html.")] = None,
) -> None:
    """Write the page of a run: curves, figures, recipe, data, machine and versions, in one file."""
    from macule.evaluation import runs
    from macule.exchange import run_page

    outputs.check("--out", out, inputs=[folder / name for name in (runs.RUN, runs.CURVE, runs.METRICS)])
    written = run_page.write(runs.read(folder), now=datetime.datetime.now(datetime.UTC), out=out)
    typer.echo(f"The page: {written}")
