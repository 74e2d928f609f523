"""`macule runs list`: the training runs below a folder, and what came of them."""

from __future__ import annotations

import datetime
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from macule.cli import outputs, table
from macule.cli.exit import DONE, SOME_FAILED
from macule.errors import MaculeError

if TYPE_CHECKING:
    from macule.evaluation.runs import Run

#: A run that says it is running but has written nothing for so long was cut off, or waits for something.
QUIET = datetime.timedelta(minutes=15)
COLUMNS = ("run", "recipe", "status", "started", "took", "pictures", "weights", "seed")


def list_(
    *,
    folder: Annotated[
        Path, typer.Argument(help="Searched with all below it: what `macule train --work` wrote to.")
    ] = Path("work"),
    json_file: Annotated[
        Path | None, typer.Option("--json", metavar="FILE", help="Write all of it, without the curves, there.")
    ] = None,
) -> None:
    """Print every run below FOLDER with its figures on the locked test part and their 95 % intervals.

    A run that cannot be read has a row that says so; the others are listed, and the status is 1.
    """
    from macule.data import atomic
    from macule.evaluation import runs

    outputs.check("--json", json_file)
    now = datetime.datetime.now(datetime.UTC)
    found = list(_read(folder))
    if json_file:
        facts = [{"folder": str(place)} | (_fault(run) if isinstance(run, MaculeError) else _facts(run, now))
                 for place, run in found]
        with atomic.writing(json_file) as stream:
            stream.write(json.dumps(facts, indent=2, ensure_ascii=False) + "\n")
    heads = (*COLUMNS, *runs.HEADLINES.values())
    table.print_rows(table.make_console(), heads, [_cells(place, run, folder, now) for place, run in found])
    faults = [run for _, run in found if isinstance(run, MaculeError)]
    for fault in faults:
        print(f"macule: {table.printable(str(fault))}", file=sys.stderr)
    raise typer.Exit(SOME_FAILED if faults else DONE)


def _read(folder: Path) -> Iterator[tuple[Path, Run | MaculeError]]:
    from macule.evaluation import runs

    for place in runs.find(folder):
        try:
            yield place, runs.read(place)
        except MaculeError as error:
            yield place, error


def _cells(place: Path, run: Run | MaculeError, folder: Path, now: datetime.datetime) -> tuple[str, ...]:
    from macule.data import guard
    from macule.evaluation import runs

    name = table.printable(str(place.relative_to(folder)) if place != folder else place.resolve().name)
    if isinstance(run, MaculeError):
        return (name, "", "error", "cannot be read", *[""] * (len(COLUMNS) + len(runs.HEADLINES) - 4))
    mark = guard.mark(run.marked)
    return (
        mark + name, table.printable(str(run.recipe.get("name", ""))), status(run, now),
        run.started.strftime("%Y-%m-%d %H:%M"), _took(run), str(run.pictures.get("train", "")), weights(run),
        str(run.seed), *(figure(run, name).replace(" (", "\n(") for name in runs.HEADLINES),
    )


def status(run: Run, now: datetime.datetime) -> str:
    from macule.exchange.run_page import lasted

    if run.status == "running" and now - run.touched > QUIET:
        return f"running?\nquiet {lasted(now - run.touched)}"
    return run.status


def weights(run: Run) -> str:
    return "pretrained" if run.start.pretrained else "SCRATCH"


def figure(run: Run, name: str) -> str:
    """0.820 (0.790 to 0.850), with LEAKY before it where it is; empty before it was scored."""
    from macule.data import guard
    from macule.exchange.run_page import shown

    found = run.figure(name)
    return "" if found is None else shown(name, found, guard.mark(run.marked)).text


def _took(run: Run) -> str:
    from macule.exchange.run_page import lasted

    return lasted(run.duration)


def _fault(error: MaculeError) -> dict[str, Any]:
    return {"error": error.to_dict()}


def _facts(run: Run, now: datetime.datetime) -> dict[str, Any]:
    best = {name: look.value(name) if (look := run.curve.best(name)) else None for name in ("loss", "auc")}
    return {
        "name": run.name, "recipe": run.recipe.get("name"), "recipe_sha256": run.recipe_sha256, "status": run.status,
        "quiet": run.status == "running" and now - run.touched > QUIET,
        "started": run.started.isoformat(), "ended": run.ended.isoformat() if run.ended else None,
        "resumed": [each.isoformat() for each in run.resumed], "seconds": round(run.duration.total_seconds(), 1),
        "error": run.error, "pictures": run.pictures, "lesions": run.lesions, "manifest": run.manifest,
        "split": run.split, "leaky": run.marked, "seed": run.seed,
        "start": {"backbone": run.start.backbone, "weights": run.start.weights, "pretrained": run.start.pretrained},
        "steps": run.curve.steps[-1].step if run.curve.steps else 0,
        "best_validation_loss": best["loss"], "best_validation_auc": best["auc"], "metrics": list(run.metrics),
        "warnings": list(run.warnings),
    }
