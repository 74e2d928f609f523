"""Attacks on a bundle: pictures changed by a few grey levels so that its network errs, then sent through serving.

FGSM (Goodfellow et al. 2015) and PGD (Madry et al. 2018) within an L-infinity ball, with resizing, normalisation and
views inside the loop: FGSM all of them, each step of PGD one, by turns. The attacked picture is rounded to 8 bits and
saved as a PNG, so quality checks, views and gate take part. The attacker knows the weights and attacks the network
alone: not the gate, and not the arms, which he takes for the identity (Athalye et al. 2018).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache, partial
from typing import Any, TypeAlias

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Generator, Tensor, nn

from macule.analysis import preprocess
from macule.analysis.bundle import Bundle
from macule.analysis.calibration import SUSPICIOUS, Calibration
from macule.analysis.patient import Patient, encode
from macule.analysis.pipeline import Analyzer
from macule.analysis.preprocess import Preprocessing
from macule.data.record import Record
from macule.errors import InputError
from macule.evaluation import stressed
from macule.evaluation.attacked import attack_figures
from macule.evaluation.exam import Exam
from macule.evaluation.stressed import Answer, Rgb

#: Told how many pictures there are; gives what to call after each.
Start = Callable[[int], Callable[[], None]]
#: How far a picture (float32, (3, H, W), 0 to 1) is pushed: a scalar to be raised.
Loss: TypeAlias = Callable[[Tensor], Tensor]

SAMPLE = 60
EPS = (1, 2, 4, 8)  # grey levels of 255
STEPS = 10
METHODS = ("noise", "fgsm", "pgd")


def fgsm(loss: Loss, picture: Tensor, eps: Sequence[float]) -> list[Tensor]:
    """One step along the sign of the gradient, of each size."""
    sign = _gradient(loss, picture).sign()
    return [(picture + size * sign).clamp(0, 1) for size in eps]


def pgd(losses: Sequence[Loss], picture: Tensor, eps: float, *, steps: int, chance: Generator) -> Tensor:
    """Steps of 2.5 eps / steps along the sign from a random start, each brought back into the ball.

    losses: taken by turns; one a view costs a quarter of four views at once, and the steps add up to the same.
    """
    found = (picture + eps * (2 * torch.rand(picture.shape, generator=chance) - 1)).clamp(0, 1)
    for step in range(steps):
        found = found + 2.5 * eps / steps * _gradient(losses[step % len(losses)], found).sign()
        found = torch.minimum(torch.maximum(found, picture - eps), picture + eps).clamp(0, 1)
    return found


def noise(picture: Tensor, eps: float, *, chance: Generator) -> Tensor:
    """The control: eps up or down at random, which knows nothing of the network."""
    signs = torch.randint(0, 2, picture.shape, generator=chance) * 2 - 1
    return (picture + eps * signs).clamp(0, 1)


def _gradient(loss: Loss, picture: Tensor) -> Tensor:
    asked = picture.detach().requires_grad_(True)
    (found,) = torch.autograd.grad(loss(asked), asked)
    return found


@dataclass(frozen=True)
class Served:
    """A bundle's malignant probability as a function of the picture that is served, with gradients."""

    network: nn.Module = field(repr=False)
    preprocessing: Preprocessing
    calibration: Calibration

    def margin(self, picture: Tensor, patient: Tensor, *, view: int | None = None) -> Tensor:
        """Log-odds of malignant (or indeterminate); of one view alone, or as served.

        picture: float32, (3, H, W), 0 to 1. patient: float32, (13,).
        """
        spec = self.preprocessing
        small = _squashed(picture, spec.size)
        mean, std = (torch.tensor(values, dtype=small.dtype)[:, None, None] for values in (spec.mean, spec.std))
        views = _views((small - mean) / std, spec.views)
        views = views if view is None else views[view:view + 1]
        logits = self._scaled(self.network(views, patient.expand(len(views), -1))[0].mean(dim=0))
        suspicious = torch.as_tensor(SUSPICIOUS)
        return torch.logsumexp(logits[suspicious], 0) - torch.logsumexp(logits[~suspicious], 0)

    def _scaled(self, logits: Tensor) -> Tensor:
        """From which the malignant sum comes."""
        over = self.calibration.malignant
        if over is None:
            return logits / self.calibration.temperature
        return logits * over.scale + torch.tensor(over.shift, dtype=logits.dtype)


def _squashed(picture: Tensor, size: int) -> Tensor:
    """As `preprocess.squash`, before it rounds."""
    height, width = picture.shape[1:]
    if min(height, width) < size:
        return F.interpolate(picture[None], (size, size), mode="bilinear", align_corners=False)[0]
    return _areas(size, height) @ picture @ _areas(size, width).T


@lru_cache(maxsize=16)  # the same for every step and picture of a size
def _areas(out: int, side: int) -> Tensor:
    """float32, (out, side): the share of each pixel in each of fewer, larger ones; rows sum to 1."""
    edges, pixels = np.linspace(0, side, out + 1), np.arange(side)
    shared = np.minimum(edges[1:, None], pixels + 1) - np.maximum(edges[:-1, None], pixels)
    return torch.from_numpy((np.clip(shared, 0, None) * out / side).astype(np.float32))


