"""Kappas against published worked examples and scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest

from macule.evaluation import metrics
from macule.evaluation.readers.agreement import MISSING, cohen, fleiss, krippendorff

#: Fleiss 1971's design as worked in the literature: 10 subjects, 14 raters, 5 categories; kappa 0.210.
FLEISS = [[0, 0, 0, 0, 14], [0, 2, 6, 4, 2], [0, 0, 3, 5, 6], [0, 3, 9, 2, 0], [2, 2, 8, 1, 1], [7, 7, 0, 0, 0],
          [3, 2, 6, 3, 0], [2, 5, 3, 2, 2], [6, 5, 2, 1, 0], [0, 2, 2, 3, 7]]
#: Krippendorff's example of three coders with gaps: nominal alpha 0.691.
CODERS = ["*****34121133*3", "1*213343*******", "**21344*21133*4"]


def ones(count):
    return np.ones((2, count), np.float32)


def test_fleiss_is_that_of_the_worked_example():
    ratings = np.array([np.repeat(np.arange(5), row) for row in FLEISS]).T
    found = fleiss(ratings, ones(10))
    assert found.value == pytest.approx(0.210, abs=5e-4) and found.n == 10


def test_krippendorff_is_that_of_the_worked_example():
    ratings = np.array([[MISSING if mark == "*" else int(mark) for mark in row] for row in CODERS])
    found = krippendorff(ratings, ones(15))
    assert found.value == pytest.approx(0.691, abs=5e-4)
    assert found.n == 12  # two of the units that were coded were coded once


def test_cohen_is_that_of_scikit_learn_on_what_both_rated():
    oracle = pytest.importorskip("sklearn.metrics")
    rng = np.random.default_rng(1)
    first = rng.integers(0, 4, 200)
    like = np.where(rng.random(200) < 0.6, first, rng.integers(0, 4, 200))
    ratings = np.stack([first, like, rng.integers(0, 4, 200)])
    ratings[1, :30], ratings[2, 50:90] = MISSING, MISSING
    found = cohen(ratings, metrics.resample([str(i) for i in range(200)], resamples=500))
    pairs = [(0, 1), (0, 2), (1, 2)]
    for figure, (i, j) in zip(found, pairs, strict=True):
        both = (ratings[i] != MISSING) & (ratings[j] != MISSING)
        assert figure.value == pytest.approx(oracle.cohen_kappa_score(ratings[i, both], ratings[j, both]))
        assert figure.n == both.sum() and figure.low < figure.value < figure.high


def test_raters_who_never_vary_have_no_kappa():
    ratings = np.zeros((2, 20), np.int64)
    assert np.isnan(cohen(ratings, ones(20))[0].value)
    assert np.isnan(fleiss(ratings, ones(20)).value) and np.isnan(krippendorff(ratings, ones(20)).value)


def test_one_rater_has_no_kappa_with_himself():
    ratings = np.array([[0, 1, 0, 1]])
    assert np.isnan(fleiss(ratings, ones(4)).value)
