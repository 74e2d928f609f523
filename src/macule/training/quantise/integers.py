"""One network's graph in whole numbers: ranges from pictures, weights a channel, what rounding shifts taken out."""

from __future__ import annotations

import contextlib
import io
import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import onnx
from onnxruntime.quantization import QuantType
from onnxruntime.quantization.calibrate import TensorsData
from onnxruntime.quantization.qdq_quantizer import QDQQuantizer

from macule.errors import UsageError
from macule.training.quantise import bias, graph, ranges, weights
from macule.training.quantise.ranges import METHODS, Inputs

__all__ = ["METHODS", "Settings", "in_integers"]

#: Pictures that biases are corrected with: their means are of thousands of places each.
CORRECTED_WITH = 64


@dataclass(frozen=True)
class Settings:
    """method: of the ranges, see `ranges.find`. keep: see `graph.convolutions`. correct: whether biases are.

    seven_bits: weights of seven bits, as `reduce_range` has them, in place of `weights.ranges`.
    signed: whether the numbers between the layers are signed; x86 processors are no faster with them than without any
    of this. They are here to be measured.
    Raises: UsageError for an unknown method.
    """

    method: str = "entropy"
    keep: tuple[str, ...] | None = None
    correct: bool = True
    seven_bits: bool = False
    signed: bool = False

    def __post_init__(self) -> None:
        if self.method not in METHODS:
            raise UsageError(f"the method is {self.method!r}; one of {', '.join(METHODS)} is needed.")


def in_integers(model: onnx.ModelProto, inputs: Callable[[], Iterator[Inputs]], settings: Settings, *,
                tick: Callable[[], None] = lambda: None) -> onnx.ModelProto:
    """The graph with its convolutions in whole numbers, as pairs of QuantizeLinear and DequantizeLinear around them.

    ONNX Runtime fuses them when it loads the graph. Pooling, heads and the class activation map stay as they are.
    inputs: gives the pictures anew each time that it is called, as the graph reads them, one at a time.
    Raises: UsageError if the graph has no convolution to quantise.
    """
    with _quiet():
        plain = graph.shaped(model)
        chosen = graph.convolutions(plain, settings.keep)
        names = graph.quantised(plain, chosen)
        found = ranges.find(plain, _values(plain, names), inputs(), method=settings.method, tick=tick)
        made = _quantised(plain, names, chosen, found, settings)
    if settings.correct:
        some = [one for one, _ in zip(inputs(), range(CORRECTED_WITH), strict=False)]
        made = bias.correct(made, graph.unclipped(plain, chosen), plain, some)
    return graph.with_quick_map(made)


def _values(model: onnx.ModelProto, names: Sequence[str]) -> list[str]:
    """What the nodes read and make, but for weights and for what is clipped at once."""
    constants = {value.name for value in model.graph.initializer}
    nodes = [node for node in model.graph.node if node.name in names]
    clipped = {node.input[0] for node in nodes if node.op_type in ("Clip", "Relu")}
    found = dict.fromkeys(name for node in nodes for name in (*node.input, *node.output))
    return [name for name in found if name and name not in constants and name not in clipped]


def _quantised(model: onnx.ModelProto, names: Sequence[str], chosen: Sequence[str], found: TensorsData,
               settings: Settings) -> onnx.ModelProto:
    for node in model.graph.node:
        if node.name in names and node.op_type in ("Clip", "Relu"):
            # What is clipped needs the range of what is left; rounding to it clips as well, so the node can go.
            found.data[node.input[0]] = found.data[node.output[0]]
    own = {} if settings.seven_bits else {
        name: weights.overrides(weight, groups=groups) for name, weight, groups in graph.weights_of(model, chosen)}
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    quantiser = QDQQuantizer(
        copy, True, settings.seven_bits, QuantType.QInt8, QuantType.QInt8 if settings.signed else QuantType.QUInt8,
        found, list(names), [], ["Conv", "Add", *graph.PASSING], {"TensorQuantOverrides": own})
    quantiser.quantize_model()
    quantiser.model.topological_sort()
    made: onnx.ModelProto = quantiser.model.model
    return made


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """ONNX Runtime's tools print, and warn on the root logger of what does not concern us."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            yield
    finally:
        logging.disable(before)
