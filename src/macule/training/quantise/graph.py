"""The exported graph, made ready for whole numbers: another input size, what is quantised, and a cheaper map.

Weights are spoken of by their names in the graph, which are those of the torch network.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import numpy_helper

from macule.errors import UsageError

#: Operators that only choose or clip numbers: they stand between quantised convolutions without a cost.
PASSING = frozenset({"Clip", "Relu", "MaxPool"})


def load(path: Path) -> onnx.ModelProto:
    """Raises: UsageError if the graph is quantised already."""
    model = onnx.load(str(path))
    if any(node.op_type in ("QuantizeLinear", "DequantizeLinear", "QLinearConv") for node in model.graph.node):
        raise UsageError(f"{path} is quantised already: quantise the bundle that it was made from.")
    return model


def shaped(model: onnx.ModelProto) -> onnx.ModelProto:
    """The same graph, simplified by ONNX Runtime, with the shape of every value."""
    from onnxruntime.quantization.shape_inference import quant_pre_process

    with tempfile.TemporaryDirectory() as folder:
        before, after = Path(folder) / "before.onnx", Path(folder) / "after.onnx"
        onnx.save(model, str(before))
        # Symbolic shapes need sympy, and are for the sizes that change: ours is the batch alone.
        quant_pre_process(str(before), str(after), skip_symbolic_shape=True)
        return onnx.load(str(after))


def resized(model: onnx.ModelProto, size: int) -> onnx.ModelProto:
    """The same network for pictures of `size` px a side; where its padding follows from the size, it is found anew.

    TensorFlow's padding of a convolution with a stride ("SAME") depends on the size, and is a number in the graph.
    """
    made = onnx.ModelProto()
    made.CopyFrom(model)
    before = _heights(model)
    _set_sides(made.graph.input, "image", size)
    for output in made.graph.output:
        for dim in list(output.type.tensor_type.shape.dim)[2:]:
            dim.ClearField("dim_value")
    del made.graph.value_info[:]
    for place, node in enumerate(made.graph.node):
        pads = _attribute(node, "pads")
        if node.op_type != "Conv" or pads is None or max(_attribute(node, "strides") or [1]) == 1:
            continue
        kernel, strides = _kernel(model, node), _attribute(node, "strides") or [1, 1]
        if list(pads) == _same(before[node.input[0]], kernel, strides):
            now = _heights(made)[node.input[0]]
            next(a for a in made.graph.node[place].attribute if a.name == "pads").ints[:] = _same(now, kernel, strides)
    sides = _heights(made)
    for output in made.graph.output:
        dims = output.type.tensor_type.shape.dim
        for dim in list(dims)[2:]:
            dim.dim_value = sides[output.name]
    return made


def convolutions(model: onnx.ModelProto, keep: Sequence[str] | None) -> list[str]:
    """Names of the convolutions to quantise, in order.

    keep: parts of the names of weights whose convolutions stay as they are. None: all from the picture up to the first
    of 1 x 1. They see the most places, have the fewest channels, and ONNX Runtime is slower there with whole numbers.
    Raises: UsageError if a name fits no convolution, or none is left.
    """
    found = [node for node in model.graph.node if node.op_type == "Conv"]
    for part in keep or ():
        if not any(part in node.input[1] for node in found):
            raise UsageError(f"{part!r} is in the name of no convolution's weight: they are called like "
                             f"{', '.join(node.input[1] for node in found[:3])}.")
    if keep is None:
        pointwise = (place for place, node in enumerate(found) if set(_kernel(model, node)) == {1})
        chosen = found[next(pointwise, -1) + 1:]
    else:
        chosen = [node for node in found if not any(part in node.input[1] for part in keep)]
    if not chosen:
        raise UsageError(f"of {len(found)} convolutions none is left to quantise: keep fewer, or take another bundle.")
    return [node.name for node in chosen]


def quantised(model: onnx.ModelProto, chosen: Sequence[str]) -> list[str]:
    """All nodes to quantise: the convolutions chosen, and what passes on or adds up nothing but their answers.

    A sum of maps one of which stays in floating point stays as well.
    """
    names, made = list(chosen), set[str]()
    for node in model.graph.node:
        whole = node.name in chosen or (
            (node.op_type in PASSING and node.input[0] in made)
            or (node.op_type == "Add" and all(name in made for name in node.input)))
        if whole:
            made.update(node.output)
            names += [node.name] if node.name not in chosen else []
    return names


def unclipped(model: onnx.ModelProto, chosen: Sequence[str]) -> dict[str, str]:
    """Those of the convolutions whose answers nothing clips: name -> name of the answer."""
    clipped = {node.input[0] for node in model.graph.node if node.op_type in ("Clip", "Relu")}
    return {node.name: node.output[0] for node in model.graph.node
            if node.name in chosen and node.output[0] not in clipped}


def with_quick_map(model: onnx.ModelProto) -> onnx.ModelProto:
    """The class activation map as a convolution of 1 x 1: the same numbers, in a twentieth of Einsum's time."""
    graph = model.graph
    constants = {value.name: value for value in graph.initializer}
    for place, node in enumerate(graph.node):
        weights = constants.get(node.input[1]) if node.op_type == "Einsum" else None
        if weights is None or _attribute(node, "equation") != b"nchw,kc->nkhw":
            continue
        axes = numpy_helper.from_array(np.array([2, 3], np.int64), "cam_axes")
        wide = onnx.helper.make_node("Unsqueeze", [weights.name, axes.name], ["cam_weight"], name="cam_weight")
        conv = onnx.helper.make_node("Conv", [node.input[0], "cam_weight"], list(node.output), name="cam")
        graph.initializer.append(axes)
        graph.node.remove(node)
        graph.node.insert(place, conv)
        graph.node.insert(place, wide)
        break
    return model


