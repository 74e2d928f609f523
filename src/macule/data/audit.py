"""The audit: which pictures of one or many data sets show one photograph or lesion, and what that does to a split."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from macule.data import duplicates, kinship
from macule.data.atomic import writing
from macule.data.duplicates import Pair
from macule.data.duplicates.pairs import Progress
from macule.data.engine import Engine
from macule.data.guard import LeakReport
from macule.data.kinship import Kin, Kind
from macule.data.manifest import Manifest
from macule.data.manifest.row import Row
from macule.spreadsheet import harmless

COLUMNS = ("first_dataset", "first_picture", "first_group", "second_dataset", "second_picture", "second_group", "kind",
           "inliers", "correlation", "rotation", "scale", "mirrored")


@dataclass(frozen=True)
class Twins:
    """Two rows that show one photograph or lesion. known: whether the publishers' ids say so already."""

    first: Row
    second: Row
    found: Pair
    known: bool = False

    @property
    def sets(self) -> tuple[str, str]:
        one, other = sorted((self.first.dataset, self.second.dataset))
        return one, other

    def cells(self) -> tuple[object, ...]:
        """In the order of COLUMNS."""
        places = [(row.dataset, row.picture_id, row.group) for row in (self.first, self.second)]
        how = self.found.agreement
        figures = ("", "", "", "", "") if how is None else (
            how.inliers, f"{how.correlation:.3f}", f"{how.rotation:.1f}", f"{how.scale:.3f}", str(how.mirrored).lower())
        return (*places[0], *places[1], self.found.kind, *figures)


@dataclass(frozen=True)
class Audit:
    """manifest: its hash. pictures: those that were compared, by data set. candidates: pairs that were looked at.

    twins: pairs in the order of the manifest. shared: (set, set) -> kind -> pictures of the first set that stand in the
    second by their ids or bytes. unreadable: `dataset:id` -> reason. splits: name of a split -> what leaks in it.
    """

    manifest: str
    pictures: Mapping[str, int]
    candidates: int
    twins: Sequence[Twins]
    shared: Mapping[tuple[str, str], Mapping[Kind, int]]
    unreadable: Mapping[str, str]
    splits: Mapping[str, LeakReport] = field(default_factory=dict)

    def between(self) -> dict[tuple[str, str], list[Twins]]:
        """Pairs that no table tells, by the sets that they join; the weakest first."""
        found: dict[tuple[str, str], list[Twins]] = {}
        for twins in self.twins:
            if not twins.known:
                found.setdefault(twins.sets, []).append(twins)
        return {sets: sorted(pairs, key=strength) for sets, pairs in sorted(found.items())}

    def to_dict(self) -> dict[str, Any]:
        return {
            "manifest": self.manifest,
            "pictures": dict(self.pictures),
            "candidates": self.candidates,
            "pairs": len(self.twins),
            "exact": sum(twins.found.kind == "exact" for twins in self.twins),
            "known_from_tables": sum(twins.known for twins in self.twins),
            "between": [asdict(summary(sets, pairs)) for sets, pairs in self.between().items()],
            "shared_ids": [{"first": one, "second": other, **{kind.value: n for kind, n in kinds.items()}}
                           for (one, other), kinds in self.shared.items()],
            "unreadable": dict(self.unreadable),
            "splits": {name: report.to_dict() for name, report in self.splits.items()},
        }


@dataclass(frozen=True)
class Summary:
    """Pairs between two sets (or within one) that no table tells.

    first_lesions, second_lesions: lesions of each that stand in a pair. agreeing, comparable: pairs whose diagnoses are
    equal, of those whose diagnoses are single and in both sets' words. Nothing in the search looks at the diagnosis, so
    its agreement is a check from outside.
    """

    first: str
    second: str
    pairs: int
    exact: int
    mirrored: int
    first_lesions: int
    second_lesions: int
    agreeing: int
    comparable: int


