"""Whether the heatmap of an answer says anything: of the picture, of the lesion, and of the network.

The map that is served is measured beside two controls that know nothing of the network: random cells, and a spot in
the middle. What they reach is the least that a heatmap must beat, for lesions lie in the middle of their pictures.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from typing import Any

import numpy as np
from numpy.typing import NDArray

from macule.analysis import calibrate, explain, preprocess
from macule.analysis.batch import cores, in_order
from macule.analysis.calibration import SUSPICIOUS, Calibration
from macule.analysis.network import Network
from macule.analysis.pipeline import Analyzer
from macule.data.record import Record
from macule.errors import InputError, MaculeError
from macule.evaluation import heatmaps, metrics
from macule.evaluation.exam import Exam
from macule.evaluation.heatmaps import Case, Pixels
from macule.evaluation.metrics import Figure, Floats
from macule.evaluation.predictions import NO_CLASS

MAPS = ("heatmap", "centre", "random")
KINDS = ("deletion", "insertion")
SAMPLE = 100
_Weights = NDArray[Any]


@dataclass(frozen=True)
class Seen:
    """One picture. first: index of the class explained. right: whether it is the label's, None where that is vague.

    blank: nothing spoke for the class. area: the mask's share of the picture, NaN without one.
    curves: each of MAPS -> float64, (2, STEPS + 1, 2): deletion, insertion; of the class, of malignant.
    places: each of MAPS -> share of heat in the mask, maximum in the mask; None without a mask or for a blank map.
    """

    first: int
    right: bool | None
    blank: bool
    area: float
    curves: Mapping[str, Floats] = field(repr=False)
    places: Mapping[str, tuple[float, bool] | None] = field(repr=False)


def measure(analyzer: Analyzer, exam: Exam, *, sample: int = SAMPLE, seed: int = 0, workers: int | None = None,
            start: Callable[[int], Callable[[], None]] = lambda _: lambda: None) -> dict[str, Any]:
    """Curves, places and the randomisation test of a sample of the exam's answered pictures, as plain numbers.

    The map is the one that is served, of the first diagnosis and over all views; the curves ask the network with one
    view of each changed picture. workers: threads; None is one a core. start: told how many pictures there are.
    Returns: `measured` False and `why` where no picture was answered or none could be read.
    """
    drawn = choose(exam, sample, seed)
    bundle = analyzer.bundle
    network = Network(bundle.model, size=bundle.preprocessing.size)
    truth = {id(exam.predictions.records[place]): (int(exam.targets[place]), exam.projected[place]) for place in drawn}
    tick = start(len(drawn))

    def look(numbered: tuple[int, Record]) -> Seen:
        number, record = numbered
        target, shares = truth[id(record)]
        right = None if target == NO_CLASS else int(shares.argmax()) == target
        return _look(analyzer, network, record, right=right, seed=seed + number)

    seen: list[tuple[Record, Seen]] = []
    failed = 0
    records = [exam.predictions.records[place] for place in drawn]
    for (_, record), found in in_order(look, list(enumerate(records)), workers=workers or cores()):
        tick()
        if isinstance(found, InputError):
            failed += 1
        elif isinstance(found, MaculeError):
            raise found
        else:
            seen.append((record, found))
    if not seen:
        return {"measured": False, "why": "No picture of the sample was answered and could be read again."}
    return _summed(seen, failed, len(exam.weights), seed) | {"randomisation": _randomised(analyzer, records, seed)}


def choose(exam: Exam, sample: int, seed: int) -> list[int]:
    """Places of the pictures to look at: drawn from those with a mask first, ascending."""
    records = exam.predictions.records
    order = np.random.default_rng(seed).permutation(len(records))
    masked = sorted(order, key=lambda place: records[place].mask is None)  # stable
    return sorted(int(place) for place in masked[:sample])


def _look(analyzer: Analyzer, network: Network, record: Record, *, right: bool | None, seed: int) -> Seen:
    bundle = analyzer.bundle
    shown = heatmaps.case(bundle, record)
    first, heat = served(network, shown, views=analyzer.views, how=bundle.calibration)
    size = shown.tensor.shape[-1]
    maps = {
        "heatmap": heatmaps.enlarged(heat, size),
        "centre": heatmaps.centre_map(size),
        "random": heatmaps.random_map(size, len(heat), seed=seed),
    }
    curves = {name: heatmaps.curves(lambda images, patients: network.run(images, patients).logits, shown, each,
                                    how=bundle.calibration, seed=seed) for name, each in maps.items()}
    return Seen(
        first, right, not heat.any(), np.nan if shown.mask is None else float(shown.mask.mean()),
        {name: _pair(shares, first) for name, shares in curves.items()},
        {name: None if shown.mask is None else heatmaps.inside(each, shown.mask) for name, each in maps.items()},
    )


def served(network: Network, shown: Case, *, views: int, how: Calibration) -> tuple[int, Pixels]:
    """The first diagnosis and its map, as an answer gives them, on the square that the network sees.

    Returns: index; float32, (h, w), 0 to 1.
    """
    output = network.run(preprocess.make_views(shown.tensor, views), np.repeat(shown.patient[None], views, axis=0))
    first = int(calibrate.probabilities(output.logits, how).argmax())
    return first, explain.heatmap(output.cam, first)


def _pair(shares: Floats, first: int) -> Floats:
    """The class explained, and malignant. shares: (..., 11). Returns: (..., 2)."""
    return np.stack([shares[..., first], shares[..., SUSPICIOUS].sum(axis=-1)], axis=-1)


def _summed(seen: Sequence[tuple[Record, Seen]], failed: int, resamples: int, seed: int) -> dict[str, Any]:
    found = [each for _, each in seen]
    names = [f"{r.dataset}:{r.patient_id}" if r.patient_id else r.group for r, _ in seen]
    weights = metrics.resample(names, resamples=resamples, seed=seed)
    suspicious = np.array([SUSPICIOUS[each.first] for each in found])
    every = np.ones(len(found), bool)
    return {
        "measured": True, "pictures": len(found), "lesions": len(set(names)), "failed": failed,
        "blank": sum(each.blank for each in found), "steps": heatmaps.STEPS, "blur": heatmaps.BLUR,
        "curves": {"explained": _of_curves(found, weights, every, 0),
                   "malignant": _of_curves(found, weights, suspicious, 1)},
        "mask": _of_masks(found, weights),
    }


def _of_curves(found: Sequence[Seen], weights: _Weights, keep: NDArray[np.bool_], what: int) -> dict[str, Any]:
    """what: 0 the explained class, 1 malignant: for pictures of which the map explains a suspicious class."""
    kept = [each for each, wanted in zip(found, keep, strict=True) if wanted]
    table: dict[str, Any] = {"n": len(kept)}
    for number, kind in enumerate(KINDS):
        rows = {name: np.array([each.curves[name][number, :, what] for each in kept]) for name in MAPS}
        table[kind] = {name: curve(values, weights[:, keep]) for name, values in rows.items()} if kept else {}
        areas = {name: heatmaps.area(values) if kept else np.zeros(0) for name, values in rows.items()}
        sign = -1 if kind == "deletion" else 1  # a good map makes the answer fall early, and come back early
        gains = {f"gain_over_{name}": sign * (areas["heatmap"] - areas[name]) for name in MAPS[1:]}
        table[f"{kind}_area"] = {name: mean(values, weights[:, keep]).to_dict()
                                 for name, values in (areas | gains).items()}
    return table


def curve(values: Floats, weights: _Weights) -> dict[str, list[float]]:
    """Mean of curves with the middle 95 % of its resamples. values: (n, T). weights: (B, n)."""
    spread = metrics.ratio(weights @ values, weights.sum(axis=1)[:, None])
    low, high = np.nanquantile(spread, [0.025, 0.975], axis=0)
    return {name: [round(float(v), 4) for v in row]
            for name, row in (("mean", values.mean(axis=0)), ("low", low), ("high", high))}


def mean(values: Sequence[float] | Floats, weights: _Weights) -> Figure:
    """Of those that are defined; n says how many."""
    table = np.asarray(values, np.float64)
    known = np.isfinite(table)
    return metrics.figure(lambda w: metrics.ratio(w @ table[known], w.sum(axis=1)), weights[:, known])


def _of_masks(found: Sequence[Seen], weights: _Weights) -> dict[str, Any]:
    """n: pictures with a mask whose map is not blank."""
    there = np.array([each.places["heatmap"] is not None for each in found])
    if not there.any():
        return {"n": 0}
    right = np.array([each.right is True for each in found])
    wrong = np.array([each.right is False for each in found])
    return _places(found, weights, there) | {
        "right": _places(found, weights, there & right), "wrong": _places(found, weights, there & wrong)}


def _places(found: Sequence[Seen], weights: _Weights, keep: NDArray[np.bool_]) -> dict[str, Any]:
    kept = [each for each, wanted in zip(found, keep, strict=True) if wanted]
    drawn = weights[:, keep]
    table: dict[str, Any] = {"n": len(kept), "area": mean([each.area for each in kept], drawn).to_dict()}
    for name in MAPS:
        pairs = [each.places[name] or (np.nan, np.nan) for each in kept]
        share, hit = ([float(pair[place]) for pair in pairs] for place in (0, 1))
        more = [one - each.area for one, each in zip(share, kept, strict=True)]
        table[name] = {"share": mean(share, drawn).to_dict(), "more_than_area": mean(more, drawn).to_dict(),
                       "pointing": mean(hit, drawn).to_dict()}
    return table


def _randomised(analyzer: Analyzer, records: Sequence[Record], seed: int) -> dict[str, Any]:
    """The weights of a graph are changed with the `onnx` package, which the base installation does not have."""
    if find_spec("onnx") is None:
        return {"measured": False, "why": "The randomisation test needs the training extra: "
                                          "pip install 'macule[training]'."}
    from macule.training.explain import randomisation  # of onnx and numpy alone: no torch

    return randomisation.measure(analyzer.bundle, records, seed=seed)
