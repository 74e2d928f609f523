"""Group weights: within every class the groups come up in the same shares, and every class keeps its total."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("torch", reason="needs the training extra")

from macule.analysis.patient import Patient, Sex
from macule.data.vocabulary import SkinTone, ToneScale
from macule.errors import UsageError
from macule.training import groups, loop, sampling
from macule.training import recipe as recipes
from macule.training.recipe import Sampling
from macule.training.sampling import Sampler

pytestmark = pytest.mark.training

#: Pictures of each of two groups in each of three classes.
CELLS = {("a", 0): 300, ("b", 0): 100, ("a", 1): 20, ("b", 1): 180}
GROUPS = [group for (group, _), count in CELLS.items() for _ in range(count)]
ROWS = np.eye(11, dtype=bool)[[label for (_, label), count in CELLS.items() for _ in range(count)]]


def shares(settings, drawn):
    """Share of group a in each class, and the classes' totals."""
    found = np.array([[sum(times for times, group, row in zip(drawn, GROUPS, ROWS, strict=True)
                           if group == name and row[label]) for label in (0, 1)] for name in "ab"])
    return found[0] / found.sum(axis=0), found.sum(axis=0)


def test_reweighing_makes_group_and_class_independent():
    settings = Sampling(groups="sex")
    times = sampling.expected(ROWS, settings, groups.factors(ROWS, GROUPS, settings))
    share, totals = shares(settings, times)
    assert share == pytest.approx([320 / 600, 320 / 600]) and totals == pytest.approx([400, 200])


def test_the_weights_are_those_of_kamiran_and_calders():
    """P(group) P(class) / P(group, class)."""
    found = groups.factors(ROWS, GROUPS, Sampling(groups="sex"))
    for (group, label), count in CELLS.items():
        of_group = sum(n for (name, _), n in CELLS.items() if name == group)
        of_class = sum(n for (_, name), n in CELLS.items() if name == label)
        (factor,) = set(found[[g == group and bool(row[label]) for g, row in zip(GROUPS, ROWS, strict=True)]].round(9))
        assert factor == pytest.approx(of_group * of_class / 600 / count)


def test_at_full_power_all_groups_are_alike():
    settings = Sampling(groups="sex", group_power=1.0)
    share, totals = shares(settings, groups.factors(ROWS, GROUPS, settings))
    assert share == pytest.approx([0.5, 0.5]) and totals == pytest.approx([400, 200])


def test_a_rare_picture_is_not_drawn_without_limit():
    rows, people = np.eye(11, dtype=bool)[[0] * 1000], ["a"] * 999 + ["b"]
    free = groups.factors(rows, people, Sampling(groups="sex", group_power=1.0, group_most=1000))
    held = groups.factors(rows, people, Sampling(groups="sex", group_power=1.0, group_most=10))
    assert free[-1] == pytest.approx(500) and free.sum() == pytest.approx(1000)
    assert held[-1] / held[0] == pytest.approx(10 / (500 / 999)) and held.sum() == pytest.approx(1000)


@pytest.mark.parametrize("settings", [Sampling(groups="sex", exponent=1.0),
                                      Sampling(groups="sex", kind="target", target=500)])
def test_classes_are_balanced_as_before(settings):
    times = sampling.expected(ROWS, settings, groups.factors(ROWS, GROUPS, settings))
    share, totals = shares(settings, times)
    assert share == pytest.approx([320 / 600] * 2)
    assert totals == pytest.approx(sampling.drawn(ROWS, settings)[:2])


def test_batches_follow_the_weights():
    settings = Sampling(groups="sex")
    found = Sampler(ROWS, settings, batch=10, steps=600, seed=3, factors=groups.factors(ROWS, GROUPS, settings))
    times = np.bincount(np.concatenate([found.batch(step) for step in range(600)]), minlength=600)
    share, totals = shares(settings, times)
    assert share == pytest.approx([320 / 600] * 2, abs=0.02) and totals == pytest.approx([4000, 2000], rel=0.02)


def test_lumped_labels_take_part():
    rows = ROWS.copy()
    rows[:50, 1] = True
    found = groups.factors(rows, GROUPS, Sampling(groups="sex"))
    assert np.isfinite(found).all() and (found > 0).all()
    assert sampling.expected(rows, Sampling(groups="sex"), found).sum() == pytest.approx(600)


# -- from records ---------------------------------------------------------------------------------------------------


def of_sexes(dozen, *sexes):
    records = [replace(record, patient=Patient(sex=sexes[n % len(sexes)])) for n, record in enumerate(dozen.records)]
    return replace(dozen, records=records)


def test_what_is_not_stated_is_a_group(dozen):
    assert set(groups.names(Sampling(groups="sex"), of_sexes(dozen, Sex.MALE, None))) == {"male", "not stated"}


def test_tones_of_two_scales_are_two_groups(dozen):
    scales = (ToneScale.MILK, ToneScale.FITZPATRICK)
    records = [replace(record, skin_tone=SkinTone(scales[n % 2], 2.0)) for n, record in enumerate(dozen.records)]
    assert set(groups.names(Sampling(groups="skin_tone"), replace(dozen, records=records))) == {"milk 2",
                                                                                                "fitzpatrick 2"}


def test_the_angle_is_read_off_the_picture(dozen):
    pale, dark = np.full(dozen.pictures.shape[1:], (240, 212, 196)), np.full(dozen.pictures.shape[1:], (80, 50, 38))
    pictures = np.stack([pale if n % 2 else dark for n in range(len(dozen.records))]).astype(np.uint8)
    assert set(groups.names(Sampling(groups="ita"), replace(dozen, pictures=pictures))) == {"very light", "dark"}


def test_one_group_cannot_be_weighted(dozen):
    with pytest.raises(UsageError, match=r"sampling\.groups is 'sex', but all 12 .* of one group \(male\)"):
        groups.names(Sampling(groups="sex"), of_sexes(dozen, Sex.MALE))


def test_no_groups_by_default(dozen):
    assert groups.names(Sampling(), dozen) is None


def test_an_unknown_group_is_refused(table):
    table["sampling"] = {"groups": "shoe_size"}
    with pytest.raises(UsageError, match=r"(?s)sampling\.groups.*'skin_tone'.*'centre'"):
        recipes.parse(table, where="test")


def test_a_run_with_group_weights(dozen, table, tmp_path):
    """As `macule train --set sampling.groups=sex`. It learns, and other groups make another run."""
    table["phases"] = [table["phases"][0] | {"samples": 4, "size": 32}]
    recipe = recipes.parse(table, where="test").changed(recipes.settings(["sampling.groups=sex"]))
    assert recipe.sampling.groups == "sex"
    one, other = of_sexes(dozen, Sex.MALE, Sex.FEMALE), of_sexes(dozen, Sex.FEMALE, Sex.MALE, None)
    assert loop.fingerprint(recipe, one, None) != loop.fingerprint(recipe, other, None)
    trained = loop.train(recipe, loop.start(recipe), one, tmp_path)
    assert all(bool(value.isfinite().all()) for value in trained.state_dict().values() if value.is_floating_point())
