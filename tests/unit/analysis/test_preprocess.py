from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from macule_testing import draw

from macule.analysis.preprocess import VIEW_COUNTS, Preprocessing, apply, make_views, unview

SPEC = Preprocessing(size=64, mean=(0.5, 0.4, 0.3), std=(0.5, 0.25, 0.2))
SETTINGS = SPEC.to_dict()


def test_settings_survive_the_journey_through_json() -> None:
    assert Preprocessing.from_dict(SETTINGS) == SPEC


@pytest.mark.parametrize(
    "change",
    [
        {"version": 2},
        {"size": 0},
        {"size": 240.0},
        {"size": True},
        {"resize": "crop"},
        {"views": 3},
        {"mean": [0.5, 0.5]},
        {"std": [0.5, 0.0, 0.5]},
        {"mean": [0.5, float("nan"), 0.5]},
        {"mean": "abc"},
        {"hair_removal": True},
    ],
)
def test_impossible_settings_are_refused(change: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="preprocessing"):
        Preprocessing.from_dict(SETTINGS | change)


def test_a_missing_setting_is_refused() -> None:
    with pytest.raises(ValueError, match="views"):
        Preprocessing.from_dict({key: value for key, value in SETTINGS.items() if key != "views"})


def test_normalisation() -> None:
    tensor = apply(np.full((100, 80, 3), (255, 0, 51), np.uint8), SPEC)
    assert tensor.shape == (3, 64, 64) and tensor.dtype == np.float32 and tensor.flags.c_contiguous
    expected = (1 - 0.5) / 0.5, (0 - 0.4) / 0.25, (0.2 - 0.3) / 0.2
    assert np.allclose(tensor, np.reshape(expected, (3, 1, 1)), atol=1e-6)


def test_squash_shows_the_whole_picture() -> None:
    rgb = np.zeros((100, 400, 3), np.uint8)
    rgb[:, 300:] = 255
    red = apply(rgb, SPEC)[0]
    assert (red[:, :47] == -1).all() and (red[:, 49:] == 1).all()


def test_shrinking_averages_areas() -> None:
    checks = np.indices((256, 256)).sum(axis=0) % 2 * 255
    red = apply(np.repeat(checks[..., None], 3, axis=2).astype(np.uint8), SPEC)[0]
    assert np.abs(red).max() < 0.01


@pytest.mark.parametrize("count", VIEW_COUNTS)
def test_views_are_different_and_turn_back(count: int) -> None:
    tensor = apply(draw(), SPEC)
    views = make_views(tensor, count)
    assert views.shape == (count, 3, 64, 64)
    assert (views[0] == tensor).all()
    assert len({view.tobytes() for view in views}) == count
    for number, view in enumerate(views):
        assert (unview(view, number) == tensor).all()


@pytest.mark.parametrize("count", VIEW_COUNTS)
def test_views_form_a_group(count: int) -> None:
    tensor = np.arange(12, dtype=np.float32).reshape(3, 2, 2)
    views = {view.tobytes() for view in make_views(tensor, count)}
    again = {copy.tobytes() for view in make_views(tensor, count) for copy in make_views(view, count)}
    assert views == again
