"""Metrics with bootstrap intervals over lesions or patients, vectorised over resamples.

Every metric takes weights, shape (B, N): how often each picture counts in each of B resamples. One row of ones gives
the figure itself, so figure and interval come from the same code. An undefined metric is NaN. scikit-learn is the
oracle in the tests; it is not needed to run this. docs/evaluation-metrics.md defines every figure.
"""

from macule.evaluation.metrics.benefit import Benefit
from macule.evaluation.metrics.bootstrap import (
    RESAMPLES,
    Figure,
    Floats,
    Weights,
    figure,
    figures,
    gathered,
    independent,
    interval,
    mean_of_known,
    ratio,
    resample,
    settle,
)
from macule.evaluation.metrics.confusion import Cells, Confusion, accuracy, balanced_accuracy, f1
from macule.evaluation.metrics.ranks import Points, Ranking, auc, average_precision, partial_auc, sensitivity_at
from macule.evaluation.metrics.regression import in_the_large, slope
from macule.evaluation.metrics.reliability import ECE_BINS, Reliability, brier, calibration_error, log_loss
from macule.statistics import Z, wilson

__all__ = [
    "ECE_BINS", "RESAMPLES", "Benefit", "Cells", "Confusion", "Figure", "Floats", "Points", "Ranking", "Reliability",
    "Weights", "Z", "accuracy", "auc", "average_precision", "balanced_accuracy", "brier", "calibration_error", "f1",
    "figure", "figures", "gathered", "in_the_large", "independent", "interval", "log_loss", "mean_of_known",
    "partial_auc", "ratio", "resample", "sensitivity_at", "settle", "slope", "wilson",
]
