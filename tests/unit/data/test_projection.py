from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from macule.analysis.calibration import SUSPICIOUS
from macule.data import projection
from macule.data.projection import Loss
from macule.data.sources import cells
from macule.errors import UsageError
from macule.taxonomy import PROJECTIONS, Diagnosis

D = Diagnosis
CODES = list(Diagnosis)

vocabularies = st.sampled_from(sorted(PROJECTIONS))
label_sets = st.frozensets(st.sampled_from(CODES))


@st.composite
def probabilities(draw):
    """Rows that sum to 1, some of them with all of it on one class."""
    rows = draw(st.integers(1, 6))
    weights = draw(arrays.arrays(np.float64, (rows, 11), elements=st.sampled_from([0.0, 0.0, 1e-9, 0.2, 1.0, 7.0])))
    weights[weights.sum(axis=1) == 0, draw(st.integers(0, 10))] = 1
    return weights / weights.sum(axis=1, keepdims=True)


# Labels


@pytest.mark.parametrize(
    ("labels", "vocabulary", "expected"),
    [
        ({D.MEL}, "ham7", "mel"),
        ({D.SCCKA}, "ham7", None),
        ({D.SCCKA}, "isic8", "SCC"),
        ({D.AKIEC}, "isic8", "AK"),
        ({D.AKIEC}, "binary", "malignant"),  # docs/adr/0001
        ({D.DF}, "pad6", None),
        ({D.BKL}, "pad6", "SEK"),
        ({D.INF}, "milk11", "INF"),
        ({D.BCC, D.MEL}, "binary", "malignant"),
        ({D.BCC, D.MEL}, "milk11", None),
        ({D.INF, D.BEN_OTH}, "ham7", None),
        (set(), "binary", None),
    ],
)
def test_one_label(labels, vocabulary, expected):
    assert projection.project_labels([frozenset(labels)], vocabulary) == (expected,)


def test_why_a_row_is_lost():
    reason = {labels: projection.project_label(labels, "ham7") for labels in
              (frozenset({D.INF}), frozenset({D.INF, D.MAL_OTH}), frozenset({D.MEL, D.NV}), frozenset())}
    assert list(reason.values()) == [Loss.NO_CLASS, Loss.LUMPED, Loss.LUMPED, Loss.UNLABELLED]


def test_the_publishers_word_decides_only_what_the_classes_leave_open():
    """A folder `benign/` leaves an actinic keratosis possible; a class that is known is not overruled."""
    rows, words = [cells.BENIGN, cells.BENIGN, frozenset({D.AKIEC}), frozenset()], [False, None, False, True]
    assert projection.project_labels(rows, "binary", words) == ("benign", None, "malignant", "malignant")
    assert projection.project_labels(rows, "ham7", words) == (None, None, "akiec", None)


@given(vocabularies)
def test_a_label_comes_back(vocabulary):
    """Any class under a label, and all of them lumped, project to it."""
    for label, codes in projection.classes(vocabulary).items():
        back = projection.project_labels([frozenset(codes), *(frozenset({code}) for code in codes)], vocabulary)
        assert set(back) == {label}


def test_milk11_loses_nothing():
    assert projection.project_labels([frozenset({code}) for code in D], "milk11") == tuple(code.name for code in D)


def test_an_unknown_vocabulary():
    for call in (projection.classes, lambda name: projection.project_labels([], name),
                 lambda name: projection.project_probabilities(np.zeros((1, 11)), name)):
        with pytest.raises(UsageError, match="no vocabulary 'ham8'; known: milk11, ham7, isic8, pad6, binary"):
            call("ham8")


# Probabilities


@given(probabilities(), vocabularies)
def test_what_is_left_sums_to_one_or_is_undefined(shares, vocabulary):
    found = projection.project_probabilities(shares, vocabulary)
    gone = [place for place, code in enumerate(CODES) if code not in sum(PROJECTIONS[vocabulary].values(), ())]
    assert found.shares.shape == (len(shares), len(found.labels))
    assert found.lost == pytest.approx(shares[:, gone].sum(axis=1))
    defined = np.delete(shares, gone, axis=1).sum(axis=1) > 0
    assert np.isnan(found.shares[~defined]).all()
    assert found.shares[defined].sum(axis=1) == pytest.approx(1)
    assert (found.shares[defined] >= 0).all()


