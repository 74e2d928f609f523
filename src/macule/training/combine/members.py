"""The runs that are combined, and the pictures that none of them has learnt from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from macule.data import sources
from macule.data.membership import Membership
from macule.data.record import Record
from macule.errors import DatasetError, LeakingSplit, UsageError
from macule.training import heritage, prepare, trained
from macule.training.prepare import EXAM_PARTS, ROLES, Parts
from macule.training.trained import Trained

#: The part that decides, where members or kin disagree: what one has learnt from is seen.
_STRENGTH = {role: strength for strength, role in enumerate(reversed(ROLES))}


@dataclass(frozen=True)
class Member:
    """folder: of the run. split: which picture was in which of its parts. sha256: of its weights."""

    folder: Path
    trained: Trained
    split: Membership
    sha256: str

    def to_dict(self) -> dict[str, Any]:
        """For the record, without the path, which is of this machine."""
        recipe = self.trained.recipe
        return {"run": self.folder.resolve().name, "recipe": recipe.name, "backbone": recipe.network.backbone,
                "seed": recipe.seed, "sha256": self.sha256}


def load(folders: Sequence[Path]) -> list[Member]:
    """Raises: UsageError for fewer than two, or runs that cannot answer together; InputNotFound; LeakingSplit."""
    if len(folders) < 2:
        raise UsageError(f"{len(folders)} run is given; two or more can be combined.")
    found = [Member(folder, trained.load(folder), heritage.split_of(folder), trained.fingerprint(folder))
             for folder in folders]
    for each in found[1:]:
        _check_alike(found[0], each)
    return found


def _check_alike(one: Member, other: Member) -> None:
    for setting in ("serving.size", "serving.arms", "targets"):
        values = [_setting(each, setting) for each in (one, other)]
        if values[0] != values[1]:
            raise UsageError(f"{other.folder.name} has {setting} {values[1]!r} and {one.folder.name} {values[0]!r}: "
                             "runs that are combined must see the same picture and tell the same apart.")


def _setting(member: Member, name: str) -> Any:
    found: Any = member.trained.recipe
    for step in name.split("."):
        found = getattr(found, step)
    return found


def part(members: Sequence[Member], root: Path, work: Path, *, pairs: Path | None, allow_leak: bool) -> Parts:
    """train: what any member was trained on. calibration: what any was calibrated on and none trained on. test: the
    rest of what any kept locked. Kin of a stronger part leave the weaker one, unless allow_leak.

    Raises: LeakingSplit if nothing is left to calibrate or to score on; DatasetError if the training pictures are not
    under `root`.
    """
    ours, exams = _load(members, root)
    known = prepare.linked(members[0].trained.recipe, [*ours, *exams], work, pairs)
    roles = {name: max(given, key=_STRENGTH.__getitem__) for name, given in _given(members).items()}
    used = [record for record in ours if _name(record) in roles]
    _need_all(members, used)
    hashes = heritage.digests(used, {})
    components = heritage.of_records(used, known, hashes).components().tolist()
    strongest: dict[int, str] = {}
    for component, record in zip(components, used, strict=True):
        rivals = (strongest.get(component, "test"), roles[_name(record)])
        strongest[component] = max(rivals, key=_STRENGTH.__getitem__)
    parts: dict[str, list[Record]] = {role: [] for role in (*ROLES, "aside")}
    for component, record in zip(components, used, strict=True):
        role = roles[_name(record)]
        parts[role if allow_leak or strongest[component] == role else "aside"].append(record)
    made = prepare.scoreable(Parts(
        train=parts["train"], calibration=parts["calibration"], test=parts["test"], exams={}, left_out=parts["aside"],
        sha256=hashes, split={"combined": [member.folder.resolve().name for member in members]}, links=known,
    ), members[0].trained.recipe.targets)
    _need_some(made)
    guarded = heritage.guard_against(
        [member.folder for member in members], made, allow_leak=allow_leak, who="the members",
        remedy="Combine runs of one split by patient")
    return replace(guarded, leaky=guarded.leaky or any(member.split.leaky for member in members))


def training(member: Member, parts: Parts) -> list[Record]:
    """What this member itself was trained on."""
    return [record for record in parts.train if member.split.pictures.get(_name(record)) == "train"]


def _load(members: Sequence[Member], root: Path) -> tuple[list[Record], list[Record]]:
    recipes = [member.trained.recipe for member in members]
    datasets = dict.fromkeys([
        *(name for recipe in recipes for name in recipe.datasets),
        # what the bundle that one went on from was trained on, and it was not
        *sorted({name.partition(":")[0] for member in members for name in member.split.pictures}),
    ])
    exams = dict.fromkeys(name for recipe in recipes for name in recipe.exams
                          if (root / sources.find(name).folder).is_dir())
    return ([record for name in datasets for record in sources.load(name, root / sources.find(name).folder)],
            [record for name in exams for record in sources.load(name, root / sources.find(name).folder,
                                                                 part=EXAM_PARTS.get(name, "all"))])


def _given(members: Sequence[Member]) -> Mapping[str, set[str]]:
    found: dict[str, set[str]] = {}
    for member in members:
        for name, role in member.split.pictures.items():
            found.setdefault(name, set()).add(role)
    return found


def _need_all(members: Sequence[Member], used: Sequence[Record]) -> None:
    """Raises: DatasetError if a member was trained on pictures that are not here."""
    here = {_name(record) for record in used}
    for member in members:
        absent = [name for name, role in member.split.pictures.items() if role == "train" and name not in here]
        if absent:
            raise DatasetError(f"{len(absent)} pictures that {member.folder.name} was trained on are not under --data "
                               f"({absent[0]}, ...): give the folder that it was trained from.")


def _need_some(parts: Parts) -> None:
    """Raises: LeakingSplit."""
    for role, purpose in (("calibration", "calibrate"), ("test", "score")):
        if not getattr(parts, role):
            raise LeakingSplit(f"no picture is left to {purpose} on that no member has learnt from: combine runs of "
                               "one split. The folds of a cross-validation, which between them have seen everything, "
                               "cannot be combined.")


def _name(record: Record) -> str:
    return f"{record.dataset}:{record.picture_id}"
