"""A backup put back: everything is checked before anything is written, and rows come in one transaction."""

from __future__ import annotations

import gzip
import hashlib
import json
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sqlalchemy import Table, func, select, text

from macule.errors import AuditBroken, InputError, InputNotFound, KeyMissing, PictureDamaged, UsageError
from macule.records import audit, rows
from macule.records.backup import FORMAT, MANIFEST, SEAL, context
from macule.records.clinic import Clinic
from macule.records.domain import SYSTEM
from macule.records.ports import Seals, Store
from macule.records.sweep import ADDRESSES
from macule.records.tables import AuditRow

Tick = Callable[[], None]


@dataclass(frozen=True)
class Manifest:
    """What a backup says of itself. rows: counts by table. files: SHA-256 by name. missing: addresses."""

    id: str
    macule: str
    made_at: str
    revision: str
    keys: tuple[str, ...]
    rows: dict[str, int]
    files: dict[str, str]
    missing: frozenset[str]


@dataclass
class Backup:
    """An open backup whose manifest is known to be the one that was sealed."""

    path: Path
    zip: zipfile.ZipFile = field(repr=False)
    manifest: Manifest

    def read(self, name: str) -> bytes:
        """A file of the archive, whole. Raises: InputError."""
        content = _read(self.path, self.zip, name)
        if hashlib.sha256(content).hexdigest() != self.manifest.files[name]:
            raise damaged(self.path, f"{name} is not what was written")
        return content

    def chunks(self, table: Table, seals: Seals) -> Iterator[list[dict[str, Any]]]:
        """The table's rows in the order that they were written. Raises: InputError, KeyMissing."""
        for name in sorted(name for name in self.manifest.files if name.startswith(f"rows/{table.name}/")):
            try:
                lines = gzip.decompress(seals.unseal(self.read(name), context=context(self.manifest.id, name)))
                parsed = rows.parse(table, lines)
            except (PictureDamaged, ValueError, KeyError, TypeError, EOFError, OSError, zlib.error) as error:
                raise damaged(self.path, f"{name} does not read as rows") from error
            yield parsed

    @property
    def pictures(self) -> list[str]:
        return sorted(name.removeprefix("pictures/") for name in self.manifest.files if name.startswith("pictures/"))


def damaged(path: Path, what: str) -> InputError:
    return InputError(f"{path.name} is damaged ({what}): use another backup, and keep this one for now.")


@contextmanager
def opened(path: Path, *, seals: Seals) -> Iterator[Backup]:
    """Raises: InputNotFound, InputError, KeyMissing (with the ids of the keys that are needed)."""
    try:
        with zipfile.ZipFile(path) as archive:
            yield Backup(path, archive, _manifest(path, archive, seals))
    except (FileNotFoundError, IsADirectoryError, PermissionError) as error:
        if error.filename != str(path):
            raise
        raise InputNotFound(f"{path} cannot be read ({error.strerror}): check the name.") from error
    except zipfile.BadZipFile as error:
        raise damaged(path, str(error)) from error


def check(backup: Backup, *, seals: Seals, store: Store, tick: Tick | None = None) -> int:
    """Every file by its hash, every row by its shape, the audit chain, and every picture by opening it.

    Returns: how many rows there are.
    Raises: InputError, AuditBroken, KeyMissing.
    """
    present = set(backup.zip.namelist()) - {MANIFEST, SEAL}
    if present != set(backup.manifest.files):
        raise damaged(backup.path, f"{len(present ^ set(backup.manifest.files))} files too many or too few")
    count, wanted = _check_rows(backup, seals)
    absent = wanted - set(backup.pictures) - backup.manifest.missing
    if absent:
        raise damaged(backup.path, f"{len(absent)} pictures are not in it")
    for address in backup.pictures:
        try:
            store.check(address, backup.read(f"pictures/{address}"))
        except PictureDamaged as error:
            raise damaged(backup.path, f"the picture {address[:12]} does not open") from error
        if tick:
            tick()
    return count


