from __future__ import annotations

import math

import pytest

from macule.exchange import plots, shown
from macule.exchange.blocks import Axis, Forest, Matrix, Plot, Series, Table, Value

SHARE = Axis("share", 0, 1)


def plot(*series, x=SHARE, y=SHARE, **options):
    return plots.plot(Plot("title", "words", x, y, series, **options))


def test_places_are_percent_from_the_upper_left():
    (stroke,) = plot(Series("s", (0, 0.5, 1), (0, 1, 0.25))).strokes
    assert stroke.points == ((0, 100), (50, 0), (100, 75))


def test_an_undefined_point_breaks_the_line_and_a_lone_one_is_a_dot():
    drawn = plot(Series("s", (0, 0.2, 0.4, 0.6, 0.8), (0, 0.1, math.nan, 0.3, math.inf)))
    assert [len(stroke.points) for stroke in drawn.strokes] == [2]
    assert [(spot.left, spot.top) for spot in drawn.spots] == [(60, 70)]


def test_a_logarithmic_axis_leaves_out_what_is_not_above_nothing():
    axis = Axis("rate", log=True)
    drawn = plot(Series("s", (0.01, 0.1, 1), (0.5, 0.0, -1)), x=axis, y=axis)
    assert not drawn.strokes and len(drawn.spots) == 1
    assert all(0 <= tick.at <= 100 for tick in (*drawn.x, *drawn.y))


def test_steps_are_level_from_each_point_to_the_next():
    (stroke,) = plot(Series("s", (0, 0.5, 1), (0, 1, 0.5), kind="steps")).strokes
    assert stroke.points == ((0, 100), (50, 100), (50, 0), (100, 0), (100, 50))


def test_a_band_is_a_closed_tint():
    (area,) = plot(Series("s", (0, 1), (0.5, 0.5), band=((0.4, 0.6), (0.3, 0.7)))).areas
    assert area.points == ((0, 40), (100, 30), (100, 70), (0, 60))


@pytest.mark.parametrize("series", [(), (Series("s", (), ()),), (Series("s", (1,), (math.nan,)),)])
def test_nothing_to_draw_says_so(series):
    drawn = plot(*series)
    assert drawn.empty and not drawn.strokes and not drawn.keys


def test_axes_without_ends_go_round_the_data_and_its_band():
    drawn = plot(Series("s", (0, 10), (3, 4), band=((1, 5), (2, 6))), x=Axis("x"), y=Axis("y", percent=True))
    assert [tick.label for tick in drawn.x][::5] == ["0", "10"]
    assert drawn.y[0].label == "100 %" and drawn.y[-1].label == "600 %"


def test_all_points_alike_have_an_axis():
    assert len(plot(Series("s", (2, 2), (0, 0)), x=Axis("x"), y=Axis("y")).x) >= 2


def test_a_forest_keeps_what_lies_outside_at_its_end():
    drawn = plots.forest(Forest("t", "w", SHARE, (("a", Value(0.5, -1, 2, 10), False), ("b", Value(None, n=0), False)),
                                reference=0.25))
    a, b = drawn.rows
    assert (a.low, a.at, a.high) == (0, 50, 100) and drawn.reference == 25
    assert b.at is None and b.faint and b.figure.missing


def test_a_confusion_matrix_is_shaded_by_row_and_one_picture_is_seen():
    cells = plots.matrix(Matrix("t", "w", "r", "c", ("a", "b"), ("a", "b"), ((999, 1), (0, 0)), by_row=True))
    assert [[cell.shade for cell in row] for row in cells] == [[9, 1], [0, 0]]
    assert cells[0][1].share == "0%" and cells[1][0].share == ""
    assert [[cell.own for cell in row] for row in cells] == [[True, False], [False, True]]


def test_a_blank_cell_has_no_shade():
    ((one, other),) = plots.matrix(Matrix("t", "w", "r", "c", ("a",), ("x", "y"), ((None, math.nan),)))
    assert one.shade is None and other.text == ""


@pytest.mark.parametrize(("value", "words"), [
    (Value(0.8176, 0.7911, 0.8456, 1157, 137), ("0.818", "(0.791 to 0.846)", "137 positive of 1,157")),
    (Value(0.8176, 0.7911, 0.8456, 10, percent=True), ("81.8\u00a0%", "(79.1 to 84.6)", "n = 10")),
    (Value(-0.021, -0.05, 0.01), ("−0.021", "(−0.050 to 0.010)", "")), (Value(-0.00001), ("0.000", "", "")),
    (Value(12345.6), ("12,346", "", "")), (Value(math.nan, 0, 1, 0), ("not measured", "", "n = 0")),
    (Value(None), ("not measured", "", "")), (Value(1.0, math.nan, math.nan, 1), ("1.000", "", "n = 1")),
])
def test_figures_in_words(value, words):
    found = shown.figure(value)
    assert (found.value, found.interval, found.count) == words


def test_a_mark_stands_before_a_figure_and_not_before_a_blank():
    assert shown.figure(Value(0.5), "LEAKY ").text == "LEAKY 0.500"
    assert shown.figure(Value(None), "LEAKY ").text == "not measured"


def test_cells_repeat_their_n_only_where_no_column_says_it():
    assert shown.counted(Table("t", ("who", "Pictures", "AUC"), ()))
    assert not shown.counted(Table("t", ("who", "AUC"), ()))
