"""A trained network -> a bundle: export, calibration, thresholds, gate and bundle.json."""

from __future__ import annotations

import datetime
import hashlib
import json
import platform
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from macule import __version__
from macule.analysis import gate as gates
from macule.analysis import patient as patients
from macule.analysis import preprocess
from macule.analysis.batch import cores
from macule.analysis.calibration import Calibration
from macule.analysis.network import Network, Output
from macule.analysis.preprocess import Preprocessing
from macule.data import guard, membership
from macule.data.record import Record
from macule.errors import UsageError
from macule.taxonomy import Diagnosis
from macule.training import cache, export, fit, inherited, labels, networks, prepare, record, refit, sampling
from macule.training.networks import LesionNet, Start
from macule.training.networks.spread import GROUPS, Tempered, grouped
from macule.training.prepare import Parts
from macule.training.recipe import Recipe, Targets

GATE_PICTURES = 2000
CHECKED_PICTURES = 32
PREDICTIONS = "predictions.npz"
CODES = list(Diagnosis)


def write(network: LesionNet, recipe: Recipe, parts: Parts, out: Path, *, predictions: Path | None = None,
          refitted: bool = True, log: Callable[[str], None] = print) -> None:
    """Everything after training, without metrics: see `write_spoken`."""
    write_spoken(spoken_for(network, recipe, parts.train), network.start, recipe, parts, out, predictions=predictions,
                 refitted=refitted, log=log)


def write_spoken(spoken: nn.Module, start: Start, recipe: Recipe, parts: Parts, out: Path, *,
                 predictions: Path | None = None, made_of: Mapping[str, Any] | None = None, refitted: bool = True,
                 log: Callable[[str], None] = print) -> None:
    """A network that speaks the taxonomy already -> a bundle without metrics.

    start: with the mean and the std of the pictures that it reads. predictions: a folder for the logits of the
    calibration and the locked part, predictions.npz. made_of: for the provenance, where it is not one network.
    refitted: False leaves to `macule refit` what takes as long as scoring all pictures again: the gate for pictures
    without a lesion, the index, the baselines and the sets.
    Raises: ExportMismatch; TooFewPictures if the calibration part cannot carry the thresholds.
    """
    spec = preprocessing(recipe, start.mean, start.std)
    out.mkdir(parents=True, exist_ok=True)
    (out / "card.md").unlink(missing_ok=True)  # it would speak for the network that stood here before
    model = out / "model.onnx"
    spoken, within = _tempered(spoken, recipe, spec, parts, model)
    export.to_onnx(spoken, model, size=spec.size)
    gap = export.difference(spoken, model, *inputs(parts.calibration[:CHECKED_PICTURES], spec))
    log(f"torch and ONNX logits differ by at most {gap:.1e}")
    logits, embeddings = infer(model, spec, parts.calibration)
    _, seen = infer(model, spec, _every(parts.train, GATE_PICTURES))
    allowed = in_taxonomy(parts.calibration, recipe.targets)
    how = fit.calibrated(logits, allowed) if within is None else Calibration(1.0)
    gate = fit.gate(seen, embeddings)
    gates.save(gate, out / "gate.npz")
    split = {role: getattr(parts, role) for role in prepare.ROLES}
    membership.write(out / membership.FILE, split, sha256=_hashes(parts), leaky=parts.leaky,
                     before=None if recipe.network.start is None else inherited.before(recipe.network.start))
    if predictions:
        _write_predictions(predictions / PREDICTIONS, parts, logits, infer(model, spec, parts.test)[0])
    content = {
        "format": 1,
        "id": recipe.name,
        "created": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "licence": recipe.licence,
        "model": {"file": model.name, "sha256": export.sha256(model)},
        "preprocessing": spec.to_dict(),
        "classes": [code.value for code in CODES],
        "calibration": guard.marked(fit.entry(how, fitted_on=_fitted_on(recipe, within), count=len(allowed)),
                                    parts.leaky),
        "thresholds": guard.marked(fit.thresholds(how.shares(logits), allowed, fit.strata(parts.calibration)),
                                   parts.leaky),
        "gate": {"file": "gate.npz", "threshold": gate.threshold, "quantile": fit.GATE_QUANTILE},
        "metrics": {},
        "provenance": _provenance(recipe, start, parts, gap) | _run(recipe, predictions)
        | ({"made_of": dict(made_of)} if made_of else {}),
    }
    (out / "bundle.json").write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    if refitted:
        refit.into(out, parts.train, parts.calibration, now=datetime.datetime.now(datetime.UTC),
                   how=refit.Refit(log=log))


def preprocessing(recipe: Recipe, mean: Sequence[float], std: Sequence[float]) -> Preprocessing:
    """Raises: UsageError if the recipe's serving settings are impossible."""
    serving = recipe.serving
    try:
        return Preprocessing(size=serving.size, mean=tuple(mean), std=tuple(std), views=serving.views,  # type: ignore[arg-type]
                             arms=serving.arms)
    except ValueError as error:
        raise UsageError(f"recipe {recipe.name}: {error}.") from error


