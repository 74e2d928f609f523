from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch", reason="needs the training extra")

from macule.analysis import gate as gates
from macule.analysis.calibration import SUSPICIOUS, Calibration, softmax
from macule.errors import Diverged, TooFewPictures
from macule.taxonomy import Diagnosis
from macule.training import fit

pytestmark = pytest.mark.training

CODES = list(Diagnosis)


def sample(n, temperature, seed=0):
    """Logits that are `temperature` times too sharp, and labels drawn as the right logits say, each of one class."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(0, 2, (n, 11))
    shares = softmax(logits)
    targets = (shares.cumsum(axis=1) < rng.random((n, 1))).sum(axis=1)
    return logits * temperature, np.eye(11, dtype=bool)[targets]


@pytest.mark.parametrize("known", [0.5, 1.0, 2.5])
def test_temperature_is_recovered(known):
    logits, allowed = sample(6000, known)
    assert fit.temperature(logits, allowed) == pytest.approx(known, rel=0.06)


def test_temperature_does_not_depend_on_the_offset_of_the_logits():
    logits, allowed = sample(500, 1.7)
    assert fit.temperature(logits + 300, allowed) == fit.temperature(logits, allowed)


def test_temperature_is_recovered_from_lumped_labels():
    """Half of the labels say no more than whether the lesion is suspicious."""
    logits, allowed = sample(8000, 2.5)
    group = np.where((allowed & SUSPICIOUS).any(axis=1, keepdims=True), SUSPICIOUS, ~SUSPICIOUS)
    lumped = np.where((np.arange(8000) % 2 == 0)[:, None], group, allowed)
    assert fit.temperature(logits, lumped) == pytest.approx(2.5, rel=0.08)


def test_the_likelihood_of_a_lump_is_the_summed_probability():
    logits = np.log(np.array([[0.5, 0.2, 0.3], [0.1, 0.6, 0.3]]))
    allowed = np.array([[True, False, True], [False, True, False]])
    assert fit.negative_log_likelihood(logits, allowed) == pytest.approx(-(np.log(0.8) + np.log(0.6)) / 2)


def test_the_fitted_temperature_is_no_worse_than_none():
    logits, allowed = sample(500, 3.0)
    best = fit.temperature(logits, allowed)
    assert fit.negative_log_likelihood(logits / best, allowed) < fit.negative_log_likelihood(logits, allowed)


def test_a_prior_that_was_taken_off_is_found_again():
    """Labels drawn from softmax(factor * logits + shift): factor and shifts, of mean 0, are what was put in."""
    logits, _ = sample(20_000, 1)
    shift = np.where(SUSPICIOUS, -1.0, 0.5)
    targets = softmax(logits * 0.7 + shift).cumsum(axis=1) < np.random.default_rng(1).random((20_000, 1))
    found = fit.malignant_sum(logits, np.eye(11, dtype=bool)[targets.sum(axis=1)])
    assert found.scale == pytest.approx(0.7, abs=0.02)
    assert np.array(found.shift) - np.mean(found.shift) == pytest.approx(shift - shift.mean(), abs=0.1)


def test_the_malignant_sum_is_fitted_to_lumps_and_leaves_absent_classes():
    logits, allowed = sample(400, 1)
    allowed[:100] = SUSPICIOUS
    found = fit.malignant_sum(logits, allowed)
    assert np.isfinite(found.shift).all() and found.scale > 0
    without = np.vstack([allowed, np.zeros((300, 11), bool)])
    again = fit.malignant_sum(np.vstack([logits, logits[:300] * 5]), without)
    assert again == found, "a label that says nothing must not count"


def test_answers_that_contradict_the_labels_have_no_malignant_sum():
    logits, allowed = sample(500, 1)
    assert fit.calibrated(-5 * logits, allowed).malignant is None


def test_what_is_fitted_stands_in_the_bundle():
    logits, allowed = sample(500, 2)
    how = fit.calibrated(logits, allowed)
    told = fit.entry(how, fitted_on="calibration part", count=500)
    assert (told["temperature"], told["n"]) == (how.temperature, 500)
    assert list(told["malignant"]["shift"]) == [code.value for code in CODES]
    assert "malignant" not in fit.entry(Calibration(1.0), fitted_on="calibration part", count=500)


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
    with pytest.raises(TooFewPictures, match="29 positives in the calibration part; at least 30 are needed"):
        fit.threshold(scores, np.arange(100) < 29, 0.95)
    assert fit.threshold(scores, np.arange(100) < 30, 0.95) >= 0


def test_a_sensitivity_is_reached_in_each_stratum_that_can_carry_one():
    """The first is hard, the second easy; the third has too few positives to count by itself."""
    rng = np.random.default_rng(0)
    scores = np.concatenate([rng.uniform(0.1, 1, 100), rng.uniform(0.5, 1, 400), np.full(29, 0.01)])
    positive = np.ones(len(scores), bool)
    within = ["hard"] * 100 + ["easy"] * 400 + ["few"] * 29
    limit = fit.threshold(scores, positive, 0.9, within)
    assert (scores[:100] >= limit).mean() == 0.9 and limit < fit.threshold(scores, positive, 0.9)
    assert fit.threshold(scores, positive, 0.9, ["one"] * len(scores)) == fit.threshold(scores, positive, 0.9)
    told = fit.thresholds(np.tile(scores[:, None] / 11, 11), np.tile(SUSPICIOUS, (len(scores), 1)), within)
    assert told["within"] == fit.WITHIN and "within" not in fit.thresholds(
        np.tile(scores[:, None] / 11, 11), np.tile(SUSPICIOUS, (len(scores), 1)))


def test_thresholds():
    logits, allowed = sample(3000, 1.0)
    shares = softmax(logits)
    found = fit.thresholds(shares, allowed)
    malignant, positive = shares[:, SUSPICIOUS].sum(axis=1), (allowed & SUSPICIOUS).any(axis=1)
    for name, sensitivity in (("medium", 0.95), ("high", 0.80)):
        assert found[name]["sensitivity"] == sensitivity
        assert sensitivity <= (malignant[positive] >= found[name]["probability"]).mean() < sensitivity + 0.005
    assert found["medium"]["probability"] < found["high"]["probability"]
    assert set(found["cannot_exclude"]) == {code.value for code in CODES if code.suspicious}
    for code, entry in found["cannot_exclude"].items():
        k = CODES.index(Diagnosis(code))
        assert (shares[allowed[:, k], k] >= entry["probability"]).mean() >= 0.95
    assert found["n"] == 3000


def test_a_rare_class_gets_no_threshold_of_its_own():
    logits, allowed = sample(3000, 1.0)
    rare = CODES.index(Diagnosis.MAL_OTH)
    keep = ~allowed[:, rare] | (np.cumsum(allowed[:, rare]) <= 29)
    found = fit.thresholds(softmax(logits)[keep], allowed[keep])
    assert "mal_oth" not in found["cannot_exclude"] and "mel" in found["cannot_exclude"]


def test_a_label_of_several_classes_counts_for_the_malignant_threshold_and_for_none_of_its_own():
    """"Malignant" of a set that lumps its classes: all suspicious ones are allowed, and none is named."""
    logits, allowed = sample(3000, 1.0)
    shares, suspicious = softmax(logits), (allowed & SUSPICIOUS).any(axis=1)
    lumped = np.where(suspicious[:, None], SUSPICIOUS, allowed)
    found, named = fit.thresholds(shares, lumped), fit.thresholds(shares, allowed)
    assert found["cannot_exclude"] == {} and named["cannot_exclude"]
    assert found["medium"] == named["medium"] and found["high"] == named["high"]


# The prior


def test_offsets_take_the_drawn_mixture_back():
    """Menon et al. 2021: all of it, and a network that knows only how common its classes were finds them as likely."""
    drawn = np.array([80.0, 16, 4, 0])
    answer = np.log(np.where(drawn > 0, drawn, 1e-9) / 100)
    shares = softmax((answer + fit.offsets(drawn, adjustment=1))[None])[0]
    assert shares[:3] == pytest.approx([1 / 3] * 3)
    half = softmax((answer + fit.offsets(drawn, adjustment=0.5))[None])[0]
    assert half[:3] / half[2] == pytest.approx(np.sqrt(drawn[:3] / drawn[2]))
    assert (fit.offsets(drawn, adjustment=0) == 0).all()


def test_offsets_are_centred_and_leave_a_class_alone_that_was_never_drawn():
    found = fit.offsets(np.array([80.0, 16, 4, 0]), adjustment=1)
    assert found[:3].mean() == pytest.approx(0) and found[3] == 0


# The gate


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
    gates.save(gate, tmp_path / "gate.npz")
    again = gates.load(tmp_path / "gate.npz", gate.threshold)
    rows = embeddings(50)
    assert [again.score(row) for row in rows] == pytest.approx([gate.score(row) for row in rows], rel=1e-3)


NARROW = {
    "few channels": lambda rng, n: rng.normal(size=(n, 32)),
    "as many as directions": lambda rng, n: rng.normal(size=(n, 64)),
    "dead units": lambda rng, n: np.hstack([np.maximum(rng.normal(size=(n, 10)), 0), np.zeros((n, 118))]),
}


@pytest.mark.parametrize("kind", NARROW)
def test_a_gate_in_a_space_of_few_directions(kind, tmp_path):
    """What lies outside of all directions is nothing but rounding, which must not decide."""
    rng = np.random.default_rng(0)
    train, calibration, new = (NARROW[kind](rng, n).astype(np.float32) for n in (500, 200, 400))
    found = fit.gate(train, calibration)
    gates.save(found, tmp_path / "gate.npz")
    again = gates.load(tmp_path / "gate.npz", found.threshold)
    noise = (1 + 1e-6 * rng.normal(size=new.shape)).astype(np.float32)
    assert np.mean([again.admits(row) for row in new * noise]) > 0.97
    assert np.mean([again.score(row) for row in train]) == pytest.approx(1, rel=0.01)
    assert not any(again.admits(row) for row in new.mean(axis=0) + 8 * (new[:50] - new.mean(axis=0)))
    if kind == "dead units":
        assert not again.admits(new[0] + np.eye(128, dtype=np.float32)[100])


def test_a_network_to_which_all_is_alike():
    with pytest.raises(Diverged, match="sees no difference between the training pictures"):
        fit.gate(np.ones((100, 16), np.float32), np.ones((50, 16), np.float32))


def test_what_cannot_be_fitted_is_known_before_training():
    allowed = np.eye(11, dtype=bool)[[CODES.index(Diagnosis.MEL)] * 29 + [CODES.index(Diagnosis.NV)] * 100]
    with pytest.raises(TooFewPictures, match="29 positives in the calibration part"):
        fit.need(66, allowed)
    lumped = np.vstack([allowed, SUSPICIOUS])
    fit.need(66, lumped)
    with pytest.raises(TooFewPictures, match="65 training pictures"):
        fit.need(65, lumped)


def test_too_few_pictures_for_a_gate(embeddings):
    with pytest.raises(TooFewPictures, match="65 training pictures; more than 65 are needed for the gate"):
        fit.gate(embeddings(65), embeddings(10))
