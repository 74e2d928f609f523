from __future__ import annotations

import cv2
import numpy as np
import pytest
from miniature import save

from macule.data import duplicates
from macule.data.duplicates import confirm, features
from macule.data.engine import Local
from macule.examples import draw, preset

KINDS = ("naevus", "globular-naevus", "irregular-pigmented", "stuck-on-keratosis", "arborising-vessels", "scaly-patch")


def cropped(rgb):
    height, width = rgb.shape[:2]
    return rgb[height // 7:-height // 7, width // 8:-width // 6]


def rescaled(rgb):
    return cv2.resize(rgb, None, fx=0.6, fy=0.6, interpolation=cv2.INTER_AREA)


def recoloured(rgb):
    return np.clip(255 * (rgb / 255.0) ** 0.7 * (1.0, 0.8, 0.9), 0, 255).astype(np.uint8)


def in_grey(rgb):
    return np.repeat(cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY)[..., None], 3, axis=2)


def tilted(rgb):
    height, width = rgb.shape[:2]
    turn = cv2.getRotationMatrix2D((width / 2, height / 2), 33, 1.2)
    return cv2.warpAffine(rgb, turn, (width, height), borderMode=cv2.BORDER_REFLECT_101)


def quarter_turned(rgb):
    return np.rot90(rgb).copy()


def upside_down(rgb):
    return np.rot90(rgb, 2).copy()


def flipped(rgb):
    return rgb[:, ::-1].copy()


def flipped_over(rgb):
    return rgb[::-1].copy()


CHANGES = (cropped, rescaled, recoloured, in_grey, tilted, quarter_turned, upside_down, flipped, flipped_over)


@pytest.fixture(scope="module")
def originals():
    return [draw(preset(kind), size=(320, 240), seed=seed) for seed, kind in enumerate(KINDS)]


@pytest.fixture(scope="module")
def strangers():
    return [draw(preset(kind), size=(320, 240), seed=100 + seed) for seed, kind in enumerate(KINDS)]


def written(folder, pictures):
    paths = [folder / f"{number:03}.jpg" for number in range(len(pictures))]
    for path, rgb in zip(paths, pictures, strict=True):
        save(path, rgb)
    return paths


def search(tmp_path, pictures, **options):
    return duplicates.search(written(tmp_path / "pictures", pictures), tmp_path / "work", engine=Local(2), **options)


def places(found):
    return [(pair.first, pair.second) for pair in found.pairs]


@pytest.mark.parametrize("change", CHANGES)
def test_a_changed_copy_is_found_and_another_lesion_is_not(tmp_path, originals, strangers, change):
    found = search(tmp_path, [*originals, *strangers, *(change(rgb) for rgb in originals)])
    assert places(found) == [(n, n + 12) for n in range(6)]
    mirror = change in (flipped, flipped_over)
    assert all(pair.kind == "near" and pair.agreement.mirrored is mirror for pair in found.pairs)


def test_all_changes_at_once(tmp_path, originals, strangers):
    changed = originals[2]
    for change in (recoloured, flipped, tilted, cropped, rescaled):
        changed = change(changed)
    assert places(search(tmp_path, [*strangers, changed, *originals])) == [(6, 9)]


def test_how_the_copy_was_changed_is_told(tmp_path, originals):
    large = cv2.resize(originals[2], None, fx=1.5, fy=1.5)
    (pair,) = search(tmp_path, [originals[2], quarter_turned(large[60:-60])]).pairs
    assert pair.agreement.rotation == pytest.approx(90, abs=1)
    assert pair.agreement.scale == pytest.approx(1.5 * (240 / 240), abs=0.1)
    assert pair.agreement.correlation > 0.9


def test_the_answer_does_not_depend_on_workers_or_runs(tmp_path, originals):
    pictures = [*originals, *(tilted(rgb) for rgb in originals)]
    first = search(tmp_path, pictures, threads=1)
    assert first == search(tmp_path, pictures, threads=2)
    again = duplicates.search(sorted((tmp_path / "pictures").iterdir()), tmp_path / "other", engine=Local(1))
    assert again == first


@pytest.mark.slow
def test_the_index_of_many_pictures_finds_what_comparing_all_finds(tmp_path, originals, strangers, monkeypatch):
    pictures = [*originals, *strangers, *(cropped(rgb) for rgb in originals), *(flipped(rgb) for rgb in strangers)]
    everything = search(tmp_path, pictures)
    monkeypatch.setattr("macule.data.duplicates.candidates.EXACT_BELOW", 1000)
    assert places(search(tmp_path, pictures)) == places(everything)


