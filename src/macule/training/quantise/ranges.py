"""How large the numbers between the layers get, over pictures of the training part."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnxruntime.quantization import CalibrationDataReader
from onnxruntime.quantization.calibrate import (
    EntropyCalibrater,
    MinMaxCalibrater,
    PercentileCalibrater,
    TensorsData,
)

Inputs = Mapping[str, NDArray[np.float32]]
#: Pictures whose maps are kept at a time: 20 MB each.
AT_ONCE = 8
#: The share of the numbers, in per cent, that `percentile` leaves within the range.
PERCENTILE = 99.99
METHODS: dict[str, tuple[Callable[..., Any], dict[str, object]]] = {
    "minmax": (MinMaxCalibrater, {}),
    "percentile": (PercentileCalibrater, {"percentile": PERCENTILE}),
    "entropy": (EntropyCalibrater, {}),
}


class Reader(CalibrationDataReader):  # type: ignore[misc]
    """One picture at a time, as ONNX Runtime asks for them."""

    def __init__(self, inputs: Sequence[Inputs]) -> None:
        self._inputs = iter(inputs)

    def get_next(self) -> Inputs | None:
        return next(self._inputs, None)


def find(model: onnx.ModelProto, values: Sequence[str], inputs: Iterator[Inputs], *, method: str,
         tick: Callable[[], None] = lambda: None) -> TensorsData:
    """The range of each value. values: names. inputs: as the graph reads them, a batch of one each.

    method: `minmax` takes the widest; `percentile` cuts off a ten-thousandth; `entropy` cuts where the distribution
    suffers least (Migacz 2017).
    """
    kind, options = METHODS[method]
    with tempfile.TemporaryDirectory() as folder:
        plain, widened = Path(folder) / "plain.onnx", Path(folder) / "widened.onnx"
        onnx.save(model, str(plain))
        calibrater = kind(plain, augmented_model_path=str(widened), **options)
        # By itself it would look at every value, also at those that a Clip follows: three times the work.
        known = {value.name: value for value in (*model.graph.value_info, *model.graph.output, *model.graph.input)}
        calibrater.select_tensors_to_calibrate = lambda _model: (set(values), known)
        calibrater.augment_graph()
        calibrater.create_inference_session()
        for some in _chunks(inputs):
            calibrater.collect_data(Reader(some))
            for _ in some:
                tick()
        return calibrater.compute_data()


def _chunks(inputs: Iterator[Inputs]) -> Iterator[list[Inputs]]:
    some: list[Inputs] = []
    for each in inputs:
        some.append(each)
        if len(some) == AT_ONCE:
            yield some
            some = []
    if some:
        yield some
