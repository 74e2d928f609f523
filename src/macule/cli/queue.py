"""`macule queue`: experiments from a file, one after the other, for as many days as it takes."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from macule.cli import outputs, table
from macule.cli.exit import DONE, SOME_FAILED
from macule.cli.train import need_training
from macule.errors import UsageError

if TYPE_CHECKING:
    from macule.training.queue import Plan
    from macule.training.queue.standing import Standing
    from macule.training.queue.work import Shift

app = typer.Typer(
    name="queue", no_args_is_help=True,
    help="Train the experiments of a queue file one after the other, see how far they are, and write their log.")

File = Annotated[Path, typer.Argument(metavar="FILE", help="A queue file, such as experiments/model.toml.")]
Work = Annotated[Path, typer.Option(help="Caches, runs and what the queue keeps; give it again to go on.")]


@app.command()
def run(
    file: File,
    *,
    data: Annotated[Path | None, typer.Option(help="The folder that holds the data sets as unzipped.")] = None,
    work: Work = Path("work"),
    links: Annotated[Path | None, typer.Option(help="pairs.csv of macule data audit: one photograph, two ids.")] = None,
    hours: Annotated[float | None, typer.Option(min=0, help="Stop at a checkpoint after so long.")] = None,
) -> None:
    """Train what is not done yet. Stopped or killed at any time, the same command goes on; status 1 if some failed."""
    need_training()
    from macule.cli import training_progress
    from macule.training import queue, sanity
    from macule.training.build import Source
    from macule.training.queue import work as working
    from macule.training.queue.clock import Deadline

    deadline = Deadline(hours)
    planned = queue.load(file)
    if data is None:
        _need_drawn(planned)
        data = sanity.draw(work / "sanity")
    told = working.Told(typer.echo, training_progress.showing, _write_pages)
    shift = working.run(file, Source(data, work, pairs=links), deadline=deadline, told=told)
    _tell(shift, file, work)
    raise typer.Exit(SOME_FAILED if shift.failed else DONE)


@app.command()
def status(
    file: File,
    *,
    work: Work = Path("work"),
    json_file: Annotated[Path | None, typer.Option("--json", metavar="FILE", help="Write all of it there.")] = None,
) -> None:
    """Show what is done, running with the time that is left, waiting and failed."""
    from macule.data import atomic
    from macule.training import queue
    from macule.training.queue import standing

    outputs.check("--json", json_file, inputs=[file])
    found, holder = standing.standings(queue.load(file), work)
    if json_file:
        told = {"at_work": str(holder) if holder else None, "entries": [each.to_dict() for each in found]}
        with atomic.writing(json_file) as stream:
            stream.write(json.dumps(told, indent=2, ensure_ascii=False) + "\n")
    table.print_rows(table.make_console(), ("entry", "state", "so far", "left", "planned", "note"), [
        _row(each) for each in found])
    planned = sum(each.hours or 0 for each in found if each.state != "done")
    typer.echo(f"At work: {holder or 'nobody'}. Planned for what is not done: {planned:.1f} hours.")


@app.command()
def log(
    file: File,
    *,
    out: Annotated[Path, typer.Option(metavar="FILE", help="Markdown; what stands outside the log's marks stays.")],
    work: Work = Path("work"),
) -> None:
    """Write what was expected, measured on the calibration part, and decided of each entry that has ended."""
    from macule.training import queue
    from macule.training.queue import journal

    outputs.check("--out", out, inputs=[file])
    count = journal.write(queue.load(file), work, out, now=datetime.now(UTC))
    typer.echo(f"{count} experiments in {out}")


def _need_drawn(planned: Plan) -> None:
    """Raises: UsageError unless every entry learns from pictures that macule draws itself."""
    real = next((item for item in planned.items if item.recipe and item.recipe.datasets != ("folder",)), None)
    if real is not None and real.recipe is not None:
        raise UsageError(f"--data is missing: entry {real.name} trains on {', '.join(real.recipe.datasets)}. Give the "
                         "folder that holds the data sets as unzipped.")


def _write_pages(folders: Sequence[Path]) -> None:
    from macule.evaluation import runs
    from macule.exchange import run_page

    for folder in folders:
        run_page.write(runs.read(folder), now=datetime.now(UTC))
        typer.echo(f"The run: {folder}")


def _tell(shift: Shift, file: Path, work: Path) -> None:
    typer.echo(f"Ended in this start: {', '.join(shift.ended) or 'none'}.")
    for name, said in shift.failed.items():
        typer.echo(f"Failed: {name}: {said}")
    if shift.timed_out:
        typer.echo("The time is up: the same command goes on.")
    typer.echo(f"What is left: macule queue status {file} --work {work}")


def _row(each: Standing) -> tuple[str, ...]:
    from macule.exchange.run_page import lasted

    share = "" if each.share is None else f"{each.share:.0%}"
    left = "" if each.left is None else lasted(timedelta(seconds=each.left))
    planned = "" if each.hours is None else f"{each.hours:g} h"
    return each.name, each.state, share, left, planned, table.printable(each.note)
