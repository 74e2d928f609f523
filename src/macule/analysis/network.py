"""The exported network in ONNX Runtime: pictures and patients in, logits, embeddings and class activation maps out."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from macule.analysis.patient import VECTOR_LENGTH
from macule.errors import BundleInvalid
from macule.taxonomy import Diagnosis

OUTPUTS = ("logits", "embedding", "cam")
_CLASSES = len(Diagnosis)


@dataclass(frozen=True)
class Output:
    """float32. logits: (N, K). embedding: (N, D). cam: (N, K, h, w), evidence per class and place, in logits."""

    logits: NDArray[np.float32]
    embedding: NDArray[np.float32]
    cam: NDArray[np.float32]


class Network:
    """A session; loading takes most of a process's first second, so keep it. Safe to run from several threads."""

    def __init__(self, model: Path, *, size: int, threads: int = 1) -> None:
        """threads: cores that one call may use. Raises: BundleInvalid if the file is no such network."""
        options = ort.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        # Spinning threads would burn the cores that other workers decode on.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        try:
            self._session = ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        except Exception as error:  # onnxruntime raises a dozen unrelated classes
            raise BundleInvalid(f"{model} does not load ({error}): get the bundle again.") from error
        self._check_interface(model, size)

    def run(self, images: NDArray[np.float32], patients: NDArray[np.float32]) -> Output:
        """images: float32, (N, 3, S, S), from `preprocess.apply`. patients: float32, (N, 13), from `patient.encode`."""
        logits, embedding, cam = self._session.run(OUTPUTS, {"image": images, "patient": patients})
        return Output(logits, embedding, cam)

    def _check_interface(self, model: Path, size: int) -> None:
        inputs = {entry.name: entry.shape for entry in self._session.get_inputs()}
        outputs = {entry.name: entry.shape for entry in self._session.get_outputs()}
        expected: dict[str, tuple[int | None, ...]] = {
            "image": (3, size, size),
            "patient": (VECTOR_LENGTH,),
            "logits": (_CLASSES,),
            "embedding": (None,),
            "cam": (_CLASSES, None, None),
        }
        found = inputs | outputs
        if len(inputs) != 2 or not all(_fits(found.get(name), *sizes) for name, sizes in expected.items()):
            raise BundleInvalid(f"{model} has inputs {inputs} and outputs {outputs}, which do not fit its bundle.json.")


def _fits(shape: list[int | str] | None, *sizes: int | None) -> bool:
    """Whether a declared shape is (N, *sizes); a symbolic dimension fits any size."""
    if shape is None or len(shape) != len(sizes) + 1:
        return False
    pairs = zip(shape[1:], sizes, strict=True)
    return all(size is None or not isinstance(declared, int) or declared == size for declared, size in pairs)
