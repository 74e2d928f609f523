"""`macule train`: a recipe and data folders -> a run and a bundle. Needs the training extra."""

from __future__ import annotations

import importlib.util
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from macule.errors import MissingExtra, UsageError

if TYPE_CHECKING:
    from macule.training.build import Source
    from macule.training.recipe import Recipe


def train(
    recipe: Annotated[str | None, typer.Argument(help="Name of a recipe (--list), or a .toml file.")] = None,
    *,
    data: Annotated[Path | None, typer.Option(help="The folder that holds the data sets as unzipped.")] = None,
    out: Annotated[Path | None, typer.Option(help="The bundle's folder; by default in the run's.")] = None,
    work: Annotated[Path, typer.Option(help="Caches and runs; give it again to go on.")] = Path("work"),
    settings: Annotated[list[str] | None, typer.Option("--set", help="Change a setting: engine.batch=8.")] = None,
    split: Annotated[Path | None, typer.Option(help="A split file of macule data split, for its own parts.")] = None,
    manifest: Annotated[Path | None, typer.Option(help="The manifest that the split file was made of.")] = None,
    fold: Annotated[str | None, typer.Option(help="Of a split into folds, the one to test on: fold0.")] = None,
    folds: Annotated[int | None, typer.Option(min=3, max=100, help="Cross-validate: one run a fold.")] = None,
    links: Annotated[Path | None, typer.Option(help="pairs.csv of macule data audit: one photograph, two ids.")] = None,
    allow_leak: Annotated[bool, typer.Option("--allow-leak", help="Train on a leaking split; marked LEAKY.")] = False,
    tensorboard: Annotated[bool, typer.Option("--tensorboard", help="Write the curves for TensorBoard too.")] = False,
    listing: Annotated[bool, typer.Option("--list", help="Show the recipes and leave.")] = False,
) -> None:
    """Train, export, calibrate, score and write a bundle. Stopped at any time, the same command goes on."""
    if listing:
        _list()
        return
    if recipe is None:
        raise UsageError("which recipe? Give its name, or --list to see them.")
    if recipe != "sanity" and data is None:
        raise UsageError("--data is missing: give the folder that holds the data sets as unzipped.")
    if (split is None) != (manifest is None):
        raise UsageError("--split and --manifest belong together: give both, or neither.")
    if split is None and fold:
        raise UsageError("--fold only goes with --split: give it, or leave it out.")
    if folds is not None and (split or out or tensorboard):
        raise UsageError("--folds makes folds and bundles of its own: leave --split, --out and --tensorboard out.")
    need_training()
    from macule.cli import training_progress
    from macule.evaluation import runs
    from macule.exchange import run_page
    from macule.training import build, processes, sanity
    from macule.training import recipe as recipes
    from macule.training.build import Source
    from macule.training.from_split import Chosen

    changed = recipes.load(recipe).changed(recipes.settings(settings or ()))
    us, drawn = processes.present(), data is None
    if data is None:
        with us.main_process_first():
            data = sanity.draw(work / "sanity")
    chosen = Chosen(split, manifest, fold, links, allow_leak) if split and manifest else None
    source = Source(data, work, chosen=chosen, pairs=links, allow_leak=allow_leak)
    if folds is not None:
        _cross_validate(changed, source, folds)
        return
    with training_progress.showing(typer.echo) as show:
        run = build.build(changed, source, out, log=typer.echo, show=show, tensorboard=tensorboard)
    if not us.is_main_process:
        return
    page = run_page.write(runs.read(run), now=datetime.now(UTC))
    typer.echo(f"The run: {run}\nIts page: {page}")
    if drawn:
        found = sanity.found(run, out)
        typer.echo(str(found))
        found.need()


def _cross_validate(recipe: Recipe, source: Source, folds: int) -> None:
    from macule.cli import training_progress
    from macule.evaluation import runs
    from macule.exchange import run_page
    from macule.training import kfold

    with training_progress.showing(typer.echo) as show:
        found = kfold.cross_validate(recipe, source, folds, log=typer.echo, show=show)
    if found is None:
        return  # another process speaks for all
    for run in found.runs:
        typer.echo(f"A fold's page: {run_page.write(runs.read(run), now=datetime.now(UTC))}")
    typer.echo(f"All folds together: {found.folder}")


def need_training() -> None:
    """Raises: MissingExtra."""
    absent = [name for name in ("torch", "timm", "accelerate") if importlib.util.find_spec(name) is None]
    if absent:
        raise MissingExtra(f"{absent[0]} is not installed: pip install -c constraints.txt 'macule[training]'.")
    # Before torch is imported: idle threads that spin make a step fifty times as slow on a busy machine.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")


def _list() -> None:
    from macule.cli import table
    from macule.training import recipe as recipes

    rows = [(found.name, found.network.backbone, found.targets.value, "+".join(found.datasets), found.summary)
            for found in map(recipes.load, recipes.names())]
    table.print_rows(table.make_console(), ("recipe", "backbone", "tells apart", "data", "what it is"), rows)
