from __future__ import annotations

import sys

import pytest
from miniature_runs import look, training

from macule.errors import MissingExtra
from macule.training.events import Events

pytest.importorskip("torch", reason="needs the training extra")
accumulators = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator",
                                   reason="needs the tracking extra")

pytestmark = pytest.mark.training


def scalars(folder, tag):
    found = accumulators.EventAccumulator(str(folder))
    found.Reload()
    return [(event.step, round(event.value, 4)) for event in found.Scalars(tag)]


def test_rows_of_the_curve_are_scalars(tmp_path):
    with Events(tmp_path) as events:
        events.row(training(0, loss=1.5))
        events.row(training(20, loss=1.25, rate=5e-4))
        seen = look(20)
        seen["validation"] |= {"auc": None, "balanced_accuracy": 0.625}
        events.row(seen | {"steps": 7320})
    assert scalars(tmp_path, "train/loss") == [(0, 1.5), (20, 1.25)]
    assert scalars(tmp_path, "train/rate") == [(0, 0.001), (20, 0.0005)]
    assert scalars(tmp_path, "validation/balanced_accuracy") == [(20, 0.625)]
    with pytest.raises(KeyError):
        scalars(tmp_path, "validation/auc")


def test_steps_that_a_resumed_run_repeats_are_drawn_once(tmp_path):
    with Events(tmp_path) as events:
        for step in (0, 20, 40):
            events.row(training(step, loss=9))
    with Events(tmp_path, again_from=20) as events:
        events.row(training(20, loss=1))
    assert scalars(tmp_path, "train/loss") == [(0, 9.0), (20, 1.0)]


def test_without_tensorboard(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorboard", None)
    with pytest.raises(MissingExtra, match=r"tensorboard is not installed: pip install .*'macule\[tracking\]'"):
        Events(tmp_path)
