"""The corruption suite: what it keeps, what it changes, and that strength means more."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from macule.errors import UsageError
from macule.evaluation import corruptions
from macule.evaluation.corruptions import KINDS, STRENGTHS, Family
from macule.examples import draw, preset

NAMES = [kind.name for kind in KINDS]


@pytest.fixture(scope="module")
def lesion():
    return draw(preset("irregular-pigmented"), size=(300, 224), seed=3)


def change(before, after):
    return float(np.abs(before.astype(float) - after).mean())


def test_the_suite_has_the_kinds_that_are_asked_for():
    medmnist = {"jpeg", "pixelate", "gaussian_noise", "speckle_noise", "impulse_noise", "shot_noise", "defocus_blur",
                "motion_blur", "zoom_blur", "brightness_up", "brightness_down", "contrast_up", "contrast_down",
                "black_corner", "characters"}
    skin = {"pen_ink", "ruler", "hair", "gel_bubbles", "vignette", "colour_cast", "low_resolution", "phone_blur",
            "sticker", "flash_glare"}
    assert set(NAMES) == medmnist | skin and len(NAMES) == len(set(NAMES)) == 25
    assert {kind.family for kind in KINDS} == set(Family)
    assert all(kind.words and kind.source for kind in KINDS)


@pytest.mark.parametrize("name", NAMES)
def test_a_kind_keeps_the_shape_and_grows_with_strength(name, lesion):
    before = lesion.copy()
    worse = [corruptions.apply(name, lesion, strength, 1) for strength in STRENGTHS]
    assert all(each.shape == lesion.shape and each.dtype == np.uint8 for each in worse)
    assert np.array_equal(lesion, before)
    distances = [change(lesion, each) for each in worse]
    assert distances[0] > 0 and distances == sorted(distances)
    assert distances[4] > 1.8 * distances[0]


@pytest.mark.parametrize("name", NAMES)
def test_a_kind_repeats_itself(name, lesion):
    first, again = (corruptions.apply(name, lesion, 3, 7) for _ in range(2))
    assert np.array_equal(first, again)


def test_chance_comes_from_seed_and_picture(lesion):
    other = lesion.copy()
    other[0, 0] += 1
    base = corruptions.apply("hair", lesion, 4, 0)
    assert change(base, corruptions.apply("hair", lesion, 4, 1)) > 1
    assert change(base, corruptions.apply("hair", other, 4, 0)) > 1


@pytest.mark.parametrize("name", ["hair", "gel_bubbles", "flash_glare", "impulse_noise"])
def test_at_a_higher_strength_the_same_things_lie_in_the_same_place(name, lesion):
    """What is changed at 2 is changed at 5 too."""
    weak, strong = (np.any(corruptions.apply(name, lesion, strength, 2) != lesion, axis=2) for strength in (2, 5))
    assert (weak & strong).sum() > 0.6 * weak.sum()


@pytest.mark.parametrize("name", ["pen_ink", "ruler", "sticker", "black_corner", "vignette"])
def test_what_lies_beside_the_lesion_leaves_its_middle_alone(name, lesion):
    middle = slice(95, 130), slice(130, 170)
    assert change(lesion[middle], corruptions.apply(name, lesion, 3, 5)[middle]) < 2


@pytest.mark.parametrize("shape", [(40, 40), (33, 90), (120, 31), (700, 500)])
def test_any_shape_is_taken(shape):
    rgb = np.random.default_rng(0).integers(0, 256, (*shape, 3), np.uint8)
    for name in ("pen_ink", "ruler", "sticker", "hair", "gel_bubbles", "characters", "phone_blur", "low_resolution"):
        assert corruptions.apply(name, rgb, 5).shape == rgb.shape


def test_blurs_keep_the_light_and_noise_has_the_size_it_says():
    grey = np.full((160, 160, 3), 128, np.uint8)
    for name in ("defocus_blur", "motion_blur", "zoom_blur", "pixelate", "low_resolution"):
        assert change(grey, corruptions.apply(name, grey, 5)) < 0.6
    noisy = corruptions.apply("gaussian_noise", grey, 3).astype(float)
    assert noisy.std() == pytest.approx(255 * 0.08, rel=0.03)
    photons = corruptions.apply("shot_noise", grey, 3).astype(float)
    assert photons.std() == pytest.approx(np.sqrt(128 * 255 / 36), rel=0.03)


def test_a_side_is_blurred_alike_at_every_resolution():
    """Strength is a share of the side: the edge of a step is as wide on a picture of twice the size."""
    widths = []
    for side in (112, 224):
        step = np.zeros((side, side, 3), np.uint8)
        step[:, side // 2:] = 255
        line = corruptions.apply("defocus_blur", step, 5)[side // 2, :, 0].astype(float)
        widths.append(((line > 25) & (line < 230)).sum() / side)
    assert widths[0] == pytest.approx(widths[1], abs=0.01)


def test_unknown_kinds_and_strengths_are_refused(lesion):
    with pytest.raises(UsageError, match="'fog'"):
        corruptions.find(["hair", "fog"])
    with pytest.raises(UsageError, match="are needed"):
        corruptions.find([])
    with pytest.raises(UsageError, match="strength is 6"):
        corruptions.apply("hair", lesion, 6)
    assert [kind.name for kind in corruptions.find(["ruler", "jpeg"])] == ["jpeg", "ruler"]


def test_the_suite_runs_without_torch():
    code = ("import sys, macule.evaluation.robustness, macule.exchange.sections.robustness\n"
            "import macule.exchange.sections.adversarial, macule.evaluation.attacked\n"
            "raise SystemExit(bool({'torch', 'torchvision', 'timm', 'sklearn'} & set(sys.modules)))")
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
