"""The study: what has been tried and what came of it, in a database that several machines can share."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import optuna
from optuna import samplers
from optuna.trial import FrozenTrial, TrialState

from macule.errors import EnvironmentFault, MissingExtra, UsageError
from macule.training.search.space import Space, Value

Sampling = Literal["tpe", "random", "grid"]
Pruning = Literal["median", "hyperband", "none"]
SAMPLERS, PRUNERS = ("tpe", "random", "grid"), ("median", "hyperband", "none")
MADE_FOR, ERROR, FOLDER, RETRIES = "made_for", "error", "folder", "retries"
#: Trials that the median pruner needs to have seen to the end before it judges.
WARM_UP = 5


@dataclass(frozen=True)
class Plan:
    """What is searched. storage: URL of the database. study: its name there. figure: of the validation pictures.

    trials: of the study, over all workers and machines. beat: seconds between two signs of life of a trial; after
    three without one it is taken for dead, and tried again.
    """

    space: Space
    storage: str
    study: str
    figure: str
    trials: int
    sampler: Sampling = "tpe"
    pruner: Pruning = "median"
    seed: int = 0
    warm_up: int = WARM_UP
    beat: int = 30

    @property
    def grace(self) -> int:
        return 3 * self.beat


@dataclass(frozen=True)
class Outcome:
    """One trial. value: the figure of the network that it kept; of a pruned one, the last that was seen.

    state: finished, pruned, failed or running. values: setting -> what was tried. folder: of its run, in `work`.
    """

    number: int
    state: str
    value: float | None
    values: Mapping[str, Value]
    seconds: float | None
    folder: str | None
    error: str | None


_STATES = {TrialState.COMPLETE: "finished", TrialState.PRUNED: "pruned", TrialState.FAIL: "failed",
           TrialState.RUNNING: "running"}


def direction(figure: str) -> Literal["minimize", "maximize"]:
    return "minimize" if figure == "loss" else "maximize"


def open_study(plan: Plan, *, made_for: str) -> optuna.Study:
    """The study by its name, begun where there is none.

    made_for: what makes its trials comparable: recipe, pictures and space.
    Raises: UsageError if one of that name is of something else, or the URL is none; MissingExtra; EnvironmentFault.
    """
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    with _reached(plan.storage):
        storage = _storage(plan)
        study = optuna.create_study(storage=storage, study_name=plan.study, load_if_exists=True,
                                    direction=direction(plan.figure), sampler=sampler(plan, 0),
                                    pruner=_pruner(plan))
        known = study.user_attrs.get(MADE_FOR)
        if known is None and not study.get_trials(deepcopy=False):
            study.set_user_attr(MADE_FOR, made_for)
        elif known != made_for:
            raise UsageError(f"the study {plan.study!r} was begun with another recipe, space or figure, or other "
                             "pictures: give another --study, or none.")
    return study


def sampler(plan: Plan, number: int) -> samplers.BaseSampler:
    """Of one trial, seeded by its number: no two workers draw the same, and a study that goes on repeats nothing."""
    seed = int(np.random.SeedSequence((plan.seed, number)).generate_state(1)[0])
    if plan.sampler == "grid":
        return samplers.GridSampler(plan.space.grid(), seed=seed)
    if plan.sampler == "random":
        return samplers.RandomSampler(seed=seed)
    # The liar keeps workers away from what others are trying at the moment.
    return samplers.TPESampler(seed=seed, constant_liar=True)


def started(study: optuna.Study) -> list[FrozenTrial]:
    """The trials that count; those that were cut off do not, as each is tried again."""
    return [trial for trial in study.get_trials(deepcopy=False)
            if trial.state in (TrialState.COMPLETE, TrialState.PRUNED, TrialState.RUNNING)
            or (trial.state is TrialState.FAIL and ERROR in trial.user_attrs)]


def running(study: optuna.Study) -> int:
    return len(study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)))


def again(study: optuna.Study, trial: FrozenTrial) -> None:
    """Put a trial that was cut off back into the queue: the same values, so that its checkpoint is gone on from."""
    retries = [*trial.user_attrs.get(RETRIES, ()), trial.number]
    study.add_trial(optuna.create_trial(
        state=TrialState.WAITING, params=trial.params, distributions=trial.distributions,
        user_attrs={**trial.user_attrs, RETRIES: retries}, system_attrs=trial.system_attrs,
        intermediate_values=trial.intermediate_values))


def bury(study: optuna.Study) -> None:
    """Queue anew what workers that gave no sign of life left behind."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        optuna.storages.fail_stale_trials(study)


def outcomes(study: optuna.Study) -> tuple[Outcome, ...]:
    return tuple(_outcome(trial) for trial in started(study))


def best(found: tuple[Outcome, ...], figure: str) -> Outcome | None:
    """The best trial that came to its end, the earliest of equals; None before there is one."""
    ended = [each for each in found if each.state == "finished" and each.value is not None]
    sign = 1 if direction(figure) == "minimize" else -1
    return min(ended, key=lambda each: sign * (each.value or 0.0), default=None)


def shown(url: str) -> str:
    """A storage URL without its password."""
    from sqlalchemy import make_url

    return make_url(url).render_as_string(hide_password=True)


def of_file(path: Path) -> str:
    """The URL of an SQLite file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    return f"sqlite:///{path.resolve()}"


def _outcome(trial: FrozenTrial) -> Outcome:
    last = max(trial.intermediate_values, default=None)
    value = trial.value if trial.state is TrialState.COMPLETE else None if last is None else (
        trial.intermediate_values[last])
    return Outcome(
        trial.number, _STATES[trial.state], value, dict(trial.params),
        None if trial.duration is None else trial.duration.total_seconds(),
        trial.user_attrs.get(FOLDER), trial.user_attrs.get(ERROR))


def _pruner(plan: Plan) -> optuna.pruners.BasePruner:
    made: dict[str, Callable[[], optuna.pruners.BasePruner]] = {
        "median": lambda: optuna.pruners.MedianPruner(n_startup_trials=plan.warm_up),
        # A trial reports after each look, numbered from 1: its largest number is its full length.
        "hyperband": lambda: optuna.pruners.HyperbandPruner(min_resource=1),
        "none": optuna.pruners.NopPruner,
    }
    return made[plan.pruner]()


def _storage(plan: Plan) -> optuna.storages.RDBStorage:
    # SQLite lets one writer in at a time; the others wait for their turn.
    patience: dict[str, Any] = {"connect_args": {"timeout": 60}} if plan.storage.startswith("sqlite") else {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        return optuna.storages.RDBStorage(
            plan.storage, engine_kwargs=patience, heartbeat_interval=plan.beat, grace_period=plan.grace,
            heartbeat_stale_trial_callback=again)


@contextmanager
def _reached(url: str) -> Iterator[None]:
    """Raises: UsageError, MissingExtra or EnvironmentFault for what the database says."""
    from sqlalchemy import exc

    try:
        yield
    except exc.ArgumentError as error:
        raise UsageError(f"--storage is no URL of a database ({error}): write sqlite:///FILE or "
                         "postgresql+psycopg://USER:PASSWORD@HOST/NAME.") from error
    except (ModuleNotFoundError, ImportError) as error:
        raise MissingExtra(f"{shown(url)} needs a driver that is not installed ({error}): for PostgreSQL, "
                           "pip install 'psycopg[binary]'.") from error
    except (exc.OperationalError, exc.DatabaseError, optuna.exceptions.StorageInternalError) as error:
        raise EnvironmentFault(f"the database {shown(url)} does not answer ({str(error).splitlines()[0]}): start it, "
                               "or correct --storage.") from error
