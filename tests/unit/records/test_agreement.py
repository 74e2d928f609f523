"""Agreement, worked by hand and against scikit-learn."""

from __future__ import annotations

import math

import numpy as np
import pytest
from sklearn.metrics import cohen_kappa_score, confusion_matrix

from macule.analysis.result import Risk
from macule.records import agreement
from macule.records.agreement import NO, YES, Biopsied, Confusion
from macule.records.figures import Share, spread
from macule.statistics import wilson
from macule.taxonomy import Diagnosis

CODES = [code.value for code in Diagnosis]


def _table(first: list[str], second: list[str]) -> Confusion:
    cells: dict[tuple[str, str], int] = {}
    for pair in zip(first, second, strict=True):
        cells[pair] = cells.get(pair, 0) + 1
    return Confusion(cells)


def test_kappa_and_counts_are_scikit_learns() -> None:
    rng = np.random.default_rng(3)
    first = [CODES[i] for i in rng.integers(0, 5, 300)]
    second = [one if rng.random() < 0.6 else CODES[rng.integers(0, 6)] for one in first]
    table = _table(first, second)
    assert table.kappa.value == pytest.approx(cohen_kappa_score(first, second))
    counted = confusion_matrix(first, second, labels=list(table.labels))
    assert [[table.count(i, j) for j in table.labels] for i in table.labels] == counted.tolist()
    assert [table.row(label) for label in table.labels] == counted.sum(axis=1).tolist()
    assert [table.column(label) for label in table.labels] == counted.sum(axis=0).tolist()
    folded = table.binary()
    suspicious = [[Diagnosis(code).suspicious for code in codes] for codes in (first, second)]
    assert folded.kappa.value == pytest.approx(cohen_kappa_score(*suspicious))


def test_kappa_by_hand() -> None:
    """45 and 25 of 100 agree: 0.70; with margins of 0.6 and 0.4 on both sides 0.52 would by chance."""
    found = Confusion({(YES, YES): 45, (YES, NO): 15, (NO, YES): 15, (NO, NO): 25}).kappa
    value = (0.70 - (0.6 * 0.6 + 0.4 * 0.4)) / (1 - (0.6 * 0.6 + 0.4 * 0.4))
    assert found.value == pytest.approx(value) == pytest.approx(0.375)
    # Fleiss, Cohen and Everitt 1969, equation 8, written out.
    on = 0.45 * (1 - 1.2 * 0.625) ** 2 + 0.25 * (1 - 0.8 * 0.625) ** 2
    off = 0.625**2 * (0.15 * (0.6 + 0.4) ** 2 + 0.15 * (0.4 + 0.6) ** 2)
    error = math.sqrt((on + off - (0.375 - 0.52 * 0.625) ** 2) / 100) / 0.48
    assert (found.low, found.high) == pytest.approx((0.375 - 1.959964 * error, 0.375 + 1.959964 * error))


def test_kappas_interval_is_what_resampling_finds() -> None:
    cells = {("mel", "mel"): 40, ("mel", "nv"): 12, ("nv", "mel"): 20, ("nv", "nv"): 110, ("bcc", "nv"): 8,
             ("bcc", "bcc"): 30}
    found = Confusion(cells).kappa
    pairs, counts = list(cells), np.array(list(cells.values()))
    draws = np.random.default_rng(0).multinomial(counts.sum(), counts / counts.sum(), 1500)
    kappas = [Confusion(dict(zip(pairs, map(int, draw), strict=True))).kappa.value for draw in draws]
    low, high = np.percentile(kappas, (2.5, 97.5))
    assert found.low == pytest.approx(low, abs=0.015) and found.high == pytest.approx(high, abs=0.015)


def test_few_cases_and_one_class_have_no_kappa() -> None:
    assert Confusion({("nv", "nv"): 4, ("mel", "nv"): 5}).kappa.value is None
    alone = Confusion({("nv", "nv"): 40}).kappa
    assert alone.value is None and alone.n == 40
    assert Confusion({}).n == 0 and Confusion({}).agreed.value is None


def test_the_call_counts_indeterminate_as_malignant() -> None:
    def group(found: str, risk: Risk, count: int) -> Biopsied:
        return Biopsied(found, "nv", risk, None, count)

    groups = [
        group("mel", Risk.HIGH, 6), group("akiec", Risk.MEDIUM, 3), group("bcc", Risk.LOW, 1),
        group("nv", Risk.LOW, 14), group("bkl", Risk.MEDIUM, 4), group("nv", Risk.HIGH, 2),
    ]
    medium, high = (agreement.call(groups, yes=risk) for risk in (Risk.MEDIUM, Risk.HIGH))
    assert (medium.hits, medium.misses, medium.alarms, medium.passes) == (9, 1, 6, 14)
    assert (high.hits, high.misses, high.alarms, high.passes) == (6, 4, 2, 18)
    assert medium.sensitivity.value == 0.9 and medium.specificity.value == 0.7 and medium.ppv.value == 0.6
    assert (medium.sensitivity.low, medium.sensitivity.high) == wilson(9, 10)
    assert high.ppv == Share(6, 8) and high.ppv.value is None
    assert medium.table.count(YES, NO) == 1 and medium.n == 30


def test_a_spread_is_numpys() -> None:
    times = [float(t) for t in range(1, 21)]
    assert spread(times).median == 10.5 and spread(times).p90 == pytest.approx(18.1)
    assert spread(times[:9]).median is None and spread(times[:9]).n == 9
