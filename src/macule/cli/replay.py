"""`macule replay`: an old answer, computed again with the model that gave it."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Annotated

import typer

from macule.cli import options, place
from macule.cli.exit import SOME_FAILED


def replay(
    exam: Annotated[str, typer.Argument(metavar="EXAM", help="Id of an answered exam.")],
    *,
    threads: options.Threads = None,
    as_json: options.Json = False,
    home: place.Home = None,
    database: place.DatabaseUrl = None,
    store: place.StoreUrl = None,
    key_file: place.KeyFile = None,
) -> None:
    """Compute an old answer again, with the model and the picture that the clinic kept, and compare every byte.

    Exit status: 0 the same, 1 something differs or there is no such answer, 3 the model or the picture cannot be read.
    Give --threads if the server had it.
    """
    from macule.records.replay import replay as again

    found = again(place.existing(home, database, store, key_file), exam_id=exam, threads=threads)
    if as_json:
        typer.echo(json.dumps({"exam": found.exam_id, "equal": found.equal, "bundle": found.bundle_sha256,
                               "differences": [asdict(each) for each in found.differences]}))
    else:
        verdict = "the same, bit for bit" if found.equal else f"{len(found.differences)} differences"
        typer.echo(f"exam {found.exam_id}, model {found.bundle_name} ({found.bundle_sha256[:12]}): {verdict}")
        for each in found.differences:
            typer.echo(f"  {each.part}: was {each.then}, is {each.now}")
    if not found.equal:
        raise typer.Exit(SOME_FAILED)
