"""The five source systems as recipes, each trained twice on the same pictures: without the leak, and with it.

    python benchmarks/source_systems.py --data ../shared/data    # writes docs/results/source-systems.md

One run after the other; stopped at any time, the same command goes on, and what is finished is not repeated. `--plan`
says what would run, `--only NAME` runs one row, `--full` takes the recipes' own schedules and all of HAM10000.
Needs the training extra.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import source_figures as figures
import source_page

from macule.data import guard
from macule.errors import MaculeError
from macule.evaluation import runs
from macule.training import build, labels, recipe, sampling, schedule
from macule.training.build import Source
from macule.training.prepare import Parts
from macule.training.recipe import Recipe

Log = Callable[[str], None]
SPLITS = {"leak-free": "patient", "leaky": "picture"}
#: For a machine of two cores: a subset, and a large locked part of it, since a difference of two scores is wanted.
SHORT = {"split.keep": 0.4, "split.train": 0.6, "split.calibration": 0.1, "split.test": 0.3, "serving.views": 1}
#: The one backbone whose ImageNet weights come as a package; in place of the recipe's, all else its own.
PACKAGED: dict[str, Any] = {"network.backbone": "lite0", "network.pretrained": "require", "network.cut": None,
                            "network.options": {}}


@dataclass(frozen=True)
class Short:
    """A shortened schedule. epochs: of each phase of the recipe. settings: others that are changed, and why."""

    size: int
    epochs: tuple[float, ...]
    settings: Mapping[str, Any] = field(default_factory=dict)
    why: str = ""

    def of(self, made: Recipe) -> dict[str, Any]:
        found: dict[str, Any] = {"serving.size": self.size}
        for number, (_, epochs) in enumerate(zip(made.phases, self.epochs, strict=True)):
            phase = {"size": self.size, "epochs": epochs, "samples": 0}
            found |= {f"phases.{number}.{name}": value for name, value in phase.items()}
        return {**SHORT, **found, **self.settings}


@dataclass(frozen=True)
class Row:
    """One line of the table. own: the shortened schedule of the recipe's network; packaged: of lite0 in its place."""

    system: str
    recipe: str
    own: Short
    packaged: Short


#: 2,000 of 7,000 training pictures a class, as the recipe says, are 700 of 2,400.
_FEWER = {"sampling.target": 700}
_FAR = "1e-5 is meant for ten times the steps: at that rate a run of some hundred steps could not move"
_SCRATCH = Short(64, (2,), {"phases.0.learning_rate": 1e-3}, "1e-4 is meant for pretrained weights")
ROWS = (
    Row("A", "resnet50-metadata", own=_SCRATCH, packaged=Short(96, (5,))),
    Row("B", "resnet50-cut-vgg",
        own=Short(64, (2,), {"phases.0.learning_rate": 1e-3, "engine.batch": 32}, _FAR),
        packaged=Short(96, (5,), {"phases.0.learning_rate": 3e-4, "engine.batch": 32}, _FAR)),
    Row("C", "efficientnetb3-two-phase",
        own=Short(64, (0.25, 0.75), {**_FEWER, "phases.1.learning_rate": 1e-3},
                  f"the target is of the same share of the pictures; {_FAR}"),
        packaged=Short(96, (1, 2.5), {**_FEWER, "phases.1.learning_rate": 1e-4},
                       f"the target is of the same share of the pictures; {_FAR}")),
    Row("D", "clinical-resnet50", own=Short(64, (2,)), packaged=Short(96, (5,))),
    Row("E", "densenet121", own=_SCRATCH, packaged=Short(96, (5,))),
)


@dataclass(frozen=True)
class Run:
    """A recipe to train. name: of the row; start: its own network or `lite0`; split: of SPLITS."""

    row: Row
    start: str
    split: str
    described: Recipe
    recipe: Recipe
    changes: Mapping[str, Any]
    why: str

    @property
    def name(self) -> str:
        return self.recipe.name


def plan(*, full: bool) -> list[Run]:
    """The rows that show the leak first: a queue that is cut short should have them."""
    return [_run(row, start, split, full) for start in ("lite0", "own") for row in ROWS for split in SPLITS]


def _run(row: Row, start: str, split: str, full: bool) -> Run:
    described = recipe.load(row.recipe)
    short = row.packaged if start == "lite0" else row.own
    changes = (PACKAGED if start == "lite0" else {}) | ({} if full else short.of(described))
    named = {"name": ".".join([row.recipe, start, split]), "split.by": SPLITS[split]}
    return Run(row, start, split, described, described.changed({**changes, **named}), changes,
               "" if full else short.why)


def finished(run: Run, work: Path) -> Path | None:
    """The folder of this very run, if it has ended."""
    wanted = run.recipe.model_dump(mode="json")
    for folder in sorted(work.glob(f"{run.name}-*")):
        if (folder / runs.RUN).is_file() and (folder / build.METRICS).is_file():
            found = runs.load(folder)
            if found["status"] == "finished" and found["recipe"] == wanted:
                return folder
    return None


