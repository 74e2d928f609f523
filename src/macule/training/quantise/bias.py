"""What rounding shifts on average, taken out again (bias correction; Nagel et al. 2019), layer after layer."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnx
import onnxruntime as ort
from numpy.typing import NDArray
from onnx import numpy_helper

from macule.training.quantise.ranges import Inputs

Means = dict[str, NDArray[np.float64]]


def correct(model: onnx.ModelProto, answers: dict[str, str], plain: onnx.ModelProto,
            inputs: Sequence[Inputs]) -> onnx.ModelProto:
    """Shift the biases of convolutions until their answers have the mean that they had before.

    answers: of the convolutions in order, name -> name of the answer, in both graphs. plain: the graph before.
    inputs: as the graph reads them; each layer is measured with those before it corrected already.
    """
    wanted = means(plain, list(answers.values()), inputs)
    nodes = {node.name: node for node in model.graph.node}
    dequantised = {node.output[0]: node for node in model.graph.node if node.op_type == "DequantizeLinear"}
    for name, answer in answers.items():
        found = means(model, [_after(model, answer)], inputs)
        (shift,) = found.values()
        _shift(model, dequantised[nodes[name].input[2]], wanted[answer] - shift)
    return model


def means(model: onnx.ModelProto, values: Sequence[str], inputs: Sequence[Inputs]) -> Means:
    """The mean of each channel of each value, (C,), over pictures and places."""
    asked = session(model, values)
    read = [given.name for given in asked.get_inputs()]
    sums: Means = {}
    for one in inputs:
        found = asked.run(list(values), {name: one[name] for name in read})
        for name, value in zip(values, found, strict=True):
            sums[name] = sums.get(name, np.zeros(value.shape[1])) + value.mean(axis=(0, 2, 3), dtype=np.float64)
    return {name: each / len(inputs) for name, each in sums.items()}


def session(model: onnx.ModelProto, values: Sequence[str]) -> ort.InferenceSession:
    """The part of the graph that these values need, with them as its outputs."""
    widened = onnx.ModelProto()
    widened.CopyFrom(model)
    del widened.graph.output[:]
    for name in values:
        widened.graph.output.append(onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None))
    options = ort.SessionOptions()
    options.intra_op_num_threads, options.log_severity_level = 1, 3
    return ort.InferenceSession(_pruned(widened).SerializeToString(), options, providers=["CPUExecutionProvider"])


def _pruned(model: onnx.ModelProto) -> onnx.ModelProto:
    """Without what the outputs do not need: the layers behind the one that is measured."""
    needed = {value.name for value in model.graph.output}
    kept = []
    for node in reversed(model.graph.node):
        if needed & set(node.output):
            kept.append(node)
            needed.update(node.input)
    del model.graph.node[:]
    model.graph.node.extend(reversed(kept))
    for values in (model.graph.initializer, model.graph.input):
        gone = [value for value in values if value.name not in needed]
        for value in gone:
            values.remove(value)
    return model


def _after(model: onnx.ModelProto, answer: str) -> str:
    """The name of an answer once it has been rounded."""
    makers: dict[str, str] = {node.input[0]: node.output[0] for node in model.graph.node
                              if node.op_type in ("QuantizeLinear", "DequantizeLinear")}
    return makers[makers[answer]]


def _shift(model: onnx.ModelProto, bias: onnx.NodeProto, by: NDArray[np.float64]) -> None:
    """bias: the node that reads it, in steps of (input's step) x (weight's step) of its channel."""
    constants = {value.name: value for value in model.graph.initializer}
    steps, scale = (numpy_helper.to_array(constants[name]) for name in bias.input[:2])
    moved = (steps + np.round(by / scale)).astype(np.int32)
    constants[bias.input[0]].CopyFrom(numpy_helper.from_array(moved, bias.input[0]))
