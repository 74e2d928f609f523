"""Networks that a student learns from, beside the labels (Hinton et al. 2015)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from macule.errors import UsageError
from macule.training import trained
from macule.training.augment import Mixing
from macule.training.batches import Normalise
from macule.training.networks import LesionNet
from macule.training.recipe import Recipe


@dataclass(frozen=True)
class Teacher:
    """A trained network, and how it is used to see pictures: its own mean and spread, at its own size."""

    network: LesionNet
    normalise: Normalise
    size: int

    def shares(self, images: Tensor, about: Tensor, mixing: Mixing | None) -> Tensor:
        """images: uint8, (N, S, S, 3). about: float32, (N, 13). Returns: probabilities, float32, (N, C)."""
        seen = self.normalise(images)
        if mixing is not None:
            seen = mixing.apply(seen)
        if seen.shape[-1] != self.size:
            seen = F.interpolate(seen, size=(self.size, self.size), mode="bilinear", antialias=True)
        return torch.softmax(self.network(seen, about)[0].float(), dim=1)


def folders(recipe: Recipe) -> list[Path]:
    return [Path(each) for each in recipe.distillation.teachers] if recipe.distillation else []


def load(recipe: Recipe, device: torch.device) -> list[Teacher]:
    """Raises: InputNotFound, CheckpointDamaged; UsageError if a teacher tells other classes apart, or was taught on
    pictures prepared in another way."""
    return [_load(folder, recipe, device) for folder in folders(recipe)]


def _load(folder: Path, recipe: Recipe, device: torch.device) -> Teacher:
    teacher = trained.load(folder)
    if teacher.recipe.targets is not recipe.targets:
        raise UsageError(f"the teacher {folder} tells {teacher.recipe.targets.value} apart and recipe {recipe.name} "
                         f"{recipe.targets.value}: choose a teacher of the same targets.")
    theirs, ours = teacher.recipe.serving.arms, recipe.serving.arms
    if theirs != ours:
        raise UsageError(f"the teacher {folder} was taught on pictures with the arms {list(theirs)} and recipe "
                         f"{recipe.name} has {list(ours)}: set serving.arms to the teacher's.")
    network = teacher.network.to(device).eval().requires_grad_(False)
    return Teacher(network, Normalise(network.start.mean, network.start.std), teacher.recipe.serving.size)


@torch.no_grad()
def answer(teachers: Sequence[Teacher], images: Tensor, about: Tensor, mixing: Mixing | None) -> Tensor:
    """The logarithm of what the teachers say on average, float32, (N, C); see Teacher.shares."""
    return torch.stack([each.shares(images, about, mixing) for each in teachers]).mean(dim=0).clamp_min(1e-8).log()
