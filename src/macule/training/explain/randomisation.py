"""Does the heatmap depend on what the network has learnt? Adebayo et al. 2018: its weights are destroyed from the top
layer down, and the map is compared with the one before. A map that stays the same explains the picture, not the answer.

The class activation map of a linear head is the classifier's weights times the features, so it must change with the
first step: that step tests the export more than the method. What it may keep, whatever the weights, is the outline of
what the features mark: hence the absolute correlation, and the one between maps of different pictures as its floor.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import numpy_helper

from macule.analysis.bundle import Bundle
from macule.analysis.network import Network
from macule.data.record import Record
from macule.errors import InputError
from macule.evaluation import explanations, heatmaps, metrics
from macule.evaluation.heatmaps import Case, Pixels

#: How many layers are destroyed, as shares of all; the classifier alone stands first.
SHARES = (0.1, 0.25, 0.5, 0.75, 1.0)
#: Different random weights for each depth: with one draw all maps could turn over together, and a mean would not tell.
DRAWS = 4
SAMPLE = 24
#: Maps are compared at this side: eight times finer than those of most networks.
SIDE = 56
RESAMPLES = 2000
FIGURES = ("rank_correlation", "absolute_rank_correlation", "similarity")


def layers(model: onnx.ModelProto) -> list[tuple[str, ...]]:
    """The names of the weights and biases of each layer that the map depends on, the top layer first."""
    floats = {value.name for value in model.graph.initializer
              if value.data_type == onnx.TensorProto.FLOAT and np.prod(value.dims) > 1}
    found: list[tuple[str, ...]] = []
    known: set[str] = set()
    for node in reversed(_behind(model, "cam")):
        new = tuple(name for name in node.input if name in floats - known)
        if new:
            found.append(new)
            known |= set(new)
    return found


def classifier(model: onnx.ModelProto) -> int:
    """How many of `layers` lie above the pooled features: at least one."""
    below = {name for node in _behind(model, "embedding") for name in node.input}
    return max(1, sum(not below & set(layer) for layer in layers(model)))


def _behind(model: onnx.ModelProto, output: str) -> list[onnx.NodeProto]:
    """The nodes that an output is computed from, in the order of the graph."""
    needed, found = {output}, []
    for node in reversed(model.graph.node):
        if needed & set(node.output):
            found.append(node)
            needed |= set(node.input)
    return found[::-1]


def destroyed(model: onnx.ModelProto, count: int, *, seed: int) -> onnx.ModelProto:
    """A copy whose `count` top layers are drawn anew: normal, of mean 0 and each tensor's own spread, so that the
    network still answers in the range that it did. Shuffled numbers would keep their mean, and so the map's sign."""
    names = {name for layer in layers(model)[:count] for name in layer}
    rng = np.random.default_rng(seed)
    changed = onnx.ModelProto()
    changed.CopyFrom(model)
    for value in changed.graph.initializer:
        if value.name in names:
            array = numpy_helper.to_array(value)
            drawn = rng.normal(0, array.std(), array.shape).astype(array.dtype)
            value.CopyFrom(numpy_helper.from_array(drawn, value.name))
    return changed


def depths(model: onnx.ModelProto) -> list[int]:
    """How many layers are destroyed at each step, ascending."""
    every, first = len(layers(model)), classifier(model)
    return sorted({first, *(max(first, round(share * every)) for share in SHARES)})


def measure(bundle: Bundle, records: Sequence[Record], *, sample: int = SAMPLE, seed: int = 0) -> dict[str, Any]:
    """Maps before and after, of the class that was first before, one view, a random choice of the pictures.

    The rank correlation is of the evidence with its sign; the similarity of the map as it is shown, without what
    speaks against the class. Returns: one entry a depth, with means and 95 % intervals over lesions.
    """
    cases, groups = _cases(bundle, records, sample, seed)
    if not cases:
        return {"measured": False, "why": "No picture could be read."}
    model = onnx.load(str(bundle.model))
    before = _evidence(bundle, bundle.model, cases)
    rows = {}
    for depth in depths(model):
        drawn = [_compared(before, _answer(bundle, destroyed(model, depth, seed=seed + draw), cases, before))
                 for draw in range(DRAWS)]
        rows[depth] = np.mean(drawn, axis=0)
    weights = metrics.resample(groups, resamples=RESAMPLES, seed=seed)
    between = _figures(_between([heat for _, heat in before]), weights)
    steps = [{"layers": depth, **_figures(values, weights)} for depth, values in rows.items()]
    return {
        "measured": True, "pictures": len(cases), "draws": DRAWS, "layers": len(layers(model)),
        "classifier_layers": classifier(model),
        "steps": steps, "between_pictures": between, "passed": _passed(steps[-1], between),
    }


