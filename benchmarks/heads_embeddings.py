"""What a bundle's network makes of the pictures of its own parts, computed once and kept: (views, N, D).

The last layer is linear, so a head's mean logits over the views are its logits of the mean embedding: everything that
`benchmarks/heads.py` compares can be computed from what is kept here.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import numpy_helper

from macule.analysis import patient as patients
from macule.analysis import preprocess
from macule.analysis.batch import cores
from macule.analysis.bundle import Bundle
from macule.analysis.network import Network
from macule.data.record import Record
from macule.errors import MaculeError
from macule.training import cache, prepare, recipe
from macule.training.prepare import Parts

TOLD = 1000
Floats = NDArray[np.float64]
Singles = NDArray[np.float32]


@dataclass(frozen=True)
class Part:
    """views: float32, (V, N, D), embeddings. patients: float32, (N, 13)."""

    records: Sequence[Record]
    views: Singles
    patients: Singles

    def mean(self, count: int) -> Singles:
        """Over the first views, as a bundle with that many serves it. Returns: float32, (N, D)."""
        return np.asarray(self.views[:count].mean(axis=0))


@dataclass(frozen=True)
class Linear:
    """A last layer. weight: (K, D). bias: (K,). patient: layers ((H, 13), (H,), (K, H), (K,)), or none.

    float32, as the graph holds them: logits = embedding @ weight.T + bias + patient part.
    """

    weight: Singles
    bias: Singles
    patient: tuple[Singles, Singles, Singles, Singles] | None

    def logits(self, embedding: Singles, about: Singles) -> Floats:
        return self.picture(embedding) + self.of_patient(about)

    def picture(self, embedding: Singles) -> Floats:
        return np.asarray(embedding @ self.weight.T + self.bias, np.float64)

    def of_patient(self, about: Singles) -> Floats:
        """What the patient's data add, (N, K)."""
        if self.patient is None:
            return np.zeros((len(about), len(self.bias)))
        inner, shift, outer, last = self.patient
        return np.asarray(np.maximum(about @ inner.T + shift, 0) @ outer.T + last, np.float64)


def head(bundle: Bundle) -> Linear:
    """The last layer of a bundle's graph. Raises: MaculeError where it is not linear, or not in single precision."""
    graph = onnx.load(str(bundle.model)).graph
    constants = {each.name: numpy_helper.to_array(each) for each in graph.initializer}
    gemms = [node for node in graph.node if node.op_type == "Gemm"]
    last = [node for node in gemms if node.input[0] == "embedding"]
    about = [constants[name] for node in gemms if node not in last for name in node.input[1:]]
    if len(last) != 1 or len(about) not in (0, 4):
        raise MaculeError(f"bundle {bundle.id} has no linear last layer beside a patient part: give one that macule "
                          "train wrote, neither quantised nor combined.")
    weight, bias = (constants[name] for name in last[0].input[1:])
    return Linear(weight, bias, (about[0], about[1], about[2], about[3]) if about else None)


def parted(bundle: Bundle, data: Path, work: Path, links: Path | None) -> Parts:
    """The bundle's own parts, kin on one side, with the exams' kin left out."""
    made = recipe.load("lite").changed({"network.norms": "folded", "network.start": str(bundle.folder)})
    return prepare.read(made, data, work, pairs=links)


def load(bundle: Bundle, parts: Parts, work: Path, log: Callable[[str], None] = print) -> dict[str, Part]:
    """Embeddings of each part and exam, computed where they are not kept; stopped, the next call goes on."""
    folder = work / f"heads-{json.loads((bundle.folder / 'bundle.json').read_text())['model']['sha256'][:12]}"
    folder.mkdir(parents=True, exist_ok=True)
    network = Network(bundle.model, size=bundle.preprocessing.size)
    # The training part's further views, which take longest, come last.
    exams = {name: records for name, records in parts.exams.items() if records}
    named = {role: getattr(parts, role) for role in prepare.ROLES} | exams
    stages = [("calibration", 0, 8), ("test", 0, 8), *((name, 0, 4) for name in exams), ("train", 0, 1),
              ("train", 1, 4)]
    kept: dict[tuple[str, int], Singles] = {}
    for part, first, last in stages:
        stage = _Stage(network, bundle, named[part], folder / f"{part}-{first}-{last}.npy", first, last)
        kept[part, first] = stage.rows(log)
    return {part: Part(records, np.concatenate([kept[key] for key in sorted(kept) if key[0] == part]),
                       np.stack([patients.encode(record.patient) for record in records]))
            for part, records in named.items()}


@dataclass(frozen=True)
class _Stage:
    """Views first to last (exclusive) of some records, in one file. Rows that are not numbers are yet to do."""

    network: Network
    bundle: Bundle
    records: Sequence[Record]
    path: Path
    first: int
    last: int

    def rows(self, log: Callable[[str], None]) -> Singles:
        """float32, (V, N, D)."""
        rows = self._opened()
        missing = np.flatnonzero(np.isnan(rows[-1, :, -1])).tolist()
        with ThreadPoolExecutor(cores()) as pool:
            for count, (place, found) in enumerate(pool.map(lambda place: (place, self._views(place)), missing), 1):
                rows[:, place] = found
                if count % TOLD == 0:
                    log(f"{self.path.stem}: {count} of {len(missing)} pictures")
        rows.flush()
        return np.asarray(rows)

    def _opened(self) -> Singles:
        names = [f"{record.dataset}:{record.picture_id}" for record in self.records]
        listed = self.path.with_suffix(".json")
        if not (self.path.is_file() and listed.is_file() and json.loads(listed.read_text()) == names):
            shape = self.last - self.first, len(names), head(self.bundle).weight.shape[1]
            made = np.lib.format.open_memmap(self.path, mode="w+", dtype=np.float32, shape=shape)
            made[:] = np.nan
            made.flush()
            listed.write_text(json.dumps(names))
        rows: Singles = np.load(self.path, mmap_mode="r+")
        return rows

    def _views(self, place: int) -> Singles:
        spec = self.bundle.preprocessing
        rgb = cache.decoded(self.records[place], short_side=preprocess.decoding_side(spec.size))
        views = preprocess.make_views(preprocess.apply(rgb, spec), self.last)[self.first:]
        nobody = np.zeros((len(views), patients.VECTOR_LENGTH), np.float32)
        return self.network.run(np.ascontiguousarray(views), nobody).embedding
