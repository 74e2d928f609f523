from __future__ import annotations

import io

import pytest
from miniature_runs import look, rows, training
from rich.console import Console

from macule.cli import training_progress

TOTAL = 7320


def shown(*given, terminal=False):
    lines, screen = [], io.StringIO()
    console = Console(file=screen, force_terminal=terminal, width=140)
    with training_progress.showing(lines.append, console=console) as show:
        for row in given:
            show(row)
    return lines, screen.getvalue()


def test_plain_lines_where_nobody_looks():
    given = [row | {"steps": TOTAL, "batch": 32} for row in rows(1)]
    lines, screen = shown(*given)
    assert not screen
    assert lines[0].startswith("step 1/7320  phase 1, 160 px  loss 2.")
    # 1.5 seconds for each step of 32 pictures; 7,319 - 20 steps are left after the second row.
    assert "21 pictures/s  3 h 02 min left" in lines[1]


def test_about_every_twentieth_step_and_every_look():
    given = [training(step) | {"steps": 100} for step in range(100)]
    lines, _ = shown(*given[:30], look(29) | {"steps": 100}, *given[30:])
    steps = [line.split("  ")[0] for line in lines]
    assert steps == ["step 1/100", "step 21/100", "step 30/100", "step 41/100", "step 61/100", "step 81/100",
                     "step 100/100"]
    assert "validation: loss" in lines[2] and "balanced accuracy 0." in lines[2] and "AUC 0." in lines[2]


def test_a_figure_that_is_undefined():
    row = look(5)
    row["validation"] |= {"auc": None}
    assert "AUC undefined" in shown(row)[0][0]


def test_a_clock_that_stands_still_or_starts_again_gives_no_speed():
    lines, _ = shown(training(0) | {"seconds": 50, "steps": 99}, training(20) | {"seconds": 3, "steps": 99},
                     training(40) | {"seconds": 3, "steps": 99})
    assert not any("left" in line or "steps/s" in line for line in lines)


def test_a_bar_on_a_terminal():
    given = [row | {"steps": TOTAL, "batch": 32} for row in rows(2)]
    lines, screen = shown(*given, terminal=True)
    assert not lines
    for words in ("phase 1, 160 px", "481/7320", "loss ", "pictures/s", "left", "validation 0.", "validation: loss"):
        assert words in screen


def test_nothing_is_drawn_before_the_first_row_and_an_error_ends_the_bar():
    assert shown(terminal=True) == ([], "")
    screen = io.StringIO()
    console = Console(file=screen, force_terminal=True, width=100)
    with pytest.raises(RuntimeError), training_progress.showing(print, console=console) as show:
        show(training(0) | {"steps": 10})
        raise RuntimeError
    assert screen.getvalue().endswith("\x1b[?25h")  # the cursor is shown again
