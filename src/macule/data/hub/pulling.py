"""A pushed manifest back as a file, with its pictures if they were pushed; every row and picture is checked."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from macule.data.hub import remote
from macule.data.hub.layout import DATA, IMAGE, SPLIT, Info, library
from macule.data.hub.remote import Repository
from macule.data.manifest import Manifest, Writer
from macule.data.manifest.row import COLUMNS
from macule.data.manifest.schema import check_schema, schema
from macule.errors import DatasetError, UsageError

FILE = "manifest.parquet"
#: Rows held at once: with pictures, some tens of megabytes.
BATCH = 256

#: Told how many more rows are done.
Tick = Callable[[int], None]


def pull(source: Repository | Path, to: Path, *, roots: Mapping[str, Path] | None = None, expected: str | None = None,
         tick: Tick | None = None) -> Manifest:
    """Get a pushed manifest: `to`/manifest.parquet, and pictures below `to`/DATA SET/. The folder may not exist yet.

    roots: data set -> where its pictures lie already; for a manifest that was pushed without them.
    expected: the hash that it must have.

    Raises: DatasetError if a row or picture was altered or is missing; UsageError if `to` exists; EnvironmentFault.
    """
    if to.exists() and not (to.is_dir() and not any(to.iterdir())):
        raise UsageError(f"{to} exists and is not an empty folder: nothing is overwritten, name another.")
    name = source.id if isinstance(source, Repository) else str(source)
    folder = remote.download(source) if isinstance(source, Repository) else source
    info = Info.read(folder, name)
    if expected is not None and info.hash != expected:
        raise DatasetError(f"{name} has the hash {info.hash}, but {expected} was asked for: name its revision.")
    to = to.resolve()
    partial = to.with_name(f".{to.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    try:
        partial.mkdir(parents=True)
        made = _write(folder, partial, final=to, info=info, name=name, roots=roots or {}, tick=tick)
        if to.exists():
            to.rmdir()
        partial.replace(to)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return Manifest(to / FILE, made.hash, made.roots, made.rows)


def _write(folder: Path, partial: Path, *, final: Path, info: Info, name: str, roots: Mapping[str, Path],
           tick: Tick | None) -> Manifest:
    written = {dataset: final / dataset for dataset in _datasets(folder, name)} if info.pictures else {}
    with Writer(partial / FILE, roots={**written, **roots}) as writer:
        for table in _tables(folder, name):
            batch = _rows(table, name)
            # Before any picture: the checks keep paths below the folder.
            writer.add(batch)
            if info.pictures:
                _write_pictures(partial, batch, table.column(IMAGE).to_pylist(), name)
            if tick is not None:
                tick(batch.num_rows)
    if (writer.manifest.hash, writer.manifest.rows) != (info.hash, info.rows):
        raise DatasetError(f"{name} was altered or is not whole: its {writer.manifest.rows} rows have the hash "
                           f"{writer.manifest.hash}; {info.rows} rows with {info.hash} were pushed.")
    return writer.manifest


def _tables(folder: Path, name: str) -> Iterator[Any]:
    """pyarrow.Tables of at most BATCH rows."""
    datasets = library()
    try:
        # Streaming reads the files where they lie; else they would be copied into a cache first.
        rows = datasets.load_dataset(str(folder), split=SPLIT, streaming=True)
        if rows.features is not None and IMAGE in rows.features:
            rows = rows.cast_column(IMAGE, datasets.Image(decode=False))
        yield from rows.with_format("arrow").iter(batch_size=BATCH)
    except (OSError, ValueError, KeyError, datasets.exceptions.DatasetsError) as error:
        raise DatasetError(f"{name} cannot be read as a Hugging Face data set ({error}): push it again.") from error


def _datasets(folder: Path, name: str) -> list[str]:
    import pyarrow.parquet as pq

    found: set[str] = set()
    try:
        for path in sorted((folder / DATA).glob("*.parquet")):
            found.update(pq.read_table(path, columns=["dataset"])["dataset"].unique().to_pylist())
    except (OSError, ValueError) as error:
        raise DatasetError(f"{name} cannot be read ({error}): push it again.") from error
    return sorted(found)


def _rows(table: Any, name: str) -> Any:
    """The manifest's part of a table, as one RecordBatch of the manifest's types."""
    try:
        rows = table.select(list(COLUMNS)).cast(schema()).combine_chunks()
    except (KeyError, ValueError) as error:
        raise DatasetError(f"{name} has not a manifest's columns ({error}): push it again.") from error
    check_schema(rows.schema, name)
    return rows.to_batches()[0]


def _write_pictures(folder: Path, batch: Any, images: list[dict[str, Any] | None], name: str) -> None:
    rows = batch.select(["dataset", "picture", "sha256"]).to_pylist()
    for row, image in zip(rows, images, strict=True):
        if row["picture"] is None:
            continue
        content = image["bytes"] if image else None
        if content is None or hashlib.sha256(content).hexdigest() != row["sha256"]:
            raise DatasetError(f"{name}: the picture {row['picture']} is missing or was altered: push it again.")
        path = folder / row["dataset"] / row["picture"]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
