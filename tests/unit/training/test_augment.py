from __future__ import annotations

import cv2
import numpy as np
import pytest

pytest.importorskip("torch", reason="needs the training extra")

import torch

from macule.analysis import preprocess
from macule.analysis.patient import Modality, Patient, Sex, Site
from macule.examples import draw, preset
from macule.training import augment
from macule.training.recipe import Augment

pytestmark = pytest.mark.training

WHOLE = Patient(age=0.0, sex=Sex.FEMALE, site=Site.HAND, modality=Modality.CLINICAL)
ARTEFACTS = ("hair", "ruler", "ink", "vignette")
NOTHING = {"flips": False, "turns": False, "zoom": (1.0, 1.0), "shift": 0.0, "stretch": 0.0, "brightness": 0.0,
           "contrast": 0.0, "cast": 0.0, "saturation": 0.0, "blur": 0.0, "jpeg": 0.0}
USUAL = Augment()
EVERYTHING = Augment(blur=1.0, jpeg=1.0, hair=1.0, ruler=1.0, ink=1.0, vignette=1.0, mixup=0.4, cutmix=1.0)


@pytest.fixture(scope="module")
def rgb():
    return draw(preset("irregular-pigmented"), size=(128, 128), seed=1)


@pytest.fixture(scope="module")
def skin():
    """One colour, so that whatever is drawn on it shows."""
    return np.full((128, 128, 3), (205, 160, 140), np.uint8)


def rng(seed=0):
    return np.random.default_rng(seed)


def only(**settings):
    return Augment(**{**NOTHING, **settings})


def seen(rgb, settings, *, count=40, size=64):
    """Many draws of one picture, (count, size, size, 3), float."""
    return np.stack([augment.picture(rgb, settings, size=size, rng=rng(seed)) for seed in range(count)]).astype(float)


def distance(size):
    """Of every pixel from the middle, in sides."""
    x = (np.arange(size) + 0.5) / size - 0.5
    return np.hypot(x[:, None], x)


# The picture as a whole


@pytest.mark.parametrize("settings", [USUAL, EVERYTHING, Augment(strength=0)])
@pytest.mark.parametrize("size", [16, 48, 128, 200])
def test_the_shape(rgb, settings, size):
    picture = augment.picture(rgb, settings, size=size, rng=rng())
    assert picture.shape == (size, size, 3) and picture.dtype == np.uint8 and picture.flags.c_contiguous


@pytest.mark.parametrize("settings", [USUAL, EVERYTHING])
def test_the_generator_decides(rgb, settings):
    same = [augment.picture(rgb, settings, size=64, rng=rng(3)) for _ in range(2)]
    assert np.array_equal(*same)
    assert not np.array_equal(same[0], augment.picture(rgb, settings, size=64, rng=rng(4)))


@pytest.mark.parametrize("settings", [USUAL, EVERYTHING, only(hair=1.0), Augment(strength=0)])
def test_the_picture_itself_is_not_touched(rgb, settings):
    before = rgb.copy()
    mapped = rgb.view()
    mapped.flags.writeable = False  # as a memory-mapped cache is
    augment.picture(mapped, settings, size=128, rng=rng())[:] = 0
    assert np.array_equal(rgb, before)


def test_the_lesion_stays_in_sight(rgb):
    """Dark in light: over many draws the middle stays darker than the rim, and exposure stays in range."""
    for picture in seen(rgb, USUAL):
        middle = picture[24:40, 24:40].mean()
        rim = np.concatenate([picture[:4].ravel(), picture[-4:].ravel()]).mean()
        assert middle < rim - 10
        assert 0.65 * rgb.mean() < picture.mean() < 1.5 * rgb.mean()


def test_no_black_corners(rgb):
    """Beyond the border the picture is mirrored: no turn or zoom shows what is no skin."""
    bright = np.full_like(rgb, 200)
    assert seen(bright, USUAL).min() > 120


# Strength


@pytest.mark.parametrize("size", [48, 128, 200])
def test_no_strength_is_the_plain_picture(rgb, size):
    still = EVERYTHING.model_copy(update={"strength": 0.0})
    assert np.array_equal(augment.picture(rgb, still, size=size, rng=rng()), preprocess.squash(rgb, size))
    assert augment.mixing(8, still, rng()) is None


@pytest.mark.parametrize(("strength", "most"), [(0.5, 0.05), (1.0, 0.1), (2.0, 0.2)])
def test_strength_widens_a_range(skin, strength, most):
    lights = seen(skin, only(brightness=0.1, strength=strength), count=200, size=16).mean((1, 2, 3)) / skin.mean()
    assert lights.min() == pytest.approx(1 - most, abs=0.02) and lights.max() == pytest.approx(1 + most, abs=0.02)


