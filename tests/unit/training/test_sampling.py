"""Which pictures are drawn. 600, 150 and 30 of three classes, unless a test says otherwise."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

pytest.importorskip("torch", reason="needs the training extra")

from macule.training import sampling
from macule.training.recipe import Sampling
from macule.training.sampling import Sampler

pytestmark = pytest.mark.training

COUNTS = {0: 600, 1: 150, 2: 30}
TARGETS = np.repeat(list(COUNTS), list(COUNTS.values()))
ROWS = np.eye(11, dtype=bool)[TARGETS]
CURRICULUM = Sampling(curriculum=True, start=0.5, until=0.5)


def sampler(settings=None, *, rows=ROWS, batch=10, steps=780, seed=5):
    return Sampler(rows, settings or Sampling(), batch=batch, steps=steps, seed=seed)


def drawn(settings=None, *, steps=780, losses=None, **given):
    found = sampler(settings, steps=steps, **given)
    return np.concatenate([found.batch(step, losses) for step in range(steps)])


# By a power of the class count


@pytest.mark.parametrize(("exponent", "expected"), [
    (0.0, [600, 150, 30]), (1.0, [260, 260, 260]), (1, [260, 260, 260]), (0, [600, 150, 30]),
    (0.5, [780 * root / (24.49 + 12.25 + 5.48) for root in (24.49, 12.25, 5.48)]),
])
def test_the_exponent_decides_the_balance(exponent, expected):
    """Ten times over the 780 pictures."""
    counts = np.bincount(TARGETS[drawn(Sampling(exponent=exponent))])
    assert counts / 10 == pytest.approx(expected, rel=0.05)
    assert sampling.drawn(ROWS, Sampling(exponent=exponent))[:3] == pytest.approx(expected, rel=1e-3)


@pytest.mark.parametrize("exponent", [0.0, 0.5, 1.0])
def test_every_picture_of_a_class_comes_up_equally_often(exponent):
    times = np.bincount(drawn(Sampling(exponent=exponent)), minlength=len(TARGETS))
    for label in COUNTS:
        of_class = times[label == TARGETS]
        # An epoch's last pictures may fall behind its last whole batch, or be taken from its beginning.
        assert of_class.max() - of_class.min() <= max(4, 0.15 * of_class.mean())


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("counts", [(600, 150, 30), (7, 1, 1, 3), (97, 11, 13, 3), (1000, 9, 11)])
def test_naturally_each_picture_is_drawn_once_an_epoch(counts, seed):
    rows = np.eye(11, dtype=bool)[np.repeat(range(len(counts)), counts)]
    total = sum(counts)
    found = sampler(rows=rows, batch=1, steps=4 * total, seed=seed)
    assert found.steps_per_epoch == total
    assert [(epoch.first, epoch.last) for epoch in found.epochs] == [(n * total, (n + 1) * total) for n in range(4)]
    for epoch in found.epochs:
        seen = Counter(int(found.batch(step)[0]) for step in range(epoch.first, epoch.last))
        assert len(seen) == total and set(seen.values()) == {1}


@pytest.mark.parametrize("exponent", [0.25, 0.5, 1.0])
@pytest.mark.parametrize("counts", [(600, 150, 30), (247, 279, 234, 199, 235), (61, 5, 83, 7), (9, 8, 7, 6, 5)])
def test_an_epoch_is_as_long_as_the_set(counts, exponent):
    """Not a step short because the shares sum to 1193.9999999."""
    rows = np.eye(11, dtype=bool)[np.repeat(range(len(counts)), counts)]
    assert sampler(Sampling(exponent=exponent), rows=rows, batch=1).steps_per_epoch == sum(counts)


def test_a_batch_larger_than_the_set_is_filled():
    batch = sampler(rows=ROWS[-7:], batch=16, steps=3).batch(0)
    assert len(batch) == 16 and set(batch.tolist()) == set(range(7))


def test_lumped_labels_are_drawn_as_their_classes_are():
    rows = ROWS.copy()
    rows[0, [0, 2]] = True  # a common class or a rare one
    rate = sampling.expected(rows, Sampling(exponent=1.0))
    assert rate[1] < rate[0] < rate[-1]
    assert rate[0] == pytest.approx((rate[1] + rate[-1]) / 2)
    assert sampling.drawn(rows, Sampling()).sum() == pytest.approx(780)


# To a target


def test_rare_classes_are_drawn_up_to_the_target():
    """As system C does: those with fewer than 200 as often as it takes, the others once."""
    settings = Sampling(kind="target", target=200)
    counts = np.bincount(TARGETS[drawn(settings, steps=100 * 3, batch=10)])
    assert sampler(settings).steps_per_epoch == 100
    assert counts / 3 == pytest.approx([600, 200, 200], rel=0.02)
    assert sampling.drawn(ROWS, settings)[:3] == pytest.approx([600, 200, 200])


def test_the_target_of_system_c_on_its_data():
    """HAM10000 in seven classes: all but the naevi reach 2,000."""
    counts = [327, 514, 1099, 115, 1113, 6705, 142]
    rows = np.eye(11, dtype=bool)[np.repeat(range(7), counts)]
    settings = Sampling(kind="target", target=2000)
    times = np.bincount(drawn(settings, rows=rows, batch=1, steps=18705))
    per_class = np.bincount(np.repeat(range(7), counts), weights=times)
    assert per_class == pytest.approx([2000] * 5 + [6705, 2000], rel=0.02)
    assert times.min() == 1 and times[:327].max() - times[:327].min() <= 1


# Easy ones first


def losses(**changes):
    """The later a picture stands in its class, the harder it is."""
    found = np.concatenate([np.linspace(0.1, 1, count) for count in COUNTS.values()])
    for place, value in changes.items():
        found[int(place[1:])] = value
    return found


def epochs(found, step):
    epoch = found.epoch(step)
    return range(epoch.first, epoch.last)


def test_a_curriculum_admits_easy_pictures_first_and_in_every_class():
    found = sampler(CURRICULUM)
    second = np.concatenate([found.batch(step, losses()) for step in epochs(found, 78)])
    share = found.epoch(78).share
    assert share == pytest.approx(0.5 + 0.5 * 78 / 390)
    for label, count in COUNTS.items():
        of_class = np.flatnonzero(label == TARGETS)
        easy = of_class[: int(np.ceil(share * count))]
        seen = np.intersect1d(second, of_class)
        assert set(seen.tolist()) <= set(easy.tolist()) and len(seen) >= len(easy) - 10


def test_a_curriculum_grows_from_its_start_to_all():
    found = sampler(CURRICULUM)
    shares = [epoch.share for epoch in found.epochs]
    assert shares[0] == 1, "which pictures are easy is not known before the first epoch"
    assert shares[1:] == sorted(shares[1:]) and shares[1] < 0.7
    assert all(epoch.share == 1 for epoch in found.epochs if epoch.first >= 390)
    assert [epoch.last - epoch.first for epoch in found.epochs if epoch.last < 780] == [
        int(epoch.share * 780 + 1e-6) // 10 for epoch in found.epochs if epoch.last < 780]
    late = np.concatenate([found.batch(step, losses()) for step in epochs(found, 600)])
    assert set(late.tolist()) == set(range(780))


def test_a_picture_that_was_never_drawn_counts_as_hard():
    found = sampler(CURRICULUM)
    known = losses(n0=np.nan)
    second = np.concatenate([found.batch(step, known) for step in epochs(found, 78)])
    assert 0 not in second and 1 in second


def test_an_epoch_with_unknown_pictures_is_drawn_once_and_not_at_every_step(monkeypatch):
    """NaN is not equal to itself: a key that holds it would never be found again."""
    found = sampler(CURRICULUM)
    calls = []
    monkeypatch.setattr(sampling.np.random, "default_rng",
                        lambda seed, made=np.random.default_rng: calls.append(seed) or made(seed))
    known = losses(n0=np.nan)
    for step in epochs(found, 78):
        found.batch(step, known.copy())
    assert len(calls) == 1


# Chance


def test_the_seed_decides_the_order():
    settings = Sampling(exponent=0.5)
    assert np.array_equal(drawn(settings), drawn(settings))
    assert not np.array_equal(drawn(settings), drawn(settings, seed=6))
    assert np.array_equal(np.bincount(TARGETS[drawn(Sampling())]), np.bincount(TARGETS[drawn(Sampling(), seed=6)]))


@pytest.mark.parametrize("settings", [Sampling(), Sampling(exponent=0.5), Sampling(kind="target", target=300),
                                      CURRICULUM], ids=["natural", "power", "target", "curriculum"])
def test_a_batch_follows_from_the_step_alone(settings):
    """Whatever was drawn before it, in whatever order: a resumed run draws what an unbroken one would have."""
    known = losses()
    in_order = sampler(settings, steps=300)
    expected = [in_order.batch(step, known) for step in range(300)]
    for step in np.random.default_rng(0).permutation(300)[:60]:
        assert np.array_equal(sampler(settings, steps=300).batch(int(step), known), expected[step])
    backwards = sampler(settings, steps=300)
    assert all(np.array_equal(backwards.batch(step, known), expected[step]) for step in range(299, 200, -1))


@pytest.mark.parametrize("steps", [1, 5, 77, 78, 79, 400])
@pytest.mark.parametrize("settings", [Sampling(), CURRICULUM], ids=["natural", "curriculum"])
def test_every_step_belongs_to_one_epoch_and_has_a_full_batch(settings, steps):
    found = sampler(settings, steps=steps)
    assert found.epochs[0].first == 0 and found.epochs[-1].last == steps
    assert all(one.last == other.first for one, other in zip(found.epochs, found.epochs[1:], strict=False))
    for step in range(steps):
        assert len(found.batch(step, losses())) == 10 and found.epoch(step).first <= step < found.epoch(step).last
