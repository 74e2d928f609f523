from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from macule.analysis.patient import Patient
from macule.data.record import Record
from macule.data.splits import components, connect, split
from macule.taxonomy import Diagnosis

columns = st.integers(1, 25).flatmap(lambda rows: st.tuples(st.just(rows), st.lists(
    st.lists(st.integers(-1, 6), min_size=rows, max_size=rows), max_size=4)))

SHARES = {"train": 0.7, "calibration": 0.1, "test": 0.2}
NAMES = [f"g{number:02}" for number in range(24)]

groups = st.lists(st.sampled_from(NAMES), min_size=1, unique=True)
links = st.lists(st.tuples(st.sampled_from(NAMES), st.sampled_from(NAMES)), max_size=20)


def record(number, group, label=Diagnosis.NV, dataset="ham10000"):
    return Record(Path(f"{number}.jpg"), dataset, str(number), frozenset({label}), group, Patient())


@st.composite
def lesions(draw):
    rows = draw(st.lists(
        st.tuples(st.sampled_from(NAMES), st.sampled_from(list(Diagnosis)[:4]), st.sampled_from(["ham10000", "isic"])),
        min_size=1, max_size=80,
    ))
    return [record(number, *row) for number, row in enumerate(rows)]


def closure(names, pairs):
    """The oracle: merge sets until nothing changes."""
    sets = [{name} for name in names]
    for one, other in pairs:
        if one in names and other in names:
            touched = [group for group in sets if one in group or other in group]
            sets = [group for group in sets if group not in touched] + [set().union(*touched)]
    return {name: min(group) for group in sets for name in group}


@settings(deadline=None)  # a busy machine is no failure
@given(groups, links)
def test_components_are_the_transitive_closure(names, pairs):
    assert components(names, pairs) == closure(names, pairs)


def test_a_chain_is_one_component():
    chain = [("d", "c"), ("b", "c"), ("b", "a")]
    assert components("abcde", chain) == {"a": "a", "b": "a", "c": "a", "d": "a", "e": "e"}


def test_a_link_to_an_unknown_lesion_is_passed_over():
    assert components(["a", "b"], [("a", "x"), ("x", "b")]) == {"a": "a", "b": "b"}


@settings(max_examples=60, deadline=None)
@given(lesions(), links, st.integers(0, 2**31))
def test_no_component_is_parted_and_no_record_lost(records, pairs, seed):
    component = components({r.group for r in records}, pairs)
    parts = split(records, component, shares=SHARES, seed=seed)
    assert set(parts) == set(SHARES)
    assert Counter(r.picture_id for part in parts.values() for r in part) == Counter(r.picture_id for r in records)
    homes = {name: {component[r.group] for r in part} for name, part in parts.items()}
    assert not homes["train"] & homes["test"]
    assert not homes["train"] & homes["calibration"]
    assert not homes["calibration"] & homes["test"]


@settings(max_examples=30, deadline=None)
@given(lesions(), links, st.integers(0, 2**31))
def test_the_same_seed_gives_the_same_parts(records, pairs, seed):
    component = components({r.group for r in records}, pairs)
    assert split(records, component, shares=SHARES, seed=seed) == split(records, component, shares=SHARES, seed=seed)


def test_the_parts_of_one_set_do_not_depend_on_the_order_of_its_pictures():
    records = [record(n, f"g{n // 2}", list(Diagnosis)[n // 2 % 5]) for n in range(400)]
    component = components({r.group for r in records}, [])
    forwards = split(records, component, shares=SHARES, seed=1)
    backwards = split(records[::-1], component, shares=SHARES, seed=1)
    assert all({r.group for r in forwards[part]} == {r.group for r in backwards[part]} for part in SHARES)


def test_another_seed_gives_other_parts():
    records = [record(n, f"g{n}") for n in range(200)]
    component = components({r.group for r in records}, [])
    one, other = (split(records, component, shares=SHARES, seed=seed)["test"] for seed in (1, 2))
    assert {r.group for r in one} != {r.group for r in other}


@pytest.mark.parametrize("seed", range(5))
def test_shares_hold_within_every_stratum(seed):
    """To one component: what the rounding may take or give."""
    sizes = {Diagnosis.NV: 1000, Diagnosis.MEL: 130, Diagnosis.DF: 15}
    records = [record(f"{label}{n}", f"{label}{n}", label) for label, size in sizes.items() for n in range(size)]
    parts = split(records, components({r.group for r in records}, []), shares=SHARES, seed=seed)
    for part, share in SHARES.items():
        found = Counter(r.diagnosis for r in parts[part])
        slack = 2 if part == "train" else 1
        assert all(abs(found[label] - share * size) <= slack for label, size in sizes.items()), (part, found)


def test_rare_diagnoses_are_not_always_trained_on():
    """One lesion each: over many seeds every part gets its share of them."""
    records = [record(1, "only", Diagnosis.MAL_OTH)]
    homes = Counter(
        next(part for part, found in split(records, {"only": "only"}, shares=SHARES, seed=seed).items() if found)
        for seed in range(1000)
    )
    assert 60 <= homes["calibration"] <= 140
    assert 120 <= homes["test"] <= 240
    assert homes["train"] >= 640


# Rows as arrays


@settings(deadline=None)
@given(columns)
def test_rows_that_share_a_value_are_connected(drawn):
    rows, values = drawn
    found = connect([np.array(column, np.int64) for column in values], rows)
    links = [(f"{one:02}", f"{other:02}") for column in values for one in range(rows) for other in range(one)
             if column[one] == column[other] >= 0]
    expected = components([f"{row:02}" for row in range(rows)], links)
    assert [f"{root:02}" for root in found] == [expected[f"{row:02}"] for row in range(rows)]


@pytest.mark.parametrize("turned", [False, True])
def test_a_long_chain_takes_few_rounds(turned):
    """Row n shares one value with row n - 1 and another with row n + 1."""
    rows = np.arange(200_000)
    one, other = rows // 2, (rows + 1) // 2
    if turned:
        shuffled = np.random.default_rng(0).permutation(rows)
        one, other = one[shuffled], other[shuffled]
    assert (connect([one, other], len(rows)) == 0).all()


def test_no_rows_and_nothing_known():
    assert connect([], 0).tolist() == [] and connect([np.array([], np.int64)], 0).tolist() == []
    assert connect([np.full(3, -1)], 3).tolist() == [0, 1, 2]
