"""The individual typology angle of drawn skin."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from macule.evaluation import ita
from macule.examples import draw, preset

SKIN = (224, 188, 165)


def angle(rgb):
    """Of one colour, by the formula."""
    lab = cv2.cvtColor(np.full((1, 1, 3), rgb, np.uint8).astype(np.float32) / 255, cv2.COLOR_RGB2LAB)[0, 0]
    return float(np.degrees(np.arctan2(lab[0] - 50, lab[2])))


def flat(rgb=SKIN, size=(480, 640)):
    noise = np.random.default_rng(0).normal(0, 2, (*size, 3))
    return np.clip(np.array(rgb) + noise, 0, 255).astype(np.uint8)


def spoilt(name):
    picture = flat()
    y, x = np.mgrid[:480, :640]
    if name == "lesion":
        cv2.circle(picture, (320, 240), 190, (80, 45, 35), -1)
    elif name == "corners":
        picture[np.hypot(y - 240, x - 320) > 290] = 5
    elif name == "hair":
        for at in range(20, 640, 40):
            cv2.line(picture, (at, 0), (640 - at, 479), (35, 25, 20), 4)
    elif name == "glare":
        cv2.circle(picture, (100, 100), 60, (255, 255, 255), -1)
    elif name == "ink":
        cv2.rectangle(picture, (20, 20), (620, 80), (70, 60, 190), -1)
    return picture


@pytest.mark.parametrize("rgb", [(240, 212, 196), SKIN, (190, 140, 110), (120, 80, 60), (80, 50, 38)])
def test_bare_skin_has_the_angle_of_its_colour(rgb):
    assert ita.estimate(flat(rgb)) == pytest.approx(angle(rgb), abs=2)


@pytest.mark.parametrize("name", ["lesion", "corners", "hair", "glare", "ink"])
def test_what_is_no_skin_does_not_count(name):
    assert ita.estimate(spoilt(name)) == pytest.approx(angle(SKIN), abs=3)


@pytest.mark.parametrize("rgb", [(0, 0, 0), (255, 255, 255), (60, 60, 200), (20, 16, 14)])
def test_no_skin_no_angle(rgb):
    assert np.isnan(ita.estimate(np.full((240, 320, 3), rgb, np.uint8)))


@pytest.mark.parametrize("size", [(1, 1), (8, 8), (64, 4000), (3000, 40)])
def test_any_shape(size):
    found = ita.estimate(np.full((*size, 3), SKIN, np.uint8))
    assert np.isnan(found) or found == pytest.approx(angle(SKIN), abs=3)


@pytest.mark.parametrize("kind", ["naevus", "irregular-pigmented", "stuck-on-keratosis"])
def test_a_darker_picture_has_a_smaller_angle(kind):
    picture = draw(preset(kind), size=(320, 240), seed=2)
    darker = np.clip(picture * np.array([0.6, 0.55, 0.5]), 0, 255).astype(np.uint8)
    assert ita.estimate(darker) < ita.estimate(picture) - 10
