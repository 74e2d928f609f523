"""What tests share: a picture that they draw, and a tiny bundle whose answers can be worked out by hand."""

from __future__ import annotations

import hashlib
import io
import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

from macule.taxonomy import Diagnosis

SIZE = 32
CODES = [code.value for code in Diagnosis]


def draw(
    *, width: int = 400, height: int = 300, spot: tuple[int, int, int] = (90, 50, 40), seed: int = 0
) -> NDArray[np.uint8]:
    """Skin with one dark spot and fine texture; uint8, shape (height, width, 3)."""
    rng = np.random.default_rng(seed)
    rgb = np.full((height, width, 3), (215, 170, 145), np.float32)
    cv2.ellipse(rgb, (width // 2, height // 2), (width // 5, height // 4), 20, 0, 360, spot, -1)
    rgb += (
        rng.normal(0, 7, (height, width, 1))
        + cv2.GaussianBlur(rng.normal(0, 25, (height, width)), (0, 0), 2)[..., None]
    )
    return rgb.clip(0, 255).astype(np.uint8)


def encode(picture: Image.Image | NDArray[np.uint8], image_format: str = "PNG", **options: Any) -> bytes:
    image = picture if isinstance(picture, Image.Image) else Image.fromarray(picture)
    buffer = io.BytesIO()
    image.save(buffer, image_format, **options)
    return buffer.getvalue()


def write_bundle(folder: Path, **changes: Any) -> Path:
    """A complete bundle in `folder`; `changes` replace top-level keys of bundle.json."""
    folder.mkdir(parents=True, exist_ok=True)
    onnx.save(_network(), folder / "model.onnx")
    np.savez(
        folder / "gate.npz", mean=np.zeros(3), components=np.eye(3)[:, :2], basis=np.eye(3)[:, :2], residual_scale=1.0
    )
    (folder / "card.md").write_text("# Tiny\nA test bundle: it knows nothing.\n", encoding="utf-8")
    digest = hashlib.sha256((folder / "model.onnx").read_bytes()).hexdigest()
    (folder / "bundle.json").write_text(json.dumps(content(digest) | changes), encoding="utf-8")
    return folder


def content(digest: str) -> dict[str, Any]:
    """A valid bundle.json."""
    fitted = {"probability": 0.2, "sensitivity": 0.95}
    return {
        "format": 1,
        "id": "tiny",
        "created": "2026-11-21",
        "licence": "CC BY-NC 4.0",
        "model": {"file": "model.onnx", "sha256": digest},
        "preprocessing": {
            "version": 1,
            "size": SIZE,
            "resize": "squash",
            "mean": [0.5] * 3,
            "std": [0.5] * 3,
            "views": 1,
        },
        "classes": CODES,
        "calibration": {"temperature": 1.5, "fitted_on": "nothing", "n": 0},
        "thresholds": {
            "medium": fitted,
            "high": {"probability": 0.6, "sensitivity": 0.8},
            "cannot_exclude": dict.fromkeys(("akiec", "bcc", "mel", "sccka"), fitted),
        },
        "gate": {"file": "gate.npz", "threshold": 1000.0, "quantile": 0.995},
        "metrics": {},
        "provenance": {"note": "drawn by tests"},
    }


def _network() -> onnx.ModelProto:
    """Melanoma speaks for darkness, naevus for brightness, basal cell carcinoma for age; the rest stay at zero."""
    weights = np.zeros((len(CODES), 3, 1, 1), np.float32)
    weights[CODES.index("mel")], weights[CODES.index("nv")] = -2.0, 2.0
    ages = np.zeros((13, len(CODES)), np.float32)
    ages[1, CODES.index("bcc")] = 3.0
    nodes = [
        helper.make_node("AveragePool", ["image"], ["features"], kernel_shape=[8, 8], strides=[8, 8]),
        helper.make_node("Conv", ["features", "weights"], ["cam"]),
        helper.make_node("ReduceMean", ["cam", "axes"], ["pooled"], keepdims=0),
        helper.make_node("MatMul", ["patient", "ages"], ["by_age"]),
        helper.make_node("Add", ["pooled", "by_age"], ["logits"]),
        helper.make_node("ReduceMean", ["features", "axes"], ["embedding"], keepdims=0),
    ]
    constants = {"weights": weights, "ages": ages, "axes": np.array([2, 3], np.int64)}
    graph = helper.make_graph(
        nodes,
        "tiny",
        [_tensor("image", 3, SIZE, SIZE), _tensor("patient", 13)],
        [_tensor("logits", len(CODES)), _tensor("embedding", 3), _tensor("cam", len(CODES), 4, 4)],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)


def _tensor(name: str, *shape: int) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, ["N", *shape])
