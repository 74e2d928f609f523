"""`macule search`: the settings of a recipe that do best on the calibration part. Needs the training extra."""

from __future__ import annotations

import json
import time
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from macule.cli import outputs, table
from macule.cli.train import need_training

if TYPE_CHECKING:
    from macule.training.search import Found, Outcome


def search(
    recipe: Annotated[str, typer.Argument(help="Name of a recipe (macule train --list), or a .toml file.")],
    *,
    data: Annotated[Path, typer.Option(help="The folder that holds the data sets as unzipped.")],
    work: Annotated[Path, typer.Option(help="Caches, trials and the study; give it again to go on.")] = Path("work"),
    trials: Annotated[int | None, typer.Option(min=1, help="Of the whole study; 20, or a whole grid.")] = None,
    sampler: Annotated[Literal["tpe", "random", "grid"], typer.Option(help="How settings are chosen.")] = "tpe",
    pruner: Annotated[Literal["median", "hyperband", "none"], typer.Option(
        help="When a trial that does badly is given up.")] = "median",
    over: Annotated[list[str] | None, typer.Option(
        metavar="NAME=SPEC", help="What to search, in place of the default: augment.strength=uniform:0:2.")] = None,
    figure: Annotated[str | None, typer.Option(
        help="loss, accuracy, balanced_accuracy or auc; by default the recipe's stopping.figure.")] = None,
    storage: Annotated[str | None, typer.Option(help="URL of a database that machines share.")] = None,
    study: Annotated[str | None, typer.Option(help="Its name in the database.")] = None,
    workers: Annotated[int, typer.Option(min=1, help="Processes of this machine.")] = 1,
    settings: Annotated[list[str] | None, typer.Option("--set", help="Change a setting of all trials.")] = None,
    links: Annotated[Path | None, typer.Option(help="pairs.csv of macule data audit: one photograph, two ids.")] = None,
    allow_leak: Annotated[bool, typer.Option("--allow-leak", help="Search on a leaking split; marked LEAKY.")] = False,
    seed: Annotated[int, typer.Option(min=0, help="Of what is tried.")] = 0,
    json_file: Annotated[Path | None, typer.Option("--json", help="Write every trial to this file.")] = None,
) -> None:
    """Try settings of a recipe, judged on the calibration part: the locked part is never looked at.

    The same command goes on, and on another machine with the same --storage it joins in.
    """
    need_training()
    outputs.check("--json", json_file)
    from macule.training import recipe as recipes
    from macule.training import search as searching
    from macule.training.build import Source

    changed = recipes.load(recipe).changed(recipes.settings(settings or ()))
    wanted = searching.Wanted(
        searching.parse(over or ()), trials=trials, sampler=sampler, pruner=pruner, figure=figure, storage=storage,
        study=study, seed=seed, workers=workers)
    source = Source(data, work, pairs=links, allow_leak=allow_leak)
    found = searching.search(changed, source, wanted, log=typer.echo, told=_Lines())
    _show(found)
    if json_file:
        json_file.write_text(json.dumps(found.to_dict(), indent=2) + "\n", encoding="utf-8")


class _Lines:
    """A line a trial, with the time that is left at the pace so far."""

    def __init__(self) -> None:
        self._began, self._told = time.monotonic(), 0

    def __call__(self, outcome: Outcome, left: int) -> None:
        self._told += 1
        pace = (time.monotonic() - self._began) / self._told
        tail = f"  {left} to go, about {timedelta(seconds=round(pace * left))}" if left > 0 else ""
        typer.echo(f"trial {outcome.number}: {_value(outcome)}{tail}")


def _value(outcome: Outcome) -> str:
    value = "" if outcome.value is None else f" {outcome.value:.4f}"
    return f"{outcome.state}{value}{'  ' + outcome.error if outcome.error else ''}"


def _show(found: Found) -> None:
    from macule.data import guard

    names = sorted({name for trial in found.trials for name in trial.values})
    marked = guard.mark(found.leaky)
    rows = [_row(trial, names, marked) for trial in sorted(found.trials, key=lambda each: _rank(each, found.figure))]
    table.print_rows(table.make_console(), ("trial", "state", f"{marked}{found.figure}", "time", *names, "run"), rows)
    if found.running:
        typer.echo(f"{found.running} more are on elsewhere, or were cut off: the same command, in two minutes, looks "
                   "after them.")
    if found.best is None or found.written is None:
        typer.echo("No trial has come to its end: raise --trials, or see the errors above.")
        return
    typer.echo(f"{marked}Best: trial {found.best.number}. As settings of the same recipe:")
    typer.echo("\n".join(f"  --set {setting}" for setting in found.settings))
    typer.echo(f"As a recipe: {found.written}")


def _rank(outcome: Outcome, figure: str) -> tuple[bool, float]:
    """The best first; what did not come to its end last."""
    sign = 1 if figure == "loss" else -1
    return outcome.state != "finished", sign * outcome.value if outcome.value is not None else float("inf")


def _row(outcome: Outcome, names: list[str], marked: str) -> tuple[str, ...]:
    value = "" if outcome.value is None else f"{marked}{outcome.value:.4f}"
    seconds = "" if outcome.seconds is None else str(timedelta(seconds=round(outcome.seconds)))
    tried = (outcome.values.get(name, "") for name in names)
    shown = (f"{each:.4g}" if isinstance(each, float) else str(each) for each in tried)
    return str(outcome.number), outcome.state, value, seconds, *shown, outcome.folder or ""
