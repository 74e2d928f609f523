"""Where the heat lies."""

from __future__ import annotations

import numpy as np
import pytest

from macule.web.place import find
from macule.web.templating import make_templates, percent


def spot(row: int, column: int, size: int = 1) -> np.ndarray:
    heat = np.zeros((9, 9), dtype=np.float32)
    heat[row : row + size, column : column + size] = 0.8
    return heat


def said(heat: np.ndarray) -> str:
    words = make_templates().env.get_template("_words.html").module
    return str(words.place(find(heat)))


@pytest.mark.parametrize(("heat", "expected"), [
    (spot(4, 4), "in the centre"), (spot(0, 0), "upper left of centre"), (spot(8, 8), "lower right of centre"),
    (spot(4, 0), "to the left of centre"), (spot(4, 8), "to the right of centre"), (spot(0, 4), "above centre"),
    (spot(8, 4), "below centre"), (spot(0, 8), "upper right of centre"),
    (np.ones((4, 6), dtype=np.float32), "spread over much of the picture"),
])
def test_the_place_in_words(heat, expected):
    assert said(heat) == expected


def test_faint_cells_do_not_move_the_place():
    heat = spot(0, 0) + np.float32(0.3)
    assert (find(heat).row, find(heat).column) == (-1, -1)
    assert find(heat).share == pytest.approx(1 / 81)


def test_no_heat_has_no_place():
    assert find(np.zeros((5, 5), dtype=np.float32)) is None


@pytest.mark.parametrize(("probability", "shown"), [
    (0.0, "< 1 %"), (0.0099, "< 1 %"), (0.01, "1 %"), (0.625, "62 %"), (0.99, "99 %"),
    (0.9901, "> 99 %"), (1.0, "> 99 %"),
])
def test_percent_is_never_certain(probability, shown):
    assert percent(probability).replace("\N{NO-BREAK SPACE}", " ") == shown
