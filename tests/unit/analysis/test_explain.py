from __future__ import annotations

import io

import numpy as np
import pytest
from macule_testing import draw
from PIL import Image

from macule.analysis import explain
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
