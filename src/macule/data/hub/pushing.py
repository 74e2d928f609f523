"""A manifest, with or without its pictures, into a folder or a repository of Hugging Face Datasets."""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from macule.analysis.batch import cores, in_order
from macule.data import pictures
from macule.data.hub import licences, remote
from macule.data.hub.card import card
from macule.data.hub.layout import CARD, DATA, IMAGE, Info, library
from macule.data.hub.remote import Repository
from macule.data.manifest import FORMAT, Manifest
from macule.data.manifest.schema import schema
from macule.errors import DatasetError, MaculeError, UsageError

#: Rows of one row group with pictures: what a reader holds in memory at once.
GROUP = 100
#: Bytes of pictures after which a new file is begun.
SHARD = 400_000_000

#: Told how many more rows are done.
Tick = Callable[[int], None]


def push(manifest: Manifest, to: Repository | Path, *, with_pictures: bool = False, private: bool = True,
         workers: int | None = None, tick: Tick | None = None) -> None:
    """Write a manifest to a folder that does not exist yet or is empty, or to the hub.

    private: whether a repository that has to be made is private.

    Raises: UsageError if pictures would become public against their licence, or the folder is not empty;
        DatasetError if a picture is missing or is not the one that the manifest was made with; EnvironmentFault.
    """
    _check_roots(manifest)
    write = partial(_write, manifest, with_pictures=with_pictures, workers=workers or cores(), tick=tick)
    if isinstance(to, Path):
        write(fresh(to), name=to.resolve().name)
        return
    refusals = licences.refusals(manifest) if with_pictures else {}
    if refusals and not private:
        raise _refused(to, refusals)
    # A repository of that name may exist, and be public, whatever was asked for.
    if remote.is_public(to, private=private) and refusals:
        raise _refused(to, refusals)
    with tempfile.TemporaryDirectory(prefix="macule-push-") as folder:
        write(Path(folder), name=to.id)
        remote.upload(Path(folder), to, tag=f"manifest-{manifest.hash[:12]}")


def fresh(folder: Path) -> Path:
    """The folder, made if need be. Raises: UsageError if something is in it."""
    if folder.exists() and not (folder.is_dir() and not any(folder.iterdir())):
        raise UsageError(f"{folder} exists and is not an empty folder: nothing is overwritten, name another.")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"{folder} cannot be made ({error.strerror}): name another folder.") from error
    return folder


def _refused(to: Repository, refusals: dict[str, str]) -> UsageError:
    why = "; ".join(f"{dataset}: {reason}" for dataset, reason in refusals.items())
    return UsageError(f"{to.id} is or would be public, and these pictures may not be passed on ({why}): push without "
                      "--with-pictures, or to a private repository.")


def _check_roots(manifest: Manifest) -> None:
    """Raises: DatasetError if a cell tells where the data lie on this machine."""
    import pyarrow as pa
    import pyarrow.compute as pc

    for batch in manifest.batches():
        for name in batch.schema.names:
            if batch.schema.field(name).type != pa.string():
                continue
            for root in manifest.roots.values():
                if pc.any(pc.match_substring(batch.column(name), str(root))).as_py():
                    raise DatasetError(f"column {name} holds the folder {root} of this machine: correct the table that "
                                       "it came from, make the manifest anew, and push that.")


def _write(manifest: Manifest, folder: Path, *, name: str, with_pictures: bool, workers: int,
           tick: Tick | None) -> None:
    """All or nothing: after a failure the folder is empty again."""
    try:
        (folder / DATA).mkdir()
        _write_rows(manifest, folder / DATA, with_pictures=with_pictures, workers=workers, tick=tick)
        text = card(name=name, digest=manifest.hash, counts=manifest.counts(), shares=licences.shares(manifest),
                    with_pictures=with_pictures)
        (folder / CARD).write_text(text, encoding="utf-8")
        # Last: without it nothing can be pulled.
        Info(FORMAT, manifest.hash, manifest.rows, with_pictures).write(folder)
    except BaseException:
        shutil.rmtree(folder / DATA, ignore_errors=True)
        (folder / CARD).unlink(missing_ok=True)
        raise


def _write_rows(manifest: Manifest, folder: Path, *, with_pictures: bool, workers: int, tick: Tick | None) -> None:
    datasets = library()
    features = datasets.Features.from_arrow_schema(schema())
    if with_pictures:
        features[IMAGE] = datasets.Image()
    with _Shards(folder, features.arrow_schema) as shards:
        for batch in manifest.batches():
            parts = _with_pictures(batch, manifest, features.arrow_schema, workers) if with_pictures else \
                [(batch.cast(features.arrow_schema), 0)]
            for part, size in parts:
                shards.add(part, size)
                if tick is not None:
                    tick(part.num_rows)


def _with_pictures(batch: Any, manifest: Manifest, wide: Any, workers: int) -> Iterator[tuple[Any, int]]:
    """Yields: RecordBatches of at most GROUP rows with the pictures in them, and the bytes of these."""
    import pyarrow as pa

    for start in range(0, batch.num_rows, GROUP):
        part = batch.slice(start, GROUP)
        images = list(_read_all(part.select(["dataset", "picture", "sha256"]).to_pylist(), manifest, workers))
        image = pa.array(images, wide.field(IMAGE).type)
        yield (pa.RecordBatch.from_arrays([*part.columns, image], [*part.schema.names, IMAGE]).cast(wide),
               sum(len(each["bytes"]) for each in images if each))


def _read_all(rows: Iterable[dict[str, str | None]], manifest: Manifest,
              workers: int) -> Iterator[dict[str, Any] | None]:
    for _, answer in in_order(lambda row: _picture(row, manifest), rows, workers=workers):
        if isinstance(answer, MaculeError):
            raise answer
        yield answer


def _picture(row: dict[str, str | None], manifest: Manifest) -> dict[str, Any] | None:
    dataset, picture = row["dataset"], row["picture"]
    if picture is None or dataset is None:
        return None
    if dataset not in manifest.roots:
        raise DatasetError(f"the manifest names no folder of {dataset}: make it anew, or push without --with-pictures.")
    content = pictures.read(manifest.roots[dataset] / picture)
    if hashlib.sha256(content).hexdigest() != row["sha256"]:
        raise DatasetError(f"{dataset} {picture} is not the picture that the manifest was made with: make it anew.")
    return {"bytes": content, "path": Path(picture).name}


class _Shards:
    """Parquet files of about SHARD bytes each."""

    def __init__(self, folder: Path, columns: Any) -> None:
        self._folder, self._columns = folder, columns
        self._number, self._size = 0, 0
        self._writer: Any = None

    def __enter__(self) -> _Shards:
        self._open()
        return self

    def _open(self) -> None:
        import pyarrow.parquet as pq

        name = f"rows-{self._number:05d}.parquet"
        self._writer = pq.ParquetWriter(self._folder / name, self._columns, compression="zstd")
        self._number, self._size = self._number + 1, 0

    def add(self, batch: Any, size: int) -> None:
        if self._size >= SHARD:
            self._writer.close()
            self._open()
        self._writer.write_batch(batch)
        self._size += size

    def __exit__(self, *_: object) -> None:
        self._writer.close()
