"""The malignant sum from class biases: what it moves, what it leaves, and what undoes it."""

from __future__ import annotations

import numpy as np
import pytest
from macule_testing import write_bundle

from macule.analysis import bundle as bundles
from macule.analysis.calibration import SUSPICIOUS, Calibration, MalignantSum, softmax
from macule.taxonomy import Diagnosis

CLASSES = len(Diagnosis)
SHIFT = tuple(np.linspace(-1, 1, CLASSES))
APART = Calibration(1.3, MalignantSum(0.8, SHIFT))


@pytest.fixture
def logits() -> np.ndarray:
    return np.random.default_rng(0).normal(size=(300, CLASSES)) * 2


def test_the_malignant_sum_is_that_of_the_biases_and_the_rest_keeps_its_proportions(logits: np.ndarray) -> None:
    found, plain = APART.shares(logits), softmax(logits / 1.3)
    wanted = softmax(logits * 0.8 + np.array(SHIFT))[:, SUSPICIOUS].sum(axis=1)
    assert found[:, SUSPICIOUS].sum(axis=1) == pytest.approx(wanted)
    for group in (SUSPICIOUS, ~SUSPICIOUS):
        inside = [each[:, group] / each[:, group].sum(axis=1, keepdims=True) for each in (found, plain)]
        assert inside[0] == pytest.approx(inside[1])


def test_without_one_it_is_temperature_scaling(logits: np.ndarray) -> None:
    assert np.array_equal(Calibration(1.3).shares(logits), softmax(logits / 1.3))


@pytest.mark.parametrize("how", [Calibration(1.7), APART])
def test_what_was_calibrated_can_be_undone(logits: np.ndarray, how: Calibration) -> None:
    again = how.logits(how.shares(logits))
    assert again - again.mean(axis=1, keepdims=True) == pytest.approx(logits - logits.mean(axis=1, keepdims=True))


def test_a_group_that_is_nothing_at_the_temperature_keeps_its_sum() -> None:
    logits = np.where(SUSPICIOUS, -80.0, 80.0)[None]
    faint = Calibration(0.2, MalignantSum(0.01, (0.0,) * CLASSES))
    wanted = softmax(logits * 0.01)[:, SUSPICIOUS].sum()
    assert wanted > 0.1 and faint.shares(logits)[:, SUSPICIOUS].sum() == pytest.approx(wanted)


@pytest.mark.parametrize("sure", [0, CLASSES - 1])
def test_logits_far_apart_still_give_probabilities(sure: int) -> None:
    far = np.full((1, CLASSES), -1e4)
    far[0, sure] = 1e4
    found = APART.shares(far)
    assert found[0] == pytest.approx(np.eye(CLASSES)[sure])
    assert np.isfinite(APART.logits(found)).all()


def test_a_bundle_says_which_it_is(tmp_path) -> None:
    shift = {code.value: float(value) for code, value in zip(Diagnosis, SHIFT, strict=True)}
    malignant = {"scale": 0.8, "shift": shift}
    folder = write_bundle(tmp_path / "apart", calibration={"temperature": 1.3, "malignant": malignant})
    assert bundles.load(folder).calibration == APART
