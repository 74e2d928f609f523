"""Two pictures in one, and how much of each: mixup (Zhang et al. 2018) and CutMix (Yun et al. 2019)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from macule.training import recipe

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Mixing:
    """Which pictures of a batch are mixed, and how.

    partner: int64, (N,), the number of the other picture. share: float64, (N,), the exact weight of the picture
    itself, 0 to 1; the partner has the rest. boxes: None mixes whole pictures; else float64, (N, 4), where the partner
    is pasted: top, left, bottom, right in shares of the side, clipped to the picture.
    """

    partner: NDArray[np.int64]
    share: NDArray[np.float64]
    boxes: NDArray[np.float64] | None

    def apply(self, images: Tensor) -> Tensor:
        """images: float, (N, 3, H, W). Returns: the same shape, kind and memory format; the images are not changed."""
        if self.boxes is not None:
            return self._pasted(images, self.boxes)
        return images[self.partner].lerp_(images, images.new_tensor(self.share)[:, None, None, None])

    def _pasted(self, images: Tensor, boxes: NDArray[np.float64]) -> Tensor:
        """Pixels on a box's rim are mixed: what is the picture's own is its share at any size, without rounding."""
        mixed = images.clone()
        for number, (partner, box) in enumerate(zip(self.partner.tolist(), boxes, strict=True)):
            rows, down = _covered(box[0], box[2], images.shape[2])
            columns, across = _covered(box[1], box[3], images.shape[3])
            place = (slice(None), rows, columns)
            weight = images.new_tensor(down[:, None] * across)
            mixed[number][place] = images[number][place].lerp(images[partner][place], weight)
        return mixed


def mixing(count: int, settings: recipe.Augment, rng: Generator) -> Mixing | None:
    """A plan for a batch of `count` pictures; None where the recipe mixes none.

    Where it has both mixup and CutMix, one of them is drawn for the batch. Each picture has its own share.
    """
    kinds = {kind: alpha * settings.strength
             for kind, alpha in (("mixup", settings.mixup), ("cutmix", settings.cutmix))
             if alpha * settings.strength > 0}
    if not kinds:
        return None
    kind = list(kinds)[rng.integers(len(kinds))]
    partner = rng.permutation(count)
    share = rng.beta(kinds[kind], kinds[kind], count)
    if kind == "mixup":
        return Mixing(partner, share, None)
    boxes = _boxes(1 - share, rng)
    return Mixing(partner, 1 - np.prod(boxes[:, 2:] - boxes[:, :2], axis=1), boxes)


def _boxes(area: NDArray[np.float64], rng: Generator) -> NDArray[np.float64]:
    """Squares of the given areas about any place of the picture, clipped to it: (N, 4)."""
    half = np.sqrt(area)[:, None] / 2
    centre = rng.random((len(area), 2))
    return np.clip(np.hstack([centre - half, centre + half]), 0, 1)


def _covered(low: float, high: float, size: int) -> tuple[slice, NDArray[np.float64]]:
    """Which of `size` pixels lie between low and high (shares of the side), and how much of each."""
    first, last = math.floor(low * size), math.ceil(high * size)
    pixel = np.arange(first, last)
    return slice(first, last), np.minimum(high * size, pixel + 1) - np.maximum(low * size, pixel)
