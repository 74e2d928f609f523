"""How a network that is still learning does on pictures that it does not learn from."""

from __future__ import annotations

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from macule.analysis import patient as patients
from macule.evaluation import metrics
from macule.training.batches import Normalise, TrainingSet

AT_ONCE = 64


@torch.inference_mode()
def logits(network: nn.Module, data: TrainingSet, *, size: int, normalise: Normalise,
           device: torch.device) -> NDArray[np.float32]:
    """One untouched view of each picture. Returns: float32, (N, C)."""
    network.eval()
    found = []
    for start in range(0, len(data.records), AT_ONCE):
        rows = range(start, min(start + AT_ONCE, len(data.records)))
        pictures = np.stack([cv2.resize(data.pictures[i], (size, size), interpolation=cv2.INTER_AREA) for i in rows])
        about = np.stack([patients.encode(data.records[i].patient) for i in rows])
        images = normalise(torch.from_numpy(pictures).to(device))
        found.append(network(images, torch.from_numpy(about).to(device))[0].float().cpu().numpy())
    return np.concatenate(found)


def figures(found: NDArray[np.float32], data: TrainingSet) -> dict[str, float | None]:
    """loss (negative log-likelihood), accuracy, balanced accuracy and (macro) AUC, None where undefined.

    found: logits, (N, C).
    """
    logs = np.asarray(found, np.float64)
    logs = logs - np.logaddexp.reduce(logs, axis=1, keepdims=True)
    inside = np.logaddexp.reduce(np.where(data.allowed, logs, -np.inf), axis=1)
    predicted, targets = logs.argmax(axis=1), data.allowed.argmax(axis=1)
    ones = np.ones((1, len(targets)))
    present = np.unique(targets)
    areas = [metrics.auc(logs[:, k], targets == k, ones)[0] for k in present] if len(present) > 1 else [np.nan]
    return {
        "loss": _number(-inside.mean()),
        "accuracy": _number((predicted == targets).mean()),
        "balanced_accuracy": _number(metrics.balanced_accuracy(predicted, targets, ones)[0]),
        "auc": _number(np.mean(areas)),
    }


def _number(value: float) -> float | None:
    return None if not np.isfinite(value) else round(float(value), 5)
