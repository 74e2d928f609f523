"""`macule train`: a recipe and data folders -> a bundle. Needs the training extra."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from macule.errors import MissingExtra, UsageError


def train(
    recipe: Annotated[str, typer.Argument(help="Name of a recipe, or a .toml file.")],
    *,
    data: Annotated[Path, typer.Option(help="The folder that holds the data sets as unzipped.")],
    out: Annotated[Path, typer.Option(help="The bundle's folder; its name is the bundle's.")],
    work: Annotated[Path, typer.Option(help="Caches and checkpoints; give it again to go on.")] = Path("work"),
    split: Annotated[Path | None, typer.Option(help="A split file of macule data split, for its own parts.")] = None,
    manifest: Annotated[Path | None, typer.Option(help="The manifest that the split file was made of.")] = None,
    fold: Annotated[str | None, typer.Option(help="Of a split into folds, the one to test on: fold0.")] = None,
    links: Annotated[Path | None, typer.Option(help="pairs.csv of macule data audit: one photograph, two ids.")] = None,
    allow_leak: Annotated[bool, typer.Option("--allow-leak", help="Train on a leaking split; marked LEAKY.")] = False,
) -> None:
    """Train, export, calibrate and write a bundle. Stopped at any time, the same command goes on."""
    if (split is None) != (manifest is None):
        raise UsageError("--split and --manifest belong together: give both, or neither.")
    if split is None and (fold or links):
        raise UsageError("--fold and --links only go with --split: give it, or leave them out.")
    try:
        from macule.training import build
        from macule.training import recipe as recipes
        from macule.training.from_split import Chosen
    except ModuleNotFoundError as error:
        remedy = "pip install -c constraints.txt 'macule[training]'"
        raise MissingExtra(f"{error.name} is not installed: {remedy}.") from error
    chosen = Chosen(split, manifest, fold, links, allow_leak) if split and manifest else None
    build.build(recipes.load(recipe), data, out, work, chosen=chosen, log=typer.echo)
