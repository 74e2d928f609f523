from __future__ import annotations

import numpy as np
import pytest

from macule.errors import TooFewPictures
from macule.taxonomy import Diagnosis
from macule.training import conforming

CODES = list(Diagnosis)


def sample(n, seed=0, sharp=1.5):
    """Probabilities, and classes drawn as they say; each picture is a lesion of its own."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(0, sharp, (n, 11))
    shares = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    targets = (shares.cumsum(axis=1) < rng.random((n, 1))).sum(axis=1)
    return shares, targets, [str(place) for place in range(n)]


def thresholds(entry):
    return np.array([entry["classes"][code.value]["probability"] for code in CODES])


def test_the_limit_is_what_enough_of_the_pictures_reach():
    """Of 19 pictures, ceil(20 * 0.9) = 18 must reach it: the second smallest probability."""
    given = np.linspace(0.05, 0.95, 19)
    shares = np.zeros((19, 11))
    shares[:, 7] = given
    shares = np.vstack([shares, np.full((20, 11), 1 / 11)])
    targets = np.array([7] * 19 + [8] * 20)
    entry = conforming.fit(shares, targets, [str(n) for n in range(39)])
    assert entry["classes"]["mel"]["probability"] == pytest.approx(given[1], abs=2e-6)
    told = {"n": 19, "lesions": 19, "guaranteed": True}
    assert {key: entry["classes"]["mel"][key] for key in told} == told


def test_every_class_is_covered_on_pictures_that_were_not_seen():
    limits = thresholds(conforming.fit(*sample(20_000)))
    shares, targets, _ = sample(20_000, seed=1)
    inside = shares[np.arange(len(targets)), targets] >= limits[targets]
    for k in range(11):
        assert inside[targets == k].mean() == pytest.approx(0.9, abs=0.02)


def test_a_class_of_few_lesions_takes_the_limit_of_all_and_no_guarantee():
    shares, targets, _ = sample(2000)
    lesions = [f"{target}:{n % 9 if target == 7 else n}" for n, target in enumerate(targets)]
    entry = conforming.fit(shares, targets, lesions)
    rare, given = entry["classes"]["mel"], np.sort(shares[np.arange(2000), targets])
    assert not rare["guaranteed"] and rare["lesions"] == 9 and rare["n"] > 100
    assert rare["probability"] == pytest.approx(given[2000 - int(np.ceil(2001 * 0.9))], abs=2e-6)
    assert entry["classes"]["nv"]["guaranteed"]


def test_too_few_pictures():
    with pytest.raises(TooFewPictures, match="19 calibration pictures"):
        conforming.fit(*sample(19))


def test_mapie_finds_the_same_limit_for_all_classes_together():
    """MAPIE has no limits by class for this score; where every class is rare, ours are its marginal one."""
    mapie = pytest.importorskip("mapie.classification")
    from sklearn.base import BaseEstimator, ClassifierMixin

    class Given(ClassifierMixin, BaseEstimator):
        """Answers with what it is asked: the rows are the probabilities."""

        classes_ = np.arange(11)
        is_fitted_ = True

        def fit(self, _x, _y):
            return self

        def predict(self, x):
            return x.argmax(axis=1)

        def predict_proba(self, x):
            return x

    shares, targets, _ = sample(500)
    ours = thresholds(conforming.fit(shares, targets, ["one"] * 500))
    theirs = mapie.SplitConformalClassifier(Given(), confidence_level=0.9, conformity_score="lac", prefit=True)
    theirs.conformalize(shares, targets)
    asked, _, _ = sample(400, seed=2)
    assert np.array_equal(asked >= ours, theirs.predict_set(asked)[1][:, :, 0])
