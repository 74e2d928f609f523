"""Run folders as a training leaves them, drawn up without training: `miniature_runs.make(folder)`."""

from __future__ import annotations

import json
import math
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np

from macule.evaluation.runs import Start
from macule.training import record

BEGAN = datetime(2026, 11, 21, 8, 30, tzinfo=UTC)
VERSIONS = {"macule": "0.1.0", "python": "3.11.9", "torch": "2.13.0", "torchvision": "0.28.0", "timm": "1.0.31",
            "accelerate": None, "numpy": "2.4.6", "opencv": "5.0.0.93", "onnxruntime": "1.31.1",
            "commit": "8e218f2f1c0a4a7f9f5b2f0f6f6d7c8a9b0c1d2e"}
MACHINE = {"cpu": "Drawn Processor 9000", "cores": 16, "memory_gb": 128.4, "accelerator": None, "os": "Linux (Drawn 1)"}
RECIPE: dict[str, Any] = {
    "name": "two-phase", "summary": "A drawn recipe in two phases.", "source": "Drawn by tests.",
    "datasets": ["ham10000", "milk10k"], "exams": [], "targets": "diagnosis", "seed": 20261121,
    "split": {"train": 0.78, "calibration": 0.1, "test": 0.12, "by": "patient", "seed": 20261121},
    "network": {"backbone": "efficientnet_b3", "pretrained": "prefer", "cut": None, "dropout": 0.2, "fusion": "concat",
                "hidden": 256, "convs": [{"channels": 128, "kernel": 3}], "options": {}},
    "phases": [
        {"size": 160, "samples": 0, "epochs": 8.0, "trainable": "head", "learning_rate": 0.001},
        {"size": 208, "samples": 0, "epochs": 22.0, "trainable": "all", "learning_rate": 0.0001},
    ],
    "optimiser": {"kind": "adamw", "weight_decay": 0.02, "clip": 5.0},
    "schedule": {"kind": "cosine", "warmup": 0.05, "floor": 0.0},
    "loss": {"kind": "focal", "gamma": 2.0, "class_weights": "inverse"},
    "stopping": {"patience": 5, "figure": "balanced_accuracy"},
    "engine": {"batch": 32, "precision": "fp32", "channels_last": True},
    "serving": {"size": 208, "views": 4, "arms": ["shades_of_gray"]},
}
PER_EPOCH = 244


def facts(**changes: Any) -> record.Facts:
    recipe = changes.pop("recipe", RECIPE)
    given: dict[str, Any] = {
        "name": "two-phase", "recipe": recipe, "recipe_sha256": record.digest(recipe), "manifest": "ab12" * 16,
        "pictures": {"train": 7811, "calibration": 1002, "test": 1202},
        "lesions": {"train": 5830, "calibration": 747, "test": 893},
        "split": {"scheme": "78/10/12", "by": "patient", "seed": 20261121}, "leaky": False, "seed": recipe["seed"],
        "start": Start(recipe["network"]["backbone"], "ImageNet, timm hub efficientnet_b3.ra2_in1k", True),
        "warnings": [], "versions": VERSIONS, "machine": MACHINE,
    }
    return record.Facts(**given | changes)


def make(folder: Path, *, epochs: int = 30, skill: float = 0.82, seed: int = 1, metrics: bool = True,
         now: datetime = BEGAN, **changes: Any) -> Path:
    """A finished run. skill: the balanced accuracy that it comes to. changes: of its facts."""
    known = facts(**changes)
    record.start(folder, known, now=now)
    with (folder / "curve.jsonl").open("w", encoding="utf-8") as stream:
        stream.writelines(json.dumps(row) + "\n" for row in rows(epochs, skill=skill, seed=seed))
    if metrics:
        write_metrics(folder, report(skill, leaky=known.leaky))
    record.finish(folder, now=now + timedelta(hours=3, minutes=12))
    return folder


def rows(epochs: int, *, skill: float = 0.82, seed: int = 1, phases: int = 2, every: int = 20) -> list[dict[str, Any]]:
    """Training rows every so many steps, and a look after every epoch."""
    rng, found = np.random.default_rng(seed), []
    change = PER_EPOCH * 8 if phases == 2 else 0
    for step in range(0, epochs * PER_EPOCH, every):
        phase = int(step >= change) if phases == 2 else 0
        found.append(training(step, phase=phase, loss=1.9 * math.exp(-step / 2500) + 0.25 + (0.15 if phase else 0)
                              + float(rng.gamma(2, 0.06)), rate=_rate(step, change, epochs)))
        if step % PER_EPOCH < every and step >= PER_EPOCH:
            found.append(look(step, phase=phase, skill=skill, noise=float(rng.normal(0, 0.012))))
    return found


