"""How a run is laid out in steps, and how fast it learns at each of them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from macule.errors import UsageError
from macule.training.recipe import Phase, Recipe, Schedule

#: As in torch's OneCycleLR.
ONE_CYCLE_START = 1 / 25
ONE_CYCLE_MOMENTUM = (0.85, 0.95)


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
    """The learning rate as a share of its peak. progress: 0 to 1, of what the schedule spans.

    one_cycle: half a cosine up from a 25th and half a cosine down to a 10,000th of that (Smith & Topin 2018).
    """
    if settings.kind == "one_cycle":
        return _one_cycle(settings, progress)
    if progress < settings.warmup:
        return min(1.0, (progress + 1e-3) / settings.warmup)  # never 0, where a step would be lost
    if settings.kind in ("constant", "plateau"):
        return 1.0
    falling = (progress - settings.warmup) / (1 - settings.warmup)
    return settings.floor + (1 - settings.floor) * 0.5 * (1 + math.cos(math.pi * falling))


def _one_cycle(settings: Schedule, progress: float) -> float:
    if progress < settings.warmup:
        return _between(ONE_CYCLE_START, 1.0, progress / settings.warmup)
    return _between(1.0, max(settings.floor, ONE_CYCLE_START * 1e-4),
                    (progress - settings.warmup) / (1 - settings.warmup))


def _between(start: float, end: float, share: float) -> float:
    return end + (start - end) * 0.5 * (1 + math.cos(math.pi * share))


def momentum(rate: float) -> float:
    """Of one cycle: high where the rate is low. rate: share of the peak."""
    low, high = ONE_CYCLE_MOMENTUM
    return high - (high - low) * min(1.0, rate)


def progress(settings: Schedule, stretches: Sequence[Stretch], step: int) -> float:
    here = at(stretches, step)
    first, last = (0, stretches[-1].last) if settings.span == "run" else (here.first, here.last)
    return (step - first) / (last - first)
