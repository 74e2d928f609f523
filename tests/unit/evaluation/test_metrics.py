from __future__ import annotations

import time
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as oracle
from sklearn.linear_model import LogisticRegression

from macule.evaluation import metrics
from macule.evaluation.metrics import Confusion, Figure, Ranking


@pytest.fixture(autouse=True)
def _no_warning_is_hidden():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


@st.composite
def scored(draw):
    """Scores with many ties, labels and whole weights."""
    n = draw(st.integers(4, 40))
    scores = draw(st.lists(st.sampled_from([0.0, 0.1, 0.25, 0.5, 0.5000001, 0.9, 1.0]), min_size=n, max_size=n))
    positive = draw(st.lists(st.booleans(), min_size=n, max_size=n))
    weights = draw(st.lists(st.integers(0, 4), min_size=n, max_size=n))
    return np.array(scores), np.array(positive), np.array([weights], float)


def both_kinds(positive, weights):
    return weights[0][positive].sum() > 0 and weights[0][~positive].sum() > 0


@settings(max_examples=200, deadline=None)
@given(scored())
def test_auc(case):
    scores, positive, weights = case
    found = metrics.auc(scores, positive, weights)[0]
    if both_kinds(positive, weights):
        assert found == pytest.approx(oracle.roc_auc_score(positive, scores, sample_weight=weights[0]))
    else:
        assert np.isnan(found)


@settings(max_examples=200, deadline=None)
@given(scored(), st.sampled_from([0.5, 0.8, 0.9, 0.95, 1.0]))
def test_sensitivity_at_a_specificity(case, specificity):
    scores, positive, weights = case
    found = metrics.sensitivity_at(specificity, scores, positive, weights)[0]
    if both_kinds(positive, weights):
        alarms, hits, _ = oracle.roc_curve(positive, scores, sample_weight=weights[0], drop_intermediate=False)
        assert found == pytest.approx(hits[alarms <= 1 - specificity + 1e-9].max())
    else:
        assert np.isnan(found)


@settings(max_examples=100, deadline=None)
@given(scored())
def test_average_precision(case):
    scores, positive, weights = case
    found = metrics.average_precision(scores, positive, weights)[0]
    if weights[0][positive].sum() > 0:
        assert found == pytest.approx(oracle.average_precision_score(positive, scores, sample_weight=weights[0]))
    else:
        assert np.isnan(found)


def kaggle_score(positive, scores, weights, min_tpr=0.8):
    """The metric of the ISIC 2024 challenge as its organisers published it: labels and scores are flipped."""
    max_fpr = 1 - min_tpr
    scaled = oracle.roc_auc_score(~positive, -scores, sample_weight=weights, max_fpr=max_fpr)
    return 0.5 * max_fpr**2 + (max_fpr - 0.5 * max_fpr**2) / (1.0 - 0.5) * (scaled - 0.5)


@settings(max_examples=100, deadline=None)
@given(scored())
def test_partial_auc_above_80_percent_sensitivity(case):
    scores, positive, weights = case
    found = metrics.partial_auc(0.8, scores, positive, weights)[0]
    if both_kinds(positive, weights):
        assert found == pytest.approx(kaggle_score(positive, scores, weights[0]))
        assert metrics.partial_auc(0.0, scores, positive, weights)[0] == pytest.approx(
            metrics.auc(scores, positive, weights)[0])
    else:
        assert np.isnan(found)


@settings(max_examples=100, deadline=None)
@given(scored(), st.sampled_from([0.5, 0.9, 0.95, 1.0]))
def test_specificity_at_a_sensitivity(case, sensitivity):
    scores, positive, weights = case
    found = Ranking.of(scores, positive).points(weights).specificity_at(sensitivity)[0]
    if both_kinds(positive, weights):
        alarms, hits, _ = oracle.roc_curve(positive, scores, sample_weight=weights[0], drop_intermediate=False)
        assert found == pytest.approx(1 - alarms[hits >= sensitivity - 1e-9].min())
    else:
        assert np.isnan(found)


