"""`macule train`: a recipe and data folders -> a bundle. Needs the training extra."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from macule.errors import MissingExtra


def train(
    recipe: Annotated[str, typer.Argument(help="Name of a recipe, or a .toml file.")],
    data: Annotated[Path, typer.Option(help="The folder that holds the data sets as unzipped.")],
    out: Annotated[Path, typer.Option(help="The bundle's folder; its name is the bundle's.")],
    work: Annotated[Path, typer.Option(help="Caches and checkpoints; give it again to go on.")] = Path("work"),
) -> None:
    """Train, export, calibrate and write a bundle. Stopped at any time, the same command goes on."""
    try:
        from macule.training import build
        from macule.training import recipe as recipes
    except ModuleNotFoundError as error:
        remedy = "pip install -c constraints.txt 'macule[training]'"
        raise MissingExtra(f"{error.name} is not installed: {remedy}.") from error
    build.build(recipes.load(recipe), data, out, work, log=typer.echo)
