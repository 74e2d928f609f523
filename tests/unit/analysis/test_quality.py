from __future__ import annotations

import cv2
import numpy as np
import pytest
from macule_testing import draw, encode
from numpy.typing import NDArray

from macule.analysis.image import Picture, decode
from macule.analysis.quality import MIN_SHORT_SIDE, assess
from macule.analysis.result import Quality


def judged(rgb: NDArray[np.generic]) -> Quality:
    pixels = np.clip(rgb, 0, 255).astype(np.uint8)
    return assess(Picture(pixels, pixels.shape[1], pixels.shape[0], "PNG"))


def failed(quality: Quality) -> set[str]:
    return {check.name for check in quality.checks if not check.passed}


def test_a_good_picture_passes_every_check() -> None:
    quality = judged(draw())
    assert quality.usable and len(quality.checks) == 7


@pytest.mark.parametrize("side", [1, 100, MIN_SHORT_SIDE - 1])
def test_too_small(side: int) -> None:
    quality = judged(draw(width=400, height=side) if side > 1 else np.zeros((1, 1, 3)))
    assert failed(quality) == {"size"} == {check.name for check in quality.checks}


@pytest.mark.parametrize("side", [224, 256])
def test_the_archives_copies_are_large_enough(side: int) -> None:
    assert judged(draw(width=side, height=side)).usable


def test_blur_fails_whatever_the_resolution() -> None:
    for scale in (1, 4):
        sharp = draw(width=400, height=300)
        large = cv2.resize(cv2.GaussianBlur(sharp, (0, 0), 3), None, fx=scale, fy=scale)
        assert failed(judged(large)) == {"sharpness"}


@pytest.mark.parametrize(
    ("change", "check"),
    [
        (lambda rgb: rgb * 0.2, "darkness"),
        (lambda rgb: rgb * 3.0, "brightness"),
        (lambda rgb: np.full_like(rgb, 255), "glare"),
        (np.zeros_like, "lesion"),
        (lambda rgb: np.full_like(rgb, 150), "lesion"),
    ],
)
def test_degraded_pictures_fail_their_check(change: object, check: str) -> None:
    assert callable(change)
    assert check in failed(judged(change(draw().astype(np.float32))))


def test_a_picture_drowned_in_noise() -> None:
    noise = np.random.default_rng(0).normal(0, 50, (256, 340, 1))
    assert failed(judged(draw(width=340, height=256) + noise)) == {"grain"}


def test_a_reflection_over_the_spot_is_glare() -> None:
    rgb = draw()
    cv2.circle(rgb, (200, 150), 75, (255, 255, 255), -1)
    assert "glare" in failed(judged(rgb))


def test_plain_skin_under_a_shadow_has_no_lesion() -> None:
    rng = np.random.default_rng(1)
    shadow = np.linspace(-12, 12, 400)[None, :, None]
    assert failed(judged(np.full((300, 400, 3), (200, 160, 140)) + shadow + rng.normal(0, 2, (300, 400, 1)))) == {
        "lesion"
    }


def test_dark_skin_is_not_a_dark_picture() -> None:
    dark = draw().astype(np.float32) * (0.45, 0.38, 0.34)
    assert judged(dark).usable


def test_a_failed_check_says_what_to_do() -> None:
    shown = assess(decode(encode(np.zeros((300, 300, 3), np.uint8)))).to_dict()
    assert shown["usable"] is False
    assert "too dark" in shown["checks"]["darkness"]["advice"]
    assert "advice" not in shown["checks"]["size"]