def summary(sets: tuple[str, str], pairs: Sequence[Twins]) -> Summary:
    lesions = [{row.group for twins in pairs for row in (twins.first, twins.second) if row.dataset == name}
               for name in sets]
    both = [twins for twins in pairs if twins.first.dx and twins.second.dx]
    return Summary(
        *sets, len(pairs),
        exact=sum(twins.found.kind == "exact" for twins in pairs),
        mirrored=sum(bool(twins.found.agreement and twins.found.agreement.mirrored) for twins in pairs),
        first_lesions=len(lesions[0]), second_lesions=len(lesions[1]),
        agreeing=sum(twins.first.dx == twins.second.dx for twins in both), comparable=len(both),
    )


def strength(twins: Twins) -> tuple[float, int]:
    """Weakest first; equal files last."""
    how = twins.found.agreement
    return (2.0, 0) if how is None else (how.correlation, how.inliers)


def audit(*, manifest: Manifest, work: Path, engine: Engine, threads: int | None = None,
          progress: Progress = lambda _title, _count: lambda: None) -> Audit:
    """Search every picture of a manifest for twins. `work` keeps features, so that a stopped audit goes on.

    Raises: MissingExtra without faiss.
    """
    rows = [row for row in manifest.each() if row.reason is None]
    here = [row for row in rows if row.picture is not None and row.dataset in manifest.roots]
    paths = [manifest.roots[row.dataset] / row.picture for row in here if row.picture is not None]
    same = duplicates.exact([row.sha256 for row in here])
    # Of equal files the first stands for all: its near duplicates are theirs by the exact pairs.
    copies = {pair.second for pair in same}
    single = [place for place in range(len(here)) if place not in copies]
    found = duplicates.search([paths[place] for place in single], work, engine=engine, threads=threads,
                              progress=progress)
    near = [Pair(single[pair.first], single[pair.second], pair.agreement) for pair in found.pairs]
    pairs = sorted([*same, *near], key=lambda pair: (pair.first, pair.second))
    lesion = _kin(here).components({Kind.LESION, Kind.LINK})
    return Audit(
        manifest=manifest.hash,
        pictures=Counter(row.dataset for row in here),
        candidates=found.candidates,
        twins=[Twins(here[pair.first], here[pair.second], pair, bool(lesion[pair.first] == lesion[pair.second]))
               for pair in pairs],
        shared=shared(rows),
        unreadable={f"{here[single[place]].dataset}:{here[single[place]].picture_id}": why
                    for place, why in found.unreadable.items()},
    )


def shared(rows: Sequence[Row]) -> dict[tuple[str, str], dict[Kind, int]]:
    """Pictures of one set that stand in another by their archive id, bytes, lesion or patient."""
    sets = sorted({row.dataset for row in rows})
    kin = _kin(rows)
    found: dict[tuple[str, str], dict[Kind, int]] = {}
    for kind in (Kind.PICTURE, Kind.LESION, Kind.PATIENT):
        members: dict[int, set[str]] = {}
        component = kin.components({kind}).tolist()
        for place, row in zip(component, rows, strict=True):
            members.setdefault(place, set()).add(row.dataset)
        for place, row in zip(component, rows, strict=True):
            for other in members[place] - {row.dataset}:
                counts = found.setdefault((row.dataset, other), {})
                counts[kind] = counts.get(kind, 0) + 1
    return {sets: found[sets] for sets in sorted(found)} if len(sets) > 1 else {}


def _kin(rows: Sequence[Row]) -> Kin:
    return kinship.of(kinship.About(row.dataset, row.picture_id, row.group or "", row.lesion_id, row.patient_id,
                                    row.sha256) for row in rows)


def write_pairs(path: Path, twins: Sequence[Twins]) -> None:
    """The pairs as `links.read` takes them, for splits and the guard."""
    with writing(path) as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(COLUMNS)
        for each in twins:
            # The ids only: a negative figure is a number, not a formula.
            cells = each.cells()
            writer.writerow((*(harmless(str(cell)) for cell in cells[:6]), *cells[6:]))
