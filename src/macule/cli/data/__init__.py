"""`macule data`: public data sets, manifests, splits and the leak guard. One file a verb."""

from __future__ import annotations

import typer

app = typer.Typer(
    name="data",
    no_args_is_help=True,
    help="Public data sets: get them, read them into one manifest, split them without leaks, audit and clean them.",
)
