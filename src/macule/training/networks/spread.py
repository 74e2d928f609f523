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
#: The group of each class: 0 benign, 1 malignant or indeterminate.
GROUPS = np.array([int(code.suspicious) for code in Diagnosis])


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


def _within_groups(prior: NDArray[np.float64]) -> NDArray[np.float64]:
    """Share of each class within its group, float64, shape (11,); each group sums to 1."""
    shares = np.zeros(len(GROUPS))
    for group in (0, 1):
        members = group == GROUPS
        total = prior[members].sum()
        within = np.maximum(prior[members] / total if total > 0 else 0.0, FLOOR)
        shares[members] = within / within.sum()
    return shares
