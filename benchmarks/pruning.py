"""Whole channels taken out of a bundle's network: `python benchmarks/pruning.py default --data DATA`.

Of every inverted residual block (Sandler et al. 2018), the expansion channels that count least go: the L1 norm of what
reads a channel times its mean over training pictures (after Li et al. 2017 and Molchanov et al. 2017). What is left is
a graph of smaller convolutions. Their mean goes into the bias; with `--repair`, what reads the rest is fitted anew by
least squares to what the block answered before (He et al. 2017), block after block. There is no training. Scored on the
calibration part of HAM10000, since it is a choice and no result; the table goes into docs/results/pruning.md. Needs the
training extra.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import beside
import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import numpy_helper

from macule.analysis import bundle as bundles
from macule.analysis.bundle import Bundle
from macule.training import refit
from macule.training.quantise import bias, graph
from macule.training.quantise import run as quantising
from macule.training.quantise.ranges import Inputs

PAGE = Path(__file__).parents[1] / "docs" / "results" / "pruning.md"
SHARES = (0.1, 0.2, 0.3, 0.5)
#: Channels are kept in eights: kernels work on 8 or 16 of them at a time, and a rest costs as much as a whole.
STEP = 8
#: Places of each picture that a repair looks at, and the weight of staying as it was, as a share of the mean variance.
PLACES, RIDGE = 64, 1e-3
Kept = Mapping[str, NDArray[np.int64]]
Floats32 = NDArray[np.float32]


@dataclass(frozen=True)
class Block:
    """expand, deep, project: nodes of 1 x 1, depthwise and 1 x 1 convolutions. read: the value that `project` reads."""

    expand: onnx.NodeProto
    deep: onnx.NodeProto
    project: onnx.NodeProto

    @property
    def read(self) -> str:
        return str(self.project.input[0])


def blocks(model: onnx.ModelProto) -> list[Block]:
    """The inverted residual blocks, in order: those with channels of their own between two 1 x 1 convolutions."""
    maker = {name: node for node in model.graph.node for name in node.output}
    shapes = {value.name: list(value.dims) for value in model.graph.initializer}

    def before(node: onnx.NodeProto) -> onnx.NodeProto | None:
        found = maker.get(node.input[0])
        return maker.get(found.input[0]) if found is not None and found.op_type in ("Clip", "Relu") else found

    def pointwise(node: onnx.NodeProto | None) -> bool:
        return node is not None and node.op_type == "Conv" and shapes[node.input[1]][2:] == [1, 1]

    found = []
    for node in model.graph.node:
        deep = before(node) if pointwise(node) else None
        if deep is None or deep.op_type != "Conv" or shapes[deep.input[1]][1] != 1:
            continue
        expand = before(deep)
        if expand is not None and pointwise(expand) and shapes[expand.input[1]][0] == shapes[deep.input[1]][0]:
            found.append(Block(expand, deep, node))
    return found


def kept(model: onnx.ModelProto, found: Sequence[Block], means: bias.Means, share: float) -> Kept:
    """The channels that stay, ascending, by the name of the node that reads them; as many of every block, rounded."""
    chosen = {}
    for block in found:
        reads = np.abs(graph.constant(model, block.project.input[1])).sum(axis=(0, 2, 3))
        worth = reads * np.abs(means[block.read])
        count = max(STEP, round(len(worth) * (1 - share) / STEP) * STEP)
        chosen[block.project.name] = np.sort(np.argsort(-worth, kind="stable")[:count])
    return chosen


def pruned(model: onnx.ModelProto, found: Sequence[Block], chosen: Kept, means: bias.Means) -> onnx.ModelProto:
    """The smaller graph. The mean of what is gone is in the bias of what read it."""
    made = onnx.ModelProto()
    made.CopyFrom(model)
    del made.graph.value_info[:]
    values = {value.name: value for value in made.graph.initializer}
    nodes = {node.name: node for node in made.graph.node}

    def put(name: str, array: Floats32) -> None:
        values[name].CopyFrom(numpy_helper.from_array(np.ascontiguousarray(array), name))

    for block in found:
        stay = chosen[block.project.name]
        weight = graph.constant(model, block.project.input[1])
        gone = np.setdiff1d(np.arange(weight.shape[1]), stay)
        lost = weight[:, gone, 0, 0] @ means[block.read][gone]
        put(block.project.input[2], (graph.constant(model, block.project.input[2]) + lost).astype(np.float32))
        put(block.project.input[1], weight[:, stay])
        for node in (block.expand, block.deep):
            for name in node.input[1:]:
                put(name, graph.constant(model, name)[stay])
        next(each for each in nodes[block.deep.name].attribute if each.name == "group").i = len(stay)
    return made


def repaired(made: onnx.ModelProto, model: onnx.ModelProto, found: Sequence[Block],
             inputs: Sequence[Inputs]) -> onnx.ModelProto:
    """What reads the channels that are left, fitted to the block's answers before, those in front of it repaired."""
    values = {value.name: value for value in made.graph.initializer}
    for block in found:
        seen = _rows(made, block.read, inputs)
        wanted = _rows(model, block.project.output[0], inputs)
        name, offset = block.project.input[1:3]
        weight = numpy_helper.to_array(values[name])[:, :, 0, 0].T.astype(np.float64)
        start = numpy_helper.to_array(values[offset])
        middle = seen.mean(axis=0)
        centred = seen - middle
        missing = wanted - (seen @ weight + start)
        spread = centred.T @ centred / len(seen)
        spread[np.diag_indices_from(spread)] += RIDGE * np.trace(spread) / len(spread)
        step = np.linalg.solve(spread, centred.T @ (missing - missing.mean(axis=0)) / len(seen))
        shift = missing.mean(axis=0) - middle @ step
        fitted = (weight + step).T[:, :, None, None].astype(np.float32)
        values[name].CopyFrom(numpy_helper.from_array(np.ascontiguousarray(fitted), name))
        values[offset].CopyFrom(numpy_helper.from_array((start + shift).astype(np.float32), offset))
    return made


