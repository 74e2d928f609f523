"""What moves the weights, and the moving average of them that is kept."""

from __future__ import annotations

import torch
from torch import nn

from macule.training.networks import LesionNet
from macule.training.recipe import Optimiser, Phase


def make(settings: Optimiser, phase: Phase, network: LesionNet) -> torch.optim.Optimizer:
    """In four groups: pretrained or new weights, and of each what must not decay (norms and biases).

    Each group's `peak` is the learning rate that the schedule takes its share of.
    """
    head = phase.learning_rate if phase.head_learning_rate is None else phase.head_learning_rate
    groups = [
        {"params": parameters, "peak": head if "head" in name else phase.learning_rate,
         "weight_decay": 0.0 if name.startswith("still") else settings.weight_decay}
        for name, parameters in network.parameter_groups().items()
    ]
    if settings.kind == "sgd":
        return torch.optim.SGD(groups, lr=phase.learning_rate, momentum=settings.momentum)
    kind = torch.optim.AdamW if settings.kind == "adamw" else torch.optim.Adam
    return kind(groups, lr=phase.learning_rate)


def set_momentum(optimiser: torch.optim.Optimizer, momentum: float) -> None:
    """Adam's first beta is its momentum."""
    for group in optimiser.param_groups:
        if "betas" in group:
            group["betas"] = (momentum, group["betas"][1])
        else:
            group["momentum"] = momentum


@torch.no_grad()
def blend(average: nn.Module, network: nn.Module, decay: float) -> None:
    """Move the average towards the network by 1 - decay; whole numbers, such as counts of batches, are copied."""
    kept, new = list(average.state_dict().values()), list(network.state_dict().values())
    floats = [(one, other) for one, other in zip(kept, new, strict=True) if one.dtype.is_floating_point]
    torch._foreach_lerp_([one for one, _ in floats], [other for _, other in floats], 1 - decay)
    for one, other in zip(kept, new, strict=True):
        if not one.dtype.is_floating_point:
            one.copy_(other)
