"""From data folders to the parts that a run trains on, calibrates on and is scored on; no lesion is in two of them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.progress import Progress

from macule.data import duplicates, kinship, sources, splits
from macule.data.engine import Local
from macule.data.record import Record
from macule.training.recipe import Recipe

#: Share of the lesions (components) of each part. `test` is locked: nothing is fitted or chosen on it.
SHARES = {"train": 0.78, "calibration": 0.10, "test": 0.12}
SPLIT_SEED = 20261121
#: Sets that are only ever scored on. A lesion that also stands in one of them is not trained on.
EXAM_PARTS = {"isic2018": "val", "isic2017": "test"}
#: Its duplicate, IL_6755192, stands in the part of MILK10k that is kept for exams, so it is not trained on.
KEPT_OUT = frozenset({"milk10k:IL_9247349"})


@dataclass(frozen=True)
class Parts:
    """train, calibration, test: of the recipe's data sets. exams: id -> records. left_out: in an exam too.

    leaky: whether they share kin. sha256: `dataset:id` -> hash of the picture's bytes, where a manifest says.
    split: how a split file parted them, for the bundle's provenance; empty for the recipe's own split.
    """

    train: list[Record]
    calibration: list[Record]
    test: list[Record]
    exams: dict[str, list[Record]]
    left_out: list[Record]
    leaky: bool = False
    sha256: Mapping[str, str] = field(default_factory=dict)
    split: Mapping[str, Any] = field(default_factory=dict)


def read(recipe: Recipe, root: Path, work: Path) -> Parts:
    """Read every set under `root` and part them. Links are searched once and kept in `work`."""
    by_set = {name: sources.load(name, root / sources.find(name).folder, part=EXAM_PARTS.get(name, "all"))
              for name in (*recipe.datasets, *EXAM_PARTS)}
    component = splits.components(
        sorted({record.group for records in by_set.values() for record in records}),
        _links(by_set, work),
    )
    examined = {component[group] for group in KEPT_OUT if group in component}
    examined |= {component[record.group] for name in EXAM_PARTS for record in by_set[name]}
    ours = [record for name in recipe.datasets for record in by_set[name]]
    usable = [record for record in ours if component[record.group] not in examined]
    parts = splits.split(usable, component, shares=SHARES, seed=SPLIT_SEED)
    return Parts(
        train=parts["train"],
        calibration=parts["calibration"],
        test=parts["test"],
        exams={name: by_set[name] for name in EXAM_PARTS},
        left_out=[record for record in ours if component[record.group] in examined],
    )


def _links(by_set: dict[str, list[Record]], work: Path) -> list[tuple[str, str]]:
    """Lesions that show one photograph or look one lesion, as pairs of groups."""
    path = work / f"links-{_key(by_set)}.json"
    if not path.exists():
        work.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(sorted(_search(by_set, work / "features")), indent=0), encoding="utf-8")
    return [(one, other) for one, other in json.loads(path.read_text(encoding="utf-8"))]


def _key(by_set: dict[str, list[Record]]) -> str:
    """Other pictures are another search: kept links of fewer sets would hide a leak."""
    pictures = sorted((name, record.picture_id) for name, records in by_set.items() for record in records)
    return hashlib.sha256(repr((duplicates.VERSION, pictures)).encode()).hexdigest()[:16]


def _search(by_set: dict[str, list[Record]], work: Path) -> set[tuple[str, str]]:
    records = [record for records in by_set.values() for record in records if record.picture is not None]
    paths = [record.picture for record in records if record.picture is not None]
    with Progress() as bars:
        def start(title: str, count: int) -> Callable[[], None]:
            task = bars.add_task(title, total=count)
            return lambda: bars.advance(task)

        found = duplicates.search(paths, work, engine=Local(), progress=start)
    pairs = [(records[pair.first].group, records[pair.second].group) for pair in found.pairs]
    return {(min(pair), max(pair)) for pair in [*pairs, *_same_id(records)] if len(set(pair)) == 2}


def _same_id(records: Iterable[Record]) -> Iterator[tuple[str, str]]:
    """The ISIC archive gives a lesion one id in all of its data sets."""
    first: dict[str, str] = {}
    for record in records:
        if record.lesion_id and kinship.ARCHIVE_LESION.fullmatch(record.lesion_id):
            yield first.setdefault(record.lesion_id, record.group), record.group


def lesions(records: Sequence[Record]) -> int:
    return len({record.group for record in records})


def overlap(one: Iterable[Record], other: Iterable[Record]) -> set[str]:
    """Groups that stand in both."""
    return {record.group for record in one} & {record.group for record in other}
