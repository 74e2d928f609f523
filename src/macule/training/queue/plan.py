"""The queue file, read and checked before anything is trained. Needs no torch."""

from __future__ import annotations

import hashlib
import json
import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from macule.analysis import bundle as bundles
from macule.errors import EnvironmentFault, UsageError
from macule.training import recipe as recipes
from macule.training.queue import expectation
from macule.training.queue.entry import NAME, Entry, File, sentences
from macule.training.recipe import Recipe

REFERENCE = re.compile(rf"\{{({NAME})\}}")
#: In place of a baseline: the entry is compared with nothing.
NOTHING = "none"
#: Words about a recipe, which change nothing in what is trained.
_WORDS = {"name", "summary", "source"}


@dataclass(frozen=True)
class Item:
    """An entry that can be trained. recipe: with its references as they are written; None where runs are combined.

    source: the recipe's name as it is written; changes: what is set in it, for the file and for the entry.
    needs: the entries that must have ended, in the file's order. baseline: None compares with nothing.
    fingerprint: of all that decides what is trained, the entries that it goes on from included.
    datasets: whose pictures are in its calibration part.
    """

    entry: Entry
    recipe: Recipe | None
    needs: tuple[str, ...]
    baseline: str | None
    fingerprint: str
    source: str = ""
    changes: tuple[str, ...] = ()
    datasets: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        return self.entry.name


@dataclass(frozen=True)
class Plan:
    """name: of the queue, its file's without the suffix."""

    name: str
    summary: str
    items: tuple[Item, ...]

    def find(self, name: str) -> Item | None:
        return next((item for item in self.items if item.name == name), None)


def load(path: Path) -> Plan:
    """Raises: UsageError naming the entry and the setting that is wrong; nothing is looked for in the data."""
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise UsageError(f"there is no queue file {path}: give the path of a .toml file.") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{path.name} is not TOML: {error}.") from error
    try:
        file = File.model_validate(table)
    except ValidationError as error:
        raise UsageError(f"{path.name}: {'; '.join(sentences(error, table))}.") from error
    items: dict[str, Item] = {}
    for entry in file.entries:
        if entry.name in items or entry.name == NOTHING:
            raise UsageError(f"{path.name} has two entries {entry.name!r}, or a name that is taken: give each its own.")
        try:
            items[entry.name] = item = _item(entry, file, items, path.parent)
            for written in entry.expect:
                expectation.check(written, item.datasets, item.name)
        except UsageError as error:
            raise UsageError(f"{path.name}, entry {entry.name}: {error}") from error
    _check_baselines(path, items)
    return Plan(path.stem, file.summary, tuple(items.values()))


def resolved(item: Item, runs: Mapping[str, Sequence[Path]], plan: Plan) -> Recipe:
    """The recipe with the runs of earlier entries in place of their names.

    runs: name -> run folders, of the entries that it needs. plan: for the members of ensembles.
    """
    assert item.recipe is not None  # noqa: S101 (combined ones have none)  # nosec B101
    changes: dict[str, Any] = {}
    start, lessons = item.recipe.network.start, item.recipe.distillation
    if start is not None and (found := REFERENCE.fullmatch(start)):
        changes["network.start"] = str(runs[found[1]][0] / "bundle")
    if lessons is not None:
        changes["distillation.teachers"] = [folder for each in lessons.teachers
                                            for folder in _taught_by(each, runs, plan)]
    return item.recipe.changed(changes)


def _taught_by(written: str, runs: Mapping[str, Sequence[Path]], plan: Plan) -> list[str]:
    found = REFERENCE.fullmatch(written)
    return [written] if found is None else [str(runs[name][0]) for name in _networks(found[1], plan)]


def _networks(name: str, plan: Plan) -> list[str]:
    """An ensemble teaches through its members: it is no network of its own."""
    item = plan.find(name)
    if item is None or item.entry.combine != "ensemble":
        return [name]
    return [each for member in item.entry.members for each in _networks(member, plan)]


