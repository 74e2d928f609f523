"""`macule runs`: what was trained, how it went and how good it came out. One file a verb.

`macule runs FOLDER` is short for `macule runs list FOLDER`; a folder that is called like a verb is given as ./compare.
"""

from __future__ import annotations

import typer
from typer.core import TyperGroup

from macule.cli.runs.compare import compare
from macule.cli.runs.list import list_
from macule.cli.runs.page import page


class _ListsByDefault(TyperGroup):
    def parse_args(self, ctx: typer.Context, args: list[str]) -> list[str]:  # type: ignore[override]
        if not args or (args[0] not in self.commands and args[0] != "--help"):
            args = ["list", *args]
        return super().parse_args(ctx, args)


app = typer.Typer(
    name="runs",
    cls=_ListsByDefault,
    help="List the training runs below a folder (macule runs FOLDER), compare some, or write the page of one.",
)
app.command("list")(list_)
for verb in (compare, page):
    app.command()(verb)
