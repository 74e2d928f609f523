"""A network of timm as an image backbone that can be cut, frozen and mapped."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn

from macule.errors import UsageError
from macule.training.networks import families

PROBE_SIZE = 96  # pixels; InceptionV3 needs 75, a vision transformer a multiple of 16

_EMPTY = (nn.Identity, nn.Sequential, nn.ModuleList)


class Backbone(nn.Module):
    """image: float32, (N, 3, S, S). Returns: features, float32, (N, channels, h, w).

    channels: of the features. still: how many of the parts, from the first, do not learn and run without gradient.
    """

    def __init__(self, network: nn.Module, *, name: str, cut: int | None = None) -> None:
        """network: of timm, taken apart. cut: how many stages are kept; the top then goes.

        Raises: UsageError if there are fewer stages, or the network gives no feature map.
        """
        super().__init__()
        stem, stages, top = families.take_apart(network)
        self.name = name
        self.stem = stem
        self.stages = nn.ModuleList(stages if cut is None else stages[:self._count(cut, len(stages), "network.cut")])
        self.top = top if cut is None else nn.Identity()
        self.channels = self._probe(network)
        self.still = 0

    @property
    def parts(self) -> list[nn.Module]:
        return [self.stem, *self.stages, self.top]

    def forward(self, image: Tensor) -> Tensor:
        x = image
        with torch.set_grad_enabled(torch.is_grad_enabled() and not self.still):
            for part in self.parts[:self.still]:
                x = part(x)
        for part in self.parts[self.still:]:
            x = part(x)
        return x

    def frozen_by(self, rule: str) -> list[nn.Module]:
        """The layers that do not learn under a phase's `trainable`. Raises: UsageError if there are fewer stages."""
        if rule == "all":
            return []
        if rule == "head":
            return list(layers_of(self))
        kind, number = rule.split(":")
        if kind == "last":
            return list(layers_of(self))[:-int(number)]
        first = self.parts[:1 + self._count(int(number), len(self.stages), f"trainable is {rule!r}: N")]
        return [layer for part in first for layer in layers_of(part)]

    def settle(self, size: int) -> None:
        """Fit positions to one size of picture for good; a network without positions stays as it is."""
        for module in self.modules():
            if callable(fit := getattr(module, "set_input_size", None)):
                fit(img_size=(size, size))
                return

    def _count(self, wanted: int, there: int, setting: str) -> int:
        if wanted > there:
            raise UsageError(f"{setting} is {wanted}; {self.name} has {there} stages.")
        return wanted

    @torch.no_grad()
    def _probe(self, network: nn.Module) -> int:
        self.still = 0
        whole = isinstance(self.stages[0], families.Whole)
        settings: Any = network.pretrained_cfg
        size = int(settings["input_size"][-1]) if whole else PROBE_SIZE
        try:
            features = self.eval()(torch.zeros(1, 3, size, size))
        except (RuntimeError, AssertionError, AttributeError, TypeError) as error:
            raise UsageError(f"network.backbone is {self.name!r}, which gives no feature map ({error}): take a "
                             "network that does, such as lite1 or resnet50.") from error
        self.train()
        if features.ndim != 4:
            raise UsageError(f"network.backbone is {self.name!r}, whose features have the shape "
                             f"{tuple(features.shape)}; (N, channels, height, width) is needed.")
        return int(features.shape[1])


def layers_of(module: nn.Module) -> Iterator[nn.Module]:
    """What Keras would count: modules with weights of their own, and those that hold no others."""
    for each in module.modules():
        own = any(True for _ in each.parameters(recurse=False))
        if own or (not any(True for _ in each.children()) and not isinstance(each, _EMPTY)):
            yield each
