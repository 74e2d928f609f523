"""The trained network -> one ONNX file, checked against torch on real pictures."""

from __future__ import annotations

import copy
import hashlib
import warnings
from pathlib import Path
from typing import Literal

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from torch import nn

from macule.analysis.network import OUTPUTS, Network
from macule.analysis.patient import VECTOR_LENGTH
from macule.errors import ExportMismatch
from macule.training.networks.backbones import Backbone

INPUTS = ("image", "patient")
#: Largest difference between torch and ONNX logits that a bundle may have (float32, fused batch norms), and as a
#: share of the largest logit, which only counts where a barely trained network gives logits in the thousands.
TOLERANCE, RELATIVE = 2e-3, 5e-4


def to_onnx(network: nn.Module, path: Path, *, size: int,
            exporter: Literal["dynamo", "torchscript"] = "dynamo") -> None:
    """Write a graph with inputs `image` (N, 3, size, size) and `patient` (N, 13); outputs logits, embedding, cam.

    network: a LesionNet with eleven classes, or one of two that was spread over them. It stays as it is.
    exporter: torch's present one; or the one before it, which torch has deprecated and which takes a tenth of the time
    for the same answers: good for tests.
    """
    network = copy.deepcopy(network).eval().to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]
    for module in network.modules():
        if isinstance(module, Backbone):
            module.settle(size)
    {"dynamo": _dynamo, "torchscript": _torchscript}[exporter](network, path, size)
    forget_origin(path)
    onnx.checker.check_model(str(path))


def forget_origin(path: Path) -> None:
    """Take out what the exporter notes beside the graph: stack traces with the folders of the machine that made it."""
    model = onnx.load(str(path))
    graph = model.graph
    kept = (*graph.node, *graph.input, *graph.output, *graph.value_info, *graph.initializer, graph, model)
    for part in kept:
        part.ClearField("metadata_props")
        part.ClearField("doc_string")
    onnx.save(model, str(path))


def _example(size: int) -> tuple[torch.Tensor, torch.Tensor]:
    # Two pictures: a batch of one would be taken for a constant.
    return torch.zeros(2, 3, size, size), torch.zeros(2, VECTOR_LENGTH)


def _dynamo(network: nn.Module, path: Path, size: int) -> None:
    batch = torch.export.Dim("batch", min=1, max=4096)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of torch about itself; no user can act on them
        torch.onnx.export(
            network, _example(size), str(path), dynamo=True, external_data=False, input_names=list(INPUTS),
            output_names=list(OUTPUTS), dynamic_shapes=({0: batch}, {0: batch}), verbose=False,
        )


def _torchscript(network: nn.Module, path: Path, size: int) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that it is deprecated, and that traced sizes are constants
        torch.onnx.export(
            network, _example(size), str(path), dynamo=False, input_names=list(INPUTS), output_names=list(OUTPUTS),
            dynamic_axes={name: {0: "batch"} for name in (*INPUTS, *OUTPUTS)}, opset_version=18,
        )
    graph = onnx.load(str(path))
    if INPUTS[1] not in {given.name for given in graph.graph.input}:  # it drops what the network does not read
        patient = onnx.helper.make_tensor_value_info(INPUTS[1], onnx.TensorProto.FLOAT, ["batch", VECTOR_LENGTH])
        graph.graph.input.append(patient)
        onnx.save(graph, str(path))


def difference(network: nn.Module, path: Path, images: NDArray[np.float32], patients: NDArray[np.float32]) -> float:
    """Largest absolute difference of the logits over the pictures given.

    Raises: ExportMismatch above TOLERANCE.
    """
    with torch.inference_mode():
        expected = network.eval()(torch.from_numpy(images), torch.from_numpy(patients))[0].numpy()
    found = Network(path, size=images.shape[-1]).run(images, patients).logits
    largest = float(np.abs(expected - found).max())
    if not largest <= max(TOLERANCE, RELATIVE * float(np.abs(expected).max())):
        raise ExportMismatch(f"torch and ONNX logits differ by {largest:.2e}; at most {TOLERANCE:.0e} is accepted: "
                             "export again, with the torch and onnx of constraints.txt.")
    return largest


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
