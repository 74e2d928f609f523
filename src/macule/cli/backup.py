"""`macule backup` and `macule restore`: the whole clinic in one file, without its keys."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from macule.cli import place
from macule.cli.exit import SOME_FAILED
from macule.errors import KeyMissing, UsageError

if TYPE_CHECKING:
    from macule.records.opening import Place
    from macule.records.restore import Backup
    from macule.records.store.keys import KeyRing

SUFFIX = ".macule-backup"


def backup(
    file: Annotated[Path, typer.Argument(metavar="FILE", help=f"A new file; its usual end is {SUFFIX}.")],
    *,
    with_keys: Annotated[Path | None, typer.Option(
        "--with-keys", metavar="FILE", help="Copy the keys into this file, in another folder.")] = None,
    home: place.Home = None, database: place.DatabaseUrl = None, store: place.StoreUrl = None,
    key_file: place.KeyFile = None,
) -> None:
    """Write all records and pictures of one moment into FILE, while the clinic runs.

    Both stay sealed. The keys are not in it: without a copy of them a backup is worth nothing.
    """
    from macule.records import backup as backups

    if with_keys is not None and with_keys.resolve().parent == file.resolve().parent:
        raise UsageError("the keys would lie beside the backup, where one thief gets both: name another folder.")
    clinic = place.existing(home, database, store, key_file)
    with _progress("copying") as tick:
        made = backups.make(clinic, to=file, tick=tick)
    if with_keys is not None:
        _ring(clinic.seals).copy_to(with_keys)
    size = file.stat().st_size / 1e6
    typer.echo(f"{file}: {made.rows:,} rows, {made.pictures:,} pictures, {size:,.1f} MB.")
    typer.echo("The keys are not in it: keep a copy of them elsewhere." if with_keys is None
               else f"The keys are in {with_keys}: keep them apart.")
    _tell_missing(made.missing)


def restore(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="What `macule backup` wrote.")],
    *,
    with_keys: Annotated[Path | None, typer.Option(
        "--with-keys", metavar="FILE", help="The keys' copy, which becomes the new clinic's key file.")] = None,
    check: Annotated[bool, typer.Option("--check", help="Check the file and write nothing.")] = False,
    home: place.Home = None, database: place.DatabaseUrl = None, store: place.StoreUrl = None,
    key_file: place.KeyFile = None,
) -> None:
    """Check FILE whole, then write it into a clinic that is new and empty. From SQLite to PostgreSQL, or back."""
    from macule.records import restore as restores
    from macule.records.store.pictures import PictureStore

    at = place.place_of(home, database, store, key_file)
    ring = _keys(at, with_keys)
    with restores.opened(file, seals=ring) as opened:
        with _progress("checking") as tick:
            rows = restores.check(opened, seals=ring, store=PictureStore(at.store_url, seals=ring), tick=tick)
        if not check:
            _put_back(opened, at, with_keys, ring)
        words = "is whole" if check else "was restored"
        typer.echo(f"{file} of {opened.manifest.made_at} {words}: {rows:,} rows, {len(opened.pictures):,} pictures.")
        _tell_missing(tuple(sorted(opened.manifest.missing)))


def _put_back(opened: Backup, at: Place, with_keys: Path | None, ring: KeyRing) -> None:
    from macule.records import restore as restores
    from macule.records.opening import PRIVATE, open_clinic

    at.home.mkdir(parents=True, exist_ok=True, mode=PRIVATE)
    if with_keys is not None and not at.keys_at.exists():
        ring.copy_to(at.keys_at)
    with _progress("restoring") as tick:
        restores.put_back(opened, open_clinic(at), tick=tick)


def _keys(at: Place, with_keys: Path | None) -> KeyRing:
    from macule.records.store.keys import KeyRing

    if with_keys is not None:
        ring = KeyRing(with_keys)
        # The same keys are there when a restore that was broken off is begun again.
        if at.key is not None or (at.keys_at.exists() and KeyRing(at.keys_at).ids() != ring.ids()):
            raise UsageError("the new clinic has other keys already: leave --with-keys out, or take those away.")
        return ring
    if at.key is None and not at.keys_at.exists():
        raise KeyMissing(f"there are no keys at {at.keys_at}: name their copy with --with-keys or --key-file.")
    return KeyRing.from_secret(at.key) if at.key else KeyRing(at.keys_at)


def _ring(seals: object) -> KeyRing:
    from macule.records.store.keys import KeyRing

    assert isinstance(seals, KeyRing)  # noqa: S101 - opening a clinic makes no other  # nosec B101
    return seals


def _tell_missing(addresses: tuple[str, ...]) -> None:
    for address in addresses:
        print(f"missing: the picture {address}, which a record names, was not in the store or was damaged.",
              file=sys.stderr)
    if addresses:
        raise typer.Exit(SOME_FAILED)


@contextmanager
def _progress(what: str) -> Iterator[Callable[[], None]]:
    from macule.cli.progress import bars

    with bars() as start:
        yield start(what, 0)
