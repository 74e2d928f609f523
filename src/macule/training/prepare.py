"""From data folders to the parts that a run trains on, calibrates on and is scored on; no lesion is in two of them."""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from rich.progress import Progress

from macule.analysis import bundle as bundles
from macule.data import duplicates, guard, kinship, links, schemes, sources
from macule.data.engine import Local
from macule.data.guard import LeakReport
from macule.data.links import NONE, Links
from macule.data.record import Record
from macule.data.schemes import By, Rows, Scheme
from macule.errors import DatasetError, UsageError
from macule.training import inherited, labels
from macule.training.recipe import Recipe, Split, Targets

#: What is scored on of each exam; sets that are not parted by their publisher are exams whole.
EXAM_PARTS = {"isic2018": "val", "isic2017": "test"}
#: Its duplicate, IL_6755192, stands in the part of MILK10k that is kept for exams, so it is not trained on.
KEPT_OUT = frozenset({"milk10k:IL_9247349"})
ROLES = ("train", "calibration", "test")


@dataclass(frozen=True)
class Fold:
    """Fold `number` of `count` is tested, the next one calibrates, the others train."""

    number: int
    count: int

    def role(self, part: str) -> str:
        place = int(part.removeprefix("fold"))
        return {self.number: "test", (self.number + 1) % self.count: "calibration"}.get(place, "train")


@dataclass(frozen=True)
class Parts:
    """train, calibration, test: of the recipe's data sets. exams: id -> records. left_out: in an exam too.

    leaky: whether they share kin. sha256: `dataset:id` -> hash of the picture's bytes, where a manifest says.
    split: how a split file parted them, for the bundle's provenance; empty for the recipe's own split.
    absent: exams that are not under the root, so that what stands in them could not be left out.
    report: what the leak guard says of the recipe's own split. links: pictures that show one photograph.
    vague: pictures outside the training part that have no single diagnosis, so that no figure can be taken over them.
    """

    train: list[Record]
    calibration: list[Record]
    test: list[Record]
    exams: dict[str, list[Record]]
    left_out: list[Record]
    leaky: bool = False
    sha256: Mapping[str, str] = field(default_factory=dict)
    split: Mapping[str, Any] = field(default_factory=dict)
    vague: int = 0
    report: LeakReport | None = None
    absent: tuple[str, ...] = ()
    links: Links = NONE


def read(recipe: Recipe, root: Path, work: Path, *, pairs: Path | None = None, fold: Fold | None = None) -> Parts:
    """Read every set under `root` and part them.

    pairs: links of `macule data audit`; without it near duplicates are searched once and kept in `work`.
    fold: of a k-fold cross-validation, in place of the recipe's shares.

    Raises: DatasetError; UsageError for more folds than can be made.
    """
    ours = [record for name in recipe.datasets for record in _load(name, root, "all")]
    at_hand = [name for name in recipe.exams if (root / sources.find(name).folder).is_dir()]
    exams = {name: _load(name, root, EXAM_PARTS.get(name, "all")) for name in at_hand}
    if without := [record for record in ours if record.picture is None]:
        raise DatasetError(f"{without[0].dataset} {without[0].picture_id} has no picture here: get the pictures of the "
                           "set (macule data fetch).")
    everything = [*ours, *(record for records in exams.values() for record in records)]
    known = linked(recipe, everything, work, pairs)
    examined = _examined(ours, exams, known)
    usable = _kept(recipe.split, [record for record, seen in zip(ours, examined, strict=True) if not seen], known)
    roles = _roles(recipe.split, usable, known, fold)
    if recipe.network.start is not None:
        roles = inherited.roles(recipe.network.start, usable, known, roles, fold=fold is not None)
    parts = {role: [record for record, its in zip(usable, roles, strict=True) if its == role] for role in ROLES}
    report = guard.check({role: kinship.of_records(records, known) for role, records in parts.items()})
    return scoreable(Parts(
        train=parts["train"], calibration=parts["calibration"], test=parts["test"], exams=exams,
        left_out=[record for record, seen in zip(ours, examined, strict=True) if seen],
        absent=tuple(name for name in recipe.exams if name not in exams), leaky=report.leaky, report=report,
        split=_described(recipe, fold, known), links=known,
    ), recipe.targets)


def narrowed(parts: Parts, names: Sequence[str]) -> Parts:
    """The pictures of some data sets alone, each still in its part: what was apart before stays apart."""
    kept = {role: [record for record in getattr(parts, role) if record.dataset in names] for role in ROLES}
    return replace(parts, train=kept["train"], calibration=kept["calibration"], test=kept["test"])


def scoreable(parts: Parts, targets: Targets) -> Parts:
    """Without the pictures outside the training part whose label does not say which class of `targets` they are."""
    kept = {role: [record for record in getattr(parts, role) if clear(record, targets)] for role in ROLES[1:]}
    vague = sum(len(getattr(parts, role)) - len(records) for role, records in kept.items())
    return replace(parts, calibration=kept["calibration"], test=kept["test"], vague=vague)


