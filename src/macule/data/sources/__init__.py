"""Public data sets in their publishers' own layouts, as one kind of record."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from macule.data.record import Record
from macule.data.sources.bcn20000 import BCN20000
from macule.data.sources.csv_table import CSV
from macule.data.sources.ddi import DDI
from macule.data.sources.derm7pt import DERM7PT
from macule.data.sources.dermamnist import DERMAMNIST
from macule.data.sources.fitzpatrick17k import FITZPATRICK17K
from macule.data.sources.folder import FOLDER
from macule.data.sources.ham10000 import HAM10000
from macule.data.sources.isic2016 import ISIC2016
from macule.data.sources.isic2017 import ISIC2017
from macule.data.sources.isic2018 import ISIC2018
from macule.data.sources.isic2019 import ISIC2019
from macule.data.sources.isic2020 import ISIC2020
from macule.data.sources.isic2024 import ISIC2024
from macule.data.sources.milk10k import MILK10K
from macule.data.sources.pad_ufes_20 import PAD_UFES_20
from macule.data.sources.ph2 import PH2
from macule.data.sources.reading import Reading, Reject
from macule.data.sources.source import Source
from macule.errors import DatasetError, UsageError

__all__ = ["SOURCES", "Reading", "Reject", "Source", "find", "load", "read"]

#: id -> source, in the order of `macule data list`.
SOURCES: dict[str, Source] = {source.id: source for source in (
    HAM10000, ISIC2016, ISIC2017, ISIC2018, ISIC2019, ISIC2020, ISIC2024, BCN20000, MILK10K, PAD_UFES_20, DERM7PT, PH2,
    DDI, FITZPATRICK17K, DERMAMNIST, FOLDER, CSV)}


def find(dataset: str) -> Source:
    """Raises: DatasetError for an id that is not in SOURCES."""
    if dataset not in SOURCES:
        raise DatasetError(f"there is no data set {dataset!r}; known: {', '.join(SOURCES)}.")
    return SOURCES[dataset]


def read(reading: Reading, *, strict: bool = True) -> Iterator[Record]:
    """The records of one folder, in the order of the publisher's tables.

    strict: whether a picture that no row lists is a mistake, too.

    Raises: DatasetError for an unknown id or part, if the folder does not hold the set or its table holds no row, and,
    unless `reading.keep_going`, for the first bad row; UsageError for an option that the source does not have.
    """
    source = find(reading.dataset)
    if not reading.root.is_dir() and not reading.root.is_file():
        raise DatasetError(f"{reading.root} is not a folder: give the folder that {source.id} was unzipped in.")
    if reading.part != "all" and reading.part not in source.parts:
        known = ", ".join((*source.parts, "all"))
        raise DatasetError(f"{source.id} has no part {reading.part!r}; it has: {known}.")
    # The columns of a CSV are its own: its reader checks them.
    if source is not CSV and (strange := sorted(set(reading.options) - set(source.options))):
        known = ", ".join(source.options) or "none"
        raise UsageError(f"{source.id} has no option {strange[0]!r}; it has: {known}.")
    for record in source.read(reading):
        if reading.admit(record.picture_id):
            yield replace(record, licence=source.licence) if record.licence is None and source.licence else record
    reading.check_rows()
    if strict:
        reading.finish()


def load(dataset: str, root: Path, *, part: str = "all") -> list[Record]:
    """All pictures of a data set that its tables list, sorted by id, so that every run sees one order.

    part: of those that the publisher made; `all` takes every one that is under `root`. A picture that no row lists is
    passed over.

    Raises: DatasetError
    """
    return sorted(read(Reading(dataset, root, part), strict=False), key=lambda record: record.picture_id)