def _passed(last: dict[str, Any], between: dict[str, Any]) -> bool | None:
    """Whether the map of a network that has forgotten everything is less like the first than another picture's map is,
    its sign left aside. None where that is undefined."""
    high, floor = last["absolute_rank_correlation"]["high"], between["absolute_rank_correlation"]["value"]
    return None if high is None or floor is None else bool(high < floor)


def _figures(values: NDArray[np.float64], weights: NDArray[Any]) -> dict[str, Any]:
    """values: (n, figures)."""
    return {name: explanations.mean(column, weights).to_dict() for name, column in zip(FIGURES, values.T, strict=True)}


def _cases(bundle: Bundle, records: Sequence[Record], sample: int, seed: int) -> tuple[list[Case], list[str]]:
    cases, groups = [], []
    for place in sorted(np.random.default_rng(seed).permutation(len(records))[:sample].tolist()):
        try:
            cases.append(heatmaps.case(bundle, records[place]))
        except InputError:
            continue
        groups.append(records[place].group)
    return cases, groups


Explained = tuple[int, Pixels]


def _evidence(bundle: Bundle, path: Path, cases: Sequence[Case]) -> list[Explained]:
    network = Network(path, size=bundle.preprocessing.size)
    outputs = [network.run(case.tensor[None], case.patient[None]) for case in cases]
    firsts = [int(output.logits[0].argmax()) for output in outputs]
    return [(first, output.cam[0, first]) for first, output in zip(firsts, outputs, strict=True)]


def _answer(bundle: Bundle, model: onnx.ModelProto, cases: Sequence[Case], before: Sequence[Explained]) -> list[Pixels]:
    """The evidence of another network for the class that was first before."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.onnx"
        onnx.save(model, str(path))
        network = Network(path, size=bundle.preprocessing.size)
        return [network.run(case.tensor[None], case.patient[None]).cam[0, first]
                for case, (first, _) in zip(cases, before, strict=True)]


def _compared(before: Sequence[Explained], after: Sequence[Pixels]) -> NDArray[np.float64]:
    """(n, figures)."""
    return np.array([compare(one, other) for (_, one), other in zip(before, after, strict=True)])


def _between(maps: Sequence[Pixels]) -> NDArray[np.float64]:
    """Each picture's map against the next one's: what two maps share because lesions lie in the middle."""
    return np.array([compare(one, other) for one, other in _neighbours(maps)])


def _neighbours(maps: Sequence[Pixels]) -> Iterator[tuple[Pixels, Pixels]]:
    for place, one in enumerate(maps):
        yield one, maps[(place + 1) % len(maps)]


def compare(one: Pixels, other: Pixels) -> tuple[float, float, float]:
    """FIGURES of two maps of evidence, float32 (h, w), with sign. NaN for a correlation with a map of one value."""
    left, right = (_coarse(each) for each in (one, other))
    rho = heatmaps.rank_correlation(left, right)
    return rho, abs(rho), heatmaps.similarity(_shown(left), _shown(right))


def _coarse(evidence: Pixels) -> Pixels:
    """At most SIDE a side: single pixels are noise."""
    if len(evidence) <= SIDE:
        return evidence
    return np.asarray(cv2.resize(evidence, (SIDE, SIDE), interpolation=cv2.INTER_AREA), np.float32)


def _shown(evidence: Pixels) -> Pixels:
    return heatmaps.enlarged(heatmaps.positive(evidence), SIDE)
