"""Two drawn pictures of one lesion, with a change that is known."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import cache

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from macule.analysis import change
from macule.analysis.change import Alignment, Refusal
from macule.analysis.change.figures import asymmetry, border
from macule.examples import Kind, Scene, draw, preset

SIZE = (400, 300)
SCENE = replace(preset(Kind.GLOBULAR_NAEVUS), radius=0.17)
F64 = NDArray[np.float64]


@cache
def _draw(scene: Scene = SCENE, *, seed: int = 1) -> NDArray[np.uint8]:
    return draw(scene, size=SIZE, seed=seed)


def _moved(picture: NDArray[np.uint8], *, scale: float, degrees: float, shift: tuple[float, float]) -> tuple[
        NDArray[np.uint8], F64]:
    turn, middle = math.radians(degrees), np.array(SIZE) / 2
    linear = scale * np.array([[math.cos(turn), -math.sin(turn)], [math.sin(turn), math.cos(turn)]])
    matrix = np.hstack([linear, (middle + shift - linear @ middle)[:, None]])
    return np.asarray(cv2.warpAffine(picture, matrix, SIZE, borderMode=cv2.BORDER_REFLECT), np.uint8), matrix


@pytest.fixture(scope="module")
def grown() -> tuple[change.Comparison, F64]:
    """Area times 1.44, turned by 17 degrees, enlarged by 1.1, and taken in a warmer, brighter light."""
    later = _draw(replace(SCENE, radius=0.17 * 1.2, exposure=1.15, cast=(1.05, 1.0, 0.93)))
    picture, matrix = _moved(later, scale=1.1, degrees=17, shift=(10, -7))
    return change.compare(_draw(), picture), matrix


def test_a_turn_a_scale_and_a_shift_are_found_again(grown: tuple[change.Comparison, F64]) -> None:
    found, truth = grown[0].alignment, grown[1]
    assert isinstance(found, Alignment)
    corners = np.array([[120, 80], [280, 80], [120, 220], [280, 220]])
    off = corners @ (found.matrix[:, :2] - truth[:, :2]).T + found.matrix[:, 2] - truth[:, 2]
    assert np.hypot(*off.T).max() < 1.0
    assert found.scale == pytest.approx(1.1, abs=0.01) and found.turn_degrees == pytest.approx(17, abs=0.5)


def test_growth_is_told_from_enlargement(grown: tuple[change.Comparison, F64]) -> None:
    assert grown[0].change is not None and grown[0].change.area_percent is not None
    assert grown[0].change.area_percent == pytest.approx(44, abs=10)


def test_another_light_is_no_change_of_colour() -> None:
    found = change.compare(_draw(), _draw(replace(SCENE, exposure=1.2, cast=(1.08, 1.0, 0.92)))).change
    assert found is not None and found.same_light
    assert found.delta_e < 1.2 and found.new_dark == 0 and abs(found.area_percent or 0) < 6


def test_a_darker_lesion_is_seen_as_darker() -> None:
    found = change.compare(_draw(), _draw(replace(SCENE, pigment=2.6))).change
    assert found is not None and found.delta_e > 3 and found.darker > 3 and found.new_dark > 0.2
    assert found.dark.sum() == pytest.approx(found.new_dark * found.later.area)


def test_the_same_picture_has_not_changed() -> None:
    found = change.compare(_draw(), _draw())
    assert found.change is not None and isinstance(found.alignment, Alignment)
    assert found.change.area_percent == pytest.approx(0, abs=0.5) and found.change.delta_e < 0.1
    assert found.alignment.correlation > 0.99 and found.outlines[1] is not None


def test_two_lesions_are_not_laid_over_each_other() -> None:
    found = change.compare(_draw(), _draw(seed=2))
    assert isinstance(found.alignment, Refusal) and found.change is None and found.moved is None


def test_a_plain_picture_is_refused() -> None:
    grey = np.full((300, 400, 3), 180, np.uint8)
    assert change.compare(grey, grey).alignment is Refusal.NO_FEATURES
    assert change.outline(grey) is None


def test_too_large_a_scale_is_refused() -> None:
    picture = _draw()
    part = cv2.resize(picture[100:192, 138:260], SIZE, interpolation=cv2.INTER_CUBIC)
    assert isinstance(change.align(picture, part), Refusal)


def test_a_lesion_cut_off_by_the_edge_has_no_area() -> None:
    picture = _draw(replace(SCENE, radius=0.3))
    cut = np.ascontiguousarray(picture[:, 140:])
    found = change.compare(picture, cut)
    assert found.change is None or found.change.area_percent is None


def test_figures_of_shapes_that_can_be_worked_out() -> None:
    disc, half = np.zeros((300, 300), np.uint8), np.zeros((300, 300), np.uint8)
    cv2.circle(disc, (150, 150), 90, (1,), -1)
    cv2.ellipse(half, (150, 150), (120, 60), 0, 0, 360, (1,), -1)
    half[:, 215:] = 0
    assert max(asymmetry(disc > 0)) < 0.02 and border(disc > 0) == pytest.approx(1, abs=0.02)
    along, across = asymmetry(half > 0)
    assert along < 0.03 < across
    square = np.zeros((300, 300), np.bool_)
    square[60:240, 60:240] = True
    assert border(square) == pytest.approx(2 / math.sqrt(math.pi), abs=0.03)


@pytest.mark.parametrize(("one", "other", "expected"), [
    ((50, 2.6772, -79.7751), (50, 0, -82.7485), 2.0425), ((50, -1.3802, -84.2814), (50, 0, -82.7485), 1.0),
    ((50, 2.5, 0), (73, 25, -18), 27.1492), ((2.0776, 0.0795, -1.135), (0.9033, -0.0636, -0.5514), 0.9082),
    ((50, 2.49, -0.001), (50, -2.49, 0.0011), 7.2195), ((50, 0, 0), (50, -1, 2), 2.3669),
    ((90.8027, -2.0831, 1.441), (91.1528, -1.6435, 0.0447), 1.4441),
])
def test_delta_e_equals_the_published_pairs(one: tuple[float, ...], other: tuple[float, ...], expected: float) -> None:
    """Sharma, Wu & Dalal 2005, table 1."""
    assert float(change.delta_e(one, other)) == pytest.approx(expected, abs=5e-5)
    assert float(change.delta_e(other, one)) == pytest.approx(expected, abs=5e-5)
