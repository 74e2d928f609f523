"""`macule data split`: a manifest and a scheme -> a split, and what the leak guard says to it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from macule.data import guard, kinship, schemes
from macule.data.guard import LeakReport
from macule.data.kinship import Kin
from macule.data.links import NONE, Links
from macule.data.manifest import Manifest
from macule.data.schemes import By, Rows, Scheme
from macule.data.splitfile import Made, Split
from macule.errors import DatasetError

_COLUMNS = (*kinship.COLUMNS, "centre", "part", "reason")


@dataclass(frozen=True)
class Parted:
    """counts: part -> class -> pictures. set_aside: rows that the manifest gives a reason against.

    unplaced: rows of kin who stand in several centres, outside the commonest of them.
    """

    split: Split
    report: LeakReport
    counts: Mapping[str, Mapping[str, int]]
    set_aside: int
    unplaced: int

    def to_dict(self) -> dict[str, Any]:
        made = self.split.made
        return {
            "manifest": self.split.manifest, "scheme": made.scheme, "by": made.by, "seed": made.seed,
            "shares": dict(made.shares), "links_sha256": made.links_sha256, "leaky": made.leaky,
            "pictures": {part: sum(found.values()) for part, found in self.counts.items()},
            "classes": {part: dict(found) for part, found in self.counts.items()},
            "set_aside": self.set_aside, "unplaced": self.unplaced, "leaks": self.report.to_dict()["parts"],
        }


def part(manifest: Manifest, scheme: Scheme, *, by: By = By.PATIENT, seed: int = 0, links: Links = NONE) -> Parted:
    """Part a manifest's rows, those with a reason left out.

    Raises: DatasetError if no row is left, rows lack what the scheme needs, or the links are of other pictures.
    """
    table = manifest.table(_COLUMNS)
    _check_links(links, table, manifest)
    table = _kept(table)
    kin = kinship.of_table(table, links)
    if not len(kin):
        raise DatasetError(f"{manifest.path} has no row without a reason: there is nothing to split.")
    rows = Rows(kin, table.column("centre").to_pylist(), table.column("part").to_pylist())
    del table
    homes = schemes.assign(rows, scheme, by=by, seed=seed)
    parts = {name: home for name, home in zip(kin.names, homes, strict=True) if home is not None}
    made = Made(scheme.text, by.value, seed, scheme.shares, links.sha256)
    report = check(Split(manifest.hash, made, parts), kin)
    split = Split(manifest.hash, Made(scheme.text, by.value, seed, scheme.shares, links.sha256, report.leaky), parts)
    counts = Counter(zip(homes, kin.labels, strict=True))
    return Parted(
        split, report,
        {name: dict(sorted((label, n) for (home, label), n in counts.items() if home == name)) for name in split.names},
        set_aside=manifest.rows - len(kin), unplaced=homes.count(None),
    )


def check(split: Split, kin: Kin) -> LeakReport:
    """What the parts of a split share. kin: pictures, of which those that stand in no part are passed over."""
    places: dict[str, list[int]] = {name: [] for name in split.names}
    for place, name in enumerate(kin.names):
        if name in split.parts:
            places[split.parts[name]].append(place)
    return guard.check({name: kin.take(found) for name, found in places.items()}, rotating=split.rotating)


def _check_links(links: Links, table: Any, manifest: Manifest) -> None:
    """Raises: DatasetError if there are pairs and none names a picture or group, set aside or not."""
    if not links.pairs:
        return
    rows = zip(*(table.column(name).to_pylist() for name in ("dataset", "picture_id", "group")), strict=True)
    if not links.concerns({name for dataset, picture, group in rows for name in (f"{dataset}:{picture}", group)}):
        raise DatasetError(f"none of the {links.pairs} pairs of {links.path} names a picture of {manifest.path}: give "
                           "the links of the same data sets.")


def _kept(table: Any) -> Any:
    import pyarrow.compute as pc

    return table.filter(pc.is_null(table.column("reason")))


def classes(counts: Mapping[str, Mapping[str, int]]) -> Sequence[str]:
    """Every class that occurs, the commonest first."""
    total: Counter[str] = Counter()
    for found in counts.values():
        total.update(found)
    return [label for label, _ in total.most_common()]
