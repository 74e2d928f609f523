"""One worker of a search: takes a trial, trains it, tells the study, until there are enough."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import optuna

from macule.errors import Diverged, OutOfMemory, UsageError
from macule.training import build, loop, record, validate
from macule.training.batches import Normalise, TrainingSet
from macule.training.loop import Row
from macule.training.networks import LesionNet
from macule.training.prepare import Parts
from macule.training.recipe import Recipe
from macule.training.search import space, study
from macule.training.search.study import ERROR, FOLDER, RETRIES, Plan


class _Surplus(Exception):
    """Two workers took the last place at once; the later one gives it back."""


@dataclass(frozen=True)
class Bench:
    """What every trial starts from. work: caches and runs."""

    recipe: Recipe
    parts: Parts
    work: Path
    plan: Plan

    @property
    def folder(self) -> Path:
        """Of the search; its trials' runs are below it."""
        return self.work / f"search-{self.plan.study}"


def work(bench: Bench, into: optuna.Study, *, told: Callable[[], None] = lambda: None,
         sleep: Callable[[float], None] = time.sleep) -> None:
    """Take trials until the study has enough. told: called after each.

    Raises: what ends a search and not a trial: OutOfSpace, UsageError, KeyboardInterrupt. The trial that was on is
    queued again.
    """
    taken: list[int] = []
    while True:
        study.bury(into)
        if _enough(bench, into):
            if not _worth_waiting(bench, into, sleep):
                return
            continue
        try:
            into.optimize(lambda trial: _try(bench, trial, taken), n_trials=1,
                          catch=(Diverged, OutOfMemory, _Surplus))
        except BaseException:
            _give_back(into, taken)
            raise
        told()


def _enough(bench: Bench, into: optuna.Study) -> bool:
    return len(study.started(into)) >= bench.plan.trials


def _worth_waiting(bench: Bench, into: optuna.Study, sleep: Callable[[float], None]) -> bool:
    """Whether a trial of another worker turns out to be dead; one that lives is none of ours."""
    for _ in range(bench.plan.grace + bench.plan.beat):
        if not study.running(into):
            return not _enough(bench, into)
        sleep(1)
        study.bury(into)
        if not _enough(bench, into):
            return True
    return False


def _give_back(into: optuna.Study, taken: list[int]) -> None:
    """Ctrl-C, a full disk: what was on is no failure of its settings."""
    if not taken:
        return
    trial = into.get_trials(deepcopy=False)[taken[-1]]
    if trial.state is optuna.trial.TrialState.FAIL and ERROR not in trial.user_attrs:
        study.again(into, trial)


def _try(bench: Bench, trial: optuna.Trial, taken: list[int]) -> float:
    """Raises: TrialPruned; Diverged or OutOfMemory, which fail this trial alone."""
    _need_place(bench, trial)
    taken.append(trial.number)
    if bench.plan.sampler != "grid":
        trial.study.sampler = study.sampler(bench.plan, trial.number)
    recipe = space.applied(bench.recipe, bench.plan.space.draw(trial))
    try:
        return _train(bench, trial, recipe)
    except (Diverged, OutOfMemory) as error:
        trial.set_user_attr(ERROR, f"{error.code}: {str(error).partition(':')[0]}")
        raise


def _need_place(bench: Bench, trial: optuna.Trial) -> None:
    before = [each for each in study.started(trial.study) if each.number < trial.number]
    if len(before) >= bench.plan.trials:
        raise _Surplus


def _train(bench: Bench, trial: optuna.Trial, recipe: Recipe) -> float:
    """Returns: the figure of the network that is kept."""
    data, validation = build.sets(recipe, bench.parts, bench.work)
    assert validation is not None  # noqa: S101 (`run` has seen to it)  # nosec B101
    folder = _folder(bench, trial, loop.fingerprint(recipe, data, validation))
    network = loop.start(recipe)
    facts = build.facts(recipe, network.start, bench.parts, build.cautions(recipe, network, bench.parts))
    with _recorded(folder, replace(facts, name=f"{recipe.name} trial {trial.number}")):
        kept = loop.train(recipe, network, data, folder, validation=validation,
                          show=lambda row: _watch(bench, trial, recipe, row))
    return _value(bench, recipe, kept, validation)


def _folder(bench: Bench, trial: optuna.Trial, fingerprint: str) -> Path:
    """A trial that is tried again goes on in the folder of the first attempt."""
    first = trial.user_attrs.get(RETRIES, [trial.number])[0]
    folder = bench.folder / f"{first:04}-{fingerprint[:8]}"
    trial.set_user_attr(FOLDER, str(folder.relative_to(bench.work)))
    return folder


def _watch(bench: Bench, trial: optuna.Trial, recipe: Recipe, row: Row) -> None:
    """Raises: TrialPruned where others did better by then."""
    value = row.get("validation", {}).get(bench.plan.figure)
    if value is None:
        return
    # By looks and not by steps, so that trials with other batches compare; a resumed run repeats some.
    look = max(1, round(row["epoch"] / recipe.engine.validate_every))
    if look not in trial.study.get_trials(deepcopy=False)[trial.number].intermediate_values:
        trial.report(value, look)
    if trial.should_prune():
        raise optuna.TrialPruned


@contextmanager
def _recorded(folder: Path, facts: record.Facts) -> Iterator[None]:
    try:
        with build.recorded(folder, facts, main=True):
            yield
    except optuna.TrialPruned:
        record.fail(folder, KeyboardInterrupt(), now=build.now())  # stopped from outside: no failure of the run
        raise


def _value(bench: Bench, recipe: Recipe, kept: LesionNet, validation: TrainingSet) -> float:
    device = next(kept.parameters()).device
    answers = validate.logits(kept, validation, size=recipe.serving.size, device=device,
                              normalise=Normalise(kept.start.mean, kept.start.std))
    value = validate.figures(answers, validation)[bench.plan.figure]
    if value is None:
        raise UsageError(f"{bench.plan.figure} is undefined on the calibration part, which has one class alone: take "
                         "another --figure, or a larger such part.")
    return value