def constant(model: onnx.ModelProto, name: str) -> NDArray[np.float32]:
    return numpy_helper.to_array(next(value for value in model.graph.initializer if value.name == name))


def weights_of(model: onnx.ModelProto, chosen: Sequence[str]) -> Iterator[tuple[str, NDArray[np.float32], int]]:
    """Of each convolution the name of its weight, the weight, (O, I, h, w), and its groups."""
    for node in model.graph.node:
        if node.name in chosen:
            yield node.input[1], constant(model, node.input[1]), int(_attribute(node, "group") or 1)


def _kernel(model: onnx.ModelProto, node: onnx.NodeProto) -> list[int]:
    return list(constant(model, node.input[1]).shape[2:])


def _attribute(node: onnx.NodeProto, name: str) -> Any:
    return next((onnx.helper.get_attribute_value(each) for each in node.attribute if each.name == name), None)


def _same(side: int, kernel: Sequence[int], strides: Sequence[int]) -> list[int]:
    """TensorFlow's padding: both starts, then both ends; the odd pixel at the end."""
    needed = [max((-(-side // step) - 1) * step + wide - side, 0) for wide, step in zip(kernel, strides, strict=True)]
    return [*(each // 2 for each in needed), *(each - each // 2 for each in needed)]


def _heights(model: onnx.ModelProto) -> dict[str, int]:
    """The height of every value that is a map."""
    graph = onnx.shape_inference.infer_shapes(model).graph
    values = (*graph.value_info, *graph.input, *graph.output)
    shapes = {value.name: value.type.tensor_type.shape.dim for value in values}
    return {name: dims[2].dim_value for name, dims in shapes.items() if len(dims) == 4}


def _set_sides(inputs: Sequence[onnx.ValueInfoProto], name: str, size: int) -> None:
    for dim in list(next(value for value in inputs if value.name == name).type.tensor_type.shape.dim)[2:]:
        dim.dim_value = size
