"""The pictures of a bundle's own parts; of the locked part those without kin of what was fitted on. Needs no torch."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from macule.analysis.bundle import Bundle
from macule.data import links, membership, sources
from macule.data.links import Links
from macule.data.record import Record
from macule.errors import DatasetError
from macule.evaluation import service

#: Near duplicates, where a benchmark is told of no others.
LINKS = Path("docs/results/pairs.csv")


def records(bundle: Bundle, data: Path, *, part: str, dataset: str = "ham10000", pairs: Path | None = None,
            limit: int | None = None) -> list[Record]:
    """The pictures of one part and data set that have a single class.

    pairs: near duplicates, of `macule data audit`. limit: take about so many, evenly spread.
    Raises: as `of_part`.
    """
    every = sources.load(dataset, data / sources.find(dataset).folder)
    found = [record for record in of_part(bundle, every, part, links.read(pairs)) if len(record.labels) == 1]
    return found[::max(1, len(found) // limit)] if limit else found


def of_part(bundle: Bundle, every: Sequence[Record], part: str, pairs: Links) -> list[Record]:
    """Those that stand in a part; of `test` without kin of what was fitted on, as in every exam.

    Raises: DatasetError if there is none.
    """
    known = membership.load(bundle.folder / membership.FILE)
    found = [record for record in every if known.part_of(record) == part]
    if not found:
        raise DatasetError(f"none of these {len(every)} pictures is in the part {part!r} of bundle {bundle.id}: give "
                           "the bundle's own data.")
    return service.without_kin(bundle, found, pairs=pairs) if part == "test" else found