@settings(max_examples=50, deadline=None)
@given(scored())
def test_the_roc_curve_runs_through_all_its_points(case):
    scores, positive, weights = case
    if both_kinds(positive, weights):
        alarms, hits, _ = oracle.roc_curve(positive, scores, sample_weight=weights[0], drop_intermediate=False)
        # Of a vertical stretch, the upper end.
        upper = np.array([hits[alarms == x].max() for x in alarms])
        found = Ranking.of(scores, positive).points(weights).roc(alarms)[0]
        assert found == pytest.approx(upper)


def test_precision_at_a_recall():
    points = Ranking.of(np.array([0.9, 0.8, 0.7, 0.6]), np.array([True, False, True, False])).points(np.ones((1, 4)))
    assert points.precision(np.array([0.1, 0.5, 0.51, 1.0]))[0] == pytest.approx([1, 1, 2 / 3, 2 / 3])


@st.composite
def classified(draw):
    n = draw(st.integers(1, 40))
    label = st.integers(0, 4)
    lists = [draw(st.lists(kind, min_size=n, max_size=n)) for kind in (label, label, st.integers(0, 3))]
    return np.array(lists[0]), np.array(lists[1]), np.array([lists[2]], float)


@settings(max_examples=150, deadline=None)
@given(classified())
def test_accuracies(case):
    predicted, targets, weights = case
    weights[0, 0] = 1  # scikit-learn refuses an empty sample
    here = weights[0] > 0
    assert metrics.accuracy(predicted == targets, weights)[0] == pytest.approx(
        oracle.accuracy_score(targets, predicted, sample_weight=weights[0]))
    # Averaged over the classes that are there, if none went missing.
    recalls = oracle.recall_score(targets[here], predicted[here], sample_weight=weights[0][here], average=None,
                                  labels=np.unique(targets[here]))
    expected = recalls.mean() if set(targets[here]) == set(targets) else np.nan
    assert metrics.balanced_accuracy(predicted, targets, weights)[0] == pytest.approx(expected, nan_ok=True)


def weighted_oracle(targets, predicted, weights):
    here = weights > 0
    return targets[here], predicted[here], {"sample_weight": weights[here]}


@settings(max_examples=60, deadline=None)
@given(classified())
def test_figures_of_the_table_of_confusion(case):
    predicted, targets, weights = case
    weights[0, 0] = 1
    truth, answer, how = weighted_oracle(targets, predicted, weights[0])
    table = Confusion.of(weights, Confusion.cells(predicted, targets, 5))
    assert table.counts[0] == pytest.approx(oracle.confusion_matrix(truth, answer, labels=range(5), **how))
    assert table.accuracy()[0] == pytest.approx(oracle.accuracy_score(truth, answer, **how))
    complete = set(truth) == set(targets)
    f1 = oracle.f1_score(truth, answer, average="macro", zero_division=0, **how) if complete else np.nan
    assert table.macro_f1()[0] == pytest.approx(f1, nan_ok=True) and table.complete()[0] == complete
    assert table.balanced_accuracy()[0] == pytest.approx(
        metrics.balanced_accuracy(predicted, targets, weights)[0], nan_ok=True)
    constant = len(set(truth)) == 1 or len(set(answer)) == 1
    # scikit-learn gives 0 for an undefined correlation.
    assert (np.isnan(table.matthews()[0]) if constant
            else table.matthews()[0] == pytest.approx(oracle.matthews_corrcoef(truth, answer, **how)))
    if len({*truth, *answer}) == 1:
        assert np.isnan(table.kappa()[0])
    else:
        assert table.kappa()[0] == pytest.approx(oracle.cohen_kappa_score(truth, answer, **how))


@settings(max_examples=40, deadline=None)
@given(classified(), st.integers(0, 4))
def test_one_class_against_the_rest(case, k):
    predicted, targets, weights = case
    weights[0, 0] = 1
    truth, answer, how = weighted_oracle(targets == k, predicted == k, weights[0])
    table = Confusion.of(weights, Confusion.cells(predicted, targets, 5))
    expected = {
        "sensitivity": oracle.recall_score(truth, answer, zero_division=np.nan, **how),
        "specificity": oracle.recall_score(~truth, ~answer, zero_division=np.nan, **how),
        "precision": oracle.precision_score(truth, answer, zero_division=np.nan, **how),
        "npv": oracle.precision_score(~truth, ~answer, zero_division=np.nan, **how),
        "f1": oracle.f1_score(truth, answer, zero_division=np.nan, **how),
    }
    for name, value in expected.items():
        assert getattr(table, name)()[0, k] == pytest.approx(value, nan_ok=True), name


