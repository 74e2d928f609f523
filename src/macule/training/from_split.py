"""`macule train --split FILE --manifest FILE`: the parts that a split file says, after the leak guard has seen them."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from macule.data import guard, kinship, links, manifest, sources, splitfile
from macule.data.guard import LeakReport
from macule.data.links import Links
from macule.data.manifest import Manifest
from macule.data.record import Record
from macule.data.splitfile import ROLES, Split
from macule.errors import DatasetError, LeakingSplit, UsageError
from macule.training.prepare import Parts, scoreable
from macule.training.recipe import Recipe


@dataclass(frozen=True)
class Chosen:
    """What was asked for. fold: of a split into folds, the one that is tested. pairs: links that the guard looks at."""

    split: Path
    manifest: Path
    fold: str | None = None
    pairs: Path | None = None
    allow_leak: bool = False

    @property
    def key(self) -> str:
        """Another split or fold is another run, with checkpoints of its own."""
        return hashlib.sha256(self.split.read_bytes() + (self.fold or "").encode()).hexdigest()[:8]


def read(recipe: Recipe, root: Path, chosen: Chosen) -> Parts:
    """Part the recipe's data sets as the split file says; its val part is the calibration part.

    root: the folder that holds the data sets; one that is not there is looked for where the manifest was made.

    Raises: LeakingSplit before any picture is read, unless allow_leak; DatasetError; UsageError.
    """
    if recipe.network.start is not None:
        raise UsageError(f"network.start is {recipe.network.start}, whose own parts are kept, so that nothing that it "
                         "learnt from is scored: leave --split out.")
    whole = manifest.read(chosen.manifest)
    split = splitfile.read(chosen.split, manifest=whole.hash)
    roles = split.roles(chosen.fold)
    _check_roles(chosen.split, roles)
    pairs = links.read(chosen.pairs)
    report, hashes = _inspect(recipe, whole, split, roles, pairs)
    leaky = _enforce(report, split, chosen)
    parts = _records(recipe, whole, root, {name: roles[part] for name, part in split.parts.items()})
    found = Parts(train=parts["train"], calibration=parts["val"], test=parts["test"], exams={}, left_out=[],
                  leaky=leaky, sha256=hashes, split=_provenance(split, chosen, report), links=pairs)
    return scoreable(found, recipe.targets)


def _check_roles(path: Path, roles: Mapping[str, str]) -> None:
    if absent := [role for role in ("train", "val") if role not in roles.values()]:
        raise UsageError(f"{path} has no {' and no '.join(absent)} part: a bundle is trained on train and calibrated "
                         "on val: make a split of three parts, or of three folds or more.")


def _inspect(recipe: Recipe, whole: Manifest, split: Split, roles: Mapping[str, str],
             pairs: Links) -> tuple[LeakReport, dict[str, str]]:
    """What the guard says of the recipe's data sets, and the hashes of their pictures."""
    kin = kinship.of_table(whole.table(kinship.COLUMNS), pairs)
    places: dict[str, list[int]] = {role: [] for role in ROLES}
    for place, name in enumerate(kin.names):
        if name in split.parts and name.partition(":")[0] in recipe.datasets:
            places[roles[split.parts[name]]].append(place)
    hashes = zip(kin.names, kin.keys[kinship.Key.SHA256], strict=True)
    report = guard.check({role: kin.take(found) for role, found in places.items()})
    return report, {name: sha256 for name, sha256 in hashes if sha256 is not None}


def _enforce(report: LeakReport, split: Split, chosen: Chosen) -> bool:
    leaky = guard.enforce(report, allow_leak=chosen.allow_leak,
                          remedy="Make the split with macule data split --by patient")
    if split.made.leaky and not leaky and not chosen.allow_leak:
        raise LeakingSplit(f"{chosen.split} says that it leaks, by the links or the data sets that it was made with: "
                           f"make it anew, or mark every figure {guard.MARK} with --allow-leak.")
    return leaky or split.made.leaky


def _records(recipe: Recipe, whole: Manifest, root: Path, roles: Mapping[str, str]) -> dict[str, list[Record]]:
    """The records of each role, in the recipe's order of data sets and by picture, as without a split file."""
    folders = {name: root / sources.find(name).folder for name in recipe.datasets}
    found: dict[str, list[Record]] = {role: [] for role in ROLES}
    for record in whole.records(roots={name: folder for name, folder in folders.items() if folder.is_dir()}):
        role = roles.get(f"{record.dataset}:{record.picture_id}")
        if record.dataset in recipe.datasets and role is not None:
            found[role].append(_usable(record))
    if absent := set(recipe.datasets) - {record.dataset for records in found.values() for record in records}:
        raise DatasetError(f"recipe {recipe.name} trains on {', '.join(sorted(absent))}, of which {whole.path} has no "
                           "row in a part: merge its manifest in, or correct the recipe.")
    for records in found.values():
        records.sort(key=lambda record: (recipe.datasets.index(record.dataset), record.picture_id))
    return found


def _usable(record: Record) -> Record:
    if record.picture is None:
        raise DatasetError(f"{record.dataset} {record.picture_id} has no picture here: get the pictures of the set.")
    return record


def _provenance(split: Split, chosen: Chosen, report: LeakReport) -> dict[str, Any]:
    return asdict(split.made) | {"manifest": split.manifest, "fold": chosen.fold, "leaks": report.to_dict()["parts"]}