def train(queue: Sequence[Run], root: Path, work: Path, links: Path, log: Log) -> bool:
    """Train what is not finished. Returns: whether all went well; one run that fails does not stop the others."""
    well = True
    for number, run in enumerate(queue, 1):
        if finished(run, work):
            continue
        log(f"== {number} of {len(queue)}: {run.name}")
        try:
            build.build(run.recipe, source(run, root, work, links), None, log=log, show=_progress(run, log))
        except MaculeError as error:
            well = False
            log(f"{run.name} FAILED: {error}")
    return well


def source(run: Run, root: Path, work: Path, links: Path) -> Source:
    return Source(root, work, pairs=links, allow_leak=run.split == "leaky")


def _progress(run: Run, log: Log, *, every: float = 15.0) -> Callable[[Mapping[str, Any]], None]:
    """A line every few seconds, and one for each look at the validation pictures."""
    begun: list[float] = []
    told = [0.0]

    def show(row: Mapping[str, Any]) -> None:
        now = time.monotonic()
        begun[:] = begun or [now, row["step"]]
        if "validation" not in row and now - told[0] < every:
            return
        told[0] = now
        pace = (now - begun[0]) / max(1, row["step"] - begun[1])
        left = pace * (row["steps"] - row["step"] - 1) / 60
        what = f"loss {row['loss']:.3f}" if "loss" in row else f"validation {row['validation']}"
        log(f"{run.name}  step {row['step'] + 1} of {row['steps']}  {what}  {left:.1f} min left")

    return show


def drawn(made: Recipe, parts: Parts) -> int:
    """Pictures that the schedule of a recipe draws, on these parts."""
    allowed = labels.allowed(parts.train, made.targets)
    sampler = sampling.Sampler(allowed, made.sampling, batch=made.engine.batch, steps=1, seed=made.seed)
    return schedule.layout(made, steps_per_epoch=sampler.steps_per_epoch)[-1].last * made.engine.batch


def show_plan(queue: Sequence[Run], root: Path, work: Path, links: Path, log: Log) -> None:
    for run in queue:
        parts = build.read(run.recipe, source(run, root, work, links))
        sizes = "/".join(str(phase.size) for phase in run.recipe.phases)
        state = "finished" if finished(run, work) else "to do"
        log(f"{guard.mark(parts.leaky)}{run.name}: {drawn(run.recipe, parts):,} pictures drawn from "
            f"{len(parts.train):,} at {sizes} px, {len(parts.test):,} locked; {state}")


def outcomes(queue: Sequence[Run], root: Path, work: Path, links: Path) -> Iterator[source_page.Outcome]:
    """What the finished runs came to."""
    for run in queue:
        folder = finished(run, work)
        if folder is None:
            continue
        place = source(run, root, work, links)
        parts = build.read(run.recipe, place)
        whole = build.read(run.described, Source(root, work, pairs=links))
        yield source_page.Outcome(
            system=run.row.system, name=run.row.recipe, start=run.start, split=run.split, described=run.described,
            recipe=run.recipe, changes=run.changes, why=run.why, run=runs.read(folder),
            drawn=drawn(run.recipe, parts), drawn_described=drawn(run.described, whole),
            scored=figures.load(folder, run.recipe, parts, links))


def main(arguments: Sequence[str] | None = None, log: Log = print) -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--work", type=Path, default=Path("work"))
    parser.add_argument("--links", type=Path, default=Path("docs/results/pairs.csv"))
    parser.add_argument("--out", type=Path, default=Path("docs/results/source-systems.md"))
    parser.add_argument("--only", action="append", help="a recipe, or a run's whole name; may be given again")
    parser.add_argument("--plan", action="store_true", help="say what would run, and leave")
    parser.add_argument("--full", action="store_true", help="the recipes' own schedules")
    parser.add_argument("--set", action="append", default=[], dest="settings", help="change every run: split.keep=0.05")
    given = parser.parse_args(arguments)
    everything = [_changed(run, recipe.settings(given.settings)) for run in plan(full=given.full)]
    queue = [run for run in everything if not given.only or {run.row.recipe, run.name} & set(given.only)]
    if given.plan:
        show_plan(queue, given.data, given.work, given.links, log)
        return 0
    well = train(queue, given.data, given.work, given.links, log)
    found = list(outcomes(everything, given.data, given.work, given.links))
    if found:
        given.out.write_text(source_page.page(found, expected=len(everything), full=given.full), encoding="utf-8")
        log(f"written: {given.out}, {len(found)} of {len(everything)} runs")
    return 0 if well else 1


def _changed(run: Run, settings: Mapping[str, Any]) -> Run:
    return replace(run, recipe=run.recipe.changed(settings), changes={**run.changes, **settings})


if __name__ == "__main__":
    sys.exit(main())
