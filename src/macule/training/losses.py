"""What a wrong answer costs. Every loss takes sets of classes, so lumped labels train along (see labels.py)."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from macule.analysis.calibration import SUSPICIOUS
from macule.errors import UsageError
from macule.training import labels
from macule.training.recipe import Loss, Targets

_LOG_ZERO = -4.0  # what Wang et al. 2019 put for log 0 in the reverse cross-entropy


class Objective(nn.Module):
    """logits: float32, (N, C). allowed: bool, (N, C). Returns: the loss of each picture, float32, (N,)."""

    weights: Tensor
    log_prior: Tensor

    def __init__(self, settings: Loss, *, counts: NDArray[np.float64], targets: Targets) -> None:
        """counts: how often each class is drawn in an epoch, float64, shape (C,).

        Raises: UsageError for a class weight of an unknown class.
        """
        super().__init__()
        self.settings = settings
        self.register_buffer("weights", torch.from_numpy(class_weights(settings, counts=counts, targets=targets)))
        prior = np.where(counts > 0, np.log(np.maximum(counts, 1e-12) / counts.sum()), 0.0)
        self.register_buffer("log_prior", torch.from_numpy(prior).float())

    def forward(self, logits: Tensor, allowed: Tensor) -> Tensor:
        if self.settings.kind == "logit_adjusted":
            logits = logits + self.settings.tau * self.log_prior
        logs = torch.log_softmax(logits.float(), dim=1)
        inside = torch.logsumexp(logs.masked_fill(~allowed, -torch.inf), dim=1).clamp(max=0)
        loss = self._of(inside)
        if self.settings.smoothing:
            loss = (1 - self.settings.smoothing) * loss - self.settings.smoothing * logs.mean(dim=1)
        share = allowed.float() / allowed.sum(dim=1, keepdim=True)
        return loss * (share @ self.weights)

    def _of(self, inside: Tensor) -> Tensor:
        """inside: log of the probability that the answer lies in the label's set."""
        if self.settings.kind == "focal":
            # Never quite 0, where the slope of a power below 1 is no number.
            outside = (-torch.expm1(inside)).clamp_min(1e-9)
            return -(outside**self.settings.gamma) * inside
        if self.settings.kind == "symmetric":
            reverse = -_LOG_ZERO * (1 - inside.exp())
            return -self.settings.alpha * inside + self.settings.rce * reverse
        return -inside


def class_weights(settings: Loss, *, counts: NDArray[np.float64], targets: Targets) -> NDArray[np.float32]:
    """float32, shape (C,); scaled so that the mean over the pictures drawn is 1, before those given by name."""
    weights = np.ones(len(counts))
    present = counts > 0
    if settings.kind == "class_balanced":
        weights[present] = (1 - settings.beta) / (1 - settings.beta ** np.maximum(counts[present], 1.0))
    if settings.class_weights == "inverse":
        weights[present] /= counts[present]
    mean = float((weights * counts).sum() / counts.sum())
    named = settings.class_weights if isinstance(settings.class_weights, Mapping) else {}
    return (weights / mean * _by_name(named, targets)).astype(np.float32)


def _by_name(given: Mapping[str, float], targets: Targets) -> NDArray[np.float64]:
    known = labels.names(targets)
    groups = {"malignant": SUSPICIOUS, "benign": ~SUSPICIOUS} if targets is Targets.DIAGNOSIS else {}
    weights = np.ones(len(known))
    for name, weight in sorted(given.items(), key=lambda each: each[0] in known):  # a class goes before its group
        if not (math.isfinite(weight) and weight >= 0):
            raise UsageError(f"loss.class_weights: {name} is {weight}; a number from 0 is needed.")
        if name in known:
            weights[known.index(name)] = weight
        elif name in groups:
            weights[groups[name]] = weight
        else:
            raise UsageError(f"loss.class_weights names {name!r}; known: {', '.join([*known, *groups])}.")
    return weights


def distilled(student: Tensor, teacher: Tensor, *, temperature: float) -> Tensor:
    """How far the student's answer is from the teacher's (Hinton et al. 2015); logits, (N, C). Returns: (N,)."""
    expected = torch.softmax(teacher / temperature, dim=1)
    found = torch.log_softmax(student.float() / temperature, dim=1)
    return nn.functional.kl_div(found, expected, reduction="none").sum(dim=1) * temperature**2
