"""The `macule` command: its verbs, and how every error becomes one sentence and an exit status."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from typing import Annotated

import click
import typer

import macule
from macule.cli.check import check
from macule.cli.exit import DONE, INTERRUPTED, WRONG_USAGE, status_of
from macule.cli.predict import predict
from macule.cli.serve import serve
from macule.errors import MaculeError

app = typer.Typer(
    name="macule",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="A second opinion on pictures of skin lesions. Decision support for research: not a medical device.",
)
for verb in (predict, check, serve):
    app.command()(verb)


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"macule {macule.__version__}")
        raise typer.Exit(DONE)


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version and end.")
    ] = False,
) -> None:
    """Options before the verb."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and end the process: 0 done, 1 some inputs failed, 2 wrong usage, 3 the environment."""
    sys.exit(run(arguments))


def run(arguments: Sequence[str] | None = None) -> int:
    """Run one command. Returns: the exit status."""
    command = typer.main.get_command(app)
    try:
        return _status(lambda: command.main(args=arguments, prog_name="macule", standalone_mode=False))
    except BrokenPipeError:
        # The reader, say `head`, has gone. Python would complain again when it flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return DONE
