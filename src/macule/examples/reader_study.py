"""Reader studies that were never held: a simulation, for examples, tests and the planning of real ones.

A case's latent evidence of malignancy, seen by reader j in one arm (after Roe & Metz 1997):

    view = truth x (ability + reader_j) + case + reader_j x case + noise

with variances that sum to 1, so that views of one case correlate over readers through its difficulty. The model sees
`truth x model + shared x case + own noise` of the same case. Aided, a reader looks afresh and mixes the view with the
model's evidence: `(1 - trust_j) x view + trust_j x model`. With no trust both arms are equally good.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import erf, sqrt
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from macule.data.atomic import writing
from macule.taxonomy import Diagnosis as D

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
NOTE = "SIMULATED"
#: Of the lesions, those with a second picture.
SECOND = 0.1
#: Where the simulated model's risk turns medium and high.
MEDIUM, HIGH = 0.15, 0.55
_KINDS = {True: ((D.MEL, 0.4), (D.BCC, 0.35), (D.AKIEC, 0.15), (D.SCCKA, 0.1)),
          False: ((D.NV, 0.55), (D.BKL, 0.3), (D.DF, 0.05), (D.VASC, 0.05), (D.INF, 0.05))}
_READERS = ("reader", "picture", "diagnosis", "confidence", "with_ai", "seconds", "experience", "note")
_PREDICTIONS = ("image", *(code.value for code in D), "malignant", "risk", "usable", "error", "note")


@dataclass(frozen=True)
class Design:
    """readers x pictures, and the simulation's parameters, in standard deviations of one view.

    prevalence: of malignant lesions. ability: separation of the mean reader; spread: standard deviation over readers.
    case, reader_case: variances of a case's difficulty and of a reader's own view of it; the rest is noise.
    model: separation of the model. shared: its correlation with readers' views of a case. trust: the mean weight that
    readers give it; each reader's own lies within a half of that.
    """

    readers: int
    pictures: int
    prevalence: float = 0.4
    ability: float = 1.5
    spread: float = 0.25
    case: float = 0.3
    reader_case: float = 0.2
    model: float = 1.8
    shared: float = 0.5
    trust: float = 0.3


#: The two designs of MISSION.
DESIGNS = {"5x500": Design(5, 500), "20x100": Design(20, 100)}


@dataclass(frozen=True)
class Simulated:
    """positive, lesion: shape (N,). views: (2, R, N), unaided and aided. model: (N,). borders: (R,), where each reader
    begins to call a view malignant. areas: (2, R), the true area under each reader's ROC curve.
    """

    design: Design
    positive: Bools
    lesion: NDArray[np.int64]
    views: Floats
    model: Floats
    borders: Floats
    areas: Floats


def simulate(design: Design, *, seed: int) -> Simulated:
    rng = np.random.default_rng(seed)
    # One lesion in ten has two pictures, which share truth and difficulty.
    lesion = np.arange(design.pictures) * 10 // round(10 * (1 + SECOND))
    lesions = int(lesion.max()) + 1
    ill = rng.permutation(lesions) < round(design.prevalence * lesions)
    positive, case = ill[lesion], rng.normal(0, sqrt(design.case), lesions)[lesion]
    shape = design.readers, design.pictures
    abilities = design.ability + rng.normal(0, design.spread, design.readers)
    trust = design.trust * rng.uniform(0.5, 1.5, design.readers)
    own = case + rng.normal(0, sqrt(design.reader_case), shape)
    noise = rng.normal(0, sqrt(1 - design.case - design.reader_case), (2, *shape))
    views = positive * abilities[:, None] + own + noise
    # A weight on the case that makes its share of the model's evidence correlate as asked.
    weight = design.shared / sqrt(design.case)
    model = positive * design.model + weight * case + rng.normal(0, sqrt(1 - design.shared**2), design.pictures)
    aided = (1 - trust[:, None]) * views[1] + trust[:, None] * model
    borders = abilities / 2 + rng.normal(0, 0.25, design.readers)
    return Simulated(design, positive, lesion, np.stack([views[0], aided]), model, borders,
                     _areas(design, abilities, trust, weight))


def _areas(design: Design, abilities: Floats, trust: Floats, weight: float) -> Floats:
    """True areas: of two normal distributions with one variance."""
    gap = (1 - trust) * abilities + trust * design.model
    variance = (1 - trust) ** 2 + trust**2 + 2 * trust * (1 - trust) * weight * design.case
    of = np.vectorize(lambda z: (1 + erf(z / 2)) / 2)
    return np.stack([of(abilities), of(gap / np.sqrt(variance))])


def write_study(design: Design, folder: Path, *, seed: int = 0) -> list[Path]:
    """Writes readers.csv, truth.csv and predictions.csv, each row marked SIMULATED; makes the folder.

    Returns: the files. Raises: OSError.
    """
    folder.mkdir(parents=True, exist_ok=True)
    found, rng = simulate(design, seed=seed), np.random.default_rng([seed, 1])
    names = [f"sim{i + 1:04d}" for i in range(design.pictures)]
    kinds = [_kind(bool(ill), rng) for ill in found.positive[np.unique(found.lesion, return_index=True)[1]]]
    truth = [kinds[k] for k in found.lesion]
    shares = [_shares(p, code, rng) for p, code in zip(_probability(found), truth, strict=True)]
    truths = ((name, code.value, f"lesion{k + 1:04d}", NOTE)
              for name, code, k in zip(names, truth, found.lesion, strict=True))
    return [
        _write(folder / "readers.csv", _READERS, _readings(found, names, truth, shares, rng)),
        _write(folder / "truth.csv", ("picture", "diagnosis", "lesion", "note"), truths),
        _write(folder / "predictions.csv", _PREDICTIONS, _answers(names, shares)),
    ]


def _kind(ill: bool, rng: np.random.Generator) -> D:
    codes, weights = zip(*_KINDS[ill], strict=True)
    chosen: D = codes[int(rng.choice(len(codes), p=weights))]
    return chosen


def _probability(found: Simulated) -> Floats:
    """Of malignancy, given the model's evidence: it is calibrated, for that evidence is normal in both kinds."""
    gap, prior = found.design.model, found.design.prevalence
    return np.asarray(1 / (1 + np.exp(-gap * found.model + gap**2 / 2) * (1 - prior) / prior))


