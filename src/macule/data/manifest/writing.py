"""Writing a manifest: pictures are hashed in threads, rows go to disk in batches, the file appears when complete."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, Self

from macule.analysis.batch import cores, in_order
from macule.data.manifest.content import ContentHash
from macule.data.manifest.reading import Manifest
from macule.data.manifest.row import COLUMNS, Row
from macule.data.manifest.schema import FORMAT, arrow, check_rows, schema
from macule.data.record import Record
from macule.errors import DatasetError, MaculeError

#: Rows of one row group. Memory is bounded by a few of them.
BATCH = 8_192
#: Pictures of one task: a thread pool costs some 30 us a task, as much as hashing a small picture.
CHUNK = 64

#: Told of a record that cannot be a row, and why.
Refuse = Callable[[Record, MaculeError], None]
#: Told how many more records are done.
Tick = Callable[[int], None]


def write(
    path: Path, records: Iterable[Record], *, roots: Mapping[str, Path], workers: int | None = None,
    tick: Tick | None = None, refuse: Refuse | None = None,
) -> Manifest:
    """A manifest of these records, in their order.

    roots: data set -> the folder that its pictures lie below, or the one file that the set is.
    refuse: takes a record whose picture cannot be read or whose values break a rule, and the others go on.

    Raises: DatasetError for such a record if there is no `refuse`; UnreadableImage; MissingExtra.
    """
    folders = {dataset: root.parent if root.is_file() else root for dataset, root in roots.items()}
    rows: list[Row] = []
    with Writer(path, roots=folders) as writer:
        work = in_order(lambda chunk: [_row(each, folders) for each in chunk], _chunks(records),
                        workers=workers or cores())
        for chunk, answers in work:
            if isinstance(answers, MaculeError):
                raise answers
            rows += _kept(chunk, answers, refuse)
            if tick is not None:
                tick(len(chunk))
            if len(rows) >= BATCH:
                writer.add(batch_of(rows[:BATCH]))
                del rows[:BATCH]
        writer.add(batch_of(rows))
    return writer.manifest


def merge(path: Path, manifests: Sequence[Manifest]) -> Manifest:
    """Several manifests one after the other in one file.

    Raises: DatasetError if a picture of a data set stands in two, or a data set has two roots.
    """
    roots: dict[str, Path] = {}
    for each in manifests:
        for dataset, root in each.roots.items():
            if roots.setdefault(dataset, root) != root:
                raise DatasetError(f"{dataset} lies at {roots[dataset]} in one manifest and at {root} in another: "
                                   "make both from one root.")
    with Writer(path, roots=roots) as writer:
        for each in manifests:
            for batch in each.batches():
                writer.add(batch)
    return writer.manifest


class Writer:
    """Takes batches of rows and checks them. `path` appears, complete, at the end; till then `path`.partial grows.

    Raises: DatasetError if a row breaks a rule, or the id of a picture comes twice in one data set.
    """

    def __init__(self, path: Path, *, roots: Mapping[str, Path]) -> None:
        self._path, self._partial = path, path.with_name(path.name + ".partial")
        self._roots = {dataset: root.resolve() for dataset, root in roots.items()}
        self._hash, self._rows = ContentHash(), 0
        self._seen: set[tuple[str, str]] = set()

    @property
    def manifest(self) -> Manifest:
        """What was written, after the end."""
        return Manifest(self._path, self._hash.hexadecimal, self._roots, self._rows)

    def __enter__(self) -> Self:
        arrow()
        import pyarrow.parquet as pq

        self._stream = self._partial.open("wb")
        self._writer = pq.ParquetWriter(self._stream, schema(), compression="zstd")
        return self

    def add(self, batch: Any) -> None:
        """batch: pyarrow.RecordBatch of the manifest's schema."""
        if not batch.num_rows:
            return
        check_rows(batch, self._path.name, self._rows + 1)
        self._once(batch)
        self._hash.add(batch)
        self._writer.write_batch(batch)
        self._rows += batch.num_rows

    def _once(self, batch: Any) -> None:
        for each in zip(batch["dataset"].to_pylist(), batch["picture_id"].to_pylist(), strict=True):
            if each in self._seen:
                raise DatasetError(f"the picture {each[1]} of {each[0]} stands in two rows: keep one.")
            self._seen.add(each)

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        try:
            if kind is None:
                self._writer.add_key_value_metadata(metadata(self._hash.hexadecimal, self._roots))
            self._writer.close()
            self._stream.flush()
            if kind is None:
                # Else a power cut could leave an empty file under the final name.
                os.fsync(self._stream.fileno())
                self._partial.replace(self._path)
        finally:
            self._stream.close()
            self._partial.unlink(missing_ok=True)


def metadata(digest: str, roots: Mapping[str, Path]) -> dict[str, str]:
    """What stands in the file beside the rows. Without roots, as when pushed, nothing tells of this machine."""
    kept = {"macule.format": FORMAT, "macule.hash": digest}
    if roots:
        kept["macule.roots"] = json.dumps({dataset: str(root) for dataset, root in sorted(roots.items())})
    return kept


def batch_of(rows: Sequence[Row]) -> Any:
    """Rows as a pyarrow.RecordBatch."""
    columns = {name: [getattr(row, name) for row in rows] for name in COLUMNS}
    return arrow().RecordBatch.from_pydict(columns, schema=schema())


def _row(record: Record, folders: Mapping[str, Path]) -> Row | MaculeError:
    try:
        if record.dataset not in folders:
            raise DatasetError(f"{record.dataset} has no root: give the folder that its pictures lie below.")
        digest = None if record.picture is None else hashlib.sha256(record.read()).hexdigest()
        return Row.of(record, root=folders[record.dataset], sha256=digest)
    except MaculeError as error:
        return error


def _kept(chunk: Sequence[Record], answers: Sequence[Row | MaculeError], refuse: Refuse | None) -> Iterator[Row]:
    for record, answer in zip(chunk, answers, strict=True):
        if isinstance(answer, Row):
            yield answer
        elif refuse is None:
            raise answer
        else:
            refuse(record, answer)


def _chunks(records: Iterable[Record]) -> Iterator[list[Record]]:
    remaining = iter(records)
    while chunk := list(islice(remaining, CHUNK)):
        yield chunk
