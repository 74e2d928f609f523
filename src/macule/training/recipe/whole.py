"""A whole recipe."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import Field, model_validator

from macule.training.recipe.sections import (
    Augment,
    Distillation,
    Engine,
    Loss,
    Network,
    Optimiser,
    Patient,
    Phase,
    Sampling,
    Schedule,
    Section,
    Serving,
    Split,
    Stopping,
    Targets,
)


class Recipe(Section):
    """name: also the bundle's id. summary: one line for `macule train --list`. source: where its numbers come from.

    exams: sets that are only ever scored on; no lesion that stands in them is trained on.
    licence: of the weights, which follows from the pictures'.
    """

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9._-]*$")
    summary: str
    source: str = ""
    datasets: tuple[str, ...] = Field(min_length=1)
    exams: tuple[str, ...] = ()
    targets: Targets = Targets.DIAGNOSIS
    seed: int = Field(default=20261121, ge=0)
    licence: str = "CC BY-NC 4.0"
    split: Split = Split()
    network: Network
    phases: tuple[Phase, ...] = Field(min_length=1)
    optimiser: Optimiser = Optimiser()
    schedule: Schedule = Schedule()
    loss: Loss = Loss()
    sampling: Sampling = Sampling()
    augment: Augment = Augment()
    patient: Patient = Patient()
    stopping: Stopping = Stopping()
    engine: Engine = Engine()
    serving: Serving
    distillation: Distillation | None = None

    @model_validator(mode="after")
    def _looks_where_it_must(self) -> Recipe:
        if self.engine.validate_every == 0 and (self.stopping.patience or self.schedule.kind == "plateau"):
            raise ValueError("engine.validate_every is 0, but early stopping and the plateau schedule need to look")
        return self

    @model_validator(mode="after")
    def _adjusts_the_prior_once(self) -> Recipe:
        if self.loss.kind == "logit_adjusted" and self.serving.logit_adjustment:
            raise ValueError("loss.kind is 'logit_adjusted', which takes the prior off already: set "
                             "serving.logit_adjustment to 0")
        return self

    def changed(self, settings: Mapping[str, Any]) -> Recipe:
        """A copy with settings replaced, by dotted name: {"engine.batch": 8, "phases.0.size": 96}.

        Raises: UsageError naming the setting.
        """
        from macule.training.recipe import reading  # which reads whole recipes

        return reading.parse(reading.replaced(self.model_dump(mode="json", exclude_none=True), settings),
                             where=self.name)