@pytest.mark.parametrize(("strength", "chance"), [(0.5, 0.15), (1.0, 0.3), (2.0, 0.6), (3.0, 0.9)])
def test_strength_multiplies_a_chance(skin, strength, chance):
    drawn = seen(skin, only(ink=0.3, strength=strength), count=400, size=32) != skin[0, 0]
    assert drawn.any((1, 2, 3)).mean() == pytest.approx(chance, abs=0.08)


def test_a_chance_ends_at_one(skin):
    assert (seen(skin, only(vignette=0.6, strength=3.0)) != skin[0, 0]).any((1, 2, 3)).all()


@pytest.mark.parametrize(("strength", "larger"), [(0.0, 1.0), (1.0, 2.0), (0.5, 2**0.5), (3.0, 8.0)])
def test_strength_moves_zoom_away_from_one(strength, larger):
    disc = cv2.circle(np.zeros((256, 256, 3), np.uint8), (128, 128), 12, (255, 255, 255), -1)
    shown = augment.picture(disc, only(zoom=(0.5, 0.5), strength=strength), size=256, rng=rng())
    assert shown.mean() / disc.mean() == pytest.approx(larger**2, rel=0.05)


def test_half_the_strength_turns_by_a_quarter_at_most():
    upper = np.zeros((64, 64, 3), np.uint8)
    upper[:32] = 200
    rows = seen(upper, only(turns=True, strength=0.5), count=100).mean((2, 3))
    assert (rows[:, :32].mean(1) >= rows[:, 32:].mean(1) - 1).all()


@pytest.mark.parametrize("strength", [2.0, 3.0])
def test_great_strength_stays_a_picture(rgb, strength):
    strong = EVERYTHING.model_copy(update={"strength": strength, "brightness": 0.9, "saturation": 1.0, "shift": 0.9})
    assert seen(rgb, strong).std((1, 2)).max() > 5


# Geometry


def test_every_turn_occurs():
    """A picture with one bright corner: over many draws the corner is seen on every side."""
    marked = np.full((64, 64, 3), 60, np.uint8)
    marked[:32, :32] = 220
    pictures = seen(marked, USUAL, count=60, size=32).mean(3)
    corners = [[half.mean() for side in np.split(p, 2) for half in np.split(side, 2, axis=1)] for p in pictures]
    assert set(np.argmax(corners, axis=1)) == {0, 1, 2, 3}


def test_flips_alone_are_the_four_mirror_images(rgb):
    wanted = {view.tobytes() for view in (rgb, rgb[::-1], rgb[:, ::-1], rgb[::-1, ::-1])}
    got = {p.astype(np.uint8).tobytes() for p in seen(rgb, only(flips=True), size=128)}
    assert got == wanted


def test_shift_moves_by_its_share_at_most():
    spot = cv2.circle(np.zeros((256, 256, 3), np.uint8), (128, 128), 10, (255, 255, 255), -1)
    places = [np.argwhere(p[..., 0] > 128).mean(0) / 256 - 0.5 for p in seen(spot, only(shift=0.2), size=256)]
    assert 0.07 < np.abs(places).max() < 0.11  # of half the side, each way


def test_shrinking_does_not_alias():
    """Stripes finer than the small picture can show become grey."""
    stripes = np.zeros((256, 256, 3), np.uint8)
    stripes[:, ::2] = 255
    assert seen(stripes, only(flips=True, zoom=(0.9, 1.0)), count=10, size=64).std() < 12


# Colour


def test_saturation_keeps_grey_grey_and_lightness(skin):
    grey = np.full_like(skin, 150)
    assert np.array_equal(np.unique(seen(grey, only(saturation=0.5))), [150])
    coloured = seen(skin, only(saturation=0.5))[:, 0, 0]
    assert np.allclose(coloured.mean(1), skin[0, 0].mean(), atol=1)
    spread = np.ptp(coloured, axis=1)  # of the picture: 65
    assert spread.min() < 50 and spread.max() > 80


def test_contrast_turns_about_the_mean(rgb):
    pictures = seen(rgb, only(contrast=0.3), size=128)
    assert np.allclose(pictures.mean((1, 2, 3)), rgb.mean(), atol=2)
    spread = pictures.std((1, 2, 3)) / rgb.std()
    assert 0.69 < spread.min() < 0.8 and 1.15 < spread.max() < 1.31


def test_a_cast_changes_the_channels_apart(skin):
    gains = seen(skin, only(cast=0.1))[:, 0, 0] / skin[0, 0]
    assert gains.min() > 0.89 and gains.max() < 1.11
    assert np.ptp(gains, axis=1).max() > 0.1


