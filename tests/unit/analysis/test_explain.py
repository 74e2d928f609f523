from __future__ import annotations

import io

import numpy as np
import pytest
from macule_testing import draw
from PIL import Image

from macule.analysis import explain
from macule.analysis.arms import WHOLE, Frame
from macule.analysis.preprocess import make_views


def test_the_heatmap_is_the_positive_evidence_scaled_to_one() -> None:
    cam = np.zeros((1, 11, 3, 3), np.float32)
    cam[0, 2] = [[-5, 0, 1], [0, 0, 4], [0, 0, 0]]
    assert explain.heatmap(cam, 2).tolist() == [[0, 0, 0.25], [0, 0, 1], [0, 0, 0]]
    assert not explain.heatmap(cam, 5).any()


@pytest.mark.parametrize("count", [2, 4, 8])
def test_maps_of_turned_views_are_turned_back(count: int) -> None:
    evidence = np.zeros((11, 6, 6), np.float32)
    evidence[7, 1, 4] = 2.0
    heat = explain.heatmap(make_views(evidence, count), 7)
    assert heat[1, 4] == 1 and heat.sum() == 1


def test_a_map_of_a_part_is_placed_in_the_picture() -> None:
    heat = np.zeros((4, 4), np.float32)
    heat[0, 3] = 1
    placed = explain.place(heat, Frame(0.5, 0.2, 1.0, 0.6))
    assert placed.shape == (8, 10) and placed.dtype == np.float32 and placed.max() == 1
    assert np.unravel_index(placed.argmax(), placed.shape) == (4, 5)
    outside = np.ones(placed.shape, bool)
    outside[4:, 2:6] = False
    assert not placed[outside].any()


def test_placing_keeps_the_evidence_where_the_picture_shows_it() -> None:
    frame, heat = Frame(0.31, 0.12, 0.83, 0.55), np.zeros((7, 7), np.float32)
    heat[2, 5] = 1
    large = explain.enlarge(explain.place(heat, frame), 400, 300)
    y, x = np.unravel_index(large.argmax(), large.shape)
    expected = (0.31 + 2.5 / 7 * 0.52) * 300, (0.12 + 5.5 / 7 * 0.43) * 400
    assert abs(y - expected[0]) < 8 and abs(x - expected[1]) < 8


def test_a_map_of_the_whole_picture_stays_as_it_is() -> None:
    heat = np.random.default_rng(0).random((7, 7), dtype=np.float32)
    assert explain.place(heat, WHOLE) is heat
    assert not explain.place(np.zeros((7, 7), np.float32), Frame(0.1, 0.1, 0.4, 0.4)).any()


def test_a_map_of_a_sliver_stays_small() -> None:
    placed = explain.place(np.ones((64, 64), np.float32), Frame(0.0, 0.4, 0.02, 0.6))
    assert max(placed.shape) <= explain.MOST_CELLS and placed.max() == 1


def test_the_overlay_colours_only_where_the_evidence_is() -> None:
    rgb = draw()
    heat = np.zeros((8, 8), np.float32)
    heat[0, 0] = 1
    laid = explain.overlay(rgb, heat)
    assert laid.shape == rgb.shape and laid.dtype == np.uint8
    assert (laid[150:, 200:] == rgb[150:, 200:]).all()
    assert np.abs(laid[:20, :20].astype(int) - rgb[:20, :20]).mean() > 20


def test_no_evidence_leaves_the_picture_alone() -> None:
    rgb = draw()
    assert (explain.overlay(rgb, np.zeros((8, 8), np.float32)) == rgb).all()


def test_encoding() -> None:
    rgb = draw()
    assert (np.asarray(Image.open(io.BytesIO(explain.to_png(rgb)))) == rgb).all()
    jpeg = np.asarray(Image.open(io.BytesIO(explain.to_jpeg(rgb, 95)))).astype(int)
    assert np.abs(jpeg - rgb).mean() < 4
