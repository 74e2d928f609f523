"""Several runs side by side: what differs between them, and whether they sat the same exam."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from macule.errors import UsageError
from macule.evaluation import runs as folders
from macule.evaluation.runs import Run

#: More lines in one chart cannot be told apart.
MOST = 8
#: Words about a recipe, not settings of it.
WORDS = ("name", "summary", "source")
ABSENT = object()


@dataclass(frozen=True)
class Row:
    """A setting or fact that is not the same in all runs. values: one a run, in words."""

    name: str
    values: tuple[str, ...]


@dataclass(frozen=True)
class Differences:
    """settings: of the recipes, by their dotted names. facts: pictures, split, start, machine and versions."""

    settings: tuple[Row, ...]
    facts: tuple[Row, ...]


def check(count: int) -> None:
    """Raises: UsageError unless so many runs can be compared."""
    if not 2 <= count <= MOST:
        raise UsageError(f"{count} run{'' if count == 1 else 's'} given; from 2 to {MOST} can be compared: name their "
                         "folders.")


def differences(runs: Sequence[Run]) -> Differences:
    return Differences(_rows(runs, _settings), _rows(runs, _facts))


def doubts(runs: Sequence[Run]) -> Iterator[str]:
    """Why the figures of these runs must not be compared without more ado, in sentences."""
    scored = [run for run in runs if run.metrics]
    exams = {tuple(run.metrics[0].get(key) for key in ("dataset", "split", "pictures", "lesions")) for run in scored}
    parted = {(run.manifest, str(sorted(folders.settings(run.split).items()))) for run in scored}
    if len(exams) > 1 or len(parted) > 1:
        yield ("The runs were not scored on the same pictures (data set, split or count differ): their figures cannot "
               "be set against each other.")
    if len({run.marked for run in runs}) > 1:
        yield "Some of the runs are LEAKY: their figures are too good, and say nothing beside the others'."
    if len({run.start.pretrained for run in runs}) > 1:
        yield "Some of the runs began from scratch, some from pretrained weights."


def labels(runs: Sequence[Run]) -> list[str]:
    """What to call each run: its name, else its folder's, else the whole path, whichever tells them apart."""
    ways: tuple[Callable[[Run], str], ...] = (
        lambda run: run.name, lambda run: run.folder.resolve().name, lambda run: str(run.folder))
    named = ([way(run) for run in runs] for way in ways)
    return next((names for names in named if len(set(names)) == len(names)), [str(run.folder) for run in runs])


def written(value: Any) -> str:
    """A setting as a person reads it."""
    if value is ABSENT:
        return "not set"
    if value is None or value in ([], {}, ()):
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:g}"
    return ", ".join(written(each) for each in value) if isinstance(value, list | tuple) else str(value)


def _rows(runs: Sequence[Run], read: Callable[[Run], Mapping[str, Any]]) -> tuple[Row, ...]:
    tables = [read(run) for run in runs]
    names = dict.fromkeys(name for table in tables for name in table)
    rows = (Row(name, tuple(written(table.get(name, ABSENT)) for table in tables)) for name in names)
    return tuple(row for row in rows if len(set(row.values)) > 1)


def _settings(run: Run) -> dict[str, Any]:
    return folders.settings({name: value for name, value in run.recipe.items() if name not in WORDS})


def _facts(run: Run) -> dict[str, Any]:
    return folders.settings({
        "started from": run.start.weights, "pictures": run.pictures, "lesions": run.lesions,
        "manifest": run.manifest and run.manifest[:12], "parted": run.split, "leaky": run.leaky, "seed": run.seed,
        "machine": run.machine, "versions": run.versions,
    })
