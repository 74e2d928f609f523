from __future__ import annotations

import dataclasses
import json
from functools import cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from macule_testing import draw

from macule import bundles
from macule.analysis import preprocess
from macule.analysis.preprocess import VIEW_COUNTS, Preprocessing, apply, make_views, unview
from macule.examples import Kind, preset
from macule.examples import draw as draw_scene

SPEC = Preprocessing(size=64, mean=(0.5, 0.4, 0.3), std=(0.5, 0.25, 0.2))
ARMED = dataclasses.replace(SPEC, arms=("hair", "shades_of_gray", "lesion_crop", "clahe"))
SETTINGS = SPEC.to_dict()
#: As bundles of macule 0.1 and 0.2 have them.
VERSION_1 = {key: value for key, value in SETTINGS.items() if key != "arms"} | {"version": 1}


@pytest.mark.parametrize("spec", [SPEC, ARMED])
def test_settings_survive_the_journey_through_json(spec: Preprocessing) -> None:
    assert Preprocessing.from_dict(json.loads(json.dumps(spec.to_dict()))) == spec


def test_settings_of_version_1_are_read_as_settings_without_arms() -> None:
    assert Preprocessing.from_dict(VERSION_1) == SPEC
    assert "arms" not in VERSION_1  # the caller's dictionary is left alone


def test_the_shipped_bundles_settings_still_mean_a_plain_squash() -> None:
    written = json.loads((Path(bundles.__file__).parent / "default" / "bundle.json").read_text(encoding="utf-8"))
    spec = Preprocessing.from_dict(written["preprocessing"])
    for width, height in ((1040, 780), (300, 224), (224, 900)):
        rgb = draw(width=width, height=height)
        method = cv2.INTER_AREA if min(width, height) >= spec.size else cv2.INTER_LINEAR
        assert (preprocess.prepare(rgb, spec) == cv2.resize(rgb, (spec.size,) * 2, interpolation=method)).all()


@pytest.mark.parametrize(
    "change",
    [
        {"version": 3},
        {"version": 1},
        {"version": 0},
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
        {"arms": ["dull_razor"]},
        {"arms": ["hair", "hair"]},
        {"arms": "hair"},
        {"arms": None},
        {"arms": [["hair"]]},
    ],
)
def test_impossible_settings_are_refused(change: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="preprocessing"):
        Preprocessing.from_dict(SETTINGS | change)


def test_a_missing_setting_is_refused() -> None:
    with pytest.raises(ValueError, match="views"):
        Preprocessing.from_dict({key: value for key, value in SETTINGS.items() if key != "views"})


def test_an_unknown_arm_is_named_with_the_known_ones() -> None:
    with pytest.raises(ValueError, match="'dull_razor'; known: clahe, glare, hair, lesion_crop, max_rgb, shades_of_gr"):
        dataclasses.replace(SPEC, arms=("dull_razor",))


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


@cache
def lesion(width: int, height: int) -> Any:
    scene = dataclasses.replace(preset(Kind.NAEVUS), radius=0.16, hair=0.5)
    return draw_scene(scene, size=(width, height), seed=2)


@pytest.mark.parametrize("spec", [SPEC, ARMED, dataclasses.replace(ARMED, size=320)])
@pytest.mark.parametrize("size", [(640, 480), (240, 200)])
def test_training_and_serving_see_the_same_picture(spec: Preprocessing, size: tuple[int, int]) -> None:
    rgb = lesion(*size)
    cached = preprocess.clean(rgb, arms=spec.arms, short_side=preprocess.working_side(spec.size))
    assert (preprocess.squash(cached, spec.size) == preprocess.prepare(rgb, spec)).all()
    std, mean = np.float32(spec.std), np.float32(spec.mean)
    expected = (preprocess.prepare(rgb, spec) / np.float32(255) - mean) / std
    assert np.allclose(apply(rgb, spec), expected.transpose(2, 0, 1), atol=1e-5)


def test_arms_see_a_small_picture_that_was_never_enlarged() -> None:
    assert preprocess.clean(lesion(640, 480), arms=["clahe"], short_side=256).shape == (256, 341, 3)
    assert preprocess.clean(lesion(240, 200), arms=["clahe"], short_side=256).shape == (200, 240, 3)
    assert (preprocess.working_side(208), preprocess.working_side(380)) == (256, 380)
    untouched = lesion(640, 480)
    assert preprocess.clean(untouched, arms=(), short_side=256) is untouched


def test_arms_change_what_the_network_reads() -> None:
    rgb = lesion(400, 300)
    seen = {preprocess.prepare(rgb, dataclasses.replace(SPEC, arms=ARMED.arms[:count])).tobytes() for count in range(5)}
    assert len(seen) == 5


def test_the_frame_says_which_part_the_tensor_shows() -> None:
    rgb = lesion(640, 480)
    assert preprocess.apply_framed(rgb, SPEC)[1].is_whole
    tensor, frame = preprocess.apply_framed(rgb, dataclasses.replace(SPEC, arms=("lesion_crop",)))
    assert not frame.is_whole
    # The same part, cut out of the large picture.
    by_hand = apply(frame.cut(rgb), SPEC)
    assert np.abs(tensor - by_hand).mean() < 0.05 < np.abs(apply(rgb, SPEC) - by_hand).mean()
