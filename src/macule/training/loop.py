"""The training loop: plain, resumable at every step, and the same for one process, many GPUs or many machines.

accelerate wraps the network, the optimiser and the backward pass; started by torchrun, each process makes and learns
from its own rows of every batch.
"""

from __future__ import annotations

import contextlib
import copy
import hashlib
import json
import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState
from accelerate.utils import broadcast_object_list
from torch import Tensor

from macule.analysis import bundle as bundles
from macule.data.record import Record
from macule.errors import Diverged, UsageError
from macule.training import (
    faults,
    groups,
    labels,
    losses,
    networks,
    optimisers,
    processes,
    sampling,
    schedule,
    state,
    teachers,
    trained,
    validate,
)
from macule.training.augment import Mixing
from macule.training.batches import Batch, Normalise, TrainingSet, Wanted, prefetched
from macule.training.judge import Judge
from macule.training.networks import LesionNet
from macule.training.recipe import Recipe
from macule.training.sampling import Sampler
from macule.training.schedule import Stretch

#: Steps, or seconds, whichever comes first: what a killed run loses at the most.
CHECKPOINT_EVERY, CHECKPOINT_SECONDS = 100, 60.0
LOG_EVERY = 20
CURVE = "curve.jsonl"
#: Settings of a recipe that the weights do not depend on.
_ASIDE = ("name", "summary", "source", "licence", "datasets", "exams", "split")
_ASIDE_SERVING = ("views", "logit_adjustment")

Row = dict[str, Any]


def start(recipe: Recipe) -> LesionNet:
    """The network as it is before the first step: equal for equal seeds.

    Raises: UsageError if it cannot read the sizes of the recipe, or a class that is weighted is none of its own; see
    also networks.build.
    """
    losses.class_weights(recipe.loss, counts=np.ones(len(labels.names(recipe.targets))), targets=recipe.targets)
    torch.manual_seed(recipe.seed)
    network = networks.build(recipe.network, targets=recipe.targets)
    for size in sorted({recipe.serving.size, *(phase.size for phase in recipe.phases)}):
        network.check(size)
    return network


def train(recipe: Recipe, network: LesionNet, data: TrainingSet, folder: Path, *,
          validation: TrainingSet | None = None, show: Callable[[Row], None] = lambda _: None) -> LesionNet:
    """Run the recipe, from the last checkpoint in `folder` if there is one.

    network: as `start` gives it; it is trained in place.
    validation: pictures to look at on the way; early stopping and the plateau schedule need them.
    show: told every row of the curve, with `steps`, of the whole run, and `batch`, pictures a step.
    Returns: the network that is kept, on the CPU: the moving average of the weights, or the best with early stopping.
    Raises: Diverged, OutOfMemory, OutOfSpace, CheckpointDamaged: the last checkpoint is intact; UsageError.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with faults.named(recipe, folder):
        run = _Run(recipe, network, data, validation, folder, show)
        for stretch in run.stretches:
            if run.step < stretch.last:
                run.enter(stretch)
                run.go(stretch)
                run.leave(stretch)
        return run.average.cpu()


def fingerprint(recipe: Recipe, data: TrainingSet, validation: TrainingSet | None) -> str:
    """What the weights depend on; a recipe's other settings may change between training and writing the bundle."""
    settings = recipe.model_dump(mode="json", exclude=set(_ASIDE))
    settings["serving"] = {key: value for key, value in settings["serving"].items() if key not in _ASIDE_SERVING}
    pictures: list[Any] = [[_identity(record) for record in part.records] for part in (data, validation) if part]
    if read := groups.STATED.get(recipe.sampling.groups or ""):
        pictures.append([str(read(record)) for record in data.records])
    if recipe.network.start is not None:
        settings["network"]["start"] = bundles.load(recipe.network.start).sha256  # wherever its folder stands
    taught_by = [trained.fingerprint(folder) for folder in teachers.folders(recipe)]
    return hashlib.sha256(repr((settings, pictures, taught_by)).encode()).hexdigest()


def _identity(record: Record) -> tuple[object, ...]:
    """A picture and what is taught of it: a label that was corrected makes another run."""
    return record.dataset, record.picture_id, sorted(record.labels), record.malignant, record.patient


