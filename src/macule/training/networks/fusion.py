"""How the patient's data come in."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from macule.analysis.patient import VECTOR_LENGTH

HIDDEN = 32


def added(classes: int) -> nn.Module:
    """patient (N, 13) -> what is added to the logits, (N, classes)."""
    return nn.Sequential(nn.Linear(VECTOR_LENGTH, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, classes))


def coded() -> nn.Module:
    """patient (N, 13) -> what is appended to the pooled features, (N, 32)."""
    return nn.Sequential(nn.Linear(VECTOR_LENGTH, HIDDEN), nn.ReLU())


class MetaBlock(nn.Module):
    """The patient gates the channels: sigmoid(tanh(f(patient) * features) + g(patient)) (Pacheco & Krohling 2021).

    features: (N, D, h, w). patient: (N, 13). Returns: (N, D, h, w), between 0 and 1. f and g are linear with a batch
    norm, as in the authors' code, which a batch of one cannot train.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.f = nn.Sequential(nn.Linear(VECTOR_LENGTH, channels), nn.BatchNorm1d(channels))
        self.g = nn.Sequential(nn.Linear(VECTOR_LENGTH, channels), nn.BatchNorm1d(channels))

    def forward(self, features: Tensor, patient: Tensor) -> Tensor:
        scale, shift = (part(patient)[:, :, None, None] for part in (self.f, self.g))
        return torch.sigmoid(torch.tanh(scale * features) + shift)
