from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch", reason="needs the training extra")

from macule.analysis.patient import Modality, Patient, Sex, Site
from macule.examples import draw, preset
from macule.training import augment

pytestmark = pytest.mark.training

WHOLE = Patient(age=0.0, sex=Sex.FEMALE, site=Site.HAND, modality=Modality.CLINICAL)


@pytest.fixture(scope="module")
def rgb():
    return draw(preset("irregular-pigmented"), size=(128, 128), seed=1)


def rng(seed=0):
    return np.random.default_rng(seed)


@pytest.mark.parametrize("size", [48, 128, 200])
def test_the_shape(rgb, size):
    seen = augment.picture(rgb, size=size, rng=rng())
    assert seen.shape == (size, size, 3) and seen.dtype == np.uint8


def test_the_generator_decides(rgb):
    assert np.array_equal(augment.picture(rgb, size=64, rng=rng(3)), augment.picture(rgb, size=64, rng=rng(3)))
    assert not np.array_equal(augment.picture(rgb, size=64, rng=rng(3)), augment.picture(rgb, size=64, rng=rng(4)))


def test_the_picture_itself_is_not_touched(rgb):
    before = rgb.copy()
    augment.picture(rgb, size=64, rng=rng())
    assert np.array_equal(rgb, before)


def test_the_lesion_stays_in_sight(rgb):
    """Dark in light: over many draws the middle stays darker than the rim, and exposure stays in range."""
    for seed in range(40):
        seen = augment.picture(rgb, size=64, rng=rng(seed)).astype(float)
        middle, rim = seen[24:40, 24:40].mean(), np.concatenate([seen[:4].ravel(), seen[-4:].ravel()]).mean()
        assert middle < rim - 10
        assert 0.65 * rgb.mean() < seen.mean() < 1.5 * rgb.mean()


def test_no_black_corners(rgb):
    """Beyond the border the picture is mirrored: no turn or zoom shows what is no skin."""
    bright = np.full_like(rgb, 200)
    assert min(augment.picture(bright, size=64, rng=rng(seed)).min() for seed in range(40)) > 120


def test_every_turn_occurs():
    """A picture with one bright corner: over many draws the corner is seen on every side."""
    marked = np.full((64, 64, 3), 60, np.uint8)
    marked[:32, :32] = 220
    seen = [augment.picture(marked, size=32, rng=rng(seed)).mean(axis=2) for seed in range(60)]
    corners = [[half.mean() for side in np.split(p, 2) for half in np.split(side, 2, axis=1)] for p in seen]
    assert set(np.argmax(corners, axis=1)) == {0, 1, 2, 3}


@pytest.mark.parametrize(
    ("field", "everything", "expected"), [(0.0, 0.0, WHOLE), (1.0, 0.0, Patient()), (0.0, 1.0, Patient())]
)
def test_the_ends_of_forgetting(field, everything, expected):
    assert augment.forget(WHOLE, field=field, everything=everything, rng=rng()) == expected


def test_fields_are_forgotten_one_by_one():
    generator = rng()
    kept = [augment.forget(WHOLE, field=0.3, everything=0.2, rng=generator) for _ in range(2000)]
    for name in ("age", "sex", "site", "modality"):
        share = np.mean([getattr(patient, name) is not None for patient in kept])
        assert share == pytest.approx(0.8 * 0.7, abs=0.04)
    assert all(patient.age in (0.0, None) for patient in kept)


def test_what_is_unknown_stays_unknown():
    assert augment.forget(Patient(), field=0.5, everything=0.5, rng=rng()) == Patient()