@dataclass
class _Run:
    """A run at one step. losses: of each picture when it was last drawn; known: as they were when the epoch began."""

    recipe: Recipe
    network: LesionNet
    data: TrainingSet
    validation: TrainingSet | None
    folder: Path
    show: Callable[[Row], None]
    step: int = 0
    judge: Judge = field(default_factory=Judge)

    def __post_init__(self) -> None:
        recipe = self.recipe
        self.accelerator = _accelerator(recipe)
        _need_even_parts(recipe, count=self.accelerator.num_processes)
        _need_pictures_to_look_at(recipe, self.validation)
        self.network = self.network.to(self.device)
        if recipe.engine.channels_last:
            self.network = self.network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.average = copy.deepcopy(self.network).requires_grad_(False)
        drawn = sampling.drawn(self.data.allowed, recipe.sampling)
        self.objective = losses.Objective(recipe.loss, counts=drawn, targets=recipe.targets).to(self.device)
        self.normalise = Normalise(self.network.start.mean, self.network.start.std,
                                   channels_last=recipe.engine.channels_last)
        self.teachers = teachers.load(recipe, self.device)
        people = groups.names(recipe.sampling, self.data)
        self.factors = None if people is None else groups.factors(self.data.allowed, people, recipe.sampling)
        self.stretches = self._layout()
        self.sampler = self._sampler(self.stretches[-1].last)
        self.losses = np.full(len(self.data.records), np.nan)
        self.known = self.losses.copy()
        self.best: dict[str, Tensor] | None = None
        self.made_for = fingerprint(recipe, self.data, self.validation)
        self.started = time.monotonic()
        self._since: list[float] = []
        self._saved = self.started
        self._optimiser_state: dict[str, Any] | None = None
        self.resume()

    @property
    def device(self) -> torch.device:
        device: torch.device = self.accelerator.device
        return device

    def _layout(self) -> list[Stretch]:
        return schedule.layout(self.recipe, steps_per_epoch=self._sampler(1).steps_per_epoch)

    def _sampler(self, steps: int) -> Sampler:
        return Sampler(self.data.allowed, self.recipe.sampling, batch=self.recipe.engine.batch, steps=steps,
                       seed=self.recipe.seed, factors=self.factors)

    # The run

    def enter(self, stretch: Stretch) -> None:
        self.network.set_trainable(stretch.phase.trainable)
        optimiser = optimisers.make(self.recipe.optimiser, stretch.phase, self.network)
        if self._optimiser_state is not None and self.step > stretch.first:
            optimiser.load_state_dict(self._optimiser_state)
        self._optimiser_state = None
        self.wrapped, self.optimiser = self.accelerator.prepare(self.network, optimiser)
        if self.step == stretch.first:
            self.judge, self.best = Judge(), None

    def go(self, stretch: Stretch) -> None:
        for steps in self._segments(stretch):
            for parts in _grouped(prefetched(self.data, self.recipe, self._wanted(stretch, steps)),
                                  self.recipe.engine.accumulate):
                self._advance(stretch, parts)
                if self._look(stretch) or self.step == stretch.last:
                    return
                if self.step % CHECKPOINT_EVERY == 0 or time.monotonic() - self._saved > CHECKPOINT_SECONDS:
                    self.save()

    def leave(self, stretch: Stretch) -> None:
        """The best weights of the phase are what is kept and what the next phase starts from."""
        self.step = stretch.last
        if self.recipe.stopping.patience is not None and self.best is not None:
            self.average.load_state_dict(self.best)
            self.network.load_state_dict(self.best)
        self.accelerator.free_memory()
        self.save()

    def _segments(self, stretch: Stretch) -> Iterator[range]:
        """A curriculum's next epoch depends on this one's losses, so nothing may be drawn ahead of it."""
        if not self.recipe.sampling.curriculum:
            yield range(self.step, stretch.last)
            return
        while self.step < stretch.last:
            epoch = self.sampler.epoch(self.step)
            if self.step == epoch.first:
                self.known = self.losses.copy()
            yield range(self.step, min(epoch.last, stretch.last))

    def _wanted(self, stretch: Stretch, steps: range) -> Iterator[Wanted]:
        part = (self.accelerator.process_index, self.accelerator.num_processes)
        for step in steps:
            offset = 0
            for indices in np.array_split(self.sampler.batch(step, self.known), self.recipe.engine.accumulate):
                yield Wanted(step, stretch.phase.size, indices, offset, part)
                offset += len(indices)

    def _advance(self, stretch: Stretch, parts: Sequence[Batch]) -> None:
        """One step of the optimiser over all parts of a batch."""
        rate = schedule.rate(self.recipe.schedule, schedule.progress(self.recipe.schedule, self.stretches, self.step))
        for group in self.optimiser.param_groups:
            group["lr"] = group["peak"] * rate * self.judge.rate
        if self.recipe.schedule.kind == "one_cycle":
            optimisers.set_momentum(self.optimiser, schedule.momentum(rate))
        # Dropout is drawn anew from the step, so that a resumed run forgets the same units.
        torch.manual_seed(_seed(self.recipe.seed, self.step, self.accelerator.process_index))
        self.network.train()
        self.optimiser.zero_grad()
        total = sum(self._learn(part, last=number + 1 == len(parts), share=1 / len(parts))
                    for number, part in enumerate(parts))
        self._need_a_number("loss", total, stretch)
        norm = float(self._clip())
        if self.accelerator.scaler is None:  # which expects such gradients, and leaves the step out
            self._need_a_number("gradient", norm, stretch)
        self.optimiser.step()
        self._record(stretch, total)
        self.step += 1
        # A young average would be mostly ImageNet, so its memory grows with the run.
        optimisers.blend(self.average, self.network, min(self.recipe.engine.ema, (1 + self.step) / (10 + self.step)))

    def _clip(self) -> Tensor:
        """Returns: the norm of the gradient as it was."""
        limit = self.recipe.optimiser.clip
        norm: Tensor = self.accelerator.clip_grad_norm_(self.network.parameters(), limit or math.inf)
        return norm

    def _need_a_number(self, what: str, value: float, stretch: Stretch) -> None:
        """Raises: Diverged, before the weights are spoilt and end up in a checkpoint."""
        if not math.isfinite(value):
            raise Diverged(f"the {what} is {value} at step {self.step}: lower the learning_rate of phases."
                           f"{stretch.number}, or look at the pictures; {self.folder} keeps the last checkpoint.")

    def _learn(self, batch: Batch, *, last: bool, share: float) -> float:
        """Forward and backward of one part. Returns: its share of the step's loss."""
        pictures = batch.images.to(self.device, non_blocking=True)
        images = self.normalise(pictures)
        about, allowed = batch.patient.to(self.device), batch.allowed.to(self.device)
        if batch.mixing is not None:
            images, about = batch.mixing.apply(images), self._mixed(about, batch.mixing)
        syncing = contextlib.nullcontext() if last else self.accelerator.no_sync(self.wrapped)
        with syncing:
            logits = self.wrapped(images, about)[0]
            own = self.objective(logits, allowed)
            each = own if batch.mixing is None else self._with_partners(own, logits, allowed, batch.mixing)
            if self.teachers:
                told = teachers.answer(self.teachers, pictures, about, batch.mixing)
                each = self._with_teachers(each, logits, told)
            loss = each.mean()
            self.accelerator.backward(loss * share)
        if self.recipe.sampling.curriculum:
            self._remember(batch, own.detach())
        return float(loss.detach()) * share

    def _with_partners(self, own: Tensor, logits: Tensor, allowed: Tensor, mixing: Mixing) -> Tensor:
        share = torch.from_numpy(mixing.share).float().to(self.device)
        partner: Tensor = self.objective(logits, allowed[torch.from_numpy(mixing.partner).to(self.device)])
        return share * own + (1 - share) * partner

    def _mixed(self, about: Tensor, mixing: Mixing) -> Tensor:
        """The patients, in the shares of their pictures: else a label would be taught with another's age."""
        share = torch.from_numpy(mixing.share).float().to(self.device)[:, None]
        return share * about + (1 - share) * about[torch.from_numpy(mixing.partner).to(self.device)]

    def _with_teachers(self, each: Tensor, logits: Tensor, told: Tensor) -> Tensor:
        settings = self.recipe.distillation
        assert settings is not None  # noqa: S101 (teachers come from it)  # nosec B101
        apart = losses.distilled(logits, told, temperature=settings.temperature)
        return (1 - settings.weight) * each + settings.weight * apart

    def _remember(self, batch: Batch, each: Tensor) -> None:
        rows = self.accelerator.gather(torch.from_numpy(batch.indices).to(self.device)).cpu().numpy()
        self.losses[rows] = self.accelerator.gather(each).float().cpu().numpy()

    # What is written and looked at

    def _look(self, stretch: Stretch) -> bool:
        """At the validation pictures, where it is time to. Returns: whether the phase should end."""
        if self.validation is None or not self.recipe.engine.validate_every:
            return False
        every = max(1, round(self.recipe.engine.validate_every * self.sampler.steps_per_epoch))
        if self.step % every and self.step != stretch.last:
            return False
        found: list[Any] = [None]
        if self.accelerator.is_main_process:
            answers = validate.logits(self.average, self.validation, size=self.recipe.serving.size,
                                      normalise=self.normalise, device=self.device)
            found = [validate.figures(answers, self.validation)]
        if self.accelerator.num_processes > 1:
            broadcast_object_list(found)
        self._write(self._place(stretch, self.step - 1) | {"validation": found[0]})
        if self.judge.see(self.recipe, found[0], self.step) and self.recipe.stopping.patience is not None:
            self.best = {name: value.clone() for name, value in self.average.state_dict().items()}
        return self.judge.tired(self.recipe)

    def _record(self, stretch: Stretch, loss: float) -> None:
        self._since.append(loss)
        if self.step % LOG_EVERY and self.step + 1 != stretch.last:
            return
        body = self.optimiser.param_groups[0]["lr"]
        self._write(self._place(stretch, self.step) | {
            "size": stretch.phase.size, "loss": round(float(np.mean(self._since)), 5), "rate": body,
            "seconds": round(time.monotonic() - self.started, 1)})
        self._since = []

    def _place(self, stretch: Stretch, step: int) -> Row:
        return {"step": step, "epoch": round((step + 1) / self.sampler.steps_per_epoch, 4), "phase": stretch.number}

    def _write(self, row: Row) -> None:
        if not self.accelerator.is_main_process:
            return
        with (self.folder / CURVE).open("a", encoding="utf-8") as stream:
            stream.write(json.dumps(row) + "\n")
        self.show(row | {"steps": self.stretches[-1].last, "batch": self.recipe.engine.batch})

    def save(self) -> None:
        if not self.accelerator.is_main_process:
            return
        scaler = self.accelerator.scaler
        state.save(self.folder, {
            "network": self.network.state_dict(), "average": self.average.state_dict(), "best": self.best,
            "optimiser": self.optimiser.state_dict(), "scaler": scaler.state_dict() if scaler else None,
            "step": self.step, "judge": vars(self.judge), "losses": torch.from_numpy(self.losses),
            "known": torch.from_numpy(self.known), "since": self._since, "made_for": self.made_for})
        self._saved = time.monotonic()

    def resume(self) -> None:
        parts = state.load(self.folder, made_for=self.made_for)
        if parts is None:
            return
        self.network.load_state_dict(parts["network"])
        self.average.load_state_dict(parts["average"])
        self._optimiser_state, self.best, self.step = parts["optimiser"], parts["best"], parts["step"]
        self.judge = Judge(**parts["judge"])
        self.losses, self.known = parts["losses"].numpy(), parts["known"].numpy()
        self._since = parts["since"]
        if self.accelerator.scaler and parts["scaler"]:
            self.accelerator.scaler.load_state_dict(parts["scaler"])


