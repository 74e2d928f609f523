from __future__ import annotations

import time
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as oracle

from macule.evaluation import metrics
from macule.evaluation.metrics import Figure


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
    # Averaged over the classes that are there.
    recalls = oracle.recall_score(targets[here], predicted[here], sample_weight=weights[0][here], average=None,
                                  labels=np.unique(targets[here]))
    assert metrics.balanced_accuracy(predicted, targets, weights)[0] == pytest.approx(recalls.mean())


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
