from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("torch", reason="needs the training extra")

import torch

from macule.errors import UsageError
from macule.training import loop
from macule.training.recipe import Stage

pytestmark = pytest.mark.training

SCALE = {"mean": (0.5,) * 3, "std": (0.5,) * 3}


class Killed(Exception):
    """What a test raises in the middle of a run."""


@pytest.fixture
def train(dozen, monkeypatch):
    monkeypatch.setattr(loop, "CHECKPOINT_EVERY", 2)
    monkeypatch.setattr(loop, "LOG_EVERY", 1)

    def run(recipe, folder, *, stop_at=None, data=dozen):
        lines = []

        def log(line):
            lines.append(line)
            if len(lines) == stop_at:
                raise Killed

        return loop.train(recipe, data, folder, **SCALE, log=log), lines

    return run


def weights(network):
    return {name: value.clone() for name, value in network.state_dict().items()}


def test_a_run_that_was_killed_ends_as_an_unbroken_one(recipe, train, tmp_path):
    unbroken, lines = train(recipe, tmp_path / "unbroken")
    assert len(lines) == 4 and lines[0].startswith("step 1/4  48 px") and lines[3].startswith("step 4/4  64 px")
    with pytest.raises(Killed):
        train(recipe, tmp_path / "broken", stop_at=3)
    resumed, lines = train(recipe, tmp_path / "broken")
    assert [line.split()[1] for line in lines] == ["3/4", "4/4"]
    expected, found = weights(unbroken), weights(resumed)
    assert [name for name, value in expected.items() if not value.equal(found[name])] == []


def test_a_finished_run_is_not_repeated(recipe, train, tmp_path):
    first, _ = train(recipe, tmp_path)
    again, lines = train(recipe, tmp_path)
    assert lines == []
    assert all(value.equal(weights(again)[name]) for name, value in weights(first).items())


def test_training_learns(recipe, train, tmp_path):
    """A dozen pictures by heart: the average of the weights answers better than it began."""
    longer = replace(recipe, stages=(Stage(48, 48),), field_dropout=0.0, all_dropout=0.0, dropout=0.0)
    train(longer, tmp_path)
    losses = [json.loads(line)["loss"] for line in (tmp_path / "curve.jsonl").read_text().splitlines()]
    assert len(losses) == 12
    assert np.mean(losses[-3:]) < np.mean(losses[:2]) - 0.3


def test_frozen_weights_are_imagenets_and_the_others_are_not(recipe, train, backbone, tmp_path):
    trained = weights(train(replace(recipe, stages=(Stage(8, 48),)), tmp_path)[0])
    before = {f"backbone.{name}": value for name, value in backbone.state_dict().items()}
    kept = {name for name, value in before.items() if name in trained and value.equal(trained[name])}
    frozen = ("backbone.conv_stem", "backbone.bn1", "backbone.blocks.0.", "backbone.blocks.1.")
    assert kept and all(name.startswith(frozen) for name in kept)
    assert all(name in kept for name in before if name.startswith(frozen))


def test_the_curve_tells_the_size_of_every_step(recipe, train, tmp_path):
    train(recipe, tmp_path)
    rows = [json.loads(line) for line in (tmp_path / "curve.jsonl").read_text().splitlines()]
    assert [row["step"] for row in rows] == [0, 1, 2, 3]
    assert [row["size"] for row in rows] == [48, 48, 64, 64]


def test_divergence_ends_the_run_and_keeps_the_checkpoint(recipe, train, tmp_path):
    with pytest.raises(Killed):
        train(recipe, tmp_path, stop_at=3)
    before = (tmp_path / "checkpoint.pt").read_bytes()
    state = torch.load(tmp_path / "checkpoint.pt", weights_only=True)
    state["network"]["head.bias"][:] = float("nan")
    torch.save(state, tmp_path / "checkpoint.pt")
    poisoned = (tmp_path / "checkpoint.pt").read_bytes()
    assert poisoned != before
    with pytest.raises(loop.Diverged, match="the loss is nan at step 2: lower learning_rate"):
        train(recipe, tmp_path)
    assert (tmp_path / "checkpoint.pt").read_bytes() == poisoned


def test_a_checkpoint_of_another_run_is_refused(recipe, train, dozen, tmp_path):
    """It would be handed back as if the new recipe had made it; what comes after training may change."""
    short = replace(recipe, stages=(Stage(4, 48),))
    train(short, tmp_path)
    for change in ({"learning_rate": 2e-3}, {"seed": 6}, {"stages": (Stage(8, 48),)}):
        with pytest.raises(UsageError, match=r"checkpoint\.pt is of another recipe or other pictures"):
            train(replace(short, **change), tmp_path)
    with pytest.raises(UsageError, match="other pictures"):
        train(short, tmp_path, data=loop.TrainingSet(dozen.pictures[:8], dozen.records[:8]))
    _, lines = train(replace(short, views=4, serve_size=96, logit_adjustment=0.5), tmp_path)
    assert lines == []


def test_a_recipe_without_a_step_is_refused(recipe, train, tmp_path):
    with pytest.raises(UsageError, match="recipe mini makes no step: give stages with at least 4 samples"):
        train(replace(recipe, stages=(Stage(3, 48),)), tmp_path)


# Which pictures are drawn

COUNTS = {0: 600, 1: 150, 2: 30}
TARGETS = np.repeat(list(COUNTS), list(COUNTS.values()))


def drawn(recipe, exponent, samples=7800):
    return loop._draw(replace(recipe, sampling_exponent=exponent, stages=(Stage(samples, 48),)), TARGETS)


@pytest.mark.parametrize(("exponent", "expected"), [
    (0.0, [600, 150, 30]), (1.0, [260, 260, 260]), (1, [260, 260, 260]), (0, [600, 150, 30]),
    (0.5, [780 * root / (24.49 + 12.25 + 5.48) for root in (24.49, 12.25, 5.48)]),
])
def test_the_exponent_decides_the_balance(recipe, exponent, expected):
    """Ten times over the 780 pictures."""
    counts = np.bincount(TARGETS[drawn(recipe, exponent)])
    assert counts / 10 == pytest.approx(expected, rel=0.05)


@pytest.mark.parametrize("exponent", [0.0, 0.5, 1.0])
def test_every_picture_of_a_class_comes_up_equally_often(recipe, exponent):
    times = np.bincount(drawn(recipe, exponent), minlength=len(TARGETS))
    for label in COUNTS:
        of_class = times[label == TARGETS]
        # The run's end cuts the last stretch short, which takes one more from some.
        assert of_class.max() - of_class.min() <= max(2, 0.15 * of_class.mean())


def test_naturally_each_picture_is_seen_once_before_any_is_seen_again(recipe):
    first = drawn(recipe, 0.0)[: len(TARGETS)]
    assert set(Counter(first.tolist()).values()) == {1}


@pytest.mark.parametrize("samples", [5, 779, 780, 781, 5000])
def test_as_many_are_drawn_as_the_recipe_says(recipe, samples):
    assert len(drawn(recipe, 0.7, samples)) == samples


def test_the_seed_decides_the_order(recipe):
    assert np.array_equal(drawn(recipe, 0.5), drawn(recipe, 0.5))
    assert not np.array_equal(drawn(recipe, 0.5), drawn(replace(recipe, seed=6), 0.5))
