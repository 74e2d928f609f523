"""Two classes spoken in eleven: what a network that tells benign from malignant says in a bundle.

A bundle always speaks the taxonomy, so that every surface, score and threshold reads all bundles alike. Nothing within
a group is evidence of such a network: there, only how common the classes were in training speaks.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from macule.taxonomy import Diagnosis
from macule.training.networks.lesion_net import LesionNet

#: Share of its group that a class gets which training did not show: never 0, whose logarithm is no number.
FLOOR = 1e-6
#: The group of each class: 0 benign, 1 malignant or indeterminate; and the classes of each group.
GROUPS = np.array([int(code.suspicious) for code in Diagnosis])
MEMBERS = tuple(np.flatnonzero(group == GROUPS).tolist() for group in (0, 1))


class Spread(nn.Module):
    """As LesionNet, with logits (N, 11) and cam (N, 11, h, w) from two.

    logit = logit of the group + log share of the class within it; so the probabilities of a group sum to the group's.
    The map of a class is its group's.
    """

    def __init__(self, network: LesionNet, shares: NDArray[np.float64]) -> None:
        super().__init__()
        self.network = network
        self.start = network.start
        self.register_buffer("groups", torch.from_numpy(GROUPS))
        self.register_buffer("logs", torch.from_numpy(np.log(shares)).float())

    def forward(self, image: Tensor, patient: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        logits, embedding, cam = self.network(image, patient)
        return logits[:, self.groups] + self.logs, embedding, cam[:, self.groups]


def spread(network: LesionNet, prior: NDArray[np.float64]) -> Spread:
    """prior: how often each class was in training, shape (11,), counts or shares."""
    return Spread(network, _within_groups(prior))


class Tempered(nn.Module):
    """A network of two spread groups, whose groups' logits are divided by a temperature; shares within stay.

    A temperature over the eleven logits would soften the shares too, and with them move the groups' odds.
    """

    def __init__(self, spoken: nn.Module, temperature: float) -> None:
        super().__init__()
        self.spoken = spoken
        self.temperature = temperature
        self.groups: Tensor
        self.register_buffer("groups", torch.from_numpy(GROUPS))

    def forward(self, image: Tensor, patient: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        logits, embedding, cam = self.spoken(image, patient)
        pair = torch.stack([torch.logsumexp(logits[:, MEMBERS[group]], dim=1) for group in (0, 1)], dim=1)
        moved: Tensor = (pair * (1 / self.temperature - 1)).index_select(1, self.groups)
        return logits + moved, embedding, cam


def grouped(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    """The two groups' logits that a spread network's eleven come from, up to a constant. Shape (N, 11) -> (N, 2)."""
    return np.stack([np.logaddexp.reduce(logits[:, group == GROUPS], axis=1) for group in (0, 1)], axis=1)


def _within_groups(prior: NDArray[np.float64]) -> NDArray[np.float64]:
    """Share of each class within its group, float64, shape (11,); each group sums to 1."""
    shares = np.zeros(len(GROUPS))
    for group in (0, 1):
        members = np.asarray(group == GROUPS)
        total = prior[members].sum()
        # Where nothing is known of a group, its classes are equally likely.
        within = np.maximum(prior[members] / total, FLOOR) if total > 0 else np.ones(int(members.sum()))
        shares[members] = within / within.sum()
    return shares
