"""How long the figures of an exam take: `python benchmarks/evaluation.py [PICTURES [RESAMPLES]]`.

Draws answers of 11 classes at random (10,000 pictures, 2,000 resamples), measures the sections diagnosis, calibration
and decision, and prints a Markdown table with the peak of memory. Beside it, the same figures by a plain loop of
scikit-learn calls over a few resamples, extrapolated to all of them. benchmarks/README.md holds one run.
"""

from __future__ import annotations

import resource
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from sklearn import metrics as sklearn_metrics

from macule.analysis import bundle as bundles
from macule.analysis.calibration import SUSPICIOUS
from macule.analysis.patient import Patient
from macule.data.record import Record
from macule.evaluation import calibration, decision, diagnosis
from macule.evaluation.exam import Exam
from macule.evaluation.predictions import CODES, Predictions

LOOPED = 3  # resamples that scikit-learn really does
SECTIONS: Mapping[str, Callable[[Exam], dict[str, Any]]] = {
    "diagnosis": diagnosis.measure, "calibration": calibration.measure, "decision": decision.measure}


def drawn(pictures: int, *, seed: int = 0) -> Predictions:
    """Answers with some truth in them; three pictures in four have a lesion of their own."""
    rng = np.random.default_rng(seed)
    targets = rng.choice(len(CODES), pictures, p=rng.dirichlet(np.ones(len(CODES)) * 2))
    logits = rng.normal(0, 1, (pictures, len(CODES))) + 1.5 * np.eye(len(CODES))[targets]
    shares = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    lesions = np.arange(pictures) - (rng.random(pictures) < 0.25)
    records = [Record(Path("x.jpg"), "milk10k", str(i), frozenset({CODES[k]}), f"milk10k:{lesion}", Patient())
               for i, (k, lesion) in enumerate(zip(targets, lesions, strict=True))]
    return Predictions(records, shares)


def loop(exam: Exam, rows: int) -> None:
    """Most of the same figures by scikit-learn, one at a time, for so many rows of the weights."""
    targets, shares = exam.targets, exam.projected
    predicted, malignant, positive = shares.argmax(axis=1), shares[:, SUSPICIOUS].sum(axis=1), SUSPICIOUS[targets]
    for weights in exam.weights[:rows]:
        sklearn_metrics.balanced_accuracy_score(targets, predicted, sample_weight=weights)
        sklearn_metrics.classification_report(targets, predicted, sample_weight=weights, output_dict=True,
                                              zero_division=0)
        sklearn_metrics.cohen_kappa_score(targets, predicted, sample_weight=weights)
        sklearn_metrics.matthews_corrcoef(targets, predicted, sample_weight=weights)
        sklearn_metrics.log_loss(targets, shares, sample_weight=weights)
        for scores, hit in [*((shares[:, k], targets == k) for k in exam.classes), (malignant, positive)]:
            sklearn_metrics.roc_auc_score(hit, scores, sample_weight=weights)
            sklearn_metrics.roc_auc_score(~hit, -scores, sample_weight=weights, max_fpr=0.2)
            sklearn_metrics.average_precision_score(hit, scores, sample_weight=weights)
            sklearn_metrics.roc_curve(hit, scores, sample_weight=weights)


def clocks() -> tuple[float, float]:
    """Wall and processor: the second does not count what other programs do meanwhile."""
    return time.perf_counter(), time.process_time()


def since(started: tuple[float, float]) -> tuple[float, float]:
    wall, work = clocks()
    return wall - started[0], work - started[1]


def peak() -> float:
    """MB, of this process so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000


def main(pictures: int = 10_000, resamples: int = 2_000) -> None:
    predictions = drawn(pictures)
    bundle = bundles.load()
    base = peak()
    seconds: dict[str, tuple[float, float]] = {}
    started = clocks()
    exam = Exam.of(bundle, predictions, dataset="milk10k", part="all", classes=tuple(range(len(CODES))),
                   resamples=resamples)
    seconds["resamples drawn"] = since(started)
    for name, measure in SECTIONS.items():
        started = clocks()
        measure(exam)
        seconds[name] = since(started)
    above = peak() - base
    seconds["all"] = sum(wall for wall, _ in seconds.values()), sum(work for _, work in seconds.values())
    started = clocks()
    loop(exam, LOOPED)
    wall, work = (each / LOOPED * resamples for each in since(started))
    seconds[f"plain scikit-learn loop, extrapolated from {LOOPED} resamples"] = wall, work
    print(f"{pictures} pictures, {len(CODES)} classes, {resamples} resamples\n\n| what | wall | processor |")
    print("| --- | --- | --- |")
    for name, both in seconds.items():
        print(f"| {name} | {both[0]:.1f} s | {both[1]:.1f} s |")
    print(f"| ratio | {wall / seconds['all'][0]:.0f} x | {work / seconds['all'][1]:.0f} x |")
    print(f"\nPeak of memory above the start: {above:.0f} MB.")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
