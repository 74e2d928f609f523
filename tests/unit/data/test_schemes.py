from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from kin_rows import about, kin, write_pairs

from macule.data import guard, links, schemes, stratify
from macule.data.schemes import By, Rows
from macule.errors import DatasetError, UsageError

CLASSES = ("nv", "mel", "bkl", "df")


def rows(*abouts, centres=None, parts=None, pairs=links.NONE):
    unknown = [None] * len(abouts)
    return Rows(kin(*abouts, pairs=pairs), centres or unknown, parts or unknown)


@st.composite
def people(draw):
    """Pictures of lesions of patients, some of both unknown, over two data sets."""
    drawn = draw(st.lists(st.tuples(
        st.sampled_from(["A", "B", "C", "D", "E", None]), st.sampled_from(["P", "Q", "R", None, None]),
        st.sampled_from(CLASSES), st.sampled_from(["one", "two"]), st.sampled_from([None, "a", "b", "c"]),
    ), min_size=1, max_size=60))
    return [about(str(n), lesion, patient, labels=label, dataset=dataset, sha256=digest and digest * 64)
            for n, (lesion, patient, label, dataset, digest) in enumerate(drawn)]


# The written form


@pytest.mark.parametrize(
    ("text", "shares"),
    [
        ("70/15/15", {"train": 0.70, "val": 0.15, "test": 0.15}),
        ("70/20/10", {"train": 0.70, "val": 0.20, "test": 0.10}),
        ("80/20", {"train": 0.80, "test": 0.20}),
        ("62.5/12.5/25", {"train": 0.625, "val": 0.125, "test": 0.25}),
        ("kfold:4", {"fold0": 0.25, "fold1": 0.25, "fold2": 0.25, "fold3": 0.25}),
        ("official", {}),
        ("leave-one-centre-out", {}),
    ],
)
def test_schemes(text, shares):
    found = schemes.parse(text)
    assert found.text == text and dict(found.shares) == pytest.approx(shares) and list(found.shares) == list(shares)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("random", "the scheme is 'random'; 70/15/15"), ("", "the scheme is ''"), ("kfold", "the scheme is 'kfold'"),
        ("kfold:x", "kfold:x"), ("kfold:1", "2 to 100 folds"), ("kfold:1000", "2 to 100 folds"),
        ("100", "two percentages"), ("25/25/25/25", "two percentages"), ("70/15/10", "sum to 100"),
        ("120/-20", "above 0"), ("100/0", "above 0"), ("nan/50/50", "above 0"), ("70//30", "70//30"),
    ],
)
def test_what_is_no_scheme(text, message):
    with pytest.raises(UsageError, match=message):
        schemes.parse(text)


# Kin stay together


@settings(max_examples=60, deadline=None)
@given(people(), st.sampled_from(["70/15/15", "80/20", "kfold:3"]), st.integers(0, 1000))
def test_no_kin_is_parted_and_no_picture_lost(abouts, text, seed):
    made, scheme = rows(*abouts), schemes.parse(text)
    homes = schemes.assign(made, scheme, seed=seed)
    assert len(homes) == len(abouts) and set(homes) <= set(scheme.shares)
    parts = {part: made.kin.take([n for n, home in enumerate(homes) if home == part]) for part in scheme.shares}
    assert not guard.check(parts, rotating=text == "kfold:3").leaky


@settings(max_examples=30, deadline=None)
@given(people(), st.randoms(use_true_random=False), st.integers(0, 1000))
def test_a_split_depends_on_names_and_seed_alone(abouts, random, seed):
    shuffled = random.sample(abouts, len(abouts))
    scheme = schemes.parse("70/15/15")
    one, other = (dict(zip(made.kin.names, schemes.assign(made, scheme, seed=seed), strict=True))
                  for made in (rows(*abouts), rows(*shuffled)))
    assert one == other


def test_another_seed_is_another_split():
    made, scheme = rows(*(about(str(n)) for n in range(100))), schemes.parse("80/20")
    assert schemes.assign(made, scheme, seed=1) != schemes.assign(made, scheme, seed=2)


@pytest.mark.parametrize(("by", "together"), [
    (By.PATIENT, {"patient", "lesion", "bytes", "link"}), (By.LESION, {"lesion", "bytes", "link"}),
    (By.DUPLICATE, {"bytes", "link"}), (By.PICTURE, set()),
])
def test_what_is_never_parted(by, together, tmp_path):
    """Two of each, each pair in 60 seeds: parted in some if anything may part it."""
    digest = "a" * 64
    pair = {"patient": [about("1", "A", "P"), about("2", "B", "P")],
            "lesion": [about("3", "C"), about("4", "C")],
            "bytes": [about("5", "D", sha256=digest), about("6", "E", sha256=digest)],
            "link": [about("7", "F"), about("8", "G")]}
    pairs = links.read(write_pairs(tmp_path / "pairs.csv", [tuple(pair["link"])]))
    others = [about(f"other {n}") for n in range(9)]
    made = rows(*(each for both in pair.values() for each in both), *others, pairs=pairs)
    parted = set()
    for seed in range(60):
        homes = schemes.assign(made, schemes.parse("50/50"), by=by, seed=seed)
        parted |= {name for n, name in enumerate(pair) if homes[2 * n] != homes[2 * n + 1]}
    assert parted == set(pair) - together