def _seed(*numbers: int) -> int:
    return int(np.random.SeedSequence(numbers).generate_state(1, np.uint64)[0] >> 1)


def _accelerator(recipe: Recipe) -> Accelerator:
    """Raises: UsageError for a precision that the machine does not have."""
    wanted = {"fp32": "no"}.get(recipe.engine.precision, recipe.engine.precision)
    if wanted == "fp16" and not torch.cuda.is_available():
        raise UsageError("engine.precision is 'fp16', which needs a GPU: set it to 'fp32', or to 'bf16' where the "
                         "processor has it.")
    processes.present()
    if AcceleratorState._shared_state and AcceleratorState().mixed_precision != wanted:
        AcceleratorState._reset_state()  # one process may train several recipes, one after the other
    return Accelerator(mixed_precision=wanted)


def _need_even_parts(recipe: Recipe, *, count: int) -> None:
    """Raises: UsageError; the pictures of a smaller part would count for more than the others."""
    engine = recipe.engine
    if engine.batch % (count * engine.accumulate):
        raise UsageError(f"engine.batch is {engine.batch}, which cannot be shared evenly by {count} processes of "
                         f"{engine.accumulate} parts each: make it a multiple of {count * engine.accumulate}.")


def _need_pictures_to_look_at(recipe: Recipe, validation: TrainingSet | None) -> None:
    """Raises: UsageError."""
    if validation is None and (recipe.stopping.patience is not None or recipe.schedule.kind == "plateau"):
        raise UsageError(f"recipe {recipe.name} stops early or slows down by how it does on the calibration part, but "
                         "there are no calibration pictures: make split.calibration larger.")


def _grouped(batches: Iterator[tuple[Wanted, Batch]], count: int) -> Iterator[list[Batch]]:
    """The parts of each step together."""
    parts: list[Batch] = []
    for _, batch in batches:
        parts.append(batch)
        if len(parts) == count:
            yield parts
            parts = []
