"""One graph that asks several networks and answers with the mean of their probabilities."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from macule.training.networks import Start


class Ensemble(nn.Module):
    """image: float32, (N, 3, S, S), normalised for the first member; patient: float32, (N, 13).

    Returns: logits (N, 11): the log of the mean of the members' probabilities (Lakshminarayanan et al. 2017);
    embedding (N, sum of D): the members' side by side; cam (N, 11, h, w): their mean, on the finest member's grid.

    Not the mean of log-probabilities: there a single member that is sure of itself could veto a melanoma that all
    others see. One temperature is fitted to the whole afterwards (Rahaman & Thiery 2021).
    """

    def __init__(self, members: Sequence[nn.Module], starts: Sequence[Start]) -> None:
        """members: each speaks the taxonomy; starts: with the mean and std that each expects."""
        super().__init__()
        self.start = _start(starts)
        self.members = nn.ModuleList(Renormalised(network, own=start, theirs=self.start)
                                     for network, start in zip(members, starts, strict=True))

    def forward(self, image: Tensor, patient: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        answers = [member(image, patient) for member in self.members]
        logs = torch.stack([F.log_softmax(logits, dim=1) for logits, _, _ in answers])
        mean = torch.logsumexp(logs, dim=0) - math.log(len(answers))
        return mean, torch.cat([embedding for _, embedding, _ in answers], dim=1), _mean([cam for *_, cam in answers])


def _mean(maps: Sequence[Tensor]) -> Tensor:
    side = max(each.shape[-1] for each in maps)
    return torch.stack([each if each.shape[-1] == side else
                        F.interpolate(each, size=(side, side), mode="bilinear", align_corners=False)
                        for each in maps]).mean(dim=0)


def _start(starts: Sequence[Start]) -> Start:
    """Of the whole: pretrained only if every member is."""
    names = " + ".join(start.backbone for start in starts)
    words = dict.fromkeys(start.weights for start in starts)
    return Start(names, "; ".join(words), all(start.pretrained for start in starts), starts[0].mean, starts[0].std)


class Renormalised(nn.Module):
    """image: float32, (N, 3, S, S), with `theirs`' mean and std. Returns: what the network says of it, with its own."""

    scale: Tensor
    shift: Tensor

    def __init__(self, network: nn.Module, *, own: Start, theirs: Start) -> None:
        super().__init__()
        self.network = network
        self.equal = (own.mean, own.std) == (theirs.mean, theirs.std)
        mean, std, its_mean, its_std = (torch.tensor(each).reshape(1, 3, 1, 1)
                                        for each in (own.mean, own.std, theirs.mean, theirs.std))
        self.register_buffer("scale", its_std / std)
        self.register_buffer("shift", (its_mean - mean) / std)

    def forward(self, image: Tensor, patient: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        seen = image if self.equal else image * self.scale + self.shift
        found: tuple[Tensor, Tensor, Tensor] = self.network(seen, patient)
        return found
