"""Which settings of a recipe are searched, and over what: `log:1e-5:1e-2`, `uniform:0:2`, `int:1:4`, `choice:a,b`."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import optuna

from macule.errors import UsageError
from macule.evaluation import runs
from macule.training import recipe as recipes
from macule.training.recipe import Recipe

Value = float | int | str | bool

RATES = "phases.*.learning_rate"
#: What is searched where nothing else is asked for.
DEFAULT = (f"{RATES}=log:1e-5:1e-2", "optimiser.weight_decay=log:1e-4:1e-1", "augment.strength=uniform:0:2")
WRITTEN = "log:LOW:HIGH, uniform:LOW:HIGH (both take :POINTS for a grid), int:LOW:HIGH or choice:A,B"
GRID_POINTS = 4
#: Trials would not be comparable, or not be trials of this recipe.
FIXED = ("split", "datasets", "exams", "targets", "name", "summary", "source", "licence", "distillation", "stopping")


@dataclass(frozen=True)
class Axis:
    """One setting. low, high: of a number. choices: of a choice. points: of a grid over a real number."""

    name: str
    kind: Literal["log", "uniform", "int", "choice"]
    low: float = math.nan
    high: float = math.nan
    choices: tuple[Value, ...] = ()
    points: int = GRID_POINTS

    def draw(self, trial: optuna.Trial) -> Value:
        """What a trial tries here."""
        if self.kind == "choice":
            chosen: Any = trial.suggest_categorical(self.name, self.choices)
            found: Value = chosen
            return found
        if self.kind == "int":
            return trial.suggest_int(self.name, int(self.low), int(self.high))
        return trial.suggest_float(self.name, self.low, self.high, log=self.kind == "log")

    def grid(self) -> list[Value]:
        """The values that a grid tries, both ends among them."""
        if self.kind == "choice":
            return list(self.choices)
        if self.kind == "int":
            return list(range(int(self.low), int(self.high) + 1))
        low, high = (math.log(self.low), math.log(self.high)) if self.kind == "log" else (self.low, self.high)
        inner = [low + (high - low) * place / (self.points - 1) for place in range(1, self.points - 1)]
        return [self.low, *(math.exp(each) if self.kind == "log" else each for each in inner), self.high]


@dataclass(frozen=True)
class Space:
    axes: tuple[Axis, ...]

    def draw(self, trial: optuna.Trial) -> dict[str, Value]:
        return {axis.name: axis.draw(trial) for axis in self.axes}

    def grid(self) -> dict[str, list[Value]]:
        return {axis.name: axis.grid() for axis in self.axes}

    def check(self, recipe: Recipe) -> None:
        """Raises: UsageError where an end or a choice is no value that the recipe takes."""
        for axis in self.axes:
            for value in axis.choices or (axis.low, axis.high):
                applied(recipe, {axis.name: int(value) if axis.kind == "int" else value})


def parse(written: Sequence[str]) -> Space:
    """`NAME=SPEC` options; none for DEFAULT. Raises: UsageError."""
    axes = [_axis(each) for each in written or DEFAULT]
    names = [axis.name for axis in axes]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise UsageError(f"--over names {twice[0]} {names.count(twice[0])} times: give each setting once.")
    return Space(tuple(axes))


def applied(recipe: Recipe, values: Mapping[str, Value]) -> Recipe:
    """The recipe with a trial's values. Numbers keep four digits, so that they can be read and written down.

    RATES is one factor for all phases: the highest rate becomes the value, the others keep their share of it.

    Raises: UsageError for a value that the recipe does not take.
    """
    changes: dict[str, Value] = {}
    for name, value in values.items():
        short = _short(value) if isinstance(value, float) else value
        changes |= _rates(recipe, float(short)) if name == RATES else _spread(recipe, name, short)
    return recipe.changed(changes)


def differences(recipe: Recipe, other: Recipe) -> list[str]:
    """What must be set to make `other` of `recipe`: `engine.batch=8`."""
    before, after = (runs.settings(each.model_dump(mode="json", exclude_none=True)) for each in (recipe, other))
    return [f"{name}={value}" for name, value in after.items() if before.get(name) != value]


def combinations(space: Space) -> int:
    """How many trials a whole grid takes."""
    return math.prod(len(values) for values in space.grid().values())


def _rates(recipe: Recipe, highest: float) -> dict[str, Value]:
    factor = highest / max(phase.learning_rate for phase in recipe.phases)
    rates = itertools.chain.from_iterable(
        ((f"phases.{number}.learning_rate", phase.learning_rate),
         (f"phases.{number}.head_learning_rate", phase.head_learning_rate))
        for number, phase in enumerate(recipe.phases))
    return {name: _short(rate * factor) for name, rate in rates if rate is not None}


def _spread(recipe: Recipe, name: str, value: Value) -> dict[str, Value]:
    if not name.startswith("phases.*."):
        return {name: value}
    return {name.replace("*", str(number), 1): value for number in range(len(recipe.phases))}


def _short(value: float) -> float:
    return float(f"{value:.4g}")


def _axis(written: str) -> Axis:
    name, equals, spec = written.partition("=")
    kind, colon, rest = spec.partition(":")
    if not (name and equals and colon and rest):
        raise UsageError(f"--over is {written!r}; NAME=SPEC is needed, where SPEC is {WRITTEN}.")
    if name.partition(".")[0] in FIXED:
        raise UsageError(f"--over names {name}, which every trial must share: fix it with --set.")
    if kind == "choice":
        return Axis(name, "choice", choices=_choices(name, rest))
    return _numbers(written, name, kind, rest.split(":"))


def _choices(name: str, rest: str) -> tuple[Value, ...]:
    found = [recipes.settings([f"{name}={each}"])[name] for each in rest.split(",")]
    if len(found) < 2:
        raise UsageError(f"--over {name} has the one choice {rest!r}: give two or more, or fix it with --set.")
    return tuple(found)


def _numbers(written: str, name: str, kind: str, parts: Sequence[str]) -> Axis:
    try:
        low, high = float(parts[0]), float(parts[1])
        points = int(parts[2]) if len(parts) > 2 else GRID_POINTS
    except (ValueError, IndexError):
        raise UsageError(f"--over is {written!r}; SPEC must be {WRITTEN}.") from None
    whole = kind != "int" or (low.is_integer() and high.is_integer() and len(parts) == 2)
    # Written so that NaN is refused.
    fits = low < high < math.inf and low > (0 if kind == "log" else -math.inf)
    if kind not in ("log", "uniform", "int") or len(parts) > 3 or not (fits and whole and points >= 2):
        raise UsageError(f"--over is {written!r}; SPEC must be {WRITTEN}, the smaller number first, above 0 for log, "
                         "and two points or more.")
    return Axis(name, kind, low, high, points=points)  # type: ignore[arg-type]
