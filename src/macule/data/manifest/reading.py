"""Reading a manifest: every row is checked, and the hash of all, before anything is done with it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from macule.data.manifest.content import ContentHash
from macule.data.manifest.counts import NEEDED, Counts, count
from macule.data.manifest.row import Row
from macule.data.manifest.schema import FORMAT, arrow, check_rows, check_schema
from macule.data.record import Record
from macule.errors import DatasetError

BATCH = 8_192


@dataclass(frozen=True)
class Manifest:
    """A manifest file, already checked. Its rows stay on disk and are read in batches.

    hash: of its rows, SHA-256, hexadecimal. roots: data set -> folder on this machine; empty after a pull without
    pictures. rows: how many.
    """

    path: Path
    hash: str
    roots: Mapping[str, Path] = field(hash=False)
    rows: int

    def batches(self, columns: Sequence[str] | None = None) -> Iterator[Any]:
        """pyarrow.RecordBatch after RecordBatch, in the order of the file. columns: None takes all."""
        import pyarrow.parquet as pq

        with pq.ParquetFile(self.path) as file:
            yield from file.iter_batches(BATCH, columns=None if columns is None else list(columns))

    def table(self, columns: Sequence[str] | None = None) -> Any:
        """Some columns of all rows, as a pyarrow.Table."""
        import pyarrow.parquet as pq

        return pq.read_table(self.path, columns=None if columns is None else list(columns))

    def each(self) -> Iterator[Row]:
        """The rows, one by one. Their words are plain strings, equal to the vocabularies' members."""
        for batch in self.batches():
            for values in batch.to_pylist():
                # The file was checked as a whole: checking once more would take ten times as long.
                yield Row.model_construct(**{**values, "labels": tuple(values["labels"])})

    def records(self, *, roots: Mapping[str, Path] | None = None) -> Iterator[Record]:
        """The rows as records. roots: where the data sets lie now, if not where they lay.

        A record of a data set without a root has no picture: reading it raises DatasetError.
        """
        known = {**self.roots, **(roots or {})}
        for row in self.each():
            yield row.record(known.get(row.dataset))

    def counts(self) -> Counts:
        return count(self.table(NEEDED))


def read(path: Path) -> Manifest:
    """Check a manifest in full: 400,000 rows take some seconds.

    Raises: DatasetError if it is no manifest, a value breaks a rule, or the hash does not fit; MissingExtra.
    """
    arrow()
    if not path.is_file():
        raise DatasetError(f"{path} is no file: make a manifest with macule data manifest, or correct the path.")
    try:
        return _read(path)
    except (OSError, ValueError) as error:  # pyarrow's own are ValueErrors
        raise DatasetError(f"{path} is no Parquet file, or is damaged ({error}): make the manifest anew.") from error


def _read(path: Path) -> Manifest:
    import pyarrow.parquet as pq

    with pq.ParquetFile(path) as file:
        kept = {key.decode(): value.decode() for key, value in (file.metadata.metadata or {}).items()}
        if kept.get("macule.format") != FORMAT:
            raise DatasetError(f"{path} has the manifest format {kept.get('macule.format')!r}; this macule reads "
                               f"{FORMAT!r}: make it with macule data manifest.")
        check_schema(file.schema_arrow, path.name)
        found, rows = _scan(file, path.name), file.metadata.num_rows
    _check_unique(path)
    if found != kept.get("macule.hash"):
        raise DatasetError(f"{path} was altered: its rows have the hash {found}, but it was written with "
                           f"{kept.get('macule.hash')}: make it anew.")
    return Manifest(path, found, _roots(path, kept.get("macule.roots", "{}")), rows)


def _roots(path: Path, text: str) -> dict[str, Path]:
    """Raises: DatasetError unless the text is JSON of data sets and their folders."""
    try:
        roots = json.loads(text)
    except ValueError:
        roots = None
    if not isinstance(roots, dict) or not all(isinstance(root, str) and root for root in roots.values()):
        raise DatasetError(f"{path}: macule.roots in its metadata is {text[:200]!r}; an object of data sets and their "
                           "folders is expected: make the manifest anew.")
    return {dataset: Path(root) for dataset, root in roots.items()}


def _scan(file: Any, name: str) -> str:
    content, first = ContentHash(), 1
    for batch in file.iter_batches(BATCH):
        check_rows(batch, name, first)
        content.add(batch)
        first += batch.num_rows
    return content.hexadecimal


def _check_unique(path: Path) -> None:
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    ids = pq.read_table(path, columns=["dataset", "picture_id"])
    counted = ids.group_by(["dataset", "picture_id"]).aggregate([([], "count_all")])
    twice = counted.filter(pc.greater(counted["count_all"], 1))
    if twice.num_rows:
        dataset, picture = twice["dataset"][0], twice["picture_id"][0]
        raise DatasetError(f"{path}: the picture {picture} of {dataset} stands in {twice['count_all'][0]} rows: "
                           "keep one.")
