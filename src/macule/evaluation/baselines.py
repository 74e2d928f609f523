"""What a model has to beat: chance, the commonest class, the patient's facts, the colours, a linear probe.

They are fitted with the bundle (macule.training.baselines) and travel in it, so that every exam shows them beside the
model without the training pictures and without scikit-learn.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from macule.analysis.calibration import SUSPICIOUS
from macule.errors import BundleInvalid
from macule.evaluation import metrics
from macule.evaluation.baseline_file import FILE, Baselines, Linear, load
from macule.evaluation.exam import Exam
from macule.evaluation.metrics import Figure, Floats, Ranking, Weights
from macule.evaluation.predictions import CODES, projected
from macule.taxonomy import Diagnosis

__all__ = ["FIGURES", "FILE", "TITLES", "Baselines", "Linear", "load", "measure"]

MELANOMA = CODES.index(Diagnosis.MEL)
#: system, figure, and which: its own, or how far the model is ahead of it.
Key = tuple[str, str, str]
OWN, AHEAD = "own", "model_minus_this"

TITLES = {
    "model": "The model",
    "random": "Random",
    "majority": "Commonest class",
    "metadata": "Patient facts alone",
    "colours": "Colours alone",
    "probe": "Probe on its own embedding",
    "imagenet": "Probe on ImageNet features",
}
#: Key -> what it is called.
FIGURES = {
    "balanced_accuracy": "Balanced accuracy",
    "accuracy": "Accuracy",
    "macro_auc": "Macro AUC",
    "malignant_auc": "Malignant AUC",
    "melanoma_auc": "Melanoma AUC",
    "malignant_sensitivity_at_90%_specificity": "Malignant sensitivity at 90 % specificity",
}


@dataclass(frozen=True)
class _System:
    """What one way of answering is measured by.

    called, lifted: (S,), index of the class for accuracy and for balanced accuracy, of pictures with a single class.
    one: a ranking of these pictures for each class that is present. suspicious: of pictures known benign or not.
    """

    targets: NDArray[np.int64]
    called: NDArray[np.int64]
    lifted: NDArray[np.int64]
    one: Mapping[int, Ranking]
    suspicious: Ranking

    @classmethod
    def of(cls, exam: Exam, shares: Floats, priors: Floats | None) -> _System:
        """priors: what the balanced answer is measured against; None takes the most probable class there too."""
        targets, known = exam.targets[exam.single], _known(exam)
        closed = projected(shares, exam.classes)[exam.single]
        called = closed.argmax(axis=1)
        ranked = {int(k): Ranking.of(closed[:, k], targets == k) for k in {*targets, MELANOMA}}
        scores, positive = shares[known][:, SUSPICIOUS].sum(axis=1), exam.predictions.suspicious[known] == 1
        return cls(targets, called, called if priors is None else _lift(closed, priors).argmax(axis=1), ranked,
                   Ranking.of(scores, positive))

    def measure(self, single: Weights, known: Weights) -> dict[str, Floats]:
        """single, known: shapes (B, S) and (B, M), how often each picture counts. Returns: FIGURES, (B,) each."""
        points = self.suspicious.points(known)
        areas = {k: ranking.points(single).auc() for k, ranking in self.one.items()}
        present = [areas[int(k)] for k in np.unique(self.targets)]
        return {
            "balanced_accuracy": metrics.balanced_accuracy(self.lifted, self.targets, single),
            "accuracy": metrics.accuracy(self.called == self.targets, single),
            "macro_auc": np.asarray(np.mean(present, axis=0)) if present else np.full(len(single), np.nan),
            "malignant_auc": points.auc(),
            "melanoma_auc": areas[MELANOMA],
            "malignant_sensitivity_at_90%_specificity": points.sensitivity_at(0.90),
        }


def measure(exam: Exam, *, more: Mapping[str, Floats] | None = None) -> dict[str, Any]:
    """Each baseline's figures beside the model's, and the model minus the baseline, paired over the same resamples.

    A baseline answers as suits the figure: the most probable class for accuracy; for balanced accuracy the class that
    is most above its share of the training pictures (logit adjustment, Menon et al. 2021). The model answers one way.
    Probabilities are taken over the classes that the set's labels can take.

    more: probabilities of further baselines by key, float64, shape (N, 11), as from `training.baselines.imagenet`.
    Returns: plain numbers; {"measured": False, "why": ...} where the bundle has no baselines or nothing was answered.
    Raises: BundleInvalid if they do not fit the bundle's network.
    """
    path = exam.bundle.folder / FILE
    if not path.is_file():
        return {"measured": False, "why": f"Bundle {exam.bundle.id} has no {FILE}: `macule refit` makes one."}
    if not exam.predictions.records:
        return {"measured": False, "why": "No picture was answered."}
    fitted = load(path)
    _need_same_length(exam, fitted)
    systems = {"model": _System.of(exam, exam.predictions.shares, None)}
    for name, shares in {**fitted.answers(exam.predictions), **(more or {})}.items():
        systems[name] = _System.of(exam, shares, None if name == "majority" else fitted.priors)
    found = metrics.figures(lambda weights: _every(exam, systems, weights), exam.weights)
    return {"measured": True, "fitted_on": fitted.pictures, "systems": _report(exam, found, ["random", *systems])}


def _need_same_length(exam: Exam, fitted: Baselines) -> None:
    for what, linear, features in (("embeddings", fitted.probe, exam.predictions.embeddings),
                                   ("colours", fitted.colours, exam.predictions.colours)):
        if linear.mean.shape != features.shape[1:]:
            raise BundleInvalid(f"the {FILE} of bundle {exam.bundle.id} was fitted on {what} of {len(linear.mean)} "
                                f"numbers; {features.shape[1]} are found: repeat `macule refit`.")


def _known(exam: Exam) -> NDArray[np.bool_]:
    return ~np.isnan(exam.predictions.suspicious)


def _lift(closed: Floats, priors: Floats) -> Floats:
    return np.divide(closed, priors, out=np.zeros_like(closed), where=priors > 0)


def _every(exam: Exam, systems: Mapping[str, _System], weights: Weights) -> dict[Key, Floats]:
    """Every figure of every system, and the model minus it; chance is known and is not drawn, so it never varies."""
    single, known = weights[:, exam.single], weights[:, _known(exam)]
    found = {name: system.measure(single, known) for name, system in systems.items()}
    found["random"] = {key: np.where(np.isnan(of), np.nan, _chance(exam, key)) for key, of in found["model"].items()}
    own = {(name, key, OWN): value for name, values in found.items() for key, value in values.items()}
    ahead = {(name, key, AHEAD): found["model"][key] - value for name, values in found.items() if name != "model"
             for key, value in values.items()}
    return own | ahead


def _chance(exam: Exam, key: str) -> float:
    """What drawing among the classes is expected to reach."""
    if key.endswith("accuracy"):
        return 1 / len(exam.classes)
    return 0.1 if key.startswith("malignant_sensitivity") else 0.5


def _report(exam: Exam, found: Mapping[Key, Figure], names: Sequence[str]) -> dict[str, Any]:
    counts = _counts(exam)

    def row(name: str, kind: str) -> dict[str, Any]:
        return {key: replace(found[name, key, kind], n=counts[key][0], positives=counts[key][1]).to_dict()
                for key in FIGURES}

    order = sorted(names, key=list(TITLES).index)
    return {name: {"title": TITLES[name], **row(name, OWN)} | ({} if name == "model" else {AHEAD: row(name, AHEAD)})
            for name in order}


def _counts(exam: Exam) -> dict[str, tuple[int, int | None]]:
    """Pictures and positives that each figure is over."""
    single, suspicious = int(exam.single.sum()), exam.predictions.suspicious
    known = int(_known(exam).sum()), int((suspicious == 1).sum())
    of: dict[str, tuple[int, int | None]] = {
        "melanoma_auc": (single, int((exam.targets == MELANOMA).sum())),
        "malignant_auc": known,
        "malignant_sensitivity_at_90%_specificity": known,
    }
    return {key: of.get(key, (single, None)) for key in FIGURES}