def test_log_loss():
    rng = np.random.default_rng(0)
    shares, targets = rng.dirichlet(np.ones(4), 200), rng.integers(0, 4, 200)
    weights = rng.integers(0, 3, (5, 200)).astype(float)
    expected = [oracle.log_loss(targets, shares, sample_weight=row) for row in weights]
    assert metrics.log_loss(shares[np.arange(200), targets], weights) == pytest.approx(expected)


@pytest.mark.parametrize("kind", [np.float64, np.float32])
def test_calibration_slope_is_that_of_a_logistic_regression(kind):
    rng = np.random.default_rng(0)
    logit = rng.normal(-1, 2, 400)
    outcome = rng.random(400) < 1 / (1 + np.exp(-0.6 * logit - 0.5))
    weights = rng.integers(0, 3, (4, 400)).astype(kind)
    expected = [LogisticRegression(C=np.inf, tol=1e-10).fit(logit[:, None], outcome, sample_weight=row).coef_[0, 0]
                for row in weights]
    found = metrics.slope(1 / (1 + np.exp(-logit)), outcome, weights)
    assert found == pytest.approx(expected, rel=1e-3 if kind is np.float32 else 1e-5)


def test_calibration_in_the_large_makes_the_mean_probability_right():
    rng = np.random.default_rng(0)
    logit = rng.normal(0, 2, 500)
    outcome = rng.random(500) < 1 / (1 + np.exp(-(logit - 1.5)))
    added = metrics.in_the_large(1 / (1 + np.exp(-logit)), outcome, np.ones((1, 500)))[0]
    assert added == pytest.approx(-1.5, abs=0.3)
    assert (1 / (1 + np.exp(-(logit + added)))).mean() == pytest.approx(outcome.mean(), abs=1e-6)


@pytest.mark.parametrize(("probability", "outcome"), [
    ([0.1, 0.2, 0.8, 0.9], [False, False, True, True]),  # parted without fault
    ([0.1, 0.2, 0.8, 0.9], [True, True, True, True]),
    ([0.5, 0.5, 0.5, 0.5], [False, True, False, True]),
    ([], []),
])
def test_a_regression_without_an_answer_has_no_slope(probability, outcome):
    outcome = np.array(outcome, bool)
    assert np.isnan(metrics.slope(np.array(probability, float), outcome, np.ones((1, len(outcome))))).all()


def test_without_both_outcomes_there_is_no_intercept():
    assert np.isnan(metrics.in_the_large(np.array([0.2, 0.4]), np.array([True, True]), np.ones((2, 2)))).all()


def test_net_benefit_by_hand():
    """Ten pictures, four malignant; at 20 % three of them are called, and two benign: 0.3 - 0.2 / 4."""
    positive = np.arange(10) < 4
    scores = np.array([0.9, 0.6, 0.2, 0.1, 0.8, 0.3, 0.1, 0.1, 0.0, 0.0])
    found = metrics.Benefit.of(scores, positive, np.array([0.1, 0.2, 0.95])).figures(np.ones((1, 10)))
    # From 10 % on: all four, and four of the six.
    assert found["model"][0] == pytest.approx([0.4 - 0.4 / 9, 0.3 - 0.2 * 0.25, 0.0])
    assert found["everyone"][0, 1] == pytest.approx(0.4 - 0.6 * 0.25)
    assert found["gain"][0, 1:] == pytest.approx([0.0, 0.0])


