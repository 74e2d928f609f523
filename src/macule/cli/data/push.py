"""`macule data push`: a manifest to Hugging Face Datasets, or into a folder of that layout."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from macule.cli import options
from macule.cli.data.manifest import counting


def push(
    manifest: Annotated[Path, typer.Argument(metavar="MANIFEST", help="What `macule data manifest` wrote.")],
    *,
    to: Annotated[str, typer.Option(metavar="OWNER/NAME|DIR", help="A repository on the hub, or a new folder.")],
    with_pictures: Annotated[bool, typer.Option("--with-pictures", help="Push the pictures as well.")] = False,
    private: Annotated[bool, typer.Option("--private/--public", help="For a repository that is made now.")] = True,
    revision: Annotated[str | None, typer.Option(help="A branch of the repository; its main one by default.")] = None,
    threads: options.Threads = None,
) -> None:
    """Share a manifest. Its hash, licences and counts travel in the card; no path of this machine does.

    Pictures whose licence does not let them be passed on are refused where everyone could get them. For a repository
    log in first: hf auth login.
    """
    from macule.data import hub
    from macule.data import manifest as manifests

    read, place = manifests.read(manifest), hub.target(to, revision=revision)
    with counting("pushing", read.rows) as tick:
        hub.push(read, place, with_pictures=with_pictures, private=private, workers=threads, tick=tick)
    what = "with their pictures" if with_pictures else "without pictures"
    typer.echo(f"{read.rows:,} rows {what} are in {to}. SHA-256 of the rows: {read.hash}")
