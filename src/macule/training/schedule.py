"""How a run is laid out in steps, and how fast it learns at each of them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from macule.errors import UsageError
from macule.training.recipe import Phase, Recipe, Schedule


@dataclass(frozen=True)
class Stretch:
    """A phase in steps of the run: `first` to `last` (exclusive)."""

    number: int
    phase: Phase
    first: int
    last: int


def layout(recipe: Recipe, *, steps_per_epoch: int) -> list[Stretch]:
    """The phases in steps.

    Raises: UsageError for a phase without a step.
    """
    stretches: list[Stretch] = []
    first = 0
    for number, phase in enumerate(recipe.phases):
        steps = phase.samples // recipe.engine.batch if phase.samples else round(phase.epochs * steps_per_epoch)
        if steps < 1:
            length = f"{phase.samples} samples" if phase.samples else f"{phase.epochs:g} epochs"
            raise UsageError(f"recipe {recipe.name}: phases.{number} has {length}, which is less than one batch of "
                             f"{recipe.engine.batch}: make it longer or the batch smaller.")
        stretches.append(Stretch(number, phase, first, first + steps))
        first += steps
    return stretches


def at(stretches: Sequence[Stretch], step: int) -> Stretch:
    """The stretch that a step belongs to; the last one for the step after the end."""
    return next((each for each in stretches if step < each.last), stretches[-1])


def rate(settings: Schedule, progress: float) -> float:
    """The learning rate as a share of its peak. progress: 0 to 1, of what the schedule spans."""
    if progress < settings.warmup:
        return min(1.0, (progress + 1e-3) / settings.warmup)  # never 0, where a step would be lost
    if settings.kind in ("constant", "plateau"):
        return 1.0
    falling = (progress - settings.warmup) / (1 - settings.warmup)
    return settings.floor + (1 - settings.floor) * 0.5 * (1 + math.cos(math.pi * falling))


def progress(settings: Schedule, stretches: Sequence[Stretch], step: int) -> float:
    here = at(stretches, step)
    first, last = (0, stretches[-1].last) if settings.span == "run" else (here.first, here.last)
    return (step - first) / (last - first)
