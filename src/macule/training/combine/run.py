"""`macule combine`: run folders -> one bundle, fitted on what no member has learnt from, scored and recorded."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

from torch import nn

from macule.errors import UsageError
from macule.training import build, bundling, record, trained
from macule.training.combine import members as runs
from macule.training.combine import soup
from macule.training.combine.ensemble import Ensemble
from macule.training.combine.members import Member
from macule.training.networks import LesionNet, Start
from macule.training.prepare import Parts
from macule.training.recipe import Recipe

How = Literal["ensemble", "average"]
HOW = ("ensemble", "average")


def combine(folders: Sequence[Path], root: Path, work: Path, *, how: How = "ensemble", name: str | None = None,
            out: Path | None = None, pairs: Path | None = None, allow_leak: bool = False,
            log: Callable[[str], None] = print) -> Path:
    """Several runs as one bundle.

    folders: of runs that have ended. root: the folder that holds their data sets. work: caches and the new run's
    folder. name: of the bundle; the first run's and `how` by default. out: the bundle's folder; None is the run's.
    Returns: the new run's folder, with the record of what was combined.
    Raises: UsageError, InputNotFound, LeakingSplit or DatasetError before any work; ExportMismatch; TooFewPictures.
    """
    build.limit_threads()
    members = runs.load(folders)
    recipe = _recipe(members, how, name)
    parts = runs.part(members, root, work, pairs=pairs, allow_leak=allow_leak)
    log = build.marking(log, parts)
    log(build.summary(parts))
    spoken, start, kept = _made(how, members, recipe, parts, work)
    made_of = {"how": how, "members": [member.to_dict() for member in members]}
    folder = work / f"{recipe.name}-{_key(members, how)}"
    facts = _facts(recipe, start, parts, made_of)
    bundle = out or folder / "bundle"
    with build.recorded(folder, facts, main=True):
        if kept is not None:
            trained.save(folder, kept, recipe)
        bundling.write_spoken(spoken, start, recipe, parts, bundle, predictions=folder, made_of=made_of, log=log)
        build.keep_score(recipe, parts, folder, bundle, log)
    return folder


def _recipe(members: Sequence[Member], how: How, name: str | None) -> Recipe:
    """The first member's, for what is served, under the new name."""
    if how not in HOW:
        raise UsageError(f"--how is {how!r}; one of {', '.join(HOW)} is needed.")
    first = members[0].trained.recipe
    datasets = dict.fromkeys(name for member in members for name in member.trained.recipe.datasets)
    return first.changed({"name": name or f"{first.name}-{how}", "datasets": list(datasets),
                          "summary": f"{how} of {len(members)} runs"})


def _made(how: How, members: Sequence[Member], recipe: Recipe, parts: Parts,
          work: Path) -> tuple[nn.Module, Start, LesionNet | None]:
    """What is exported, what it expects of pictures, and the one network that it is, if it is one."""
    if how == "average":
        data, _ = build.sets(recipe, parts, work)
        mean = soup.average([member.trained for member in members], data)
        return bundling.spoken_for(mean, recipe, parts.train), mean.start, mean
    spoken = [bundling.spoken_for(member.trained.network, member.trained.recipe, runs.training(member, parts))
              for member in members]
    whole = Ensemble(spoken, [member.trained.network.start for member in members])
    return whole, whole.start, None


def _facts(recipe: Recipe, start: Start, parts: Parts, made_of: dict[str, Any]) -> record.Facts:
    warnings = [f"{len(parts.left_out)} pictures are kin of what a member has learnt from and are left out"
                ] if parts.left_out else []
    facts = build.facts(recipe, start, parts, warnings)
    shown = {**facts.recipe, "combination": made_of}
    return replace(facts, recipe=shown, recipe_sha256=record.digest(shown))


def _key(members: Sequence[Member], how: How) -> str:
    return hashlib.sha256(repr((how, [member.sha256 for member in members])).encode()).hexdigest()[:8]