def _tempered(spoken: nn.Module, recipe: Recipe, spec: Preprocessing, parts: Parts,
              model: Path) -> tuple[nn.Module, float | None]:
    """Of two classes, the graph itself takes the temperature (see Tempered); None where the bundle does."""
    if recipe.targets is Targets.DIAGNOSIS:
        return spoken, None
    export.to_onnx(spoken, model, size=spec.size, exporter="torchscript")  # quick, and soon written over
    logits, _ = infer(model, spec, parts.calibration)
    temperature = fit.temperature(grouped(logits), labels.rows(parts.calibration, recipe.targets))
    return Tempered(spoken, temperature), temperature


def _fitted_on(recipe: Recipe, within: float | None) -> str:
    looked = recipe.stopping.patience is not None or recipe.schedule.kind == "plateau"
    told = ["calibration part", *(["which training had looked at to stop or slow down"] if looked else []),
            *([f"on two classes: the graph itself divides by {within:.4g}"] if within is not None else [])]
    return ", ".join(told)


def spoken_for(network: LesionNet, recipe: Recipe, train: Sequence[Record]) -> nn.Module:
    """The network as a bundle speaks: logits of eleven classes, with the prior adjusted as the recipe says."""
    if recipe.serving.logit_adjustment:
        network = network.shifted(_prior_shift(recipe, train))
    if recipe.targets is Targets.DIAGNOSIS:
        return network
    known = [record for record in train if len(record.labels) == 1]
    return networks.spread(network, labels.counts(labels.rows(known, Targets.DIAGNOSIS)))


def _prior_shift(recipe: Recipe, train: Sequence[Record]) -> NDArray[np.float64]:
    """What is added to the logits for serving. Shape (C,)."""
    drawn = sampling.drawn(labels.allowed(train, recipe.targets), recipe.sampling)
    return fit.offsets(drawn, adjustment=recipe.serving.logit_adjustment)


def in_taxonomy(records: Sequence[Record], targets: Targets) -> NDArray[np.bool_]:
    """The classes that each label stands for, as far as the network tells them apart. bool, shape (N, 11)."""
    if targets is Targets.DIAGNOSIS:
        return labels.rows(records, targets)
    return labels.rows(records, targets)[:, GROUPS]


def infer(model: Path, spec: Preprocessing,
          records: Sequence[Record]) -> tuple[NDArray[np.float64], NDArray[np.float32]]:
    """Mean logits and mean embedding over the views, as serving computes them.

    Returns: float64, shape (N, 11), and float32, shape (N, D).
    """
    network = Network(model, size=spec.size)

    def run(record: Record) -> Output:
        images, about = inputs([record], spec)
        return network.run(preprocess.make_views(images[0], spec.views), np.repeat(about, spec.views, axis=0))

    with ThreadPoolExecutor(cores()) as pool:
        outputs = [(o.logits.astype(np.float64).mean(axis=0), o.embedding.mean(axis=0)) for o in pool.map(run, records)]
    logits, embeddings = zip(*outputs, strict=True) if outputs else ((), ())
    return np.array(logits).reshape(-1, len(CODES)), np.array(embeddings)


def inputs(records: Sequence[Record], spec: Preprocessing) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """What the network reads of the pictures and their patients: shapes (N, 3, S, S) and (N, 13)."""
    side = preprocess.decoding_side(spec.size)
    images = np.stack([preprocess.apply(cache.decoded(record, short_side=side), spec) for record in records])
    return images, np.stack([patients.encode(record.patient) for record in records])


def _write_predictions(path: Path, parts: Parts, calibration: NDArray[np.float64], test: NDArray[np.float64]) -> None:
    named = {role: np.array([f"{record.dataset}:{record.picture_id}" for record in getattr(parts, role)], dtype=str)
             for role in ("calibration", "test")}
    np.savez_compressed(path, calibration=named["calibration"], calibration_logits=calibration, test=named["test"],
                        test_logits=test)


def _every(records: Sequence[Record], count: int) -> list[Record]:
    """About `count` of the records, evenly spread."""
    return list(records[::max(1, len(records) // count)])


def _hashes(parts: Parts) -> dict[str, str]:
    """`dataset:id` -> SHA-256 of each picture's bytes; the manifest's, where there is one."""
    records = [*parts.train, *parts.calibration, *parts.test]
    return {name: parts.sha256.get(name) or hashlib.sha256(record.read()).hexdigest()
            for record in records for name in [f"{record.dataset}:{record.picture_id}"]}


def _run(recipe: Recipe, folder: Path | None) -> dict[str, Any]:
    """Which run made it, for whoever traces a figure back."""
    told = recipe.model_dump(mode="json")
    return {} if folder is None else {"run": {"id": folder.name, "recipe_sha256": record.digest(told)}}


def _provenance(recipe: Recipe, start: Start, parts: Parts, gap: float) -> dict[str, Any]:
    return {
        "recipe": recipe.model_dump(mode="json", exclude_none=True),
        "start": {"backbone": start.backbone, "weights": start.weights, "pretrained": start.pretrained},
        "pictures": {role: len(getattr(parts, role)) for role in prepare.ROLES},
        "lesions": {role: prepare.lesions(getattr(parts, role)) for role in prepare.ROLES},
        "left_out_for_exams": len(parts.left_out),
        "leaky": parts.leaky,
        **({"split": dict(parts.split)} if parts.split else {}),
        # Of this graph's last bias, no part was learnt: who goes on from the bundle takes it off first.
        "prior_shift": _prior_shift(recipe, parts.train).tolist(),
        "torch_onnx_difference": gap,
        "versions": {"macule": __version__, "torch": torch.__version__, "python": platform.python_version()},
    }
