"""The training loop: plain, resumable at every checkpoint, one process."""

from __future__ import annotations

import copy
import dataclasses
import hashlib
import json
import math
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.random import Generator
from numpy.typing import NDArray
from torch import Tensor, nn

from macule.analysis import patient as patients
from macule.data.record import Record
from macule.errors import UsageError
from macule.taxonomy import Diagnosis
from macule.training import augment
from macule.training.model import LesionNet
from macule.training.recipe import Recipe

CHECKPOINT_EVERY = 100  # steps; a killed run loses a few minutes at the most
LOG_EVERY = 20
CODES = list(Diagnosis)
#: Settings of a recipe that the loop does not read.
AFTER_TRAINING = frozenset({"name", "datasets", "serve_size", "views", "logit_adjustment"})


@dataclass(frozen=True)
class TrainingSet:
    """pictures: uint8, (N, S, S, 3). records: the same N, in the same order."""

    pictures: NDArray[np.uint8]
    records: Sequence[Record]

    @property
    def targets(self) -> NDArray[np.int64]:
        return np.array([CODES.index(record.diagnosis) for record in self.records])


class Diverged(RuntimeError):
    """The loss is not a number; the last checkpoint is intact."""


def train(recipe: Recipe, data: TrainingSet, folder: Path, *, mean: Sequence[float], std: Sequence[float],
          log: Callable[[str], None] = print) -> LesionNet:
    """Run the recipe, from the last checkpoint in `folder` if there is one.

    Returns: the exponential moving average of the weights.
    Raises: Diverged; UsageError if the recipe makes no step or the checkpoint is of another recipe or other pictures.
    """
    schedule = _batch_sizes(recipe)
    if not schedule:
        raise UsageError(f"recipe {recipe.name} makes no step: give stages with at least {recipe.batch} samples.")
    torch.manual_seed(recipe.seed)
    state = _State.fresh(recipe, made_for=_fingerprint(recipe, data.records))
    state.resume(folder / "checkpoint.pt")
    order = _draw(recipe, data.targets)
    normalise = _Normalise(mean, std)
    started, first = time.monotonic(), state.step
    for step, batch in _prefetch(recipe, data, order, schedule, first):
        loss = state.advance(recipe, normalise(batch), step / len(schedule))
        if not math.isfinite(loss):
            kept = f"{folder} keeps the last checkpoint"
            raise Diverged(f"the loss is {loss} at step {step}: lower learning_rate; {kept}.")
        if step % LOG_EVERY == 0 or step + 1 == len(schedule):
            _record(folder, log, step=step, steps=len(schedule), loss=loss, size=schedule[step],
                    elapsed=time.monotonic() - started, first=first)
        if (step + 1) % CHECKPOINT_EVERY == 0 or step + 1 == len(schedule):
            state.save(folder / "checkpoint.pt")
    return state.average


@dataclass
class _State:
    network: LesionNet
    average: LesionNet
    optimiser: torch.optim.Optimizer
    loss: nn.Module
    made_for: str
    step: int = 0

    @classmethod
    def fresh(cls, recipe: Recipe, *, made_for: str) -> _State:
        network = LesionNet.pretrained(recipe.backbone, dropout=recipe.dropout, frozen_blocks=recipe.frozen_blocks)
        network = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        average = copy.deepcopy(network).requires_grad_(False)
        loss = nn.CrossEntropyLoss(label_smoothing=recipe.label_smoothing)
        return cls(network, average, _optimiser(recipe, network), loss, made_for)

    def advance(self, recipe: Recipe, batch: tuple[Tensor, Tensor, Tensor], progress: float) -> float:
        images, about, targets = batch
        for group in self.optimiser.param_groups:
            group["lr"] = group["peak"] * _rate(progress, recipe.warmup_share)
        self.network.train()
        logits, _, _ = self.network(images, about)
        loss = self.loss(logits, targets)
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(self.network.parameters(), 5.0)
        self.optimiser.step()
        self.step += 1
        # A young average would be mostly ImageNet, so its memory grows with the run.
        _blend(self.average, self.network, min(recipe.ema_decay, (1 + self.step) / (10 + self.step)))
        return float(loss.detach())

    def save(self, path: Path) -> None:
        parts = {"network": self.network.state_dict(), "average": self.average.state_dict(),
                 "optimiser": self.optimiser.state_dict(), "step": self.step, "torch_rng": torch.get_rng_state(),
                 "made_for": self.made_for}
        partial = path.with_suffix(".partial")
        torch.save(parts, partial)
        partial.rename(path)

    def resume(self, path: Path) -> None:
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            return
        parts = torch.load(path, weights_only=True)
        # Without this a changed recipe would go on from, or hand back, the network of the old one.
        if parts.get("made_for") != self.made_for:
            raise UsageError(f"{path} is of another recipe or other pictures: give another work folder or delete it.")
        self.network.load_state_dict(parts["network"])
        self.average.load_state_dict(parts["average"])
        self.optimiser.load_state_dict(parts["optimiser"])
        self.step = parts["step"]
        torch.set_rng_state(parts["torch_rng"])


def _fingerprint(recipe: Recipe, records: Sequence[Record]) -> str:
    """What the weights depend on; a recipe's other settings may change between training and writing the bundle."""
    settings = {key: value for key, value in dataclasses.asdict(recipe).items() if key not in AFTER_TRAINING}
    pictures = [(record.dataset, record.picture_id) for record in records]
    return hashlib.sha256(repr((settings, pictures)).encode()).hexdigest()