def clear(record: Record, targets: Targets) -> bool:
    """Whether its label says which class of `targets` it is."""
    return int(labels.rows([record], targets).sum()) == 1


def _load(name: str, root: Path, part: str) -> list[Record]:
    return sources.load(name, root / sources.find(name).folder, part=part)


def _roles(split: Split, records: Sequence[Record], known: Links, fold: Fold | None) -> list[str]:
    """The role of each record, by the same rules as `macule data split`."""
    rows = _rows(records, known)
    if fold is not None:
        if not 3 <= fold.count <= 100 or not 0 <= fold.number < fold.count:
            raise UsageError(f"fold {fold.number} of {fold.count} is asked for; 3 to 100 folds, counted from 0, can be "
                             "made: one tests, one calibrates, the others train.")
        scheme = schemes.parse(f"kfold:{fold.count}")
        return [fold.role(str(part)) for part in schemes.assign(rows, scheme, by=By(split.by), seed=split.seed)]
    shares = {role: getattr(split, role) for role in ROLES}
    assigned = schemes.assign(rows, Scheme("recipe", shares), by=By(split.by), seed=split.seed)
    return [str(part) for part in assigned]


def _kept(split: Split, records: Sequence[Record], known: Links) -> list[Record]:
    """A share of the lesions; whole components, so that no other setting of the split changes which."""
    if split.keep == 1:
        return list(records)
    scheme = Scheme("share", {"kept": split.keep, "aside": 1 - split.keep})
    return [record for record, part in zip(records, schemes.assign(_rows(records, known), scheme, seed=split.seed),
                                           strict=True) if part == "kept"]


def _rows(records: Sequence[Record], known: Links) -> Rows:
    return Rows(kinship.of_records(records, known), [r.centre for r in records], [r.part for r in records])


def _described(recipe: Recipe, fold: Fold | None, known: Links) -> dict[str, Any]:
    split = recipe.split
    shown: dict[str, Any] = {"by": split.by, "seed": split.seed, "keep": split.keep, "links": known.pairs,
                             "links_sha256": known.sha256}
    if recipe.network.start is not None:
        shown["inherited_from"] = bundles.load(recipe.network.start).sha256
    return shown | ({"fold": f"{fold.number} of {fold.count}"} if fold else
                    {"shares": {role: getattr(split, role) for role in ROLES}})


def _examined(ours: Sequence[Record], exams: Mapping[str, Sequence[Record]], known: Links) -> list[bool]:
    """Which of our pictures stand in an exam, or are kin of one that does."""
    outside = [record for records in exams.values() for record in records]
    components = kinship.of_records([*ours, *outside], known).components()
    banned = set(components[len(ours):].tolist())
    banned |= {component for component, record in zip(components.tolist(), ours, strict=False)
               if record.group in KEPT_OUT}
    return [component in banned for component in components[: len(ours)].tolist()]


def linked(recipe: Recipe, records: Sequence[Record], work: Path, pairs: Path | None) -> Links:
    """Pictures that show one photograph or look one lesion: of `pairs`, else searched once and kept in `work`."""
    if pairs is not None or not recipe.split.search:
        return links.read(pairs)
    path = work / f"links-{_key(records)}.csv"
    if not path.exists():
        work.mkdir(parents=True, exist_ok=True)
        partial = path.with_suffix(".partial")
        with partial.open("w", encoding="utf-8", newline="") as stream:
            csv.writer(stream).writerows([links.COLUMNS, *_search(records, work / "features")])
        partial.replace(path)
    return links.read(path)


def _key(records: Sequence[Record]) -> str:
    """Other pictures are another search: kept links of fewer sets would hide a leak."""
    pictures = sorted((record.dataset, record.picture_id) for record in records)
    return hashlib.sha256(repr((duplicates.VERSION, pictures)).encode()).hexdigest()[:16]


def _search(records: Sequence[Record], work: Path) -> list[tuple[str, ...]]:
    seen = [record for record in records if record.picture is not None]
    paths = [record.picture for record in seen if record.picture is not None]
    with Progress() as bars:
        def start(title: str, count: int) -> Callable[[], None]:
            task = bars.add_task(title, total=count)
            return lambda: bars.advance(task)

        found = duplicates.search(paths, work, engine=Local(), progress=start)
    return sorted((*_end(seen[pair.first]), *_end(seen[pair.second])) for pair in found.pairs)


def _end(record: Record) -> tuple[str, str, str]:
    return record.dataset, record.picture_id, record.group


def lesions(records: Sequence[Record]) -> int:
    return len({record.group for record in records})


def overlap(one: Iterable[Record], other: Iterable[Record]) -> set[str]:
    """Groups that stand in both."""
    return {record.group for record in one} & {record.group for record in other}
