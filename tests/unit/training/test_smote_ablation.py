"""The SMOTE ablation on made-up embeddings: its folds keep lesions whole, and the leaky way is told from the honest."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch", reason="needs the training extra")
pytest.importorskip("imblearn", reason="needs imbalanced-learn")

sys.path.insert(0, str(Path(__file__).parents[3] / "benchmarks"))

import smote_arms as arms
from smote_figures import compare, f1

pytestmark = pytest.mark.training

PICTURES, LESIONS, WIDTH = 480, 240, 100


@pytest.fixture(scope="module")
def noise():
    """Embeddings that tell nothing of the class: two near pictures a lesion, one lesion in five malignant."""
    rng = np.random.default_rng(0)
    lesion = np.repeat(np.arange(LESIONS), PICTURES // LESIONS)
    features = rng.normal(size=(LESIONS, WIDTH))[lesion] + 0.1 * rng.normal(size=(PICTURES, WIDTH))
    return arms.Task(features.astype(np.float32), (lesion % 5 == 0).astype(np.int64), np.array([False, True]), lesion)


@pytest.fixture(scope="module")
def honest(noise):
    return list(arms.cross_validate(noise, arms.smote, by_lesion=True, seed=0))


@pytest.fixture(scope="module")
def leaky(noise):
    return list(arms.smote_first(noise, seed=0))


def test_every_picture_is_tested_once_and_lesions_stay_whole(noise, honest):
    assert sorted(np.concatenate([fold.origin for fold in honest])) == list(range(PICTURES))
    homes = [set(noise.lesion[fold.origin]) for fold in honest]
    assert sum(len(home) for home in homes) == LESIONS
    assert not any(fold.synthetic.any() for fold in honest)


def test_synthetic_rows_of_the_leaky_way_are_no_pictures(noise, leaky):
    made = np.concatenate([fold.synthetic for fold in leaky])
    # SMOTE fills the rarer class up to the other.
    assert made.sum() == np.ptp(np.bincount(noise.targets)) > 0
    assert sorted(np.concatenate([fold.real().origin for fold in leaky])) == list(range(PICTURES))
    for fold in leaky:
        assert (noise.targets[fold.origin] == fold.targets).all()
        assert not fold.real().synthetic.any() and np.allclose(fold.shares.sum(axis=1), 1)


def test_smote_before_the_split_finds_skill_in_noise_even_without_siblings(noise):
    singles = arms.Task(noise.features[::2], noise.targets[::2], noise.suspicious, noise.lesion[::2])
    after = list(arms.cross_validate(singles, arms.smote, by_lesion=False, seed=0))
    before = list(arms.smote_first(singles, seed=0))
    lines = compare(singles, {"after": after, "before": before}, reference="after")
    found = {name: line.values["malignant AUC"] for name, line in lines.items()}
    assert found["after"].low < 0.5
    assert found["before"].value > 0.7
    assert lines["before"].differences["malignant AUC"].low > 0.1
    assert lines["after"].differences["malignant AUC"].value == 0


@pytest.mark.parametrize("balance", [arms.class_weights, arms.oversample, arms.smote])
def test_every_way_of_balancing_gives_the_classes_equal_weight(noise, balance):
    rows, targets, weights = balance(noise.features, noise.targets, 0)
    sums = np.bincount(targets, weights)
    assert sums == pytest.approx([sums[0]] * 2) and len(rows) == len(targets) == len(weights)


def test_taking_the_prior_off_keeps_the_ranking_of_two_classes(noise, honest):
    moved = arms.without_prior(noise, honest[0])
    assert (np.argsort(moved.shares[:, 1]) == np.argsort(honest[0].shares[:, 1])).all()
    assert (moved.shares[:, 1] > honest[0].shares[:, 1]).all()


def test_f1_is_that_of_scikit_learn():
    from sklearn.metrics import f1_score

    rng = np.random.default_rng(1)
    predicted, positive = rng.random((2, 50)) < 0.4
    weights = rng.integers(0, 3, (4, 50)).astype(float)
    assert f1(predicted, positive, weights) == pytest.approx(
        [f1_score(positive, predicted, sample_weight=row) for row in weights])
    assert np.isnan(f1(np.zeros(3, bool), np.zeros(3, bool), np.ones((1, 3))))[0]
