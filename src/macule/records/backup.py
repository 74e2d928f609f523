"""A backup: one moment of all rows, and every picture that they name, in one file that is whole or not there.

A zip archive without compression:

    manifest.json      what is in it: SHA-256 of every file, counts of rows, ids of the keys that open it
    manifest.seal      the manifest's SHA-256, sealed: nobody without a key can change the backup unnoticed
    rows/TABLE/NUMBER  up to a thousand rows as JSON lines, gzipped and sealed
    pictures/ADDRESS   as they lie in the store

The keys are not in it. Rows are sealed as well, so that a stolen backup tells nothing about anybody.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import secrets
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sqlalchemy import text

import macule
from macule.errors import NoSuchRecord, PictureDamaged, UsageError
from macule.records import rows
from macule.records.clinic import Clinic
from macule.records.domain import SYSTEM
from macule.records.store.durable import sync_folder
from macule.records.store.keys import key_of
from macule.records.sweep import named

FORMAT = 1
MANIFEST, SEAL = "manifest.json", "manifest.seal"
#: How often the rows are read again because pictures that they name were erased meanwhile.
TRIES = 5
Tick = Callable[[], None]


@dataclass(frozen=True)
class Made:
    """rows, pictures: how many are in the backup. missing: addresses that rows name and the store cannot give."""

    rows: int
    pictures: int
    missing: tuple[str, ...]


@dataclass
class _Snapshot:
    """Rows of one moment, sealed, in a folder of their own. counts: rows of each table."""

    folder: Path
    counts: dict[str, int] = field(default_factory=dict)
    names: list[str] = field(default_factory=list)
    addresses: frozenset[str] = frozenset()
    revision: str = ""


@dataclass
class _Archive:
    """files: SHA-256 of what was written, by name. keys: ids that open it."""

    zip: zipfile.ZipFile
    id: str
    files: dict[str, str] = field(default_factory=dict)
    keys: set[str] = field(default_factory=set)

    def add(self, name: str, sealed: bytes) -> None:
        self.zip.writestr(zipfile.ZipInfo(name), sealed)
        self.files[name] = hashlib.sha256(sealed).hexdigest()
        self.keys.add(key_of(sealed))


def context(backup_id: str, name: str) -> bytes:
    """What the sealed rows of a backup are bound to: chunks of two backups cannot be mixed."""
    return f"backup:{backup_id}:{name}".encode()


def make(clinic: Clinic, *, to: Path, tick: Tick | None = None) -> Made:
    """Write the backup while the clinic runs. tick: called after each picture.

    Raises: UsageError if the file exists, KeyMissing, StoreAway, DatabaseAway, OSError; then no file is left.
    """
    if to.exists():
        raise UsageError(f"{to} exists, and a backup is never overwritten: choose another name.")
    with _whole(to) as archive, tempfile.TemporaryDirectory(prefix=".macule-", dir=to.parent) as scratch:
        snapshot, missing = _collect(clinic, archive, Path(scratch), tick)
        for name in snapshot.names:
            archive.add(name, (snapshot.folder / name).read_bytes())
        made = Made(sum(snapshot.counts.values()), len(snapshot.addresses) - len(missing), tuple(sorted(missing)))
        _close(clinic, archive, snapshot, made)
    with clinic.work(SYSTEM) as work:
        work.record("backup.made", "backup", archive.id, rows=made.rows, pictures=made.pictures,
                    missing=len(made.missing))
    return made


@contextmanager
def _whole(to: Path) -> Iterator[_Archive]:
    partial = to.with_name(f".{to.name}.{secrets.token_hex(4)}")
    try:
        descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with open(descriptor, "wb") as stream:  # noqa: PTH123 - of a descriptor, for its mode
            with zipfile.ZipFile(stream, "w", zipfile.ZIP_STORED) as archive:
                yield _Archive(archive, secrets.token_hex(16))
            stream.flush()
            os.fsync(stream.fileno())
        partial.replace(to)
        sync_folder(to.parent)
    finally:
        partial.unlink(missing_ok=True)


def _collect(clinic: Clinic, archive: _Archive, scratch: Path, tick: Tick | None) -> tuple[_Snapshot, set[str]]:
    """Rows first: what they name was put before. A picture that was erased since then asks for newer rows."""
    copied: set[str] = set()
    for number in range(TRIES):
        snapshot = _rows(clinic, archive.id, scratch / str(number))
        absent = {address for address in sorted(snapshot.addresses - copied)
                  if not _copy(clinic, archive, address, copied, tick)}
        with clinic.reading() as session:
            still = named(session) if absent else frozenset()
        if absent <= still:
            break
    return snapshot, absent


def _copy(clinic: Clinic, archive: _Archive, address: str, copied: set[str], tick: Tick | None) -> bool:
    """Whether the picture is in the archive now. One that is damaged stays out: an older backup may have it whole."""
    try:
        sealed = clinic.store.sealed(address)
        clinic.store.check(address, sealed)
    except (NoSuchRecord, PictureDamaged):
        return False
    archive.add(f"pictures/{address}", sealed)
    copied.add(address)
    if tick:
        tick()
    return True


def _rows(clinic: Clinic, backup_id: str, folder: Path) -> _Snapshot:
    snapshot = _Snapshot(folder)
    with clinic.database.snapshot() as session:
        snapshot.revision = str(session.scalar(text("SELECT version_num FROM alembic_version")))
        for table in rows.tables():
            (folder / "rows" / table.name).mkdir(parents=True)
            for number, (count, lines) in enumerate(rows.chunks(session, table)):
                name = f"rows/{table.name}/{number:06}"
                sealed = clinic.seals.seal(gzip.compress(lines, 6, mtime=0), context=context(backup_id, name))
                (folder / name).write_bytes(sealed)
                snapshot.names.append(name)
                snapshot.counts[table.name] = snapshot.counts.get(table.name, 0) + count
        snapshot.addresses = named(session)
    return snapshot


def _close(clinic: Clinic, archive: _Archive, snapshot: _Snapshot, made: Made) -> None:
    manifest: dict[str, Any] = {
        "format": FORMAT, "id": archive.id, "macule": macule.__version__, "made_at": clinic.clock().isoformat(),
        "revision": snapshot.revision, "keys": sorted(archive.keys), "rows": snapshot.counts, "files": archive.files,
        "missing": made.missing,
    }
    content = json.dumps(manifest, indent=1).encode()
    digest = hashlib.sha256(content).digest()
    archive.zip.writestr(zipfile.ZipInfo(MANIFEST), content)
    archive.zip.writestr(zipfile.ZipInfo(SEAL), clinic.seals.seal(digest, context=context(archive.id, MANIFEST)))