# Strata


def test_every_class_of_every_set_has_its_share():
    """Of whole lesions of one to four pictures, to one lesion."""
    sizes = {("one", "nv"): 2000, ("one", "mel"): 150, ("two", "nv"): 300, ("two", "df"): 40}
    made = [about(f"{label}{n}", f"{label}{n - n % (1 + n % 4)}", dataset=dataset, labels=label)
            for (dataset, label), size in sizes.items() for n in range(size)]
    scheme = schemes.parse("70/15/15")
    homes = schemes.assign(rows(*made), scheme)
    found = Counter((row.dataset, row.labels, home) for row, home in zip(made, homes, strict=True))
    for part, share in scheme.shares.items():
        for (dataset, label), size in sizes.items():
            assert abs(found[dataset, label, part] - share * size) <= 4, (part, dataset, label)


def test_large_lesions_are_not_kept_for_training():
    """Every part has large and small ones alike."""
    made = [about(f"{lesion}-{n}", f"L{lesion}") for lesion in range(300) for n in range(1 + lesion % 6)]
    homes = schemes.assign(rows(*made), schemes.parse("70/15/15"))
    lesions = {part: len({row.lesion_id for row, home in zip(made, homes, strict=True) if home == part})
               for part in ("train", "val", "test")}
    pictures = Counter(homes)
    sizes = [pictures[part] / lesions[part] for part in lesions]
    assert max(sizes) - min(sizes) < 0.15


@pytest.mark.parametrize("seed", range(5))
def test_a_class_of_three_lesions_stands_in_every_part(seed):
    made = [about(f"n{n}") for n in range(200)] + [about(f"d{n}", labels="df") for n in range(3)]
    homes = schemes.assign(rows(*made), schemes.parse("70/15/15"), seed=seed)
    assert sorted(homes[-3:]) == ["test", "train", "val"]


def test_patients_with_many_pictures_and_a_rare_cancer():
    """As in ISIC 2024: a handful of melanomas among patients of 1 to 80 naevi."""
    rng = np.random.default_rng(0)
    made = [about(f"{patient}-{n}", None, f"P{patient}", labels="mel" if patient % 20 == n == 0 else "nv")
            for patient in range(400) for n in range(int(rng.integers(1, 80)))]
    scheme = schemes.parse("70/15/15")
    homes = schemes.assign(rows(*made), scheme)
    found = Counter((row.labels, home) for row, home in zip(made, homes, strict=True))
    naevi = sum(row.labels == "nv" for row in made)
    assert [found["mel", part] for part in scheme.shares] == [14, 3, 3]
    assert all(abs(found["nv", part] / naevi - share) < 0.02 for part, share in scheme.shares.items())


def test_a_component_counts_towards_all_its_strata():
    """A patient with a melanoma brings ten naevi, which the other part makes good."""
    components = np.repeat([0, 1, 2, 3], [11, 11, 10, 10])
    strata = np.zeros(42, np.int64)
    strata[[0, 11]] = 1
    parts = stratify.deal(components, strata, {"train": 0.5, "test": 0.5}, seed=0)
    assert parts[0] != parts[11] and np.bincount(parts).tolist() == [21, 21]


# Parts that the rows bring along


def test_the_publishers_parts_are_kept():
    made = rows(*(about(str(n)) for n in range(3)), parts=["train", "test", "val"])
    assert schemes.assign(made, schemes.parse("official")) == ["train", "test", "val"]


def test_a_row_without_a_part_is_named():
    made = rows(about("1"), about("2", dataset="ham10000"), parts=["train", None])
    with pytest.raises(DatasetError, match=r"1 of 2 pictures have no official part \(ham10000:2, \.\.\.\): leave its"):
        schemes.assign(made, schemes.parse("official"))


def test_one_fold_a_centre():
    """Of a patient who was seen in two centres, the pictures of the rarer one go into no fold."""
    abouts = [about("1", None, "P"), about("2", None, "P"), about("3", None, "P"), about("4"), about("5")]
    made = rows(*abouts, centres=["x", "x", "y", "y", "z"])
    homes = schemes.assign(made, schemes.parse("leave-one-centre-out"))
    assert homes == ["centre:x", "centre:x", None, "centre:y", "centre:z"]
    even = replace(made, centres=["y", "x", "x", "y", "z"])
    assert schemes.assign(even, schemes.parse("leave-one-centre-out"))[:3] == [None, "centre:x", "centre:x"]


def test_a_row_without_a_centre_is_named():
    with pytest.raises(DatasetError, match=r"1 of 2 pictures have no centre \(made:2"):
        schemes.assign(rows(about("1"), about("2"), centres=["x", None]), schemes.parse("leave-one-centre-out"))