def _item(entry: Entry, file: File, before: Mapping[str, Item], folder: Path) -> Item:
    baseline = entry.baseline or (file.baseline if file.baseline != entry.name else None)
    baseline = None if baseline == NOTHING else baseline
    if entry.combine:
        _need_earlier((*entry.members, *entry.needs), before)
        _need_one_network(entry.members, before)
        made_of = {"combine": entry.combine, "members": [before[name].fingerprint for name in entry.members]}
        datasets = dict.fromkeys(each for name in entry.members for each in before[name].datasets)
        return Item(entry, None, _in_order((*entry.members, *entry.needs), before), baseline, _digest(made_of),
                    datasets=tuple(datasets))
    recipe, source = _recipe(entry, file, folder)
    named = _references(recipe)
    _need_earlier((*named, *entry.needs), before)
    _need_one_network(named, before)
    if recipe.network.start is not None and (found := REFERENCE.fullmatch(recipe.network.start)) \
            and before[found[1]].entry.combine == "ensemble":
        raise UsageError(f"network.start is {{{found[1]}}}, an ensemble: go on from one of its members.")
    taught = [each for name in named for each in _teachers(name, before)]
    return Item(entry, recipe, _in_order((*named, *taught, *entry.needs), before), baseline,
                _digest(_print(entry, recipe, before)), source, (*file.settings, *entry.settings),
                _used(entry, recipe))


def _used(entry: Entry, recipe: Recipe) -> tuple[str, ...]:
    if strange := [name for name in entry.only or () if name not in recipe.datasets]:
        raise UsageError(f"only names {strange[0]!r}; the recipe's data sets are: {', '.join(recipe.datasets)}.")
    return entry.only or recipe.datasets


def _recipe(entry: Entry, file: File, folder: Path) -> tuple[Recipe, str]:
    name = entry.recipe or file.recipe
    if name is None:
        raise UsageError("it names no recipe, and the file has none for all.")
    beside = folder / name
    chosen = recipes.load(str(beside) if name.endswith(".toml") and beside.is_file() else name)
    return chosen.changed(recipes.settings([*file.settings, *entry.settings]) | {"name": entry.name}), name


def _references(recipe: Recipe) -> list[str]:
    written = [recipe.network.start or "", *(recipe.distillation.teachers if recipe.distillation else ())]
    return [found[1] for each in written if (found := REFERENCE.fullmatch(each))]


def _teachers(name: str, before: Mapping[str, Item]) -> Iterator[str]:
    yield name
    for member in before[name].entry.members:
        yield from _teachers(member, before)


def _need_earlier(names: Sequence[str], before: Mapping[str, Item]) -> None:
    if absent := [name for name in names if name not in before]:
        raise UsageError(f"it needs {absent[0]!r}, which is no entry above it; there are: "
                         f"{', '.join(before) or 'none'}.")


def _need_one_network(names: Sequence[str], before: Mapping[str, Item]) -> None:
    if many := [name for name in names if before[name].entry.folds]:
        raise UsageError(f"{many[0]!r} is cross-validated: its networks have seen every picture between them, so "
                         "nothing can go on from them.")


def _in_order(names: Sequence[str], before: Mapping[str, Item]) -> tuple[str, ...]:
    return tuple(name for name in before if name in names)


def _print(entry: Entry, recipe: Recipe, before: Mapping[str, Item]) -> dict[str, Any]:
    """What is trained. A bundle or an entry that is gone on from counts by what is in it, not by its name."""
    table = recipe.model_dump(mode="json", exclude=_WORDS)
    table["network"]["start"] = _content(table["network"]["start"], before)
    if table["distillation"]:
        table["distillation"]["teachers"] = [_content(each, before) for each in table["distillation"]["teachers"]]
    return {"recipe": table, "folds": entry.folds, "only": entry.only}


def _content(written: str | None, before: Mapping[str, Item]) -> str | None:
    if written is None:
        return None
    if found := REFERENCE.fullmatch(written):
        return before[found[1]].fingerprint
    try:
        return bundles.load(written).sha256
    except EnvironmentFault:  # a run folder; or a bundle that is not there, which its own run will say
        return written


def _digest(table: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(table, sort_keys=True, ensure_ascii=False).encode()).hexdigest()


def _check_baselines(path: Path, items: Mapping[str, Item]) -> None:
    for item in items.values():
        if item.baseline is not None and (item.baseline not in items or item.baseline == item.name):
            raise UsageError(f"{path.name}, entry {item.name}: its baseline is {item.baseline!r}, which is no other "
                             f"entry; there are: {', '.join(name for name in items if name != item.name)}.")
        against = [each for each in item.entry.expect if expectation.parse(each).relative]
        if item.baseline is None and against:
            raise UsageError(f"{path.name}, entry {item.name}: {against[0]!r} needs a baseline: name an entry.")
        for written in against:
            _check_lead(path, written, item, items)


def _check_lead(path: Path, written: str, item: Item, items: Mapping[str, Item]) -> None:
    """A lead is over pictures that both have answered."""
    base = items[str(item.baseline)]
    try:
        expectation.check(written, base.datasets, f"its baseline {base.name}")
    except UsageError as error:
        raise UsageError(f"{path.name}, entry {item.name}: {error}") from error
