from __future__ import annotations

import cv2
import numpy as np
import pytest

from macule.analysis.image import decode
from macule.errors import MissingExtra, UsageError
from macule.evaluation import not_lesions
from macule.evaluation.not_lesions import frames, photos

DRAWN = sorted(set(not_lesions.KINDS) - {"photos"})


@pytest.mark.parametrize("kind", DRAWN)
def test_a_kind_is_drawn_by_its_seed(kind: str) -> None:
    (one, other), (again,) = not_lesions.generate(kind, 2, 3), not_lesions.generate(kind, 1, 3)
    assert one.dtype == np.uint8 and one.ndim == 3 and one.shape[2] == 3 and min(one.shape[:2]) >= 256
    assert np.array_equal(one, again) and not np.array_equal(one, other)
    assert not np.array_equal(one, not_lesions.generate(kind, 1, 4)[0])
    assert one.std() > 1


def test_a_lesion_off_a_screen_is_the_same_picture_in_stripes() -> None:
    picture = cv2.GaussianBlur(not_lesions.generate("shapes", 1, 2)[0], (0, 0), 4)
    seen = frames.off_a_screen(picture, np.random.default_rng(1))
    assert seen.shape == picture.shape and seen.dtype == np.uint8

    def fine(rgb: np.ndarray) -> float:
        return float((rgb.astype(float) - cv2.GaussianBlur(rgb, (0, 0), 3)).std())

    assert fine(seen) > 1.4 * fine(picture)
    small, again = (cv2.resize(each, (8, 6), interpolation=cv2.INTER_AREA).ravel() for each in (picture, seen))
    assert np.corrcoef(small, again)[0, 1] > 0.8


def test_what_a_gate_learns_from_is_never_what_it_is_tried_on() -> None:
    shown, tried = not_lesions.LEARNABLE, not_lesions.HELD_OUT | not_lesions.SENT
    assert not set(shown) & set(tried) and not set(shown.values()) & set(tried.values())
    assert set(not_lesions.KINDS) == set(shown) | set(tried) and len(tried) == 21


def test_photographs_are_read_from_the_packages_that_ship_them() -> None:
    pytest.importorskip("skimage")
    assert "photos" in not_lesions.kinds()
    found = not_lesions.generate("photos", 3, 0)
    assert all(picture.dtype == np.uint8 and min(picture.shape[:2]) >= 250 for picture in found)
    assert "chelsea.png" in photos.whole()


def test_photographs_that_are_not_here_are_said_to_be_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(photos, "_paths", tuple)
    assert "photos" not in not_lesions.kinds()
    with pytest.raises(MissingExtra, match="scikit-image"):
        not_lesions.generate("photos", 1, 0)


def test_what_cannot_be_drawn_is_refused() -> None:
    with pytest.raises(UsageError, match="unicorns"):
        not_lesions.generate("unicorns", 1, 0)
    with pytest.raises(UsageError, match="-1"):
        not_lesions.generate("noise", -1, 0)
    assert not_lesions.generate("noise", 0, 0) == []


def test_pictures_are_handed_over_as_a_camera_would() -> None:
    picture = decode(not_lesions.encoded(not_lesions.generate("shapes", 1, 0)[0]))
    assert picture.rgb.shape == (300, 400, 3)
