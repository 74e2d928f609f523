"""`macule matrix`: train on each data set, test on each. Needs the training extra."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from macule.errors import UsageError

#: EfficientNet-Lite1 at 208 px takes an hour a row on two cores; this takes minutes, and shows the same fall.
QUICK = ("network.backbone=lite0", "serving.size=112", "serving.views=1",
         'phases=[{size=112, epochs=4, trainable="after:2", learning_rate=6e-4, head_learning_rate=3e-3}]')


def matrix(
    recipe: Annotated[str, typer.Argument(help="Name of a recipe (macule train --list), or a .toml file.")] = "lite",
    *,
    data: Annotated[Path, typer.Option(help="The folder that holds the data sets as unzipped.")],
    train_on: Annotated[list[str], typer.Option("--train-on", help="A data set, or several joined by +; repeat.")],
    test_on: Annotated[list[str] | None, typer.Option("--test-on", help="By default, all that is trained on.")] = None,
    out: Annotated[Path, typer.Option(help="Folder for index.html, matrix.json and matrix.md.")] = Path("matrix"),
    work: Annotated[Path, typer.Option(help="Caches and runs; give it again to go on.")] = Path("work"),
    settings: Annotated[list[str] | None, typer.Option("--set", help="Change a setting: engine.batch=8.")] = None,
    quick: Annotated[bool, typer.Option("--quick", help="A small network, 112 px, 4 epochs: minutes a row.")] = False,
    links: Annotated[Path | None, typer.Option(help="pairs.csv of macule data audit: one photograph, two ids.")] = None,
    allow_leak: Annotated[bool, typer.Option("--allow-leak", help="Part by picture too; marked LEAKY.")] = False,
) -> None:
    """One table: trained on X, tested on Y, with intervals. Stopped at any time, the same command goes on."""
    from macule.cli import training_progress
    from macule.cli.train import need_training

    if out.is_file():
        raise UsageError(f"--out is {out}, which is a file: name a folder.")
    need_training()
    from macule.exchange import matrix_page
    from macule.training import matrix as matrices
    from macule.training import recipe as recipes
    from macule.training.build import Source

    changed = recipes.load(recipe).changed(recipes.settings([*(QUICK if quick else ()), *(settings or ())]))
    tests = test_on or list(dict.fromkeys(name for row in train_on for name in row.split(matrices.JOIN)))
    with training_progress.showing(typer.echo) as show:
        found = matrices.measure(changed, Source(data, work, pairs=links, allow_leak=allow_leak), train_on, tests,
                                 log=typer.echo, show=show)
    matrix_page.write(found, out, now=datetime.now(UTC))
    typer.echo((out / matrix_page.MARKDOWN).read_text(encoding="utf-8"))
    typer.echo(f"The page: {out / matrix_page.PAGE}")
