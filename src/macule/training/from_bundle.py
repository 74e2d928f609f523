"""An exported bundle as a torch network again: for attacks and explanations, which need gradients.

The graph is walked node by node (`macule.training._operators`). onnx2torch 1.5.15, the library for this, was tried
first: it stops at version 17 of the operator set, while torch exports 18 and 20. With eight operators registered anew
it still refused constants that two nodes share, and `allowzero`, which torch writes for networks with attention.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import onnx
import torch
from onnx import numpy_helper
from torch import Tensor, nn

from macule.analysis.bundle import Bundle
from macule.analysis.network import OUTPUTS
from macule.errors import BundleInvalid, UsageError
from macule.training._operators import OPERATORS, UnknownForm

INPUTS = ("image", "patient")
_INSTEAD = "choose a bundle of another network, or a method that needs no gradient"


def network(bundle: Bundle) -> BundleNetwork:
    """The network of a bundle in evaluation mode, its weights fixed; gradients flow to its inputs.

    Raises: UsageError naming an operator that torch cannot be given; BundleInvalid for other inputs or outputs.
    """
    return BundleNetwork(onnx.load(str(bundle.model)), name=bundle.id)


class Node(nn.Module):
    """One node of the graph. kind: its operator. reads: names of values, empty where it may lack one. makes: names."""

    def __init__(self, node: onnx.NodeProto) -> None:
        super().__init__()
        self.kind = node.op_type
        self.reads, self.makes = tuple(node.input), tuple(node.output)
        self.attributes = {entry.name: _attribute(entry) for entry in node.attribute}

    def forward(self, *values: Tensor | None) -> Any:
        """Raises: UsageError for a form of the operator that macule does not know."""
        try:
            return OPERATORS[self.kind](values, self.attributes)
        except UnknownForm as error:
            raise UsageError(f"this bundle has {error}, which macule cannot rebuild in torch: {_INSTEAD}.") from error

    def extra_repr(self) -> str:
        return f"{self.kind}: {', '.join(self.reads)} -> {', '.join(self.makes)}"


class BundleNetwork(nn.Module):
    """image: float32, (N, 3, S, S); patient: float32, (N, 13).

    Returns: logits (N, 11), embedding (N, D), cam (N, 11, h, w), as `macule.analysis.network.Network` gives them, with
    its temperature and views left to the caller.
    nodes: in the order of the graph. features: those whose output, float32 (N, D, h, w), is averaged over its places
    into the embedding: one, or one a member of an ensemble; none where the graph pools otherwise.
    """

    def __init__(self, model: onnx.ModelProto, *, name: str) -> None:
        """name: what errors call it. Raises: as `network`."""
        super().__init__()
        _check(model, name)
        graph = model.graph
        self.nodes = nn.ModuleList(Node(node) for node in graph.node)
        self._constants: dict[str, str] = {}
        for number, value in enumerate(graph.initializer):
            self._constants[value.name] = f"constant_{number}"
            tensor = _tensor(value)
            kept = nn.Parameter(tensor, requires_grad=False) if tensor.is_floating_point() else nn.Buffer(tensor)
            setattr(self, f"constant_{number}", kept)
        self._last_use = {read: place for place, node in enumerate(self._in_order()) for read in node.reads}
        self.features: tuple[Node, ...] = tuple(self._pooled("embedding"))
        self.eval()

    def forward(self, image: Tensor, patient: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        values: dict[str, Any] = {name: getattr(self, buffer) for name, buffer in self._constants.items()}
        values |= {"image": image, "patient": patient, "": None}
        for place, node in enumerate(self._in_order()):
            found = node(*(values[name] for name in node.reads))
            values.update(zip(node.makes, found if isinstance(found, tuple) else (found,), strict=False))
            for name in node.reads:
                if self._last_use[name] == place and name not in (*OUTPUTS, ""):
                    values.pop(name, None)  # memory: a picture's early maps are large
        logits, embedding, cam = (values[name] for name in OUTPUTS)
        return logits, embedding, cam

    def _in_order(self) -> Iterator[Node]:
        yield from self.nodes  # type: ignore[misc]  # ModuleList forgets what it holds

    def _pooled(self, value: str) -> Iterator[Node]:
        """The nodes whose outputs are averaged over the places into a value."""
        maker = {name: node for node in self._in_order() for name in node.makes}
        node = maker.get(value)
        if node is None:
            return
        if node.kind in ("ReduceMean", "GlobalAveragePool"):
            if node.reads[0] in maker:
                yield maker[node.reads[0]]
        elif node.kind in ("Concat", "Identity", "Flatten", "Squeeze", "Reshape"):
            for name in node.reads[:None if node.kind == "Concat" else 1]:
                yield from self._pooled(name)


def _check(model: onnx.ModelProto, name: str) -> None:
    missing = sorted({node.op_type for node in model.graph.node} - set(OPERATORS))
    if missing:
        raise UsageError(f"bundle {name} has the operators {', '.join(missing)}, which macule cannot rebuild in torch: "
                         f"{_INSTEAD}.")
    constants = {value.name for value in model.graph.initializer}
    given = {value.name for value in model.graph.input} - constants
    made = {value.name for value in model.graph.output}
    if given != set(INPUTS) or made != set(OUTPUTS):
        raise BundleInvalid(f"bundle {name} has inputs {sorted(given)} and outputs {sorted(made)}; {INPUTS} and "
                            f"{OUTPUTS} are needed: export it again.")


def _attribute(entry: onnx.AttributeProto) -> Any:
    value = onnx.helper.get_attribute_value(entry)
    return _tensor(value) if isinstance(value, onnx.TensorProto) else value


def _tensor(value: onnx.TensorProto) -> Tensor:
    # A copy: the array may be a view of the file's bytes, which torch must not write to.
    return torch.from_numpy(numpy_helper.to_array(value).copy())