def _views(tensor: Tensor, count: int) -> Tensor:
    """As `preprocess.make_views`, whose order of the pixels it borrows."""
    places = _places(tensor.shape[-1], count)
    return tensor.reshape(3, -1)[:, places].transpose(0, 1)


@lru_cache(maxsize=4)
def _places(side: int, count: int) -> Tensor:
    """int64, (count, side, side): which pixel of the picture each pixel of a view is."""
    numbers = np.arange(side * side, dtype=np.float32).reshape(1, side, side)  # exact up to 4096 px a side
    return torch.from_numpy(preprocess.make_views(numbers, count)[:, 0].astype(np.int64))


def measure(bundle: Bundle, exam: Exam, *, sample: int = SAMPLE, eps: Sequence[int] = EPS, steps: int = STEPS,
            seed: int = 0, with_patient: bool = True, network: nn.Module | None = None,
            start: Start = lambda _: lambda: None) -> dict[str, Any]:
    """Success by method and size of the change, and what the quality checks and the gate catch.

    Benign pictures are pushed towards malignant, malignant ones away from it.
    sample: pictures at most, see `stressed.drawn`. eps: grey levels of 255, whole. network: the bundle's by default.

    Returns: plain numbers with n and intervals; `measured` is False, with `why`, where no picture can be used.
    Raises: UsageError if the network cannot be rebuilt in torch.
    """
    chosen = stressed.drawn(exam.predictions, sample=sample, seed=seed)
    if not len(chosen):
        return stressed.NOT_LABELLED
    tick, analyzer = start(len(chosen)), Analyzer(bundle)
    served = Served(network or _rebuilt(bundle), bundle.preprocessing, bundle.calibration)
    rows, kept = [], []
    for place in chosen:
        positive = bool(exam.predictions.suspicious[place] == 1)
        attack = _Attack(analyzer, served, tuple(eps), steps, seed + int(place), with_patient)
        row = attack.on(exam.predictions.records[place], away=positive)
        if row is not None:
            rows.append(row)
            kept.append(int(place))
        tick()
    named = [(method, level) for method in METHODS for level in eps]
    if not rows:
        return stressed.UNREADABLE
    return {"measured": True, "seed": seed, "steps": steps, "eps": list(eps), "views": bundle.preprocessing.views,
            "arms": list(bundle.preprocessing.arms), "failed": len(chosen) - len(kept),
            **attack_figures(exam, kept, rows, named, threshold=bundle.thresholds.medium.probability)}


def _rebuilt(bundle: Bundle) -> nn.Module:
    from macule.training import from_bundle

    return from_bundle.network(bundle)


@dataclass(frozen=True)
class _Attack:
    analyzer: Analyzer
    served: Served
    eps: tuple[int, ...]
    steps: int
    seed: int
    with_patient: bool

    def on(self, record: Record, *, away: bool) -> list[tuple[Answer, float]] | None:
        """The answer and the network's own probability, of the untouched picture and after each attack.

        away: push down. None if the picture cannot be read.
        """
        try:
            rgb = stressed.working(record, self.served.preprocessing.size)
        except InputError:
            return None
        about = record.patient if self.with_patient else Patient()
        patient = torch.from_numpy(encode(about))
        picture = _to_tensor(rgb)

        def loss(asked: Tensor, view: int | None = None) -> Tensor:
            margin = self.served.margin(asked, patient, view=view)
            return -margin if away else margin

        turns = [partial(loss, view=number) for number in range(self.served.preprocessing.views)]
        seen = [rgb, *(_to_bytes(worse) for worse in self._made(loss, turns, picture))]
        return [(stressed.serve(self.analyzer, each, about), self._probability(each, patient)) for each in seen]

    def _made(self, loss: Loss, turns: Sequence[Loss], picture: Tensor) -> list[Tensor]:
        """In the order of METHODS, then of eps."""
        chance = Generator().manual_seed(self.seed)
        sizes = [level / 255 for level in self.eps]
        return [*(noise(picture, size, chance=chance) for size in sizes),
                *fgsm(loss, picture, sizes),
                *(pgd(turns, picture, size, steps=self.steps, chance=chance) for size in sizes)]

    def _probability(self, rgb: Rgb, patient: Tensor) -> float:
        with torch.no_grad():
            return float(torch.sigmoid(self.served.margin(_to_tensor(rgb), patient)))


def _to_tensor(rgb: Rgb) -> Tensor:
    return torch.from_numpy(rgb.astype(np.float32).transpose(2, 0, 1) / np.float32(255))


def _to_bytes(picture: Tensor) -> Rgb:
    """8 bits: the ball's ends are whole grey levels, so rounding does not leave it."""
    levels: NDArray[np.float32] = picture.detach().numpy().transpose(1, 2, 0) * 255
    return np.ascontiguousarray(np.clip(np.rint(levels), 0, 255).astype(np.uint8))
