from __future__ import annotations

import dataclasses
from functools import cache

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from macule.analysis import arms
from macule.analysis.arms import ARMS, WHOLE, Frame, glare, hair, lesion_crop
from macule.analysis.arms.light import LINEAR
from macule.examples import Kind, draw, preset
from macule.examples.drawing import draw_with_mask

NAMES = sorted(ARMS)
SIZE = (340, 256)
Picture = NDArray[np.uint8]


@cache
def scene(kind: str, seed: int = 1, **changes: object) -> Picture:
    return draw(dataclasses.replace(preset(kind), **changes), size=SIZE, seed=seed)  # type: ignore[arg-type]


def noise(height: int, width: int) -> Picture:
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)


def away(one: Picture, other: Picture) -> NDArray[np.float64]:
    """Mean absolute difference of the channels at each pixel."""
    return np.asarray(np.abs(one.astype(float) - other.astype(float)).mean(axis=2))


def chromaticity(rgb: Picture) -> NDArray[np.float64]:
    """Each channel's share of the linear light: what a cast changes, whatever it does to the brightness."""
    light = LINEAR[rgb].astype(float) + 1e-3
    return np.asarray(light / light.sum(axis=2, keepdims=True))


ODD = {
    "one pixel": noise(1, 1),
    "tiny": noise(16, 16),
    "strip": noise(16, 3000),
    "tower": noise(2000, 8),
    "black": np.zeros((64, 80, 3), np.uint8),
    "white": np.full((64, 80, 3), 255, np.uint8),
    "red": np.full((64, 80, 3), (255, 0, 0), np.uint8),
    "grey": np.repeat(noise(90, 70)[..., :1], 3, axis=2),
    "noise": noise(200, 260),
}


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("odd", sorted(ODD))
def test_every_arm_answers_every_picture_with_a_picture(name: str, odd: str) -> None:
    rgb = ODD[odd].copy()
    rgb.flags.writeable = False  # writing into the input would raise
    once, again = arms.apply(rgb, [name]), arms.apply(rgb, [name])
    assert once.dtype == np.uint8 and once.ndim == 3 and once.shape[2] == 3 and min(once.shape) >= 1
    assert (once == again).all() and (rgb == ODD[odd]).all()
    assert once.shape == rgb.shape or ARMS[name].frame


@pytest.mark.parametrize("name", NAMES)
def test_arms_say_what_they_do_and_after_whom(name: str) -> None:
    arm = ARMS[name]
    assert arm.name == name and "\n" not in arm.summary and any(year in arm.source for year in ("19", "20"))
    assert (arm.run is None) != (arm.frame is None)


def test_arms_run_in_the_order_named() -> None:
    rgb = scene(Kind.NAEVUS, cast=(1.0, 0.7, 0.5))
    one, other = arms.apply(rgb, ["clahe", "max_rgb"]), arms.apply(rgb, ["max_rgb", "clahe"])
    assert (one == arms.apply(arms.apply(rgb, ["clahe"]), ["max_rgb"])).all() and (one != other).any()
    assert arms.apply(rgb, []) is rgb


@pytest.mark.parametrize("names", [["dull_razor"], ["hair", "hair"]])
def test_unknown_and_repeated_arms_are_refused(names: list[str]) -> None:
    with pytest.raises(ValueError, match=f"{names[0]}.*(known: clahe, glare, hair|each once)"):
        arms.apply(ODD["tiny"], names)


@pytest.mark.parametrize("kind", [Kind.NAEVUS, Kind.IRREGULAR, Kind.PLAIN])
@pytest.mark.parametrize("seed", [1, 2])
def test_drawn_hair_goes_and_the_picture_beneath_is_about_restored(kind: Kind, seed: int) -> None:
    bare, hairy = scene(kind, seed, noise=0.004), scene(kind, seed, noise=0.004, hair=0.7)
    shafts = away(bare, hairy) > 30
    assert shafts.mean() > 0.01
    left = away(bare, arms.apply(hairy, ["hair"]))
    assert left[shafts].mean() < 0.35 * away(bare, hairy)[shafts].mean()
    assert np.median(left[shafts]) < 10
    assert hair.mask(hairy).mean() < 0.3


@pytest.mark.parametrize("kind", list(Kind))
def test_a_picture_without_hair_is_nearly_untouched(kind: Kind) -> None:
    rgb = scene(kind)
    assert (arms.apply(rgb, ["hair"]) != rgb).any(axis=2).mean() < 0.01


def test_a_vessel_is_not_hair() -> None:
    rgb = np.full((256, 256, 3), (220, 170, 150), np.uint8)
    for shift, colour in ((0, (215, 90, 90)), (60, (60, 45, 40))):  # haemoglobin lets red through
        cv2.line(rgb, (40, 60 + shift), (220, 90 + shift), colour, 3, cv2.LINE_AA)
    found = hair.mask(rgb)
    assert not found[:100].any() and found[100:].any()


def test_hair_is_found_at_every_size() -> None:
    large = draw(dataclasses.replace(preset(Kind.NAEVUS), hair=0.8), size=(680, 512), seed=3)
    small = cv2.resize(large, SIZE, interpolation=cv2.INTER_AREA)
    enlarged = cv2.resize(hair.mask(small).astype(np.uint8), (680, 512)) > 0
    both, either = (hair.mask(large) & enlarged).sum(), (hair.mask(large) | enlarged).sum()
    assert both > 0.6 * either


