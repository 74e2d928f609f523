"""The `macule` command: its verbs, and how every error becomes one sentence and an exit status."""

from __future__ import annotations

import io
import sys
import warnings
from collections.abc import Sequence
from typing import Annotated

import typer

import macule
from macule.cli import asked, audit, bundle, data, keys, patient, queue, runs
from macule.cli.backup import backup, restore
from macule.cli.card import card
from macule.cli.check import check
from macule.cli.combine import combine
from macule.cli.demo_clinic import demo_clinic
from macule.cli.evaluate import evaluate
from macule.cli.exit import ENVIRONMENT, status_of
from macule.cli.explain import explain
from macule.cli.matrix import matrix
from macule.cli.predict import predict
from macule.cli.quantise import quantise
from macule.cli.readers import readers
from macule.cli.refit import refit
from macule.cli.replay import replay
from macule.cli.search import search
from macule.cli.serve import serve
from macule.cli.train import train
from macule.errors import MaculeError

app = typer.Typer(
    name="macule",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="A second opinion on pictures of skin lesions. Decision support for research: not a medical device.",
    epilog="Exit status: 0 done, 1 some inputs failed, 2 wrong usage, 3 the environment (model missing).",
)
VERBS = (
    predict, check, serve, demo_clinic, backup, restore, replay,
    train, search, combine, evaluate, card, readers, matrix, explain, refit, quantise,
)
for verb in VERBS:
    app.command()(verb)
app.add_typer(data.app)
app.add_typer(bundle.app)
app.add_typer(runs.app)
app.add_typer(queue.app)
for group in (audit, keys):
    app.add_typer(group.app)
app.add_typer(patient.app, name="patient")


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"macule {macule.__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version and end.")
    ] = False,
) -> None:
    # Typer prints a docstring here as the command's help, in place of the one above.
    pass


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and end the process with its status."""
    sys.exit(run(arguments))


def run(arguments: Sequence[str] | None = None) -> int:
    """Run one command.

    Returns: the exit status; 130 after Ctrl-C, as shells have it.
    """
    _prepare_streams()
    asked.remember(arguments)
    try:
        app(args=arguments, prog_name="macule")
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else 0
    except KeyboardInterrupt:
        return 130
    except MaculeError as error:
        print(f"macule: {error}", file=sys.stderr)
        return status_of(error)
    except OSError as error:
        print(f"macule: {error}: check the disk and its permissions.", file=sys.stderr)
        return ENVIRONMENT
    return 0


def _prepare_streams() -> None:
    # File names need not be text; better an escape in the output than no output.
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    # Pillow warns on damaged EXIF blocks of pictures that it reads all the same.
    warnings.filterwarnings("ignore", module="PIL")