def test_an_interval_of_a_small_error_lies_around_it():
    """A resample's bins are noisier than the pictures': unmoved, the interval would lie above the error."""
    confidence = np.linspace(0.4, 1, 600)
    # As evenly as can be: one is right whenever the probabilities have added up to another whole.
    correct = np.diff(np.floor(np.cumsum(confidence)), prepend=0) > 0
    weights = metrics.resample([str(n) for n in range(600)], resamples=300)

    def measure(w):
        return {"ece": metrics.calibration_error(confidence, correct, w)}

    plain, moved = metrics.figures(measure, weights)["ece"], metrics.figures(measure, weights, centred=("ece",))["ece"]
    assert plain.low > plain.value
    assert moved.low < moved.value < moved.high
    assert moved.high - moved.low == pytest.approx(plain.high - plain.low)


def test_one_lesion_gives_no_interval():
    weights = metrics.resample(["a"] * 5, resamples=50)
    found = metrics.figure(lambda w: metrics.accuracy(np.array([True, True, False, True, False]), w), weights)
    assert found.to_dict() == {"value": 0.6, "low": None, "high": None, "n": 5}
    assert str(found) == "0.600 (no interval)"


def test_a_share_that_no_resample_changes_gets_wilsons_interval():
    weights = metrics.resample([str(n) for n in range(20)], resamples=50)
    found = metrics.figure(lambda w: metrics.accuracy(np.ones(20, bool), w), weights)
    assert np.isnan(found.low)
    settled = metrics.settle(found, 20)
    assert (settled.low, settled.high) == pytest.approx((20 / (20 + 1.959964**2), 1.0))
    assert np.isnan(metrics.settle(found, 1).low)
    assert np.isnan(metrics.settle(found, 20, share=False).low)


def test_drawing_in_pieces_changes_nothing():
    """2,000 lesions do not fit into one piece of 400,000."""
    groups = [f"{n:05}" for n in range(2000)]
    found = metrics.resample(groups, resamples=250, seed=5)
    draws = np.random.default_rng(5).integers(0, 2000, (250, 2000))
    assert (found == np.stack([np.bincount(row, minlength=2000) for row in draws])).all()
    assert found.dtype == np.float32


def test_balanced_accuracy_of_all_pictures():
    rng = np.random.default_rng(0)
    targets = rng.integers(0, 7, 500)
    predicted = np.where(rng.random(500) < 0.6, targets, rng.integers(0, 7, 500))
    found = metrics.balanced_accuracy(predicted, targets, np.ones((1, 500)))[0]
    assert found == pytest.approx(oracle.balanced_accuracy_score(targets, predicted))


def test_brier():
    rng = np.random.default_rng(0)
    shares, targets = rng.dirichlet(np.ones(4), 200), rng.integers(0, 4, 200)
    weights = rng.integers(0, 3, (5, 200)).astype(float)
    expected = [
        sum(oracle.mean_squared_error(targets == k, shares[:, k], sample_weight=row) for k in range(4))
        for row in weights
    ]
    assert metrics.brier(shares, targets, weights) == pytest.approx(expected)


@pytest.mark.parametrize(("right", "expected"), [(True, 0.0), (False, 2.0)])
def test_the_ends_of_the_brier_score(right, expected):
    targets = np.array([0, 1, 2])
    shares = np.eye(3)[targets if right else (targets + 1) % 3]
    assert metrics.brier(shares, targets, np.ones((1, 3)))[0] == expected


def test_calibration_error_is_what_was_put_in():
    rng = np.random.default_rng(0)
    confidence = rng.uniform(0.5, 1, 60_000)
    ones = np.ones((1, len(confidence)))
    honest = metrics.calibration_error(confidence, rng.random(60_000) < confidence, ones)[0]
    boastful = metrics.calibration_error(confidence, rng.random(60_000) < confidence - 0.2, ones)[0]
    assert honest < 0.015
    assert boastful == pytest.approx(0.2, abs=0.01)


def test_calibration_error_of_fewer_pictures_than_bins():
    found = metrics.calibration_error(np.array([0.9, 0.6]), np.array([True, False]), np.ones((1, 2)))
    assert found[0] == pytest.approx((0.1 + 0.6) / 2)


