"""The operators of ONNX that macule's networks are made of, as torch computes them.

`OPERATORS[kind](inputs, attributes)` gives the output, or several.
Versions 13 to 20 of the operator set, which torch's two exporters write. Inputs that an operator may lack are None.
Shapes and axes, which newer versions hand over as inputs, arrive as tensors of integers.
"""
# Every operator is called alike, with both, whatever it uses.
# ruff: noqa: ARG001, ARG005

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import reduce
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

Inputs = Sequence[Any]
Attributes = Mapping[str, Any]
Operator = Callable[[Inputs, Attributes], Any]

#: TensorProto's numbers of the types that occur.
_TYPES = {1: torch.float32, 6: torch.int32, 7: torch.int64, 9: torch.bool, 11: torch.float64}


class UnknownForm(Exception):
    """An operator with attributes that no exporter of ours writes; told as a UsageError by `from_bundle`."""


def _ints(value: Any) -> list[int]:
    return [int(v) for v in (value.tolist() if isinstance(value, Tensor) else value)]


def _padded(x: Tensor, a: Attributes, kernel: Sequence[int], *, fill: float) -> tuple[Tensor, list[int]]:
    """The picture padded where torch's operators cannot do it (unequal sides), and the padding left to them."""
    rank = len(kernel)
    pads = _same(x, a, kernel) if a.get("auto_pad", b"NOTSET").startswith(b"SAME") else a.get("pads", [0] * 2 * rank)
    if pads[:rank] == pads[rank:]:
        return x, list(pads[:rank])
    both = [side for place in reversed(range(rank)) for side in (pads[place], pads[rank + place])]
    return F.pad(x, both, value=fill), [0] * rank


