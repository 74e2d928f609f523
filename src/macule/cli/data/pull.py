"""`macule data pull`: a pushed manifest back, checked."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from macule.cli.data.manifest import counting, print_counts
from macule.errors import UsageError


def pull(
    source: Annotated[str, typer.Argument(metavar="OWNER/NAME|DIR", help="What `macule data push` wrote.")],
    *,
    to: Annotated[Path, typer.Option(metavar="DIR", help="A new folder: manifest.parquet and any pictures.")],
    root: Annotated[
        list[str] | None,
        typer.Option(metavar="ID=DIR", help="Where the pictures of a data set lie already, as often as needed."),
    ] = None,
    expected: Annotated[str | None, typer.Option("--hash", help="The SHA-256 that the rows must have.")] = None,
    revision: Annotated[str | None, typer.Option(help="A branch, tag or commit of the repository.")] = None,
) -> None:
    """Get a pushed manifest, and its pictures if they were pushed. Every row and picture is checked by its hash."""
    from macule.data import hub

    place = hub.target(source, revision=revision)
    with counting("pulling") as tick:
        made = hub.pull(place, to, roots=roots(root or []), expected=expected, tick=tick)
    print_counts(made, made.counts())


def roots(pairs: list[str]) -> dict[str, Path]:
    """`ID=DIR` each. Raises: UsageError if it is not, or no such folder is there."""
    found: dict[str, Path] = {}
    for pair in pairs:
        dataset, _, folder = pair.partition("=")
        if not dataset or not folder or not Path(folder).is_dir():
            raise UsageError(f"--root {pair} names no folder that is there; ID=DIR is expected.")
        found[dataset] = Path(folder)
    return found