def put_back(backup: Backup, clinic: Clinic, *, tick: Tick | None = None) -> None:
    """Write a checked backup into an empty clinic. Broken off, it may be begun again.

    Raises: UsageError if the target is not empty or of another version, StoreAway, DatabaseAway, KeyMissing.
    """
    require_empty(backup, clinic)
    for address in backup.pictures:
        clinic.store.put_sealed(address, backup.read(f"pictures/{address}"))
        if tick:
            tick()
    with clinic.work(SYSTEM) as work:
        for table in rows.tables():
            for chunk in backup.chunks(table, clinic.seals):
                rows.put(work.session, table, chunk)
            for chunk in backup.chunks(table, clinic.seals):
                rows.link(work.session, table, chunk)
            rows.renumber(work.session, table)
        work.record("backup.restored", "backup", backup.manifest.id, rows=sum(backup.manifest.rows.values()),
                    pictures=len(backup.pictures), made_at=backup.manifest.made_at)


def require_empty(backup: Backup, clinic: Clinic) -> None:
    """Raises: UsageError."""
    with clinic.reading() as session:
        revision = session.scalar(text("SELECT version_num FROM alembic_version"))
        full = [table.name for table in rows.tables() if session.scalar(select(func.count()).select_from(table))]
    if full:
        raise UsageError(f"the database is not empty ({', '.join(full)}): restore into a new one.")
    if revision != backup.manifest.revision:
        raise UsageError(
            f"{backup.path.name} has tables of version {backup.manifest.revision}, this macule has {revision}: restore "
            f"it with macule {backup.manifest.macule}, then install the new version."
        )
    others = set(clinic.store.addresses()) - set(backup.pictures)
    if others:
        raise UsageError(f"the picture store holds {len(others)} pictures of another clinic: restore into a new one.")


def _manifest(path: Path, archive: zipfile.ZipFile, seals: Seals) -> Manifest:
    content = _read(path, archive, MANIFEST)
    try:
        about = json.loads(content)
        if about["format"] != FORMAT:
            message = f"{path.name} has format {about['format']}; this macule reads {FORMAT}: use a newer version."
            raise InputError(message)
        manifest = Manifest(
            about["id"], about["macule"], about["made_at"], about["revision"], tuple(about["keys"]),
            dict(about["rows"]), dict(about["files"]), frozenset(about["missing"]),
        )
    except (ValueError, KeyError, TypeError) as error:
        raise damaged(path, "its manifest does not read") from error
    try:
        sealed = seals.unseal(_read(path, archive, SEAL), context=context(manifest.id, MANIFEST))
    except KeyMissing as error:
        keys = ", ".join(manifest.keys)
        raise KeyMissing(f"{error} {path.name} needs the keys {keys}: name their file with --with-keys.") from error
    except PictureDamaged as error:
        raise damaged(path, "its seal is broken") from error
    if sealed != hashlib.sha256(content).digest():
        raise damaged(path, "its manifest was changed")
    return manifest


def _read(path: Path, archive: zipfile.ZipFile, name: str) -> bytes:
    try:
        return archive.read(name)
    except (KeyError, zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
        raise damaged(path, f"{name} cannot be read") from error


def _check_rows(backup: Backup, seals: Seals) -> tuple[int, set[str]]:
    """(how many rows, what they name in the store)."""
    total, wanted, previous = 0, set[str](), audit.GENESIS
    columns: dict[str, list[str]] = {}
    for column in ADDRESSES:
        columns.setdefault(column.class_.__tablename__, []).append(column.key)
    for table in rows.tables():
        count = 0
        for chunk in backup.chunks(table, seals):
            count += len(chunk)
            wanted.update(row[key] for key in columns.get(table.name, ()) for row in chunk if row[key] is not None)
            if table.name == AuditRow.__tablename__:
                previous = _check_chain(chunk, previous)
        if count != backup.manifest.rows.get(table.name, 0):
            raise damaged(backup.path, f"{table.name} has {count} rows of {backup.manifest.rows.get(table.name, 0)}")
        total += count
    return total, wanted


def _check_chain(chunk: list[dict[str, Any]], previous: str) -> str:
    for fields in chunk:
        row = AuditRow(**fields)
        if row.previous != previous or audit.digest(row) != row.hash:
            raise AuditBroken(f"the audit log in the backup was changed at row {row.seq}: use an older backup.")
        previous = row.hash
    return previous