def _optimiser(recipe: Recipe, network: LesionNet) -> torch.optim.Optimizer:
    """AdamW in three groups: the pretrained weights, the new heads, and what must not decay (norms and biases)."""
    body: list[nn.Parameter] = []
    heads: list[nn.Parameter] = []
    still: list[nn.Parameter] = []
    for name, parameter in network.named_parameters():
        if not parameter.requires_grad:
            continue
        new = name.startswith(("head.", "patient."))
        (heads if new else still if parameter.ndim == 1 else body).append(parameter)
    return torch.optim.AdamW([
        {"params": body, "peak": recipe.learning_rate, "weight_decay": recipe.weight_decay},
        {"params": still, "peak": recipe.learning_rate, "weight_decay": 0.0},
        {"params": heads, "peak": recipe.head_learning_rate, "weight_decay": recipe.weight_decay},
    ], lr=recipe.learning_rate)


def _rate(progress: float, warmup: float) -> float:
    """Linear warm-up, then half a cosine down to 0."""
    if progress < warmup:
        return (progress + 1e-3) / warmup
    return 0.5 * (1 + math.cos(math.pi * (progress - warmup) / (1 - warmup)))


@torch.no_grad()
def _blend(average: nn.Module, network: nn.Module, decay: float) -> None:
    for kept, new in zip(average.state_dict().values(), network.state_dict().values(), strict=True):
        if kept.dtype.is_floating_point:
            kept.lerp_(new, 1 - decay)
        else:
            kept.copy_(new)


def _batch_sizes(recipe: Recipe) -> list[int]:
    """The picture size of every step."""
    return [stage.size for stage in recipe.stages for _ in range(stage.samples // recipe.batch)]


def _draw(recipe: Recipe, targets: NDArray[np.int64]) -> NDArray[np.int64]:
    """Which pictures, in which order: weighted draws spread evenly, so that no picture waits long for its turn.

    Systematic sampling: over the whole run each picture comes up within one of its expected number of times.
    """
    rng = np.random.default_rng(recipe.seed)
    counts = np.bincount(targets, minlength=len(CODES))
    weights = counts[targets] ** -float(recipe.sampling_exponent)  # a recipe may say 1: numpy wants 1.0
    total = sum(stage.samples for stage in recipe.stages)
    expected = weights / weights.sum() * len(targets)
    drawn: list[NDArray[np.int64]] = []
    offset = rng.random(len(targets))
    for epoch in range(math.ceil(total / len(targets)) + 1):
        times = np.floor(expected * (epoch + 1) + offset) - np.floor(expected * epoch + offset)
        drawn.append(rng.permutation(np.repeat(np.arange(len(targets)), times.astype(int))))
    return np.concatenate(drawn)[:total]


_Batch = tuple[NDArray[np.uint8], NDArray[np.float32], NDArray[np.int64]]


def _prefetch(recipe: Recipe, data: TrainingSet, order: NDArray[np.int64], sizes: Sequence[int],
              first: int) -> Iterator[tuple[int, _Batch]]:
    """Batches from step `first` on, the next made while the network works on this one."""
    targets = data.targets

    def make(step: int) -> _Batch:
        # Seeded by the step, so that a resumed run sees what an unbroken one would have seen.
        rng = np.random.default_rng((recipe.seed, step))
        chosen = order[step * recipe.batch:(step + 1) * recipe.batch]
        images = np.stack([augment.picture(data.pictures[i], size=sizes[step], rng=rng) for i in chosen])
        about = np.stack([patients.encode(_forget(recipe, data.records[i], rng)) for i in chosen])
        return images, about, targets[chosen]

    if first >= len(sizes):
        return
    with ThreadPoolExecutor(1) as pool:
        ahead = pool.submit(make, first)
        for step in range(first, len(sizes)):
            batch = ahead.result()
            if step + 1 < len(sizes):
                ahead = pool.submit(make, step + 1)
            yield step, batch


def _forget(recipe: Recipe, record: Record, rng: Generator) -> patients.Patient:
    return augment.forget(record.patient, field=recipe.field_dropout, everything=recipe.all_dropout, rng=rng)


class _Normalise:
    def __init__(self, mean: Sequence[float], std: Sequence[float]) -> None:
        self.mean, self.std = torch.tensor(mean) * 255, torch.tensor(std) * 255

    def __call__(self, batch: _Batch) -> tuple[Tensor, Tensor, Tensor]:
        images = (torch.from_numpy(batch[0]).float() - self.mean) / self.std
        # (N, H, W, 3) seen as (N, 3, H, W) is channels_last already.
        return images.permute(0, 3, 1, 2), torch.from_numpy(batch[1]), torch.from_numpy(batch[2])


def _record(folder: Path, log: Callable[[str], None], *, step: int, steps: int, loss: float, size: int,
            elapsed: float, first: int) -> None:
    per_step = elapsed / max(1, step - first + 1)
    left = per_step * (steps - step - 1) / 60
    with (folder / "curve.jsonl").open("a", encoding="utf-8") as stream:
        row = {"step": step, "loss": round(loss, 4), "size": size, "seconds": round(elapsed, 1)}
        stream.write(json.dumps(row) + "\n")
    log(f"step {step + 1}/{steps}  {size} px  loss {loss:.3f}  {per_step:.2f} s/step  {left:.0f} min left")
