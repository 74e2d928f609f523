"""A whole search: the study is opened, workers work, what they found is told and written down."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import optuna

from macule.data.atomic import writing
from macule.errors import UsageError
from macule.evaluation.curve import FIGURES
from macule.training import build, loop
from macule.training.build import Source
from macule.training.prepare import Parts
from macule.training.recipe import Recipe
from macule.training.search import space as spaces
from macule.training.search import study as studies
from macule.training.search import worker
from macule.training.search.crew import Crew
from macule.training.search.space import Space
from macule.training.search.study import Outcome, Plan, Pruning, Sampling
from macule.training.search.worker import Bench
from macule.training.search.written import as_toml

BEST = "best.toml"
TRIALS = 20
_ENDED = ("finished", "pruned", "failed")


@dataclass(frozen=True)
class Wanted:
    """What is asked for. trials: of the whole study; None is TRIALS, or the whole of a grid.

    figure: one of the validation figures; None is the recipe's stopping.figure. storage: URL of a database; None is a
    file in the work folder. study: its name there; None is the recipe's and what its trials depend on.
    """

    space: Space
    trials: int | None = None
    sampler: Sampling = "tpe"
    pruner: Pruning = "median"
    figure: str | None = None
    storage: str | None = None
    study: str | None = None
    seed: int = 0
    workers: int = 1
    warm_up: int = studies.WARM_UP
    beat: int = 30


@dataclass(frozen=True)
class Found:
    """storage: its URL without a password. recipe: with the best settings, as `settings` says; None without a best.

    written: its file. leaky: whether kin stand in two parts, so that no figure says how good a recipe is. running:
    trials that are on elsewhere, or were cut off a moment ago.
    """

    study: str
    storage: str
    figure: str
    trials: tuple[Outcome, ...]
    best: Outcome | None
    recipe: Recipe | None
    settings: tuple[str, ...]
    written: Path | None
    leaky: bool
    running: int

    def to_dict(self) -> dict[str, Any]:
        """For a file of JSON."""
        return {
            "study": self.study, "storage": self.storage, "figure": self.figure,
            "direction": studies.direction(self.figure), "leaky": self.leaky, "running": self.running,
            "trials": [asdict(trial) for trial in self.trials], "best": None if self.best is None else self.best.number,
            "settings": list(self.settings), "recipe": self.recipe and self.recipe.model_dump(mode="json"),
        }


def search(recipe: Recipe, source: Source, wanted: Wanted, *, log: Callable[[str], None] = print,
           told: Callable[[Outcome, int], None] = lambda _outcome, _left: None) -> Found:
    """Try settings until the study has its trials. Run again, or on another machine with the same storage, it goes on.

    Trials are judged on the calibration part; the locked part is not looked at, and no bundle is made.
    told: each trial when it has ended, here or elsewhere, and how many are left.

    Raises: UsageError, LeakingSplit or DatasetError before any trial; OutOfSpace; TrainingFault if all workers died.
    """
    build.limit_threads()
    _check(recipe, wanted)
    parts = build.read(recipe, source)
    log = build.marking(log, parts)
    plan, made_for = _plan(recipe, source, wanted, parts)
    study = studies.open_study(plan, made_for=made_for)
    bench = Bench(recipe, parts, source.work, plan)
    bench.folder.mkdir(parents=True, exist_ok=True)
    log(f"study {plan.study} in {studies.shown(plan.storage)}: {len(studies.started(study))} of {plan.trials} trials "
        f"so far; {plan.figure} on {len(parts.calibration)} pictures of the calibration part")
    teller = _Teller(study, plan.trials, told)
    if wanted.workers == 1:
        worker.work(bench, study, told=teller)
    else:
        Crew(bench, wanted.workers, made_for, log).work(teller)
    teller()
    return _found(bench, study)


def _check(recipe: Recipe, wanted: Wanted) -> None:
    """Raises: UsageError."""
    if recipe.engine.validate_every == 0:
        raise UsageError(f"recipe {recipe.name} never looks at the calibration part, by which trials are compared: "
                         "--set engine.validate_every=1.")
    if wanted.figure is not None and wanted.figure not in FIGURES:
        raise UsageError(f"--figure is {wanted.figure!r}; one of {', '.join(FIGURES)} is needed.")
    wanted.space.check(recipe)


def _plan(recipe: Recipe, source: Source, wanted: Wanted, parts: Parts) -> tuple[Plan, str]:
    """The plan, and what makes its trials comparable. Caches are filled here, before workers could do it twice."""
    data, validation = build.sets(recipe, parts, source.work)
    if validation is None:
        raise UsageError(f"recipe {recipe.name} leaves no picture for the calibration part, by which trials are "
                         "compared: --set split.calibration=0.1.")
    figure = wanted.figure or recipe.stopping.figure
    made_for = hashlib.sha256(
        repr((loop.fingerprint(recipe, data, validation), wanted.space, figure)).encode()).hexdigest()
    name = wanted.study or f"{recipe.name}-{made_for[:8]}"
    storage = wanted.storage or studies.of_file(source.work / "search.db")
    return Plan(space=wanted.space, storage=storage, study=name, figure=figure, trials=_trials(wanted),
                sampler=wanted.sampler, pruner=wanted.pruner, seed=wanted.seed, warm_up=wanted.warm_up,
                beat=wanted.beat), made_for


def _trials(wanted: Wanted) -> int:
    if wanted.sampler != "grid":
        return TRIALS if wanted.trials is None else wanted.trials
    whole = spaces.combinations(wanted.space)
    return whole if wanted.trials is None else min(whole, wanted.trials)


class _Teller:
    """Tells every trial that ends from now on, once, whoever ran it."""

    def __init__(self, study: optuna.Study, trials: int, told: Callable[[Outcome, int], None]) -> None:
        self._study, self._trials, self._told = study, trials, told
        self._known = {each.number for each in self._ended()}

    def __call__(self) -> None:
        ended = self._ended()
        for each in ended:
            if each.number not in self._known:
                self._known.add(each.number)
                self._told(each, self._trials - len(ended))

    def _ended(self) -> list[Outcome]:
        return [each for each in studies.outcomes(self._study) if each.state in _ENDED]


def _found(bench: Bench, study: optuna.Study) -> Found:
    trials = studies.outcomes(study)
    best = studies.best(trials, bench.plan.figure)
    recipe = written = None
    if best is not None:
        recipe = spaces.applied(bench.recipe, best.values)
        written = bench.folder / BEST
        with writing(written) as stream:
            stream.write(f"# Best of {len(trials)} trials of the study {bench.plan.study}: {bench.plan.figure} "
                         f"{best.value:.5f} on the calibration part.\n{as_toml(recipe)}")
    return Found(bench.plan.study, studies.shown(bench.plan.storage), bench.plan.figure, trials, best, recipe,
                 tuple(spaces.differences(bench.recipe, recipe)) if recipe else (), written, bench.parts.leaky,
                 studies.running(study))
