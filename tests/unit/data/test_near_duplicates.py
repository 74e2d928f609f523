from __future__ import annotations

import cv2
import numpy as np
import pytest
from miniature import save

from macule.data import near_duplicates
from macule.data.near_duplicates import MIN_INLIERS
from macule.errors import UnreadableImage
from macule.examples import draw, preset

KINDS = ("naevus", "globular-naevus", "irregular-pigmented", "stuck-on-keratosis", "arborising-vessels", "scaly-patch")


def embed(greys):
    """Cheap: 16 x 16 px."""
    small = [cv2.resize(grey, (16, 16), interpolation=cv2.INTER_AREA).ravel() for grey in greys]
    return np.stack(small).astype(np.float32)


def cropped(rgb):
    height, width = rgb.shape[:2]
    return rgb[height // 10:-height // 10, width // 10:-width // 10]


def rescaled(rgb):
    return cv2.resize(rgb, None, fx=0.7, fy=0.7, interpolation=cv2.INTER_AREA)


def recoloured(rgb):
    return np.clip(255 * (rgb / 255.0) ** 0.8 * (1.0, 0.85, 0.9), 0, 255).astype(np.uint8)


def turned(rgb):
    height, width = rgb.shape[:2]
    turn = cv2.getRotationMatrix2D((width / 2, height / 2), 7, 1.05)
    return cv2.warpAffine(rgb, turn, (width, height), borderMode=cv2.BORDER_REFLECT_101)


CHANGES = (cropped, rescaled, recoloured, turned)


@pytest.fixture(scope="module")
def originals():
    return [draw(preset(kind), size=(320, 240), seed=seed) for seed, kind in enumerate(KINDS)]


@pytest.fixture(scope="module")
def strangers():
    return [draw(preset(kind), size=(320, 240), seed=100 + seed) for seed, kind in enumerate(KINDS)]


def index(folder, pictures):
    paths = [folder / f"{number}.jpg" for number in range(len(pictures))]
    for path, rgb in zip(paths, pictures, strict=True):
        save(path, rgb)
    return near_duplicates.index(paths, embed=embed)


@pytest.mark.parametrize("change", CHANGES)
def test_a_changed_copy_is_found_and_another_lesion_is_not(tmp_path, originals, strangers, change):
    ours = index(tmp_path / "ours", originals)
    theirs = index(tmp_path / "theirs", [*strangers, *(change(rgb) for rgb in originals)])
    found = near_duplicates.between(ours, theirs)
    assert {(match.first, match.second) for match in found} == {(n, n + len(strangers)) for n in range(len(originals))}
    assert all(match.inliers >= MIN_INLIERS for match in found)


def test_all_changes_at_once_either_way(tmp_path, originals, strangers):
    changed = originals[2]
    for change in CHANGES:
        changed = change(changed)
    ours, theirs = index(tmp_path / "ours", originals), index(tmp_path / "theirs", [strangers[0], changed])
    assert [(m.first, m.second) for m in near_duplicates.between(ours, theirs)] == [(2, 1)]
    assert [(m.first, m.second) for m in near_duplicates.between(theirs, ours)] == [(1, 2)]


def test_sets_of_a_single_picture(tmp_path, originals, strangers):
    one, same = index(tmp_path / "one", originals[:1]), index(tmp_path / "same", [recoloured(originals[0])])
    assert [(m.first, m.second) for m in near_duplicates.between(one, same)] == [(0, 0)]
    assert near_duplicates.between(one, index(tmp_path / "other", strangers[:1])) == []


def test_the_answer_does_not_change_between_runs(tmp_path, originals):
    ours, theirs = index(tmp_path / "ours", originals), index(tmp_path / "theirs", [turned(o) for o in originals])
    assert near_duplicates.between(ours, theirs) == near_duplicates.between(ours, theirs, workers=1)


def test_a_picture_of_one_colour_matches_nothing(tmp_path, originals):
    blank = np.full((240, 320, 3), (200, 160, 140), np.uint8)
    ours, theirs = index(tmp_path / "ours", [blank, originals[0]]), index(tmp_path / "theirs", [blank])
    assert near_duplicates.between(ours, theirs) == []


def test_a_broken_picture_is_named(tmp_path):
    path = tmp_path / "broken.jpg"
    path.write_bytes(b"no picture")
    with pytest.raises(UnreadableImage, match=r"broken\.jpg"):
        near_duplicates.index([path], embed=embed)