def _same(x: Tensor, a: Attributes, kernel: Sequence[int]) -> list[int]:
    """SAME_UPPER and SAME_LOWER: as many places leave as enter, over the stride; the odd pixel is last, or first."""
    rank = len(kernel)
    totals = [
        max((-(-side // step) - 1) * step + (width - 1) * spread + 1 - side, 0)
        for side, width, step, spread in zip(x.shape[2:], kernel, a.get("strides", [1] * rank),
                                             a.get("dilations", [1] * rank), strict=True)
    ]
    less, more = [total // 2 for total in totals], [total - total // 2 for total in totals]
    return more + less if a["auto_pad"] == b"SAME_LOWER" else less + more


def _conv(i: Inputs, a: Attributes) -> Tensor:
    weight, bias = i[1], i[2] if len(i) > 2 else None
    rank = weight.ndim - 2
    x, padding = _padded(i[0], a, weight.shape[2:], fill=0.0)
    run = {1: F.conv1d, 2: F.conv2d}[rank]
    return run(x, weight, bias, a.get("strides", [1] * rank), padding, a.get("dilations", [1] * rank),
               a.get("group", 1))


def _max_pool(i: Inputs, a: Attributes) -> Tensor:
    x, padding = _padded(i[0], a, a["kernel_shape"], fill=-torch.inf)
    return F.max_pool2d(x, a["kernel_shape"], a.get("strides", [1, 1]), padding, a.get("dilations", [1, 1]),
                        bool(a.get("ceil_mode", 0)))


def _average_pool(i: Inputs, a: Attributes) -> Tensor:
    counted = bool(a.get("count_include_pad", 0))
    x, padding = _padded(i[0], a, a["kernel_shape"], fill=0.0)
    if x is not i[0] and not counted:
        raise UnknownForm("AveragePool with unequal padding that does not count")
    return F.avg_pool2d(x, a["kernel_shape"], a.get("strides", [1, 1]), padding, bool(a.get("ceil_mode", 0)), counted)


def _gemm(i: Inputs, a: Attributes) -> Tensor:
    left = i[0].T if a.get("transA", 0) else i[0]
    right = i[1].T if a.get("transB", 0) else i[1]
    product: Tensor = a.get("alpha", 1.0) * (left @ right)
    return product if len(i) < 3 or i[2] is None else product + a.get("beta", 1.0) * i[2]


def _clip(i: Inputs, a: Attributes) -> Tensor:
    low, high = (*i[1:], None, None)[:2]
    found: Tensor = i[0]
    found = found if low is None else torch.maximum(found, low)
    return found if high is None else torch.minimum(found, high)


def _batch_norm(i: Inputs, a: Attributes) -> Tensor:
    x, scale, bias, mean, variance = i
    return F.batch_norm(x, mean, variance, scale, bias, False, 0.0, a.get("epsilon", 1e-5))


def _layer_norm(i: Inputs, a: Attributes) -> Tensor:
    first = a.get("axis", -1)
    return F.layer_norm(i[0], i[0].shape[first:], i[1], i[2] if len(i) > 2 else None, a.get("epsilon", 1e-5))


def _axes(i: Inputs, a: Attributes) -> list[int] | None:
    given = i[1] if len(i) > 1 and i[1] is not None else a.get("axes")
    return None if given is None else _ints(given)


def _reduced(run: Callable[[Tensor, list[int], bool], Tensor]) -> Operator:
    def over_axes(i: Inputs, a: Attributes) -> Tensor:
        axes = _axes(i, a)
        if not axes and a.get("noop_with_empty_axes", 0):
            found: Tensor = i[0]
            return found
        return run(i[0], axes or list(range(i[0].ndim)), bool(a.get("keepdims", 1)))

    return over_axes


def _reshape(i: Inputs, a: Attributes) -> Tensor:
    sizes = _ints(i[1])
    if not a.get("allowzero", 0):
        sizes = [i[0].shape[place] if size == 0 else size for place, size in enumerate(sizes)]
    found: Tensor = i[0].reshape(sizes)
    return found


def _squeeze(i: Inputs, a: Attributes) -> Tensor:
    axes = _axes(i, a)
    found: Tensor = i[0].squeeze() if axes is None else i[0].squeeze(tuple(axes))
    return found


def _unsqueeze(i: Inputs, a: Attributes) -> Tensor:
    axes = _axes(i, a) or []
    found: Tensor = i[0]
    for axis in sorted(axis % (found.ndim + len(axes)) for axis in axes):
        found = found.unsqueeze(axis)
    return found


def _slice(i: Inputs, a: Attributes) -> Tensor:
    found: Tensor = i[0]
    starts, ends = _ints(i[1]), _ints(i[2])
    axes = _ints(i[3]) if len(i) > 3 and i[3] is not None else list(range(len(starts)))
    steps = _ints(i[4]) if len(i) > 4 and i[4] is not None else [1] * len(starts)
    for start, end, axis, step in zip(starts, ends, axes, steps, strict=True):
        if step < 0:  # which torch's own slices do not do
            taken = list(range(found.shape[axis])[slice(start, end, step)])
            found = found.index_select(axis, torch.tensor(taken, dtype=torch.int64, device=found.device))
            continue
        place: list[slice] = [slice(None)] * found.ndim
        side = found.shape[axis]  # "to the end" is written as a number that torch warns of
        place[axis] = slice(max(min(start, side), -side), max(min(end, side), -side), step)
        found = found[tuple(place)]
    return found


def _split(i: Inputs, a: Attributes) -> tuple[Tensor, ...]:
    axis = a.get("axis", 0)
    if len(i) > 1 and i[1] is not None:
        return tuple(torch.split(i[0], _ints(i[1]), dim=axis))
    return tuple(torch.chunk(i[0], a["num_outputs"], dim=axis))


def _gather(i: Inputs, a: Attributes) -> Tensor:
    axis = a.get("axis", 0) % i[0].ndim
    where = torch.where(i[1] < 0, i[1] + i[0].shape[axis], i[1])
    found: Tensor = i[0].index_select(axis, where.reshape(-1))
    sizes = [*i[0].shape[:axis], *where.shape, *i[0].shape[axis + 1:]]
    return found.reshape(sizes)


def _expand(i: Inputs, a: Attributes) -> Tensor:
    # A side of 1 gives way on either part.
    found: Tensor = i[0].expand(torch.broadcast_shapes(i[0].shape, _ints(i[1])))  # type: ignore[no-untyped-call]
    return found


def _pad(i: Inputs, a: Attributes) -> Tensor:
    if a.get("mode", b"constant") != b"constant" or len(i) > 3:
        raise UnknownForm(f"Pad in mode {a.get('mode', b'').decode()}")
    pads, rank = _ints(i[1]), i[0].ndim
    both = [side for place in reversed(range(rank)) for side in (pads[place], pads[rank + place])]
    return F.pad(i[0], both, value=float(i[2]) if len(i) > 2 and i[2] is not None else 0.0)


def _resize(i: Inputs, a: Attributes) -> Tensor:
    """Bilinear, as an ensemble enlarges a coarser member's map."""
    mode, corners = a.get("mode", b"nearest"), a.get("coordinate_transformation_mode", b"half_pixel")
    if mode != b"linear" or corners not in (b"half_pixel", b"pytorch_half_pixel") or a.get("antialias", 0):
        raise UnknownForm(f"Resize in mode {mode.decode()}, {corners.decode()}")
    sizes = _ints(i[3]) if len(i) > 3 and i[3] is not None else [
        int(side * scale) for side, scale in zip(i[0].shape, i[2].tolist(), strict=True)]
    return F.interpolate(i[0], size=sizes[2:], mode="bilinear", align_corners=False)


def _constant(i: Inputs, a: Attributes) -> Tensor:
    (value,) = a.values()
    return value if isinstance(value, Tensor) else torch.as_tensor(value)


def _constant_of_shape(i: Inputs, a: Attributes) -> Tensor:
    fill = a.get("value", torch.zeros(1))
    return torch.full(_ints(i[0]), fill.item(), dtype=fill.dtype, device=i[0].device)


def _divide(i: Inputs, a: Attributes) -> Tensor:
    return i[0] / i[1] if i[0].is_floating_point() else torch.div(i[0], i[1], rounding_mode="trunc")


def _shape(i: Inputs, a: Attributes) -> Tensor:
    return torch.tensor(i[0].shape[a.get("start", 0):a.get("end")], dtype=torch.int64, device=i[0].device)


def _plain(run: Callable[..., Any]) -> Operator:
    """An operator that has inputs only."""
    return lambda i, a: run(*i)


#: Those that have inputs only.
_PLAIN: dict[str, Callable[..., Any]] = {
    "Abs": torch.abs, "Add": torch.add, "And": torch.logical_and, "Ceil": torch.ceil, "Equal": torch.eq,
    "Erf": torch.erf, "Exp": torch.exp, "Floor": torch.floor, "Greater": torch.gt, "GreaterOrEqual": torch.ge,
    "HardSwish": F.hardswish, "Identity": lambda x: x, "Less": torch.lt, "LessOrEqual": torch.le, "Log": torch.log,
    "MatMul": torch.matmul, "Mod": torch.remainder, "Mul": torch.mul, "Neg": torch.neg, "Not": torch.logical_not,
    "Or": torch.logical_or, "Pow": torch.pow, "Reciprocal": torch.reciprocal, "Relu": torch.relu,
    "Sigmoid": torch.sigmoid, "Softplus": F.softplus, "Sqrt": torch.sqrt, "Sub": torch.sub, "Tanh": torch.tanh,
    "Where": torch.where,
}

OPERATORS: dict[str, Operator] = {
    **{name: _plain(run) for name, run in _PLAIN.items()},
    "AveragePool": _average_pool,
    "BatchNormalization": _batch_norm,
    "Cast": lambda i, a: i[0].to(_TYPES[a["to"]]),
    "CastLike": lambda i, a: i[0].to(i[1].dtype),
    "Clip": _clip,
    "Concat": lambda i, a: torch.cat(list(i), dim=a["axis"]),
    "Constant": _constant,
    "ConstantOfShape": _constant_of_shape,
    "Conv": _conv,
    "Div": _divide,
    "Einsum": lambda i, a: torch.einsum(a["equation"].decode(), *i),
    "Expand": _expand,
    "Flatten": lambda i, a: i[0].flatten(a.get("axis", 1)),
    "Gather": _gather,
    "Gelu": lambda i, a: F.gelu(i[0], approximate=a.get("approximate", b"none").decode()),
    "Gemm": _gemm,
    "GlobalAveragePool": lambda i, a: i[0].mean(dim=tuple(range(2, i[0].ndim)), keepdim=True),
    "HardSigmoid": lambda i, a: (a.get("alpha", 0.2) * i[0] + a.get("beta", 0.5)).clamp(0, 1),
    "LayerNormalization": _layer_norm,
    "LogSoftmax": lambda i, a: i[0].log_softmax(a.get("axis", -1)),
    "Max": lambda i, a: reduce(torch.maximum, i),
    "MaxPool": _max_pool,
    "Min": lambda i, a: reduce(torch.minimum, i),
    "Pad": _pad,
    "ReduceL2": _reduced(lambda x, axes, keep: torch.linalg.vector_norm(x, dim=axes, keepdim=keep)),
    "ReduceLogSumExp": _reduced(lambda x, axes, keep: x.logsumexp(axes, keepdim=keep)),
    "ReduceMax": _reduced(lambda x, axes, keep: x.amax(axes, keepdim=keep)),
    "ReduceMean": _reduced(lambda x, axes, keep: x.mean(axes, keepdim=keep)),
    "ReduceSum": _reduced(lambda x, axes, keep: x.sum(axes, keepdim=keep)),
    "Reshape": _reshape,
    "Resize": _resize,
    "Shape": _shape,
    "Slice": _slice,
    "Softmax": lambda i, a: i[0].softmax(a.get("axis", -1)),
    "Split": _split,
    "Squeeze": _squeeze,
    "Transpose": lambda i, a: i[0].permute(a["perm"]) if "perm" in a else i[0].permute(*reversed(range(i[0].ndim))),
    "Unsqueeze": _unsqueeze,
}