def training(step: int, *, phase: int = 0, loss: float = 1.0, rate: float = 1e-3) -> dict[str, Any]:
    return {"step": step, "epoch": round(step / PER_EPOCH, 4), "phase": phase, "size": (160, 208)[phase],
            "loss": round(loss, 4), "rate": rate, "seconds": round(step * 1.5, 1)}


def look(step: int, *, phase: int = 0, skill: float = 0.82, noise: float = 0.0) -> dict[str, Any]:
    done = 1 - math.exp(-step / 1400)
    overfit = max(0, step - 18 * PER_EPOCH) / 60_000
    figures = {"loss": 1.7 - 1.1 * done + overfit + noise, "accuracy": 0.55 + (skill - 0.48) * done - noise,
               "balanced_accuracy": 0.2 + (skill - 0.2) * done - overfit - noise,
               "auc": 0.6 + (skill - 0.46) * done - noise / 2}
    shown = {name: round(value if name == "loss" else min(value, 0.999), 5) for name, value in figures.items()}
    return {"step": step, "epoch": round(step / PER_EPOCH, 4), "phase": phase, "validation": shown}


def _rate(step: int, change: int, epochs: int) -> float:
    first, last, peak = (0, change, 1e-3) if step < change else (change, epochs * PER_EPOCH, 1e-4)
    progress = (step - first) / max(1, last - first)
    return peak * (progress + 1e-3) / 0.05 if progress < 0.05 else peak * 0.5 * (1 + math.cos(math.pi * progress))


def write_metrics(folder: Path, *reports: dict[str, Any]) -> None:
    content = reports[0] if len(reports) == 1 else list(reports)
    (folder / "metrics.json").write_text(json.dumps(content, indent=2), encoding="utf-8")


def report(skill: float = 0.82, *, leaky: bool = False, dataset: str = "ham10000") -> dict[str, Any]:
    """As macule.evaluation.scoring.score gives it, with what the run adds."""
    def figure(value: float | None, spread: float = 0.03, positives: int | None = None) -> dict[str, Any]:
        value = None if value is None else min(value, 0.998)
        low, high = (None, None) if value is None else (round(value - spread, 4), round(min(value + spread, 1), 4))
        shown = {"value": None if value is None else round(value, 4), "low": low, "high": high, "n": 1202}
        return shown | ({} if positives is None else {"positives": positives})

    counts = {"akiec": 39, "bcc": 62, "bkl": 132, "df": 14, "mel": 134, "nv": 804, "vasc": 17}
    return {
        "dataset": dataset, "split": "test", "leaky": leaky, "pictures": 1202, "lesions": 893, "refused": 0,
        "failed": 0, "resamples": 2000, "accuracy": figure(skill + 0.05, 0.02), "balanced_accuracy": figure(skill),
        "macro_auc": figure(skill + 0.13, 0.012), "malignant_auc": figure(skill + 0.1, 0.018, 235),
        "calibration_error": figure(0.031, 0.01), "brier": figure(0.214, 0.02),
        "malignant_sensitivity_at_90%_specificity": figure(skill - 0.04, 0.05, 235),
        "malignant_sensitivity_at_95%_specificity": figure(skill - 0.15, 0.05, 235),
        "classes": {code: {"auc": figure(0.99 - 0.01 * n, 0.01, count),
                           "sensitivity": figure(0.9 - 0.06 * n, 0.08, count),
                           "specificity": figure(0.95 + 0.005 * n, 0.01, count),
                           "sensitivity_at_90%_specificity": figure(0.9 - 0.05 * n, 0.08, count)}
                    for n, (code, count) in enumerate(counts.items())}
        | {"sccka": {name: figure(None, positives=0) for name in ("auc", "sensitivity", "specificity")}},
        "risk": {"low": {"suspicious": 9, "benign": 640}, "medium": {"suspicious": 60, "benign": 250},
                 "high": {"suspicious": 166, "benign": 77}},
    }
