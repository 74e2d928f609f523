from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch", reason="needs the training extra")

from macule.analysis import gate as gates
from macule.analysis.calibrate import SUSPICIOUS
from macule.taxonomy import Diagnosis
from macule.training import build, fit

pytestmark = pytest.mark.training

CODES = list(Diagnosis)


def sample(n, temperature, seed=0):
    """Logits that are `temperature` times too sharp, and classes drawn as the right logits say."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(0, 2, (n, 11))
    shares = fit.softmax(logits)
    targets = (shares.cumsum(axis=1) < rng.random((n, 1))).sum(axis=1)
    return logits * temperature, targets


@pytest.mark.parametrize("known", [0.5, 1.0, 2.5])
def test_temperature_is_recovered(known):
    logits, targets = sample(6000, known)
    assert fit.temperature(logits, targets) == pytest.approx(known, rel=0.06)


def test_temperature_does_not_depend_on_the_offset_of_the_logits():
    logits, targets = sample(500, 1.7)
    assert fit.temperature(logits + 300, targets) == fit.temperature(logits, targets)


def test_the_fitted_temperature_is_no_worse_than_none():
    logits, targets = sample(500, 3.0)
    best = fit.temperature(logits, targets)
    assert fit.negative_log_likelihood(logits / best, targets) < fit.negative_log_likelihood(logits, targets)


@pytest.mark.parametrize("sensitivity", [0.8, 0.95, 1.0])
@pytest.mark.parametrize("n", [30, 77, 200])
def test_a_threshold_reaches_its_sensitivity_and_is_the_largest_that_does(n, sensitivity):
    rng = np.random.default_rng(n)
    scores, positive = rng.random(4 * n), np.arange(4 * n) < n
    limit = fit.threshold(scores, positive, sensitivity)
    assert (scores[positive] >= limit).mean() >= sensitivity
    assert (scores[positive] > limit).mean() < sensitivity


def test_too_few_positives():
    scores = np.linspace(0, 1, 100)
    with pytest.raises(ValueError, match="29 positives in the calibration part; at least 30 are needed"):
        fit.threshold(scores, np.arange(100) < 29, 0.95)
    assert fit.threshold(scores, np.arange(100) < 30, 0.95) >= 0


def test_thresholds():
    logits, targets = sample(3000, 1.0)
    shares = fit.softmax(logits)
    found = fit.thresholds(shares, targets)
    malignant, positive = shares[:, SUSPICIOUS].sum(axis=1), SUSPICIOUS[targets]
    for name, sensitivity in (("medium", 0.95), ("high", 0.80)):
        assert found[name]["sensitivity"] == sensitivity
        assert sensitivity <= (malignant[positive] >= found[name]["probability"]).mean() < sensitivity + 0.005
    assert found["medium"]["probability"] < found["high"]["probability"]
    assert set(found["cannot_exclude"]) == {code.value for code in CODES if code.suspicious}
    for code, entry in found["cannot_exclude"].items():
        k = CODES.index(Diagnosis(code))
        assert (shares[targets == k, k] >= entry["probability"]).mean() >= 0.95
    assert found["n"] == 3000


def test_a_rare_class_gets_no_threshold_of_its_own():
    logits, targets = sample(3000, 1.0)
    rare = CODES.index(Diagnosis.MAL_OTH)
    keep = (targets != rare) | (np.cumsum(targets == rare) <= 29)
    found = fit.thresholds(fit.softmax(logits)[keep], targets[keep])
    assert "mal_oth" not in found["cannot_exclude"] and "mel" in found["cannot_exclude"]


@pytest.fixture(scope="module")
def embeddings():
    """Pictures that vary along 20 directions of 100, and a little along all."""
    rng = np.random.default_rng(0)
    mixing = rng.normal(size=(20, 100))
    return lambda n: (3 + rng.normal(size=(n, 20)) @ mixing + 0.1 * rng.normal(size=(n, 100))).astype(np.float32)


@pytest.fixture(scope="module")
def trained_on(embeddings):
    return embeddings(800)


@pytest.fixture(scope="module")
def gate(embeddings, trained_on):
    return fit.gate(trained_on, embeddings(400))


def test_the_gate_admits_what_looks_like_training(gate, embeddings):
    assert np.mean([gate.admits(row) for row in embeddings(400)]) > 0.97


def test_the_scores_are_as_documented(gate, trained_on):
    """One for the distance along the directions and one for what is left."""
    assert np.mean([gate.score(row) for row in trained_on]) == pytest.approx(2, rel=1e-3)


def test_the_gate_refuses_what_is_far_away(gate, embeddings):
    rng = np.random.default_rng(1)
    middle = embeddings(400).mean(axis=0)
    along = middle + 8 * (embeddings(20) - middle)
    aside = middle + rng.normal(0, 3, (20, 100)).astype(np.float32)
    assert not any(gate.admits(row) for row in [*along, *aside])
    assert not gate.admits(np.full(100, np.nan, np.float32))


def test_the_gate_survives_its_file(gate, embeddings, tmp_path):
    build.write_gate(gate, tmp_path / "gate.npz")
    again = gates.load(tmp_path / "gate.npz", gate.threshold)
    rows = embeddings(50)
    assert [again.score(row) for row in rows] == pytest.approx([gate.score(row) for row in rows], rel=1e-3)


def test_too_few_pictures_for_a_gate(embeddings):
    with pytest.raises(ValueError, match="65 training pictures; more than 65 are needed for the gate"):
        fit.gate(embeddings(65), embeddings(10))
