"""`macule train`: data folders and a recipe -> a bundle, fitted and scored, every step resumable."""

from __future__ import annotations

import copy
import datetime
import hashlib
import json
import platform
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from macule import __version__
from macule.analysis import image, preprocess
from macule.analysis import patient as patients
from macule.analysis.batch import cores
from macule.analysis.gate import Gate
from macule.analysis.network import Network, Output
from macule.analysis.preprocess import Preprocessing
from macule.data import guard, membership
from macule.data.record import Record
from macule.errors import UsageError
from macule.taxonomy import Diagnosis
from macule.training import cache, export, fit, from_split, loop, prepare
from macule.training.from_split import Chosen
from macule.training.loop import TrainingSet
from macule.training.model import LesionNet
from macule.training.prepare import Parts
from macule.training.recipe import Recipe

CACHE_SIDE = 256  # the short side of the resized copies of HAM10000 that the first bundle was trained on
MEAN = STD = (0.5, 0.5, 0.5)  # what EfficientNet-Lite's ImageNet weights expect
GATE_PICTURES = 2000
CHECKED_PICTURES = 32
CODES = list(Diagnosis)


def build(recipe: Recipe, root: Path, out: Path, work: Path, *, chosen: Chosen | None = None,
          log: Callable[[str], None] = print) -> None:
    """Train, export, fit and write the bundle to `out`. `work` keeps caches and checkpoints: run again to go on.

    chosen: a split file to part the pictures by, in place of the recipe's own split.

    Raises: LeakingSplit before any work is done; DatasetError, ExportMismatch, Diverged.
    """
    _limit_threads()
    _spec(recipe)  # an impossible setting is refused now, not after an hour of training
    parts = from_split.read(recipe, root, chosen) if chosen else prepare.read(recipe, root, work)
    log = _marking(log, parts)
    log(_summary(parts))
    pictures = cache.build(parts.train, work, side=CACHE_SIDE)
    run = work / (f"{recipe.name}-{chosen.key}" if chosen else recipe.name)
    network = loop.train(recipe, TrainingSet(pictures, parts.train), run, mean=MEAN, std=STD, log=log)
    out.mkdir(parents=True, exist_ok=True)
    write_bundle(network, recipe, parts, out, log=log)


def write_bundle(network: LesionNet, recipe: Recipe, parts: Parts, out: Path, *, log: Callable[[str], None]) -> None:
    """Everything after training: export, temperature, thresholds, gate and bundle.json (without metrics)."""
    spec = _spec(recipe)
    (out / "card.md").unlink(missing_ok=True)  # it would speak for the network that stood here before
    model = out / "model.onnx"
    network = _adjusted(network, recipe, parts.train)
    export.to_onnx(network, model, size=spec.size)
    gap = export.difference(network, model, *_inputs(parts.calibration[:CHECKED_PICTURES], spec))
    log(f"torch and ONNX logits differ by at most {gap:.1e}")
    logits, embeddings = infer(model, spec, parts.calibration)
    targets = np.array([CODES.index(record.diagnosis) for record in parts.calibration])
    temperature = fit.temperature(logits, targets)
    _, seen = infer(model, spec, _every(parts.train, GATE_PICTURES))
    gate = fit.gate(seen, embeddings)
    write_gate(gate, out / "gate.npz")
    split = {"train": parts.train, "calibration": parts.calibration, "test": parts.test}
    membership.write(out / membership.FILE, split, sha256=_hashes(parts), leaky=parts.leaky)
    content = {
        "format": 1,
        "id": recipe.name,
        "created": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "licence": "CC BY-NC 4.0",
        "model": {"file": model.name, "sha256": export.sha256(model)},
        "preprocessing": spec.to_dict(),
        "classes": [code.value for code in CODES],
        "calibration": {"temperature": temperature, "fitted_on": "calibration part", "n": len(targets)},
        "thresholds": fit.thresholds(fit.softmax(logits / temperature), targets) | _warning(parts),
        "gate": {"file": "gate.npz", "threshold": gate.threshold, "quantile": fit.GATE_QUANTILE},
        "metrics": {},
        "provenance": _provenance(recipe, parts, gap),
    }
    (out / "bundle.json").write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def _adjusted(network: LesionNet, recipe: Recipe, train: Sequence[Record]) -> LesionNet:
    """A copy with the class offsets folded into the head's bias, so that the graph stays as it is."""
    targets = np.array([CODES.index(record.diagnosis) for record in train])
    shift = fit.offsets(targets, sampling_exponent=recipe.sampling_exponent, adjustment=recipe.logit_adjustment)
    network = copy.deepcopy(network)
    with torch.no_grad():
        network.head.bias.add_(torch.from_numpy(shift).float())
    return network


