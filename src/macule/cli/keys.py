"""`macule keys`: the keys that pictures are sealed with. Ids are shown, keys never."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from macule.cli import place
from macule.cli.exit import SOME_FAILED
from macule.errors import UsageError

if TYPE_CHECKING:
    from macule.records.clinic import Clinic
    from macule.records.rotation import Resealed
    from macule.records.store.keys import KeyRing

app = typer.Typer(name="keys", no_args_is_help=True, help="The keys that pictures are sealed with.")


@app.command()
def show(
    home: place.Home = None, database: place.DatabaseUrl = None, store: place.StoreUrl = None,
    key_file: place.KeyFile = None,
    count: Annotated[bool, typer.Option("--count", help="Count what each key is needed for: reads every picture's "
                                                        "first bytes.")] = False,
) -> None:
    """Show the keys' ids, oldest first, and never a key."""
    clinic, ring = _opened(home, database, store, key_file)
    needed = _counted(clinic) if count else {}
    typer.echo(f"keys of {ring.path or 'MACULE_KEY'}")
    ids = ring.ids()
    for key in ids:
        words = "seals and opens" if key == ids[-1] else "opens"
        typer.echo(f"  {key}  {words}" + (f", needed {needed.get(key, 0):,} times" if count else ""))
    for key in sorted(set(needed) - set(ids)):
        typer.echo(f"  {key}  MISSING, needed {needed[key]:,} times: put it back")
    if set(needed) - set(ids):
        raise typer.Exit(SOME_FAILED)


@app.command()
def rotate(
    home: place.Home = None, database: place.DatabaseUrl = None, store: place.StoreUrl = None,
    key_file: place.KeyFile = None,
) -> None:
    """Make a new key and seal everything with it, while the clinic runs.

    Broken off, run it again: it goes on where it stopped. Old keys stay until `macule keys retire`, and backups that
    were made before still need them.
    """
    from macule.records import rotation

    clinic, ring = _opened(home, database, store, key_file)
    if ring.path is None:
        raise UsageError("the keys come from MACULE_KEY: put a new key behind the old one there, with a comma between, "
                         "start the clinic again, then run `macule keys reseal`.")
    with _progress() as tick:
        done = rotation.rotate(clinic, ring, tick=tick)
    _tell(ring, done)


@app.command()
def reseal(
    home: place.Home = None, database: place.DatabaseUrl = None, store: place.StoreUrl = None,
    key_file: place.KeyFile = None,
) -> None:
    """Seal everything with the newest key, without making one."""
    from macule.records import rotation

    clinic, ring = _opened(home, database, store, key_file)
    with _progress() as tick:
        done = rotation.reseal(clinic, ring, tick=tick)
    _tell(ring, done)


@app.command()
def retire(
    home: place.Home = None, database: place.DatabaseUrl = None, store: place.StoreUrl = None,
    key_file: place.KeyFile = None,
) -> None:
    """Forget every key but the newest, once nothing in the clinic needs them.

    Backups that were made under an old key open with that key alone: keep a copy of it as long as them.
    """
    from macule.records import rotation

    clinic, ring = _opened(home, database, store, key_file)
    gone = rotation.retire(clinic, ring)
    typer.echo(f"Retired: {', '.join(gone)}. Older backups still need these." if gone else "There is but one key.")


def _opened(*where: object) -> tuple[Clinic, KeyRing]:
    from macule.records.store.keys import KeyRing

    clinic = place.existing(*where)  # type: ignore[arg-type]
    assert isinstance(clinic.seals, KeyRing)  # noqa: S101 - opening makes no other  # nosec B101
    return clinic, clinic.seals


def _counted(clinic: Clinic) -> dict[str, int]:
    from macule.records import rotation

    return dict(rotation.uses(clinic))


def _tell(ring: KeyRing, done: Resealed) -> None:
    typer.echo(f"{done.pictures:,} pictures and {done.secrets:,} secrets were sealed anew; {ring.ids()[-1]} seals now.")
    if ring.path is not None:
        typer.echo(f"Copy {ring.path} to where you keep the keys, then run `macule keys retire` in an hour.")
    for address in done.damaged:
        typer.echo(f"does not open, left as it is: {address}", err=True)
    if done.damaged:
        raise typer.Exit(SOME_FAILED)


@contextmanager
def _progress() -> Iterator[Callable[[], None]]:
    from macule.cli.progress import bars

    with bars() as start:
        yield start("sealing", 0)