def _rows(model: onnx.ModelProto, value: str, inputs: Sequence[Inputs]) -> NDArray[np.float64]:
    """The channels at some places of each picture: the same places of every graph. (pictures x places, C)."""
    session = bias.session(model, [value])
    read = [given.name for given in session.get_inputs()]
    rows = []
    for number, one in enumerate(inputs):
        (found,) = session.run([value], {name: one[name] for name in read})
        flat = found[0].reshape(found.shape[1], -1)
        places = np.random.default_rng(number).permutation(flat.shape[1])[:PLACES]
        rows.append(flat[:, places].T)
    return np.concatenate(rows).astype(np.float64)


def table(bundle: Bundle, given: argparse.Namespace) -> Iterator[str]:
    spec = replace(bundle.preprocessing, views=1)
    train = refit.parted(bundle, given.data)["train"]
    sample = train[::max(1, len(train) // given.pictures)][:given.pictures]
    inputs = list(quantising.inputs(sample, bundle.preprocessing))
    model = onnx.load(str(bundle.model))
    found = blocks(model)
    means = bias.means(model, [block.read for block in found], inputs)
    asked = beside.records(bundle, given.data, part="calibration", limit=given.limit)
    _, before = beside.shares(bundle.model, spec, bundle.calibration, asked)
    yield (f"{bundle.id} ({bundle.sha256[:12]}, {spec.size} px), {len(found)} blocks; means of {len(sample)} training "
           f"pictures; HAM10000's calibration part, {len(asked)} pictures of {beside.lesions(asked)} lesions, one "
           "view.\n")
    yield "| channels gone | times as fast | MB | balanced accuracy | less, points | malignant AUC | less, points |"
    yield "| --- | --- | --- | --- | --- | --- | --- |"
    whole = beside.compare(before, before, asked)
    yield _row("none", "1", bundle.model, whole)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.onnx"
        for share in given.shares:
            made = pruned(model, found, kept(model, found, means, share), means)
            for name in ("", ", repaired") if given.repair else ("",):
                onnx.save(repaired(made, model, found, inputs) if name else made, str(path))
                _, after = beside.shares(path, spec, bundle.calibration, asked)
                pace = beside.pace(bundle.model, path, sizes=(spec.size, spec.size), rounds=given.rounds)
                yield _row(f"{share:.0%}{name}", str(pace), path, beside.compare(before, after, asked))


def _row(name: str, pace: str, path: Path, found: Mapping[str, tuple[beside.Figure, ...]]) -> str:
    cells = [text for key in ("balanced accuracy", "malignant AUC")
             for _, other, less in [found[key]] for text in (f"{other.value:.3f}", beside.signed(less))]
    return f"| {name} | {pace} | {path.stat().st_size / 1e6:.1f} | {' | '.join(cells)} |"


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bundle", nargs="?", default="default")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--shares", type=float, nargs="+", default=SHARES)
    parser.add_argument("--pictures", type=int, default=128, help="training pictures that channels are judged by")
    parser.add_argument("--repair", action="store_true")
    parser.add_argument("--limit", type=int, help="about so many pictures, for a quick look")
    parser.add_argument("--rounds", type=int, default=11)
    parser.add_argument("--page", type=Path, default=PAGE)
    return parser.parse_args()


def main() -> None:
    given, lines = arguments(), []
    for line in table(bundles.load(given.bundle), given):
        print(line, flush=True)
        lines.append(line)
    beside.fill(given.page, "pruning", "\n".join(lines))


if __name__ == "__main__":
    main()