def _shares(malignant: float, truth: D, rng: np.random.Generator) -> dict[D, float]:
    """Probabilities of the classes: within its own kind the true class gets more."""
    found = dict.fromkeys(D, 0.0)
    for ill, part in ((True, malignant), (False, 1 - malignant)):
        weights = {code: weight * rng.uniform(0.2, 1.0) * (4 if code is truth else 1) for code, weight in _KINDS[ill]}
        found |= {code: part * weight / sum(weights.values()) for code, weight in weights.items()}
    return found


def _readings(found: Simulated, names: Sequence[str], truth: Sequence[D], shares: Sequence[dict[D, float]],
              rng: np.random.Generator) -> Iterator[Sequence[object]]:
    paces = rng.lognormal(np.log(30), 0.25, found.design.readers)
    for j in range(found.design.readers):
        years = int(rng.integers(1, 25))
        for arm, word in enumerate(("no", "yes")):
            for i, name in enumerate(names):
                beyond = found.views[arm, j, i] - found.borders[j]
                advice = max(shares[i], key=lambda code: shares[i][code]) if arm else None
                code = _named(beyond > 0, truth[i], advice, rng)
                sure = round(100 * erf(abs(beyond) / sqrt(2)))
                seconds = paces[j] * (0.85 if arm else 1.0) * rng.lognormal(0, 0.3)
                yield (f"reader{j + 1:02d}", name, code.value, sure, word, f"{seconds:.0f}", f"{years} y", NOTE)


def _named(suspicious: bool, truth: D, advice: D | None, rng: np.random.Generator) -> D:
    """The class that a reader writes: the advice's or the true one where it is of the kind that was called."""
    if advice is not None and advice.suspicious == suspicious and rng.random() < 0.5:
        return advice
    if truth.suspicious == suspicious and rng.random() < 0.7:
        return truth
    return _kind(suspicious, rng)


def _answers(names: Sequence[str], shares: Sequence[dict[D, float]]) -> Iterator[Sequence[object]]:
    for name, row in zip(names, shares, strict=True):
        malignant = sum(share for code, share in row.items() if code.suspicious)
        risk = "high" if malignant >= HIGH else "medium" if malignant >= MEDIUM else "low"
        yield (f"{name}.jpg", *(f"{row[code]:.4f}" for code in D), f"{malignant:.4f}", risk, "true", "", NOTE)


def _write(path: Path, head: Sequence[str], rows: Iterator[Sequence[object]]) -> Path:
    with writing(path) as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(head)
        writer.writerows(rows)
    return path