@given(probabilities())
def test_binary_is_the_malignant_probability(shares):
    found = projection.project_probabilities(shares, "binary")
    assert found.labels == ("malignant", "benign")
    assert found.shares[:, 0] == pytest.approx(shares[:, SUSPICIOUS].sum(axis=1))
    assert found.lost == pytest.approx(0)


@given(st.sampled_from(CODES), vocabularies)
def test_a_certain_answer_projects_as_its_label(code, vocabulary):
    found = projection.project_probabilities(np.eye(11)[[CODES.index(code)]], vocabulary)
    (label,) = projection.project_labels([frozenset({code})], vocabulary)
    if label is None:
        assert np.isnan(found.shares).all() and found.lost[0] == 1
    else:
        assert found.shares[0, found.labels.index(label)] == 1 and found.lost[0] == 0


@given(probabilities())
def test_milk11_changes_nothing(shares):
    found = projection.project_probabilities(shares, "milk11")
    assert found.shares == pytest.approx(shares) and found.labels == tuple(code.name for code in D)


@given(probabilities(), vocabularies)
def test_kept_shares_keep_their_ratio(shares, vocabulary):
    """A label's share times what was kept is the sum of its classes."""
    found = projection.project_probabilities(shares, vocabulary)
    for row, share in enumerate(shares):
        if np.isnan(found.shares[row]).any():
            continue
        for label, value in zip(found.labels, found.shares[row], strict=True):
            sum_of_classes = sum(share[CODES.index(code)] for code in PROJECTIONS[vocabulary][label])
            assert value * (1 - found.lost[row]) == pytest.approx(sum_of_classes, abs=1e-9)


def test_an_undefined_row_stays_undefined():
    shares = np.full((2, 11), 1 / 11)
    shares[0] = np.nan
    found = projection.project_probabilities(shares, "ham7")
    assert np.isnan(found.shares[0]).all() and np.isnan(found.lost[0])
    assert found.shares[1] == pytest.approx(1 / 7) and found.lost[1] == pytest.approx(4 / 11)


@pytest.mark.parametrize(("shares", "message"), [
    (np.zeros((2, 7)), r"shape \(2, 7\); \(N, 11\) is needed"), (np.zeros(11), r"shape \(11,\)"),
    (-np.ones((1, 11)), "smallest share is -1.0"),
])
def test_what_is_no_probability(shares, message):
    with pytest.raises(ValueError, match=message):
        projection.project_probabilities(shares, "ham7")


# What is lost


def test_description():
    rows = [{D.MEL}] * 5 + [{D.SCCKA}] * 2 + [{D.INF}] + [{D.BCC, D.MEL}] * 3 + [set()] * 4
    found = projection.describe("ham7", projection.count(map(frozenset, rows), [None] * len(rows)))
    assert found.after == {"akiec": 0, "bcc": 0, "bkl": 0, "df": 0, "mel": 5, "nv": 0, "vasc": 0}
    assert found.before == {"bcc+mel": 3, "inf": 1, "mel": 5, "sccka": 2, "unknown": 4}
    assert (found.no_class, found.lumped, found.unlabelled) == ({D.INF: 1, D.SCCKA: 2}, 3, 4)
    assert (found.lost, found.rows) == (10, 15)
    said = " ".join(found.sentences())
    assert "10 of 15 rows have no label in ham7." in said
    assert "2 are sccka (Squamous cell carcinoma / keratoacanthoma), which has no place there." in said
    assert "3 are lost because its source lumps classes" in said and "4 are lost because its class is unknown" in said


def test_description_names_what_is_merged():
    counts = projection.count([frozenset({code}) for code in (D.MEL, D.AKIEC, D.NV)], [None] * 3)
    assert projection.describe("binary", counts).merged == {"malignant": (D.AKIEC, D.MEL)}
    assert projection.describe("milk11", counts).merged == {}


@given(st.lists(st.tuples(label_sets, st.sampled_from([True, False, None])), max_size=30), vocabularies)
def test_every_row_is_kept_or_lost(rows, vocabulary):
    labels, words = [row for row, _ in rows], [word for _, word in rows]
    found = projection.describe(vocabulary, projection.count(labels, words))
    kept = Counter(projection.project_labels(labels, vocabulary, words))
    assert {label: count for label, count in found.after.items() if count} == {
        label: count for label, count in kept.items() if label is not None}
    assert found.lost == kept[None] and found.rows == len(rows)
