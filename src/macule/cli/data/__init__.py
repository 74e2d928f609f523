"""`macule data`: public data sets, manifests, splits and the leak guard. One file a verb."""

from __future__ import annotations

import typer

from macule.cli.data.audit import audit
from macule.cli.data.clean import clean
from macule.cli.data.export import export
from macule.cli.data.fetch import fetch
from macule.cli.data.list import list_
from macule.cli.data.manifest import manifest
from macule.cli.data.project import project
from macule.cli.data.pull import pull
from macule.cli.data.push import push
from macule.cli.data.split import split

app = typer.Typer(
    name="data",
    no_args_is_help=True,
    help="Public data sets: get them, read them into one manifest, audit, clean, project and split them.",
)
app.command("list")(list_)
for verb in (fetch, manifest, audit, clean, project, split, export, push, pull):
    app.command()(verb)