def test_a_stopped_search_reads_no_picture_twice(tmp_path, originals, monkeypatch):
    search(tmp_path, originals)
    monkeypatch.setattr(features, "extract", lambda picture: pytest.fail(f"{picture} was read again"))
    assert search_again(tmp_path).unreadable == {}


def search_again(tmp_path):
    return duplicates.search(sorted((tmp_path / "pictures").iterdir()), tmp_path / "work", engine=Local(1))


def test_one_picture_more_does_not_have_all_read_again(tmp_path, originals, monkeypatch):
    monkeypatch.setattr("macule.data.duplicates.store.CHUNK", 2)
    paths = written(tmp_path / "pictures", [*originals, *(cropped(rgb) for rgb in originals)] * 2)
    read = []
    extract = features.extract
    monkeypatch.setattr(features, "extract", lambda picture: read.append(picture) or extract(picture))
    first = duplicates.search(paths[1:], tmp_path / "work", engine=Local(1))
    before = len(read)
    again = duplicates.search(paths, tmp_path / "work", engine=Local(1))
    assert before == 23 and len(read) - before < 12
    assert {(a + 1, b + 1) for a, b in places(first)} == {(a, b) for a, b in places(again) if a > 0}


def test_a_changed_file_is_read_again(tmp_path, originals):
    assert places(search(tmp_path, [originals[0], originals[1]])) == []
    save(tmp_path / "pictures" / "001.jpg", recoloured(originals[0]))
    assert places(search_again(tmp_path)) == [(0, 1)]


def test_a_broken_picture_is_told_and_the_others_are_searched(tmp_path, originals):
    paths = written(tmp_path / "pictures", [originals[0], originals[1], recoloured(originals[0])])
    paths[1].write_bytes(b"no picture")
    found = duplicates.search([*paths, tmp_path / "absent.jpg"], tmp_path / "work", engine=Local(1))
    assert places(found) == [(0, 2)]
    assert set(found.unreadable) == {1, 3} and "absent.jpg" in found.unreadable[3]


def test_a_strip_is_told_and_not_blown_up(tmp_path):
    strip = np.zeros((8, 600, 3), np.uint8)
    found = search(tmp_path, [strip])
    assert "600 x 8 px; pictures thinner than 6 to 1 are not compared" in found.unreadable[0]


def test_pictures_without_features_match_nothing(tmp_path, originals):
    blank = np.full((240, 320, 3), (200, 160, 140), np.uint8)
    assert places(search(tmp_path, [blank, originals[0], blank])) == []


def test_no_pictures_at_all(tmp_path):
    assert duplicates.search([], tmp_path, engine=Local(1)).pairs == []


def test_equal_files_are_paired_with_the_first():
    found = duplicates.exact(["a", "b", None, "a", None, "a"])
    assert places(duplicates.Found(found, 0, {})) == [(0, 3), (0, 5)]
    assert {pair.kind for pair in found} == {"exact"}


def ruler(rgb):
    """The scale that is engraved in a dermatoscope's glass: the same in every picture that it takes."""
    shown = rgb.copy()
    cv2.line(shown, (90, 200), (230, 200), (30, 25, 25), 1)
    for tick in range(15):
        cv2.line(shown, (90 + 10 * tick, 200), (90 + 10 * tick, 192 if tick % 5 else 186), (30, 25, 25), 1)
    cv2.putText(shown, "mm", (90, 218), cv2.FONT_HERSHEY_SIMPLEX, 0.4, (30, 25, 25), 1)
    return shown


def test_one_ruler_in_two_pictures_is_not_one_photograph(tmp_path, originals, strangers):
    assert places(search(tmp_path, [ruler(rgb) for rgb in (*originals, *strangers)])) == []


def test_a_mirrored_features_permutation_is_what_the_mirrored_picture_has(originals):
    grey = cv2.cvtColor(originals[2], cv2.COLOR_RGB2GRAY)
    expected = features.of_grey(np.ascontiguousarray(grey[:, ::-1]))
    fitted = confirm.fit(features.mirrored(features.of_grey(grey)), expected)
    assert fitted is not None and fitted.inliers > 0.5 * len(expected.points)
    assert fitted.matrix == pytest.approx(np.array([[1, 0, grey.shape[1] - 1], [0, 1, 0]]), abs=1.0)
