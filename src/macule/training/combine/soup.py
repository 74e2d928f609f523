"""One network with the mean of several networks' weights: as quick as one, often as good as the ensemble.

Wortsman et al. 2022 ("model soups"): fine-tuned from the same weights, networks lie in one valley of the loss.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from macule.errors import UsageError
from macule.training import batches
from macule.training.batches import Normalise, TrainingSet, Wanted
from macule.training.networks import LesionNet
from macule.training.recipe import Recipe
from macule.training.sampling import Indices
from macule.training.trained import Trained

#: Training pictures that the batch statistics are measured on.
PICTURES = 2048
AT_ONCE = 32


def average(members: Sequence[Trained], data: TrainingSet) -> LesionNet:
    """The mean of the weights, each member counting once; in evaluation mode.

    data: training pictures. The mean of batch statistics is not the statistics of the mean network (Izmailov et al.
    2018), so they are measured anew, on pictures as training showed them; those in which the members agree, as where
    layers were frozen, stay.

    Raises: UsageError if the members are not of one network and one start.
    """
    _check(members)
    networks = [member.network for member in members]
    mean = copy.deepcopy(networks[0])
    with torch.no_grad():
        for name, value in mean.state_dict().items():
            if value.dtype.is_floating_point:
                value.copy_(torch.stack([network.state_dict()[name] for network in networks]).mean(dim=0))
    _measure(mean, list(_differing(mean, networks)), data, members[0].recipe)
    return mean.eval()


def _check(members: Sequence[Trained]) -> None:
    first = members[0]
    for other in members[1:]:
        same = other.recipe.network == first.recipe.network and other.recipe.targets is first.recipe.targets
        if not same:
            raise UsageError(f"{other.recipe.name} has another network than {first.recipe.name}: their weights have no "
                             "mean; --how ensemble takes them.")
        if (one := _began(first)) != (two := _began(other)):
            raise UsageError(f"{other.recipe.name} began from {two} and {first.recipe.name} from {one}: the mean of "
                             "what grew from different weights is no network; --how ensemble takes them.")


def _began(member: Trained) -> str:
    """Random weights are others for every seed."""
    start = member.network.start
    return start.weights if start.pretrained else f"{start.weights} with seed {member.recipe.seed}"


def _differing(mean: LesionNet, networks: Sequence[LesionNet]) -> Iterator[_BatchNorm]:
    """The batch norms of `mean` in whose statistics the members differ."""
    states = [network.state_dict() for network in networks]
    for name, module in mean.named_modules():
        if isinstance(module, _BatchNorm) and module.track_running_stats:
            kept = [[state[f"{name}.running_mean"], state[f"{name}.running_var"]] for state in states]
            if not all(torch.equal(one, two) for each in kept[1:] for one, two in zip(kept[0], each, strict=True)):
                yield module


@torch.no_grad()
def _measure(network: LesionNet, norms: Sequence[_BatchNorm], data: TrainingSet, recipe: Recipe) -> None:
    if not norms:
        return
    network.eval()  # no unit is dropped while statistics are measured
    usual = [norm.momentum for norm in norms]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # all pictures count alike
        _learn(norm, True)
    normalise = Normalise(network.start.mean, network.start.std)
    for step, indices in enumerate(_batches(len(data.records), recipe.seed)):
        batch = batches.make(data, recipe, Wanted(step, recipe.serving.size, indices))
        network(normalise(batch.images), batch.patient)
    for norm, momentum in zip(norms, usual, strict=True):
        norm.momentum = momentum
        _learn(norm, False)


def _learn(norm: nn.Module, on: bool) -> None:
    # Not `train()`: the network's own keeps what is frozen as it is.
    norm.training = on


def _batches(count: int, seed: int) -> list[Indices]:
    """Of equal size, as a last one of a single picture has no variance."""
    chosen = np.random.default_rng(seed).permutation(count)[:PICTURES].astype(np.int64)
    return np.array_split(chosen, max(1, len(chosen) // AT_ONCE))