def test_what_is_too_bright_is_white():
    assert seen(np.full((32, 32, 3), 250, np.uint8), only(brightness=0.5)).max() == 255


# Artefacts


@pytest.mark.parametrize("artefact", ARTEFACTS)
def test_an_artefact_shows_and_leaves_most_of_the_picture(skin, artefact):
    changed = (seen(skin, only(**{artefact: 1.0}), size=128) != skin[0, 0]).any(3).mean((1, 2))
    assert (changed > 0).mean() > 0.9
    assert changed.max() < 0.65


@pytest.mark.parametrize("artefact", ARTEFACTS)
def test_no_artefact_without_its_chance(skin, artefact):
    rest = only(**{name: 1.0 for name in ARTEFACTS if name != artefact})
    assert (seen(skin, only(), count=5) == skin[0, 0]).all()
    assert not np.array_equal(seen(skin, rest), seen(skin, only(**dict.fromkeys(ARTEFACTS, 1.0))))


@pytest.mark.parametrize("artefact", ["ruler", "ink"])
def test_the_middle_stays_free(skin, artefact):
    pictures = seen(skin, only(**{artefact: 1.0}), size=128)
    assert (pictures[:, distance(128) < 0.2] == skin[0, 0]).all()


def test_hair_is_thin_and_dark_or_light(skin):
    pictures = seen(skin, only(hair=1.0), size=128).mean(3) - skin.mean()
    least, most = pictures.min((1, 2)), pictures.max((1, 2))
    assert (least < -60).mean() > 0.5  # mostly dark
    assert (most > 15).mean() > 0.05  # some pale
    thick = [cv2.erode((np.abs(p) > 40).astype(np.uint8), np.ones((5, 5))).mean() for p in pictures]
    assert np.mean(thick) < 0.01


def test_hair_takes_the_light_of_the_picture():
    """In red light hair is maroon, not grey."""
    red = np.full((128, 128, 3), (230, 90, 90), np.uint8)
    dark = seen(red, only(hair=1.0), size=128)
    dark = dark[dark.sum(3) < 0.35 * red[0, 0].sum()]
    assert len(dark) > 100 and (dark[:, 0] > 1.3 * dark[:, 2]).mean() > 0.95


def test_a_ruler_has_many_even_marks(skin):
    """Several separate marks whose places lie on a line."""
    found = 0
    for picture in seen(skin, only(ruler=1.0), size=224):
        marks = (np.abs(picture.mean(2) - skin.mean()) > 60) & (picture.mean(2) < skin.mean())
        count, _, _, centres = cv2.connectedComponentsWithStats(marks.astype(np.uint8))
        found += count > 6 and bool((np.linalg.norm(centres[1:] - 112, axis=1) > 60).all())
    assert found >= 15


def test_a_ruler_lies_along_every_edge(skin):
    changed = (seen(skin, only(ruler=1.0), count=60) != skin[0, 0]).any(3)
    for edge in (changed[:, :8], changed[:, -8:], changed[:, :, :8], changed[:, :, -8:]):
        assert 0.02 < edge.mean((1, 2)).mean() < 0.5


def test_ink_is_violet_or_blue_and_lets_light_through(skin):
    pictures = seen(skin, only(ink=1.0), size=128)
    passed = pictures / skin[0, 0]
    inked = passed[passed.min(3) < 0.6]
    assert (inked[:, 2] > inked[:, :2].max(1)).all()
    assert inked.min() > 0 and passed.max() <= 1
    lit = passed[(passed.min(3) > 0.6) & (passed.min(3) < 0.9)]
    assert len(lit) > 200  # its edges are soft


def test_a_vignette_is_dark_in_the_corners_and_nowhere_else(skin):
    for picture in seen(skin, only(vignette=1.0), size=128):
        light = picture.mean(2) / skin.mean()
        assert light[distance(128) < 0.4].min() > 0.95
        assert light[distance(128) > 0.68].mean() < 0.6
        assert light[0, 0] < light[20, 20] + 0.02 and light.max() <= 1.02


def test_a_vignette_is_sharp_or_soft(skin):
    steps = np.abs(np.diff(seen(skin, only(vignette=1.0), size=128).mean(3), axis=1)).max((1, 2)) / skin.mean()
    assert steps.min() < 0.08 and steps.max() > 0.3


# The camera


def test_blur_takes_detail_and_not_light(rgb):
    for picture in seen(rgb, only(blur=1.0), count=10, size=128):
        assert np.abs(np.diff(picture, axis=0)).mean() < 0.8 * np.abs(np.diff(rgb.astype(float), axis=0)).mean()
        assert picture.mean() == pytest.approx(rgb.mean(), abs=1)


