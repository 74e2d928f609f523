"""Ways from logits to probabilities: one divisor, one a kind of picture, class biases, isotonic on the malignant sum.

Guo et al. 2017 (temperature, vector scaling), Alexandari et al. 2020 (bias-corrected temperature scaling), Zadrozny &
Elkan 2002 (isotonic regression).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import torch
from heads_embeddings import Floats
from heads_scoring import CODES, FOLDS, Exam
from numpy.typing import NDArray
from sklearn.isotonic import IsotonicRegression
from torch import Tensor

from macule.analysis.calibration import SUSPICIOUS, softmax
from macule.analysis.patient import Modality
from macule.evaluation import metrics
from macule.training import fit

Calibrated = Callable[[Floats, NDArray[np.intp]], Floats]
#: Of a normal prior on the biases: most classes have a few pictures only.
SPREAD = 1.0
ISOTONIC = "temperature, then isotonic on the malignant sum"
GROUPED = "malignant sum bias-corrected, shares inside both groups at the temperature"


@dataclass(frozen=True)
class Method:
    """scale: one divisor, or one a class. shift: nothing is added, one number to all suspicious classes, or one to
    each class. by_modality: all of this for dermoscopic and clinical pictures apart. inside: only the sum of the
    suspicious classes comes from this; the shares inside the suspicious and the benign ones come from one temperature.
    """

    scale: str = "one"
    shift: str = "none"
    by_modality: bool = False
    isotonic: bool = False
    inside: bool = False


METHODS = {
    "temperature": Method(),
    "a temperature each for dermoscopic and clinical": Method(by_modality=True),
    "temperature and one shift of the malignant classes": Method(shift="malignant"),
    "the same, for dermoscopic and clinical apart": Method(shift="malignant", by_modality=True),
    "bias-corrected temperature": Method(shift="class"),
    "the same, for dermoscopic and clinical apart ": Method(shift="class", by_modality=True),
    "vector scaling": Method(scale="class", shift="class"),
    ISOTONIC: Method(isotonic=True),
    GROUPED: Method(shift="class", inside=True),
}


def modality(exam: Exam) -> NDArray[np.intp]:
    """1 for clinical pictures, 0 for others; (N,)."""
    return np.array([record.patient.modality is Modality.CLINICAL for record in exam.records], np.intp)


def fitted(method: Method, logits: Floats, exam: Exam) -> Calibrated:
    """logits: (N, K). Returns: (logits, modality) -> probabilities, (N, K)."""
    if method.isotonic:
        return _isotonic(logits, exam)
    if method.inside:
        return _grouped(method, logits, exam)
    kinds = modality(exam) * method.by_modality
    scale = torch.zeros(2, len(CODES) if method.scale == "class" else 1, requires_grad=True)
    basis = {"none": np.zeros((1, len(CODES))), "malignant": SUSPICIOUS[None].astype(float),
             "class": np.eye(len(CODES))}[method.shift]
    shift = torch.zeros(2, len(basis), requires_grad=True)
    rows, spread = torch.from_numpy(logits).float(), torch.from_numpy(basis).float()
    targets, which = torch.from_numpy(exam.targets), torch.from_numpy(kinds)
    optimiser = torch.optim.LBFGS([scale, shift], max_iter=100, line_search_fn="strong_wolfe")

    def step() -> Tensor:
        optimiser.zero_grad()
        scaled = rows * scale.exp()[which] + (shift @ spread)[which]
        decay = (shift.square().sum() + scale.square().sum()) / (2 * SPREAD**2 * len(rows))
        loss = torch.nn.functional.cross_entropy(scaled, targets) + decay
        loss.backward()  # type: ignore[no-untyped-call]
        return loss

    optimiser.step(step)  # type: ignore[no-untyped-call]
    factor, added = scale.detach().exp().double().numpy(), (shift @ spread).detach().double().numpy()

    def calibrated(given: Floats, kind: NDArray[np.intp]) -> Floats:
        chosen = kind * method.by_modality
        return softmax(given * factor[chosen] + added[chosen])

    return calibrated


def _isotonic(logits: Floats, exam: Exam) -> Calibrated:
    temperature = fit.temperature(logits, exam.allowed)
    sums = softmax(logits / temperature)[:, SUSPICIOUS].sum(axis=1)
    steps = IsotonicRegression(y_min=1e-3, y_max=1 - 1e-3, out_of_bounds="clip").fit(sums, SUSPICIOUS[exam.targets])

    def calibrated(given: Floats, _kind: NDArray[np.intp]) -> Floats:
        shares = softmax(given / temperature)
        return shared(shares, steps.predict(shares[:, SUSPICIOUS].sum(axis=1)))

    return calibrated


def _grouped(method: Method, logits: Floats, exam: Exam) -> Calibrated:
    temperature = fit.temperature(logits, exam.allowed)
    outer = fitted(replace(method, inside=False), logits, exam)

    def calibrated(given: Floats, kind: NDArray[np.intp]) -> Floats:
        return shared(softmax(given / temperature), outer(given, kind)[:, SUSPICIOUS].sum(axis=1))

    return calibrated


def shared(shares: Floats, malignant: Floats) -> Floats:
    """The shares with that sum over the suspicious classes, (N,); inside both groups they keep their proportions."""
    before = shares[:, SUSPICIOUS].sum(axis=1)
    factor = np.where(SUSPICIOUS, (malignant / np.maximum(before, 1e-12))[:, None],
                      ((1 - malignant) / np.maximum(1 - before, 1e-12))[:, None])
    return np.asarray(shares * factor)


def crossed(method: Method, logits: Floats, exam: Exam) -> Floats:
    """Each fold's pictures by what was fitted to the other folds' lesions. Returns: probabilities, (N, K)."""
    shares, kinds = np.empty_like(logits), modality(exam)
    for fold in range(FOLDS):
        held = exam.folds == fold
        shares[held] = fitted(method, logits[~held], exam.only(~held))(logits[held], kinds[held])
    return shares


def figures(exam: Exam, shares: Floats) -> dict[str, tuple[float, ...]]:
    """By set: calibration error of the first diagnosis; of the malignant probability; its intercept; log loss."""
    found = {}
    for name, chosen in groups(exam).items():
        rows, targets = shares[chosen], exam.targets[chosen]
        one = np.ones((1, len(rows)))
        malignant, outcome = rows[:, SUSPICIOUS].sum(axis=1), SUSPICIOUS[targets]
        found[name] = (float(metrics.calibration_error(rows.max(axis=1), rows.argmax(axis=1) == targets, one)[0]),
                       float(metrics.calibration_error(malignant, outcome, one)[0]),
                       float(metrics.in_the_large(malignant, outcome, one)[0]),
                       float(metrics.log_loss(rows[np.arange(len(rows)), targets], one)[0]))
    return found


def groups(exam: Exam) -> dict[str, NDArray[np.bool_]]:
    """The sets that are scored apart, where there are pictures of them."""
    named = {"HAM10000": exam.of("ham10000"), "MILK10k dermoscopic": exam.of("milk10k", Modality.DERMOSCOPIC),
             "MILK10k clinical": exam.of("milk10k", Modality.CLINICAL), "ISIC 2018": exam.of("isic2018"),
             "ISIC 2017": exam.of("isic2017")}
    return {name: chosen for name, chosen in named.items() if chosen.any()}