def infer(model: Path, spec: Preprocessing,
          records: Sequence[Record]) -> tuple[NDArray[np.float64], NDArray[np.float32]]:
    """Mean logits and mean embedding over the views, as serving computes them.

    Returns: float64, shape (N, 11), and float32, shape (N, D).
    """
    network = Network(model, size=spec.size)
    count = spec.views

    def run(record: Record) -> Output:
        images, about = _inputs([record], spec)
        return network.run(preprocess.make_views(images[0], count), np.repeat(about, count, axis=0))

    with ThreadPoolExecutor(cores()) as pool:
        outputs = [(o.logits.astype(np.float64).mean(axis=0), o.embedding.mean(axis=0)) for o in pool.map(run, records)]
    logits, embeddings = zip(*outputs, strict=True)
    return np.stack(logits), np.stack(embeddings)


def _spec(recipe: Recipe) -> Preprocessing:
    """Raises: UsageError if the recipe's serve_size or views is impossible."""
    try:
        return Preprocessing(size=recipe.serve_size, mean=MEAN, std=STD, views=recipe.views)
    except ValueError as error:
        raise UsageError(f"recipe {recipe.name}: {error}.") from error


def write_gate(gate: Gate, path: Path) -> None:
    # Half precision for the directions would do; single keeps the score equal to 1e-4 and the file small enough.
    np.savez_compressed(path, mean=gate.mean.astype(np.float32), components=gate.components.astype(np.float32),
                        basis=gate.basis.astype(np.float32), residual_scale=np.float64(gate.residual_scale))


def _inputs(records: Sequence[Record], spec: Preprocessing) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    images = np.stack([preprocess.apply(image.decode(record.read()).rgb, spec) for record in records])
    return images, np.stack([patients.encode(record.patient) for record in records])


def _every(records: Sequence[Record], count: int) -> list[Record]:
    """About `count` of the records, evenly spread."""
    return list(records[::max(1, len(records) // count)])


def _limit_threads() -> None:
    import cv2

    cv2.setNumThreads(1)  # the loader has its own thread; OpenCV's pool would fight torch's for the cores


def _marking(log: Callable[[str], None], parts: Parts) -> Callable[[str], None]:
    """Every line of a leaking run says that it is one."""
    mark = guard.mark(parts.leaky)
    return lambda text: log("\n".join(mark + line for line in text.splitlines()))


def _warning(parts: Parts) -> dict[str, str]:
    return {"fitted_on": f"{guard.MARK} calibration part"} if parts.leaky else {}


def _hashes(parts: Parts) -> dict[str, str]:
    """`dataset:id` -> SHA-256 of each picture's bytes; the manifest's, where there is one."""
    records = [*parts.train, *parts.calibration, *parts.test]
    return {name: parts.sha256.get(name) or hashlib.sha256(record.read()).hexdigest()
            for record in records for name in [f"{record.dataset}:{record.picture_id}"]}


def _summary(parts: Parts) -> str:
    shown = {"train": parts.train, "calibration": parts.calibration, "test": parts.test, "left out": parts.left_out}
    return "\n".join(f"{name:12} {len(records):6} pictures  {prepare.lesions(records):6} lesions"
                     for name, records in shown.items())


def _provenance(recipe: Recipe, parts: Parts, gap: float) -> dict[str, Any]:
    return {
        "recipe": asdict(recipe),
        "pictures": {"train": len(parts.train), "calibration": len(parts.calibration), "test": len(parts.test)},
        "lesions": {"train": prepare.lesions(parts.train), "calibration": prepare.lesions(parts.calibration),
                    "test": prepare.lesions(parts.test)},
        "left_out_for_exams": len(parts.left_out),
        "leaky": parts.leaky,
        **({"split": dict(parts.split)} if parts.split else {}),
        "torch_onnx_difference": gap,
        "versions": {"macule": __version__, "torch": torch.__version__, "python": platform.python_version()},
    }
