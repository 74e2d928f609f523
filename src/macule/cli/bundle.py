"""`macule bundle`: which bundles there are, and getting, packing and removing those that are not embedded."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from macule.cli import options, table, transfers
from macule.cli.exit import DONE, ENVIRONMENT

if TYPE_CHECKING:
    from macule.analysis.inventory import Holding
    from macule.data.fetch.bundles.place import Shelf
    from macule.data.fetch.settings import Progress

app = typer.Typer(name="bundle", no_args_is_help=True, help="The bundles at hand; fetch, pack and remove others.")
COLUMNS = ("bundle", "where", "on disk", "network", "px", "views", "one view", "licence")
To = Annotated[Path | None, typer.Option(
    "--to", help="The folder of fetched bundles, if not the usual one. [env: MACULE_BUNDLES_HOME]")]


@app.command("list")
def list_(*, as_json: options.Json = False) -> None:
    """Show every bundle that macule knows: embedded, fetched, or not here and how to get it.

    One that is damaged has a line that says so, and the status is 3.
    """
    from macule.analysis import bundle as bundles
    from macule.analysis import inventory

    found = inventory.holdings()
    chosen = bundles.wanted_name()
    if as_json:
        for each in found:
            typer.echo(json.dumps(each.to_dict() | {"chosen": each.name == chosen}, ensure_ascii=False))
    else:
        table.print_rows(table.make_console(), COLUMNS, [_cells(each, chosen) for each in found])
        typer.echo("* answers when no other is named")
        for each in found:
            if told := each.fault or each.get:
                typer.echo(f"{each.name}: {told}".rstrip(".") + ".")
    raise typer.Exit(ENVIRONMENT if any(each.fault for each in found) else DONE)


@app.command()
def pack(
    folder: Annotated[str, typer.Argument(help="Name or folder of the bundle.")],
    *,
    out: Annotated[Path, typer.Option(help="The archive to write: accurate.zip.")],
) -> None:
    """Check a bundle and write it into one file, the same bytes on every machine; print its SHA-256 and size."""
    from macule.analysis import bundle as bundles
    from macule.data.fetch.bundles import packing
    from macule.errors import UsageError

    if out.is_dir() or not out.absolute().parent.is_dir():
        what = "is a folder" if out.is_dir() else "is in no folder that exists"
        raise UsageError(f"--out is {out}, which {what}: name a file.")
    packed = packing.pack(bundles.load(folder).folder, out)
    typer.echo(f"{packed.bundle.id}: {out}\nsha256 = \"{packed.sha256}\"\nbytes = {packed.bytes}")


@app.command()
def fetch(
    wanted: Annotated[str, typer.Argument(metavar="NAME_OR_ADDRESS", help="A name of `macule bundle list`, an https "
                                          "address, or a bundle's archive or folder.")],
    *,
    sha256: Annotated[str | None, typer.Option(help="Of the archive, as `macule bundle pack` printed it.")] = None,
    mirror: Annotated[str | None, typer.Option(
        envvar="MACULE_BUNDLES", help="Folder or address that holds NAME.zip; asked before the index.")] = None,
    to: To = None,
) -> None:
    """Get a bundle, whole and checked or not at all; afterwards its name works wherever a bundle is named.

    A broken download goes on when the same command is called again.
    """
    from macule.data.fetch.bundles import offers, service

    offer = offers.find(wanted, mirror=mirror, sha256=sha256)
    with transfers.shown() as progress:
        got = service.fetch(offer, _shelf(to, progress))
    bundle, note = got.bundle, got.note
    compared = "as expected" if offer.sha256 else "which nobody stated beforehand"
    typer.echo(f"{bundle.id}: {bundle.folder}{'' if got.anew else ' (was here already)'}\nfrom {note.address}\n"
               f"SHA-256 {note.sha256}, {compared}\nlicence {bundle.licence}")


@app.command()
def remove(name: Annotated[str, typer.Argument(help="Of a fetched bundle.")], *, to: To = None) -> None:
    """Remove a fetched bundle from this machine."""
    from macule.data.fetch.bundles import service
    from macule.data.fetch.job import quiet

    typer.echo(f"{name} was removed: {service.remove(name, _shelf(to, quiet))}")


def _shelf(to: Path | None, progress: Progress) -> Shelf:
    from macule.analysis import shelf
    from macule.data.fetch.bundles.place import Shelf

    return Shelf(shelf.home() if to is None else to, lambda: datetime.now(UTC), progress=progress)


def _cells(each: Holding, chosen: str) -> tuple[str, ...]:
    speed = None if each.speed is None else each.speed.get("one_view_ms")
    facts = (None if each.bytes is None else f"{each.bytes / 1e6:.1f} MB", each.network, each.px, each.views,
             f"{speed:.1f} ms" if isinstance(speed, int | float) else None, each.licence)
    where = "damaged" if each.fault else each.where
    return (f"{each.name}{' *' if each.name == chosen else ''}", where,
            *("-" if fact is None else table.printable(str(fact)) for fact in facts))
