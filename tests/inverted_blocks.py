"""A network of inverted residual blocks with drawn weights, as training exports one: folded, in floating point."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import onnx
from macule_testing import CODES, write_bundle
from onnx import TensorProto, helper, numpy_helper

WIDE = 16


class Drawn:
    """A graph in the making; `at` is the value that the next layer reads."""

    def __init__(self, size: int, seed: int) -> None:
        self.rng = np.random.default_rng(seed)
        self.nodes, self.values, self.at, self.side = [], {}, "image", size
        self.values |= {"low": np.float32(0), "high": np.float32(6), "axes": np.array([2, 3], np.int64)}

    def conv(self, name: str, into: int, outof: int, *, kernel: int = 1, stride: int = 1, groups: int = 1,
             clipped: bool = True) -> None:
        each = into // groups * kernel * kernel
        self.values[f"{name}.weight"] = self.draw((outof, into // groups, kernel, kernel), 1.5 / np.sqrt(each))
        self.values[f"{name}.bias"] = self.draw((outof,), 0.3)
        needed = max((-(-self.side // stride) - 1) * stride + kernel - self.side, 0)
        pads = [needed // 2] * 2 + [needed - needed // 2] * 2
        self.nodes.append(helper.make_node("Conv", [self.at, f"{name}.weight", f"{name}.bias"], [name], name=name,
                                           pads=pads, strides=[stride] * 2, kernel_shape=[kernel] * 2, group=groups))
        self.at, self.side = name, -(-self.side // stride)
        if clipped:
            self.nodes.append(helper.make_node("Clip", [name, "low", "high"], [f"{name}.clip"], name=f"{name}.clip"))
            self.at = f"{name}.clip"

    def block(self, name: str, into: int, outof: int, *, stride: int = 1) -> None:
        before, wide = self.at, 3 * into
        self.conv(f"{name}.expand", into, wide)
        self.conv(f"{name}.deep", wide, wide, kernel=3, stride=stride, groups=wide)
        self.conv(f"{name}.project", wide, outof, clipped=False)
        if stride == 1 and into == outof:
            self.nodes.append(helper.make_node("Add", [self.at, before], [f"{name}.add"], name=f"{name}.add"))
            self.at = f"{name}.add"

    def draw(self, shape: tuple[int, ...], scale: float) -> np.ndarray:
        return self.rng.normal(0, scale, shape).astype(np.float32)


def network(size: int = 32, seed: int = 0) -> onnx.ModelProto:
    made = Drawn(size, seed)
    made.conv("stem", 3, 8, kernel=3, stride=2)
    made.conv("first.deep", 8, 8, kernel=3, groups=8)
    made.conv("first.project", 8, 8, clipped=False)
    made.block("one", 8, 8)
    made.block("two", 8, 16, stride=2)
    made.block("three", 16, 16)
    made.conv("last", 16, WIDE)
    made.values |= {"head.weight": made.draw((len(CODES), WIDE), 0.5), "head.bias": made.draw((len(CODES),), 0.2),
                    "patient.weight": made.draw((13, len(CODES)), 0.3)}
    made.nodes += [
        helper.make_node("ReduceMean", [made.at, "axes"], ["embedding"], keepdims=0, name="pool"),
        helper.make_node("Gemm", ["embedding", "head.weight", "head.bias"], ["seen"], transB=1, name="head"),
        helper.make_node("MatMul", ["patient", "patient.weight"], ["told"], name="patient"),
        helper.make_node("Add", ["seen", "told"], ["logits"], name="logits"),
        helper.make_node("Einsum", [made.at, "head.weight"], ["cam"], equation="nchw,kc->nkhw", name="cam"),
    ]
    graph = helper.make_graph(
        made.nodes, "blocks", [_tensor("image", 3, size, size), _tensor("patient", 13)],
        [_tensor("logits", len(CODES)), _tensor("embedding", WIDE),
         _tensor("cam", len(CODES), made.side, made.side)],
        [numpy_helper.from_array(value, name) for name, value in made.values.items()])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    onnx.checker.check_model(model)
    return model


def pictures(count: int, *, size: int = 32, seed: int = 1) -> list[dict[str, np.ndarray]]:
    """What the network reads, one at a time."""
    rng = np.random.default_rng(seed)
    return [{"image": rng.normal(rng.normal(0, 0.5), 0.4, (1, 3, size, size)).astype(np.float32),
             "patient": rng.normal(0, 1, (1, 13)).astype(np.float32)} for _ in range(count)]


def bundle(folder: Path, **changes: object) -> Path:
    """A bundle of this network."""
    write_bundle(folder)
    onnx.save(network(), str(folder / "model.onnx"))
    axes = np.eye(WIDE)[:, :2]
    np.savez(folder / "gate.npz", mean=np.zeros(WIDE), components=axes, basis=axes, residual_scale=1.0)
    content = json.loads((folder / "bundle.json").read_text())
    content["model"]["sha256"] = hashlib.sha256((folder / "model.onnx").read_bytes()).hexdigest()
    (folder / "bundle.json").write_text(json.dumps(content | changes))
    return folder


def _tensor(name: str, *shape: int) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, ["N", *shape])