def test_glare_goes_and_paper_stays() -> None:
    bare = scene(Kind.IRREGULAR, exposure=0.8)
    shining = bare.copy()
    for x, y in ((120, 110), (170, 140), (210, 100), (60, 40)):
        cv2.ellipse(shining, (x, y), (5, 3), 30, 0, 360, (250, 250, 250), -1, cv2.LINE_AA)
    spots = away(bare, shining) > 20
    cleaned = arms.apply(shining, ["glare"])
    assert away(bare, cleaned)[spots].mean() < 0.2 * away(bare, shining)[spots].mean()
    assert (away(shining, cleaned) > 0).mean() < 0.02
    paper = bare.copy()
    paper[:, :90] = 250
    assert (arms.apply(paper, ["glare"])[:, :60] == 250).all()
    assert not glare.mask(bare).any()


@pytest.mark.parametrize("name", ["shades_of_gray", "max_rgb"])
@pytest.mark.parametrize("gains", [(1.0, 0.75, 0.6), (0.7, 0.8, 1.0)])
def test_colour_constancy_undoes_a_known_cast(name: str, gains: tuple[float, float, float]) -> None:
    plain = scene(Kind.NAEVUS, exposure=0.8, noise=0.002)
    cast = (np.interp(LINEAR[plain] * np.array(gains), LINEAR, np.arange(256)) + 0.5).astype(np.uint8)
    before = np.abs(chromaticity(plain) - chromaticity(cast)).mean()
    after = np.abs(chromaticity(arms.apply(plain, [name])) - chromaticity(arms.apply(cast, [name]))).mean()
    assert before > 0.02 and after < 0.1 * before


@pytest.mark.parametrize("name", ["shades_of_gray", "max_rgb", "clahe"])
def test_a_grey_picture_stays_grey(name: str) -> None:
    grey = np.repeat(scene(Kind.NAEVUS)[..., 1:2], 3, axis=2)
    result = arms.apply(grey, [name]).astype(int)
    assert np.ptp(result, axis=2).max() <= 2


def test_burnt_out_spots_do_not_tell_the_light() -> None:
    rgb = scene(Kind.NAEVUS, exposure=0.7, cast=(1.0, 0.8, 0.6))
    burnt = rgb.copy()
    burnt[:20, :40] = 255
    for name in ("shades_of_gray", "max_rgb"):
        assert away(arms.apply(rgb, [name]), arms.apply(burnt, [name]))[40:].mean() < 3


def test_clahe_raises_contrast_and_keeps_colours() -> None:
    dull = (scene(Kind.IRREGULAR).astype(float) * 0.35 + 90).astype(np.uint8)
    before, after = (cv2.cvtColor(rgb, cv2.COLOR_RGB2LAB) for rgb in (dull, arms.apply(dull, ["clahe"])))
    assert after[..., 0].std() > 1.3 * before[..., 0].std()
    assert np.abs(after[..., 1:].astype(int) - before[..., 1:].astype(int)).mean() < 2


@pytest.mark.parametrize("kind", [kind for kind in Kind if kind not in (Kind.PLAIN, Kind.ARBORISING)])
def test_the_crop_holds_the_drawn_lesion(kind: Kind) -> None:
    small = dataclasses.replace(preset(kind), radius=0.16)
    rgb, mask = draw_with_mask(small, size=SIZE, seed=4)
    frame = arms.apply_framed(rgb, ["lesion_crop"])[1]
    kept = frame.cut(np.repeat(mask[..., None], 3, axis=2).astype(np.uint8))[..., 0]
    assert kept.sum() > 0.97 * mask.sum()


def test_the_crop_is_a_tight_square() -> None:
    rgb, mask = draw_with_mask(dataclasses.replace(preset(Kind.NAEVUS), radius=0.16), size=SIZE, seed=4)
    cropped, frame = arms.apply_framed(rgb, ["lesion_crop"])
    assert not frame.is_whole and (cropped == frame.cut(rgb)).all()
    assert abs(cropped.shape[0] - cropped.shape[1]) <= 1
    assert cropped.shape[0] * cropped.shape[1] < 0.5 * mask.size


@pytest.mark.parametrize("rgb", [scene(Kind.PLAIN), ODD["noise"], ODD["grey"], ODD["black"], ODD["tiny"]])
def test_without_a_sure_lesion_the_picture_stays_whole(rgb: Picture) -> None:
    cropped, frame = arms.apply_framed(rgb, ["lesion_crop"])
    assert frame == WHOLE and cropped.shape == rgb.shape


def test_a_sticker_at_the_edge_is_no_lesion() -> None:
    rgb, mask = draw_with_mask(dataclasses.replace(preset(Kind.NAEVUS), radius=0.14), size=SIZE, seed=6)
    cv2.circle(rgb, (335, 60), 55, (30, 140, 200), -1, cv2.LINE_AA)
    frame = lesion_crop.find(rgb)
    assert not frame.is_whole and frame.right < 0.85
    assert frame.cut(np.repeat(mask[..., None], 3, axis=2).astype(np.uint8))[..., 0].sum() > 0.97 * mask.sum()


def test_frames_of_frames() -> None:
    rgb = noise(100, 200)
    outer, inner = Frame(0.2, 0.1, 0.8, 0.6), Frame(0.5, 0.25, 1.0, 0.75)
    both = inner.within(outer)
    assert (both.cut(rgb) == inner.cut(outer.cut(rgb))).all()
    assert inner.within(WHOLE) == inner and WHOLE.is_whole and not both.is_whole