def test_jpeg_leaves_its_squares_and_the_colours(rgb):
    for picture in seen(rgb, only(jpeg=1.0), count=10, size=128):
        assert not np.array_equal(picture, rgb)
        assert np.allclose(picture.mean((0, 1)), rgb.mean((0, 1)), atol=2)
    red = np.full((64, 64, 3), (200, 40, 40), np.uint8)
    assert np.allclose(seen(red, only(jpeg=1.0), count=3), red, atol=6)


# Mixing


def flat_batch(count, size, kind=torch.float32):
    """Picture i has the value 10 ** i / 1000 everywhere."""
    values = 10.0 ** np.arange(count) / 1000
    return torch.tensor(values, dtype=kind)[:, None, None, None].expand(count, 3, size, size).clone(), values


def test_mostly_nothing_is_mixed():
    assert augment.mixing(8, USUAL, rng()) is None


@pytest.mark.parametrize("settings", [Augment(mixup=0.4), Augment(cutmix=1.0), EVERYTHING])
@pytest.mark.parametrize("size", [7, 64])
def test_the_share_is_the_exact_weight(settings, size):
    images, values = flat_batch(4, size, torch.float64)
    for seed in range(20):
        plan = augment.mixing(4, settings, rng(seed))
        mixed = plan.apply(images).mean((1, 2, 3)).numpy()
        assert np.allclose(mixed, plan.share * values + (1 - plan.share) * values[plan.partner], rtol=1e-9)
        assert sorted(plan.partner) == [0, 1, 2, 3] and plan.partner.dtype == np.int64
        assert plan.share.dtype == np.float64 and ((plan.share >= 0) & (plan.share <= 1)).all()


def test_mixup_blends_everywhere_alike():
    images = torch.rand(6, 3, 16, 16)
    plan = augment.mixing(6, Augment(mixup=1.0), rng())
    assert plan.boxes is None
    own = torch.tensor(plan.share, dtype=torch.float32)[:, None, None, None]
    assert torch.allclose(plan.apply(images), own * images + (1 - own) * images[plan.partner], atol=1e-6)


def test_cutmix_pastes_a_box():
    images = torch.rand(16, 3, 40, 40)
    plan = augment.mixing(16, Augment(cutmix=1.0), rng(1))
    mixed = plan.apply(images)
    x = np.arange(40)
    for number, (top, left, bottom, right) in enumerate(plan.boxes * 40):
        inside = ((x >= top) & (x + 1 <= bottom))[:, None] & ((x >= left) & (x + 1 <= right))
        outside = ((x + 1 <= top) | (x >= bottom))[:, None] | ((x + 1 <= left) | (x >= right))
        assert torch.equal(mixed[number][:, inside], images[plan.partner[number]][:, inside])
        assert torch.equal(mixed[number][:, outside], images[number][:, outside])
        assert inside.sum() + outside.sum() >= 1600 - 4 * 40
    assert ((plan.boxes >= 0) & (plan.boxes <= 1)).all()


def test_alpha_says_how_much_is_mixed():
    """Beta(alpha, alpha): near 0 the one picture or the other, far above 1 half of each."""
    little, much = (augment.mixing(400, Augment(mixup=alpha), rng()).share for alpha in (0.1, 20.0))
    assert np.mean(np.abs(little - 0.5) > 0.4) > 0.6
    assert np.abs(much - 0.5).max() < 0.3
    assert augment.mixing(400, Augment(mixup=0.1, strength=3.0), rng()).share.std() < little.std()


def test_of_two_kinds_each_is_drawn():
    generator = rng()
    boxed = [augment.mixing(4, EVERYTHING, generator).boxes is not None for _ in range(200)]
    assert np.mean(boxed) == pytest.approx(0.5, abs=0.1)


@pytest.mark.parametrize("settings", [Augment(mixup=0.4), Augment(cutmix=1.0)])
def test_mixing_leaves_the_batch_and_keeps_its_kind(settings):
    images = torch.rand(8, 3, 16, 16).contiguous(memory_format=torch.channels_last)
    before = images.clone()
    first, again = (augment.mixing(8, settings, rng(5)).apply(images) for _ in range(2))
    assert torch.equal(images, before) and torch.equal(first, again) and not torch.equal(first, images)
    assert first.dtype == images.dtype and first.is_contiguous(memory_format=torch.channels_last)
    assert not torch.equal(first, augment.mixing(8, settings, rng(6)).apply(images))


# Forgetting


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
