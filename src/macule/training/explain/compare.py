"""Every method on the same pictures, in one table, beside the graph's own map and controls that know nothing."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnx
import torch

from macule.analysis.bundle import Bundle
from macule.analysis.network import Network
from macule.data.record import Record
from macule.errors import DatasetError, InputError
from macule.evaluation import explanations, heatmaps, metrics
from macule.evaluation.heatmaps import Ask, Case, Pixels
from macule.evaluation.metrics import RESAMPLES
from macule.training import from_bundle
from macule.training.explain import methods as ways
from macule.training.explain import randomisation
from macule.training.explain.methods import METHODS, Subject
from macule.training.from_bundle import BundleNetwork

CONTROLS = ("centre", "random")
SAMPLE = 60
#: Pictures that the randomisation test is done on: it repeats every method twice.
RANDOMISED = 12
FIGURES = ("deletion_area", "insertion_area", "heat_on_lesion", "more_than_area", "pointing", "classifier_randomised",
           "all_randomised", "seconds")


@dataclass(frozen=True)
class Model:
    """One network in both forms: torch for gradients, ONNX Runtime for speed."""

    network: BundleNetwork = field(repr=False)
    ask: Ask = field(repr=False)

    def subject(self, bundle: Bundle, case: Case, index: int, *, seed: int = 0) -> Subject:
        return Subject(self.network, self.ask, case, index, bundle.calibration, bundle.preprocessing.views, seed)


def load(bundle: Bundle, *, threads: int = 1) -> Model:
    """threads: cores that torch and ONNX Runtime may use for one picture; torch keeps to it from now on."""
    torch.set_num_threads(threads)
    return Model(from_bundle.network(bundle), _asking(bundle, bundle.model, threads))


def _asking(bundle: Bundle, path: Path, threads: int = 1) -> Ask:
    network = Network(path, size=bundle.preprocessing.size, threads=threads)
    return lambda images, patients: network.run(images, patients).logits


@contextmanager
def _destroyed(bundle: Bundle, *, seed: int) -> Iterator[Mapping[str, Model]]:
    """The network without its classifier, and without anything that it learnt."""
    model = onnx.load(str(bundle.model))
    counts = {"classifier_randomised": randomisation.classifier(model),
              "all_randomised": len(randomisation.layers(model))}
    with tempfile.TemporaryDirectory() as folder:
        found = {}
        for name, count in counts.items():
            changed, path = randomisation.destroyed(model, count, seed=seed), Path(folder) / f"{name}.onnx"
            onnx.save(changed, str(path))
            found[name] = Model(BundleNetwork(changed, name=name), _asking(bundle, path))
        yield found


def draw(records: Sequence[Record], sample: int, *, seed: int) -> list[Record]:
    """Pictures with an outline first; in the order of the set. Raises: DatasetError if there is none at all."""
    order = np.random.default_rng(seed).permutation(len(records)).tolist()
    chosen = sorted(sorted(order, key=lambda place: records[place].mask is None)[:sample])
    if not chosen:
        raise DatasetError("there is no picture to explain: choose another part.")
    return [records[place] for place in chosen]


def measure(bundle: Bundle, records: Sequence[Record], *, methods: Sequence[str] = tuple(METHODS),
            sample: int = SAMPLE, randomised: int = RANDOMISED, seed: int = 0, threads: int = 1,
            start: Callable[[int], Callable[[], None]] = lambda _: lambda: None) -> dict[str, Any]:
    """methods: of METHODS. Each explains the first diagnosis of each picture; deletion and insertion are of its
    probability. randomised: of these pictures, the first so many are explained again with networks that have forgotten.

    Returns: plain numbers with 95 % intervals over lesions.
    Raises: DatasetError if no picture can be read; MissingExtra; UsageError for a graph without gradients.
    """
    ways.ready((*methods, "grad-cam"))
    drawn = draw(records, sample, seed=seed)
    model, tick = load(bundle, threads=threads), start(len(drawn))
    session = Network(bundle.model, size=bundle.preprocessing.size)
    rows: list[dict[str, dict[str, float]]] = []
    agreement, groups, areas = [], [], []
    with _destroyed(bundle, seed=seed) as worse:
        for record in drawn:
            tick()
            try:
                case = heatmaps.case(bundle, record)
            except InputError:
                continue
            index, _ = explanations.served(session, case, views=bundle.preprocessing.views,
                                           how=bundle.calibration)
            others = worse if len(rows) < randomised else {}
            subject = model.subject(bundle, case, index, seed=seed)
            rows.append({name: _of_method(name, subject, others, bundle) for name in methods}
                        | {name: _of_control(name, subject) for name in CONTROLS})
            agreement.append(own_against_grad_cam(subject) if model.network.features else np.nan)
            groups.append(record.group)
            areas.append(np.nan if case.mask is None else float(case.mask.mean()))
    if not rows:
        raise DatasetError(f"none of {len(drawn)} pictures can be read: get the data set again.")
    weights = metrics.resample(groups, resamples=RESAMPLES, seed=seed)
    return {
        "bundle": {"id": bundle.id, "sha256": bundle.sha256}, "pictures": len(rows), "lesions": len(set(groups)),
        "failed": len(drawn) - len(rows), "seed": seed, "views": bundle.preprocessing.views,
        "lesion_area": explanations.mean(areas, weights).to_dict(),
        "own_map_against_grad_cam": explanations.mean(agreement, weights).to_dict(),
        "methods": {name: {figure: explanations.mean([row[name].get(figure, np.nan) for row in rows], weights).to_dict()
                           for figure in FIGURES} for name in (*methods, *CONTROLS)},
    }


def _of_method(name: str, subject: Subject, worse: Mapping[str, Model], bundle: Bundle) -> dict[str, float]:
    began = time.perf_counter()
    evidence = METHODS[name](subject)
    seconds = time.perf_counter() - began
    changes = {depth: randomisation.compare(evidence, METHODS[name](
        model.subject(bundle, subject.case, subject.index, seed=subject.seed)))[1] for depth, model in worse.items()}
    return _of_heat(subject, shown(evidence, subject)) | changes | {"seconds": seconds}


def _of_control(name: str, subject: Subject) -> dict[str, float]:
    size = subject.case.tensor.shape[-1]
    cells = max(2, size // 32)  # as most networks' maps
    heat = heatmaps.centre_map(size) if name == "centre" else heatmaps.random_map(size, cells, seed=subject.seed)
    return _of_heat(subject, heat)


def shown(evidence: Pixels, subject: Subject) -> Pixels:
    """What speaks for the class, 0 to 1, at the size that the network sees; float32, (S, S)."""
    return heatmaps.enlarged(heatmaps.positive(evidence), subject.case.tensor.shape[-1])


def areas(subject: Subject, heat: Pixels) -> tuple[float, float]:
    """Under deletion and insertion, of the probability of the class explained."""
    curves = heatmaps.curves(subject.ask, subject.case, heat, how=subject.how, seed=subject.seed)
    deletion, insertion = heatmaps.area(curves[..., subject.index])
    return float(deletion), float(insertion)


def _of_heat(subject: Subject, heat: Pixels) -> dict[str, float]:
    deletion, insertion = areas(subject, heat)
    found = {"deletion_area": deletion, "insertion_area": insertion}
    mask = subject.case.mask
    place = None if mask is None else heatmaps.inside(heat, mask)
    if mask is None or place is None:
        return found
    return found | {"heat_on_lesion": place[0], "more_than_area": place[0] - float(mask.mean()),
                    "pointing": float(place[1])}


def own_against_grad_cam(subject: Subject) -> float:
    """Correlation of the graph's own map, in one view and without what speaks against, with torch's Grad-CAM."""
    theirs = ways.grad_cam(subject)
    alone = Subject(subject.network, subject.ask, subject.case, subject.index, subject.how)
    ours = cv2.resize(heatmaps.positive(ways.cam(alone)), (len(theirs), len(theirs)))
    return heatmaps.pearson(np.asarray(ours, np.float32), theirs)


_HEADS = {
    "deletion_area": "deletion area", "insertion_area": "insertion area", "heat_on_lesion": "heat on the lesion",
    "more_than_area": "more than its area", "pointing": "maximum on the lesion",
    "classifier_randomised": "likeness after the classifier forgot", "all_randomised": "after all layers forgot",
    "seconds": "seconds a picture",
}


def markdown(found: Mapping[str, Any]) -> str:
    """The table, with intervals. Where a method has fewer pictures than the column (blank maps), the cell says so."""
    counts = {key: max(row[key]["n"] for row in found["methods"].values()) for key in _HEADS}
    lines = ["| method | " + " | ".join(f"{head} (n = {counts[key]})" for key, head in _HEADS.items()) + " |",
             "|---" * (len(_HEADS) + 1) + "|"]
    for name, row in found["methods"].items():
        title = f"*{name}* (control)" if name in CONTROLS else name
        lines.append(f"| {title} | " + " | ".join(_cell(row[key], counts[key]) for key in _HEADS) + " |")
    return "\n".join(lines) + "\n"


def _cell(figure: Mapping[str, Any], expected: int) -> str:
    if figure["value"] is None:
        return "–"
    interval = "" if figure["low"] is None else f" ({figure['low']:.2f} to {figure['high']:.2f})"
    fewer = f", n = {figure['n']}" if figure["n"] < expected else ""
    return f"{figure['value']:.2f}{interval}{fewer}".replace("-", "−")
