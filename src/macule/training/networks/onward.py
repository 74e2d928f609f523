"""A network that goes on from an exported bundle in place of ImageNet's weights."""

from __future__ import annotations

import json
from collections.abc import Sequence

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx import numpy_helper
from torch import nn

from macule.analysis.bundle import MANIFEST, Bundle
from macule.errors import UsageError

_ADVICE = "take the network.backbone and the head of that bundle"
Weights = tuple[NDArray[np.float32], NDArray[np.float32]]


def take_over(network: nn.Module, bundle: Bundle) -> None:
    """Put a bundle's weights into a network of the same shape, whose batch norms are folded.

    Convolutions are matched in the order of the graph, linear layers by their shapes. The last bias holds what was
    added for serving (`prior_shift` of the provenance): see `as_learnt`.

    Raises: UsageError where a layer has no counterpart, or the bundle's weights are not single precision.
    """
    graph = onnx.load(str(bundle.model)).graph
    constants = {each.name: numpy_helper.to_array(each) for each in graph.initializer}
    given = {kind: [_weights([constants.get(name) for name in node.input[1:]], bundle.id)
                    for node in graph.node if node.op_type == kind] for kind in ("Conv", "Gemm")}
    convolutions = [module for module in network.modules() if isinstance(module, nn.Conv2d)]
    linear = [module for module in network.modules() if isinstance(module, nn.Linear)]
    if (len(convolutions), len(linear)) != (len(given["Conv"]), len(given["Gemm"])):
        raise UsageError(f"network.start is {bundle.id}, which has {len(given['Conv'])} convolutions and "
                         f"{len(given['Gemm'])} linear layers; this recipe's network has {len(convolutions)} and "
                         f"{len(linear)}: {_ADVICE}.")
    for convolution, weights in zip(convolutions, given["Conv"], strict=True):
        _put(convolution, weights, bundle.id)
    for layer in linear:
        shape = tuple(layer.weight.shape)
        fitting = [weights for weights in given["Gemm"] if weights[0].shape == shape]
        if len(fitting) != 1:
            raise UsageError(f"network.start is {bundle.id}, which has {len(fitting)} linear layers of shape {shape}; "
                             f"one is needed: {_ADVICE}.")
        _put(layer, fitting[0], bundle.id)


def as_learnt(classes: nn.Linear, bundle: Bundle) -> None:
    """Take off the last bias what export added to it for serving, or the next export would add it once more.

    Bundles made before 2026-11-22 do not say what that was; their bias stays.
    """
    written = json.loads((bundle.folder / MANIFEST).read_text(encoding="utf-8"))
    shift = written.get("provenance", {}).get("prior_shift")
    if shift is not None:
        with torch.no_grad():
            classes.bias.sub_(torch.as_tensor(shift, dtype=torch.float32))


def _weights(given: Sequence[NDArray[np.float32] | None], name: str) -> Weights:
    if len(given) != 2 or given[0] is None or given[1] is None or given[0].dtype != np.float32:
        raise UsageError(f"network.start is {name}, which holds a layer without weights of single precision: take a "
                         "bundle as macule train writes it, neither quantised nor combined.")
    return given[0], given[1]


def _put(module: nn.Conv2d | nn.Linear, weights: Weights, name: str) -> None:
    if module.bias is None or tuple(module.weight.shape) != weights[0].shape:
        raise UsageError(f"network.start is {name}, where a layer of shape {weights[0].shape} stands in the place of "
                         f"one of shape {tuple(module.weight.shape)}: {_ADVICE}.")
    with torch.no_grad():
        for tensor, values in zip((module.weight, module.bias), weights, strict=True):
            tensor.copy_(torch.from_numpy(values.copy()))
