"""`macule quantise`: a bundle -> a bundle of the same network in whole numbers, with everything fitted to it anew."""

from __future__ import annotations

import datetime
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx

from macule import __version__
from macule.analysis import preprocess
from macule.analysis.bundle import CARD, MANIFEST, Bundle
from macule.analysis.preprocess import VIEW_COUNTS, Preprocessing
from macule.data import guard, kinship, links
from macule.data.record import Record
from macule.errors import TooFewPictures, UsageError
from macule.evaluation import neighbours
from macule.evaluation.baseline_file import FILE as BASELINES
from macule.training import bundling, export, fit, prepare, refit, rewriting
from macule.training.quantise import graph
from macule.training.quantise.integers import Settings, in_integers
from macule.training.quantise.ranges import Inputs
from macule.training.recipe import Targets

#: Fewer do not show how large the numbers get.
LEAST_PICTURES = 32
Start = Callable[[str, int], Callable[[], None]]


@dataclass(frozen=True)
class Run:
    """name: of the new bundle. pictures: of the training part, that the ranges come from. pairs: links of `macule data
    audit`: pictures linked to the calibration part are not taken.

    size, views: other preprocessing than the bundle's; None keeps it. refitted: how the rest is fitted.
    """

    name: str = "lite"
    pictures: int = 512
    pairs: Path | None = None
    size: int | None = None
    views: int | None = None
    settings: Settings = field(default_factory=Settings)
    refitted: refit.Refit = field(default_factory=refit.Refit)


def quantise(bundle: Bundle, data: Path, out: Path, *, now: datetime.datetime, how: Run) -> Path:
    """Write the quantised bundle to `out`. It is made beside it and takes its place at the end.

    data: the folder that holds the data sets that the bundle was made of, as unzipped.
    Returns: `out`.
    Raises: UsageError if the bundle is quantised already, `out` is the bundle, is no folder or holds other files than a
    bundle's, or a setting is impossible; DatasetError if the bundle does not say what it was made of, or that is not
    there; TooFewPictures.
    """
    _check_place(bundle, out)
    spec = _spec(bundle.preprocessing, how)
    model = graph.load(bundle.model)
    parts = refit.parted(bundle, data)
    sample = _sample(parts, how)
    with rewriting.copy(bundle, out) as made:
        _write_model(graph.resized(model, spec.size) if spec.size != bundle.preprocessing.size else model,
                     made / bundle.model.name, sample, spec, how)
        _write(bundle, made, spec, parts["calibration"], len(sample), now=now, how=how)
        refit.into(made, parts["train"], parts["calibration"], now=now, how=how.refitted)
        _check_gate(made)
    return out


def inputs(records: Sequence[Record], spec: Preprocessing) -> Iterator[Inputs]:
    """What the network reads of the pictures and their patients, one at a time, each turned another way."""
    for place, record in enumerate(records):
        images, about = bundling.inputs([record], spec)
        turned = preprocess.make_views(images[0], max(VIEW_COUNTS))[place % spec.views]
        yield {"image": np.ascontiguousarray(turned[None]), "patient": about}


def _check_place(bundle: Bundle, out: Path) -> None:
    if out.resolve() == bundle.folder.resolve():
        raise UsageError(f"{out} is the bundle itself, which is still needed: name another folder.")
    rewriting.check(bundle, out)


def _spec(spec: Preprocessing, how: Run) -> Preprocessing:
    try:
        return replace(spec, size=spec.size if how.size is None else how.size,
                       views=spec.views if how.views is None else how.views)
    except ValueError as error:
        raise UsageError(f"{error}.") from error


def _sample(parts: dict[str, list[Record]], how: Run) -> list[Record]:
    """Pictures of the training part, spread by chance, none of them kin of one of the calibration part.

    Raises: TooFewPictures.
    """
    train, held = parts["train"], parts["calibration"]
    components = kinship.of_records([*train, *held], links.read(how.pairs)).components().tolist()
    others = set(components[len(train):])
    free = [record for record, its in zip(train, components, strict=False) if its not in others]
    if len(free) < LEAST_PICTURES:
        raise TooFewPictures(f"{len(free)} pictures of the training part are at hand; at least {LEAST_PICTURES} are "
                             "needed to see how large the numbers get: get the data sets that the bundle was made of.")
    places = np.sort(np.random.default_rng(how.refitted.seed).permutation(len(free))[:how.pictures])
    return [free[place] for place in places]


def _write_model(model: onnx.ModelProto, path: Path, sample: Sequence[Record], spec: Preprocessing, how: Run) -> None:
    tick = how.refitted.start("ranges", len(sample))
    made = in_integers(model, lambda: inputs(sample, spec), how.settings, tick=tick)
    onnx.save(made, str(path))
    export.forget_origin(path)
    onnx.checker.check_model(str(path))


def _write(bundle: Bundle, folder: Path, spec: Preprocessing, calibration: Sequence[Record], pictures: int, *,
           now: datetime.datetime, how: Run) -> None:
    """bundle.json, with calibration and thresholds of the new network. Raises: TooFewPictures."""
    content: dict[str, Any] = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    told = content.get("provenance", {})
    targets = Targets(told.get("recipe", {}).get("targets", Targets.DIAGNOSIS.value))
    model = folder / bundle.model.name
    calibration = [record for record in calibration if prepare.clear(record, targets)]
    how.refitted.log(f"asking the new network about {len(calibration)} pictures of the calibration part")
    logits, _ = bundling.infer(model, spec, calibration)
    allowed = bundling.in_taxonomy(calibration, targets)
    # Of two classes, the graph itself holds the temperature.
    calibrated = fit.calibrated(logits, allowed) if targets is Targets.DIAGNOSIS else bundle.calibration
    leaky = bool(told.get("leaky"))
    for name in (CARD, BASELINES, neighbours.FILE):
        (folder / name).unlink(missing_ok=True)  # of the network that stood here before
    content |= {
        "id": how.name,
        "created": now.date().isoformat(),
        "model": {"file": model.name, "sha256": export.sha256(model)},
        "preprocessing": spec.to_dict(),
        "calibration": guard.marked(fit.entry(calibrated, fitted_on="calibration part", count=len(allowed)), leaky),
        "thresholds": guard.marked(fit.thresholds(calibrated.shares(logits), allowed, fit.strata(calibration)), leaky),
        "metrics": {},
        "provenance": told | {"quantised": {
            "of": bundle.sha256, "of_id": bundle.id, "at": now.replace(microsecond=0).isoformat(),
            "macule": __version__, "pictures": pictures, "seed": how.refitted.seed, **asdict(how.settings)}},
    }
    content.pop("conformal", None)
    (folder / MANIFEST).write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def _check_gate(folder: Path) -> None:
    """A gate that could not be fitted anew would judge these embeddings by those of another network."""
    content = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    if why := content["provenance"]["refit"]["left_out"].get("gate"):
        raise TooFewPictures(f"the gate of the new network cannot be fitted: {why}")
