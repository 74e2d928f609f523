"""The ISIC challenge's own scorer against ours, on a generated ground truth and prediction table."""

from __future__ import annotations

import csv
import warnings

import numpy as np
import pytest

from macule.evaluation import metrics
from macule.evaluation.metrics import Confusion, Ranking

official = pytest.importorskip("isic_challenge_scoring.classification", reason="needs isic-challenge-scoring")
CLASSES = ("MEL", "NV", "BCC", "AKIEC", "BKL", "DF", "VASC")
ONE = np.ones((1, 300))


@pytest.fixture(scope="module")
def answers():
    """Probabilities, many of them tied, and labels; every class is there and has an answer above a half."""
    rng = np.random.default_rng(4)
    targets = np.r_[np.arange(7), rng.choice(7, 293, p=(0.15, 0.5, 0.1, 0.08, 0.1, 0.03, 0.04))]
    shares = rng.dirichlet(np.full(7, 0.5), 300) * 0.7 + 0.3 * np.eye(7)[targets]
    shares = np.round(shares, 2) + np.linspace(0, 0.001, 7)  # two classes of one picture are never tied
    return shares / shares.sum(axis=1, keepdims=True), targets


@pytest.fixture(scope="module")
def theirs(answers, tmp_path_factory):
    import pandas as pd

    shares, targets = answers
    folder = tmp_path_factory.mktemp("official")
    for name, values in (("truth", np.eye(7)[targets]), ("prediction", shares)):
        with (folder / f"{name}.csv").open("w", newline="") as stream:
            writer = csv.writer(stream)
            writer.writerow(("image", *CLASSES))
            writer.writerows((f"ISIC_{place:07}", *map(repr, map(float, row))) for place, row in enumerate(values))
    with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # theirs, about pandas 3
        if not hasattr(pd.DataFrame, "applymap"):  # its name before pandas 2.1, which the scorer still calls
            patch.setattr(pd.DataFrame, "applymap", pd.DataFrame.map, raising=False)
        return official.ClassificationScore.from_file(folder / "truth.csv", folder / "prediction.csv",
                                                      official.ClassificationMetric.BALANCED_ACCURACY)


def test_balanced_accuracy(answers, theirs):
    shares, targets = answers
    cells = Confusion.cells(shares.argmax(axis=1), targets, 7)
    expected = pytest.approx(theirs.overall, abs=1e-9)
    assert Confusion.of(ONE, cells).balanced_accuracy()[0] == expected
    assert metrics.balanced_accuracy(shares.argmax(axis=1), targets, ONE)[0] == expected


@pytest.mark.parametrize("place", range(7))
def test_ranks_of_a_class(answers, theirs, place):
    shares, targets = answers
    points, row = Ranking.of(shares[:, place], targets == place).points(ONE), theirs.per_category.iloc[place]
    assert points.auc()[0] == pytest.approx(row["auc"], abs=1e-9)
    assert points.average_precision()[0] == pytest.approx(row["ap"], abs=1e-9)


@pytest.mark.parametrize("place", range(7))
def test_the_area_above_80_percent_sensitivity(answers, theirs, place):
    """Theirs is the whole area right of where the curve reaches 80 %; ours, as in ISIC 2024, what is above 80 %."""
    shares, targets = answers
    points = Ranking.of(shares[:, place], targets == place).points(ONE)
    below = 0.8 * (1 - _false_positives_at(0.8, points))
    assert points.partial_auc(0.8)[0] + below == pytest.approx(theirs.per_category.iloc[place]["auc_sens_80"], abs=1e-9)


def _false_positives_at(sensitivity, points):
    """Where the ROC curve first reaches it, on the straight line between two corners."""
    x = np.r_[0, np.stack([points.before[0], points.upto[0]], axis=1).ravel() / points.negatives[0]]
    y = np.r_[0, np.stack([points.hits[0] - points.steps[0], points.hits[0]], axis=1).ravel() / points.positives[0]]
    at = np.searchsorted(y, sensitivity)
    return np.interp(sensitivity, y[at - 1:at + 1], x[at - 1:at + 1])


@pytest.mark.parametrize("place", range(7))
def test_answers_above_a_half(answers, theirs, place):
    """The scorer calls a class from a probability above a half on; macule calls the class ranked first."""
    shares, targets = answers
    cells = Confusion.cells((shares[:, place] > 0.5).astype(int), (targets == place).astype(int), 2)
    table, row = Confusion.of(ONE, cells), theirs.per_category.iloc[place]
    pairs = {"sensitivity": table.sensitivity(), "specificity": table.specificity(), "ppv": table.precision(),
             "npv": table.npv(), "dice": table.f1()}
    for name, ours in pairs.items():
        assert ours[0, 1] == pytest.approx(row[name], abs=1e-9), name
    assert table.accuracy()[0] == pytest.approx(row["accuracy"], abs=1e-9)


def test_a_class_never_called_is_perfect_there_and_undefined_here():
    """The scorer gives 1.0 where nothing was called; macule says that it is not defined."""
    from isic_challenge_scoring import metrics as their_metrics
    from isic_challenge_scoring.confusion import create_binary_confusion_matrix

    truth, called = np.array([True, False, False]), np.zeros(3, bool)
    cells = create_binary_confusion_matrix(truth, called, np.ones(3), "MEL")
    assert their_metrics.binary_ppv(cells) == 1.0
    ours = Confusion.of(np.ones((1, 3)), Confusion.cells(called.astype(int), truth.astype(int), 2))
    assert np.isnan(ours.precision()[0, 1])
