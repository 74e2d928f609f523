"""Batch norms folded into the convolutions before them: the same answers, a third less time a training step on a CPU.

With one more use: an exported bundle holds its network in this form, so training can go on from it.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import nn
from torch.nn.utils import fusion

from macule.errors import UsageError


def fold(module: nn.Module, *, name: str) -> None:
    """Take every batch norm of a module out; its convolution answers as both did in evaluation mode.

    name: of the backbone, for the message. Raises: UsageError where a norm does not stand behind a convolution.
    """
    convolution: nn.Conv2d | None = None
    for parent, key, layer in list(_layers(module)):
        if isinstance(layer, nn.Conv2d):
            convolution = layer
        elif isinstance(layer, nn.BatchNorm2d):
            if convolution is None or convolution.out_channels != layer.num_features or convolution.bias is not None:
                raise UsageError(f"network.norms is 'folded', but {name} has a batch norm that does not stand behind a "
                                 "convolution of its own: set network.norms to 'batch'.")
            _absorb(convolution, layer)
            # timm's norm carries the activation behind it.
            setattr(parent, key, getattr(layer, "act", nn.Identity()))
            convolution = None


def _layers(module: nn.Module) -> Iterator[tuple[nn.Module, str, nn.Module]]:
    """Parent, name and layer, in the order in which they were made, which is the order of the graph."""
    for key, child in module.named_children():
        if isinstance(child, nn.Conv2d | nn.BatchNorm2d):
            yield module, key, child
        else:
            yield from _layers(child)


def _absorb(convolution: nn.Conv2d, norm: nn.BatchNorm2d) -> None:
    mean, variance = norm.running_mean, norm.running_var
    if mean is None or variance is None:
        raise UsageError("network.norms is 'folded', but a batch norm keeps no statistics: set it to 'batch'.")
    with torch.no_grad():
        weight, bias = fusion.fuse_conv_bn_weights(convolution.weight, None, mean, variance, norm.eps, norm.weight,
                                                   norm.bias)
    convolution.weight, convolution.bias = weight, bias.requires_grad_(weight.requires_grad)
