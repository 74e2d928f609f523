"""`macule refit`: what is fitted to a bundle after training, fitted anew. Needs the training extra."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from macule.cli import options
from macule.cli.progress import bars
from macule.cli.train import need_training
from macule.errors import UsageError


def refit(
    bundle: Annotated[str, typer.Argument(help="Name or folder of the bundle.")],
    *,
    data: Annotated[Path, typer.Option(help="The folder that holds the data sets that it was made of, as unzipped.")],
    out: Annotated[Path | None, typer.Option(help="The new bundle's folder; by default the bundle itself.")] = None,
    most: Annotated[int | None, typer.Option(min=100, help="Training pictures to look at, if there are more; 20,000 "
                                                           "where it is not given.")] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="Of the pictures that are drawn, and of those looked at; 0 "
                                                         "where it is not given.")] = None,
    threads: options.Threads = None,
    calibration: Annotated[bool, typer.Option("--calibration", help="Fit calibration, thresholds and conformal sets, "
                                                                   "and nothing else.")] = False,
) -> None:
    """Fit gate, conformal sets, baselines and index into a bundle; its network and calibration stay as they are. Or,
    in minutes, the calibration and what hangs on it."""
    need_training()
    from macule.analysis import bundle as bundles
    from macule.training import recalibrate, rewriting
    from macule.training import refit as refits

    if calibration and (most, seed) != (None, None):
        raise UsageError("--calibration draws nothing and looks at no training picture: leave --most and --seed out.")
    rewriting.recover(bundle)
    found = bundles.load(bundle)
    with bars() as start:
        how = refits.Refit(most=most or refits.MOST_TRAINING_PICTURES, seed=seed or 0, threads=threads, log=typer.echo,
                           start=start)
        fit = recalibrate.recalibrate if calibration else refits.refit
        folder = fit(found, data, out or found.folder, now=datetime.now(UTC), how=how)
    again = bundles.load(folder)
    size = sum(path.stat().st_size for path in folder.iterdir() if path.is_file())
    typer.echo(f"{again.id} in {folder}: {size / 1e6:.1f} MB, SHA-256 {again.sha256}")
