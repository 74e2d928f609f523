"""`macule quantise`: a bundle in whole numbers of eight bits, a third of the size. Needs the training extra."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Literal

import typer

from macule.cli import options
from macule.cli.progress import bars
from macule.cli.train import need_training


def quantise(
    bundle: Annotated[str, typer.Argument(help="Name or folder of the bundle; it stays as it is.")],
    *,
    data: Annotated[Path, typer.Option(help="The folder that holds the data sets that it was made of, as unzipped.")],
    out: Annotated[Path, typer.Option(help="The new bundle's folder.")],
    links: Annotated[Path | None, typer.Option(help="pairs.csv of macule data audit: one photograph, two ids.")] = None,
    name: Annotated[str, typer.Option(help="Of the new bundle.")] = "lite",
    pictures: Annotated[int, typer.Option(min=32, help="Training pictures that the ranges come from.")] = 512,
    method: Annotated[Literal["minmax", "percentile", "entropy"], typer.Option(
        help="How the range of each layer is found.")] = "entropy",
    keep: Annotated[list[str] | None, typer.Option(
        help="Part of the name of a weight whose convolution stays in floating point; may be repeated. By default all "
             "up to the first of 1 x 1.")] = None,
    size: Annotated[int | None, typer.Option(min=16, max=2048, help="Pixels a side, if not the bundle's.")] = None,
    views: Annotated[int | None, typer.Option(help="Views that are averaged, if not the bundle's: 1, 2, 4, 8.")] = None,
    most: Annotated[int, typer.Option(min=100, help="Training pictures that gate and index are fitted to.")] = 20_000,
    seed: Annotated[int, typer.Option(min=0, help="Of the pictures that are drawn.")] = 0,
    threads: options.Threads = None,
) -> None:
    """Quantise a bundle: calibration, thresholds, gate, conformal limits, baselines and index are fitted anew."""
    need_training()
    from macule.analysis import bundle as bundles
    from macule.analysis import inventory
    from macule.training import quantise as quantising
    from macule.training import refit

    found = bundles.load(bundle)
    settings = quantising.Settings(method=method, keep=tuple(keep) if keep else None)
    with bars() as start:
        how = quantising.Run(
            name=name, pictures=pictures, pairs=links, size=size, views=views, settings=settings,
            refitted=refit.Refit(most=most, seed=seed, threads=threads, log=typer.echo, start=start))
        folder = quantising.quantise(found, data, out, now=datetime.now(UTC), how=how)
    again = bundles.load(folder)
    whole = inventory.size(folder)
    typer.echo(f"{again.id} in {folder}: network {again.model.stat().st_size / 1e6:.1f} MB (was "
               f"{found.model.stat().st_size / 1e6:.1f}), {whole / 1e6:.1f} MB in all, SHA-256 {again.sha256}")
