"""The trained network -> one ONNX file, checked against torch on real pictures."""

from __future__ import annotations

import copy
import hashlib
from pathlib import Path

import numpy as np
import onnx
import torch
from numpy.typing import NDArray

from macule.analysis.network import OUTPUTS, Network
from macule.analysis.patient import VECTOR_LENGTH
from macule.training.model import LesionNet

#: Largest difference between torch and ONNX logits that a bundle may have (float32, fused batch norms).
TOLERANCE = 2e-3


class ExportMismatch(RuntimeError):
    """The exported graph answers otherwise than torch does."""


def to_onnx(network: LesionNet, path: Path, *, size: int) -> None:
    """Write a graph with inputs `image` (N, 3, size, size) and `patient` (N, 13); outputs logits, embedding, cam."""
    network = copy.deepcopy(network).eval().to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]
    # Two pictures: a batch of one would be taken for a constant.
    example = (torch.zeros(2, 3, size, size), torch.zeros(2, VECTOR_LENGTH))
    batch = torch.export.Dim("batch", min=1, max=4096)
    torch.onnx.export(
        network, example, str(path), dynamo=True, external_data=False, input_names=["image", "patient"],
        output_names=list(OUTPUTS), dynamic_shapes=({0: batch}, {0: batch}), verbose=False,
    )
    onnx.checker.check_model(str(path))


def difference(network: LesionNet, path: Path, images: NDArray[np.float32], patients: NDArray[np.float32]) -> float:
    """Largest absolute difference of the logits over the pictures given.

    Raises: ExportMismatch above TOLERANCE.
    """
    with torch.inference_mode():
        expected = network.eval()(torch.from_numpy(images), torch.from_numpy(patients))[0].numpy()
    found = Network(path, size=images.shape[-1]).run(images, patients).logits
    largest = float(np.abs(expected - found).max())
    if not largest <= TOLERANCE:
        raise ExportMismatch(f"torch and ONNX logits differ by {largest:.2e}; at most {TOLERANCE:.0e} is accepted.")
    return largest


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
