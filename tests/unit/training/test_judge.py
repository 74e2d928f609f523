from __future__ import annotations

import pytest

pytest.importorskip("torch", reason="needs the training extra")

from macule.training import recipe as recipes
from macule.training.judge import Judge

pytestmark = pytest.mark.training


def seen(table, losses, **settings):
    recipe = recipes.parse(table, where="test").changed({"engine.validate_every": 1, **settings})
    judge = Judge()
    tired = []
    for step, loss in enumerate(losses):
        judge.see(recipe, {"loss": loss, "auc": None if loss is None else 1 - loss}, step)
        tired.append(judge.tired(recipe))
    return judge, tired


def test_patience_counts_from_the_best(table):
    judge, tired = seen(table, [0.9, 0.5, 0.6, 0.55], **{"stopping.patience": 2})
    assert tired == [False, False, False, True]
    assert (judge.best, judge.best_step) == (0.5, 1)


def test_patience_is_in_epochs_however_often_one_looks(table):
    _, tired = seen(table, [0.5] * 9, **{"stopping.patience": 2, "engine.validate_every": 0.25})
    assert tired == [False] * 8 + [True]


def test_more_auc_is_better(table):
    judge, _ = seen(table, [0.9, 0.5, 0.7], **{"stopping.patience": 2, "stopping.figure": "auc"})
    assert (judge.best, judge.best_step) == (0.5, 1)


def test_an_undefined_figure_is_no_best(table):
    judge, tired = seen(table, [None, None], **{"stopping.patience": 2, "stopping.figure": "auc"})
    assert judge.best is None and tired == [False, True]


def test_a_plateau_slows_down_once_for_every_stretch_of_patience(table):
    judge, _ = seen(table, [0.5, 0.6, 0.6, 0.6, 0.6], **{"schedule.kind": "plateau", "schedule.patience": 2})
    assert judge.rate == pytest.approx(0.01)