@pytest.mark.parametrize("positive", [[True] * 3, [False] * 3])
def test_without_both_kinds_a_figure_is_undefined(positive):
    positive = np.array(positive)
    scores, weights = np.array([0.1, 0.5, 0.9]), metrics.resample(["a", "b", "c"], resamples=20)
    for metric in (metrics.auc, lambda s, p, w: metrics.sensitivity_at(0.9, s, p, w)):
        found = metrics.figure(lambda w, m=metric: m(scores, positive, w), weights, positives=int(positive.sum()))
        assert found.to_dict() == {"value": None, "low": None, "high": None, "n": 3, "positives": int(positive.sum())}
        assert str(found) == "not measured"


def test_no_pictures_at_all():
    weights = metrics.resample([], resamples=10)
    assert weights.shape == (10, 0)
    found = metrics.figure(lambda w: metrics.accuracy(np.array([], bool), w), weights)
    assert found.to_dict() == {"value": None, "low": None, "high": None, "n": 0}


def test_a_figure_without_resamples_has_no_interval():
    found = metrics.figure(lambda w: metrics.accuracy(np.array([True, False]), w), np.ones((0, 2)))
    assert found.value == 0.5 and np.isnan(found.low) and np.isnan(found.high)


def test_whole_lesions_are_drawn():
    groups = ["b", "a", "b", "c", "b"]
    weights = metrics.resample(groups, resamples=300, seed=3)
    assert weights.shape == (300, 5)
    assert (weights[:, 0] == weights[:, 2]).all() and (weights[:, 0] == weights[:, 4]).all()
    assert (weights[:, [0, 1, 3]].sum(axis=1) == 3).all()
    assert weights.mean(axis=0) == pytest.approx(np.ones(5), abs=0.2)


def test_the_seed_decides():
    groups = [str(n) for n in range(50)]
    assert (metrics.resample(groups, resamples=9, seed=1) == metrics.resample(groups, resamples=9, seed=1)).all()
    assert (metrics.resample(groups, resamples=9, seed=1) != metrics.resample(groups, resamples=9, seed=2)).any()


def test_repeated_pictures_of_a_lesion_do_not_narrow_the_interval():
    rng = np.random.default_rng(0)
    correct = np.repeat(rng.random(60) < 0.7, 6)
    lesions, pictures = [f"l{n // 6}" for n in range(360)], [f"p{n}" for n in range(360)]
    by_lesion, by_picture = (
        metrics.figure(lambda w: metrics.accuracy(correct, w), metrics.resample(groups, resamples=1000))
        for groups in (lesions, pictures)
    )
    assert by_lesion.value == by_picture.value
    # Six copies say no more than one: the honest interval is sqrt(6) = 2.4 times as wide.
    assert by_lesion.high - by_lesion.low > 2 * (by_picture.high - by_picture.low)


def test_the_interval_covers_the_truth_about_as_often_as_it_says():
    rng = np.random.default_rng(1)
    covered = 0
    for trial in range(200):
        correct = rng.random(150) < 0.8
        weights = metrics.resample([str(n) for n in range(150)], resamples=200, seed=trial)
        found = metrics.figure(lambda w, c=correct: metrics.accuracy(c, w), weights)
        covered += found.low <= 0.8 <= found.high
    assert 175 <= covered <= 199


def test_a_figure_keeps_zero_apart_from_undefined():
    assert Figure(0.0, 0.0, 0.0, 5, 0).to_dict() == {"value": 0.0, "low": 0.0, "high": 0.0, "n": 5, "positives": 0}


def test_two_thousand_resamples_are_quick():
    rng = np.random.default_rng(0)
    scores, positive = rng.random(1500), rng.random(1500) < 0.1
    started = time.process_time()
    weights = metrics.resample([str(n) for n in range(1500)])
    metrics.figure(lambda w: metrics.auc(scores, positive, w), weights)
    assert len(weights) == 2000
    # About 2 s on a busy core; processor time, so that other programs do not count.
    assert time.process_time() - started < 10


def test_a_difference_is_told_with_its_sign():
    assert Figure(0.01, -0.002, 0.022, 5).signed() == "+0.010 (-0.002 to +0.022)"
    assert Figure(-0.01, np.nan, np.nan, 5).signed() == "-0.010 (no interval)"
    assert Figure(np.nan, np.nan, np.nan, 0).signed() == "not measured"
    assert str(Figure(0.01, 0.0, 0.022, 5)) == "0.010 (0.000 to 0.022)"
