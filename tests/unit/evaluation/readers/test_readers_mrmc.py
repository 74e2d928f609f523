"""Obuchowski-Rockette against published figures, against slow direct computation, and against simulated truth."""

from __future__ import annotations

import math

import numpy as np
import pytest

from macule.evaluation.readers import chance, jackknife, mrmc, power
from macule.examples.reader_study import Design

#: Van Dyke et al. 1993 (5 readers, 2 treatments, 45 of 114 ill): areas, and DeLong covariances of the MRMCaov manual.
VAN_DYKE = np.array([[0.9196457, 0.8587762, 0.9038647, 0.9731079, 0.8297907],
                     [0.9478261, 0.9053140, 0.9217391, 0.9993559, 0.9299517]])
DELONG = 0.0007921325, 0.0003420090, 0.0003395265, 0.0002358497
JACKKNIFE = 0.0008022883, 0.0003466137, 0.0003440748, 0.0002390284


def covariances(variance, cov1, cov2, cov3, readers=5):
    same, other = np.eye(readers), 1 - np.eye(readers)
    within, across = variance * same + cov2 * other, cov1 * same + cov3 * other
    return np.block([[within, across], [across, within]])


def test_random_readers_are_those_published_for_the_van_dyke_data():
    found = mrmc.random_readers(VAN_DYKE, mrmc.components(VAN_DYKE, covariances(*DELONG)))
    assert found.value == pytest.approx(0.04380032, abs=1e-7)
    assert found.f == pytest.approx(4.484854, abs=2e-4)
    assert found.df == pytest.approx(15.06611, abs=2e-3)
    assert found.p == pytest.approx(0.05123303, abs=2e-6)
    assert (found.low, found.high) == pytest.approx((-0.0002665519, 0.0878671960), abs=1e-6)
    assert found.error == pytest.approx(0.0206825, abs=1e-6)


def test_fixed_readers_are_those_published_for_the_van_dyke_data():
    parts = mrmc.components(VAN_DYKE, covariances(*JACKKNIFE))
    assert parts.ms_t == pytest.approx(0.004796171, abs=1e-8) and parts.ms_tr == pytest.approx(0.0005510306, abs=1e-8)
    found = mrmc.fixed_readers(VAN_DYKE, parts)
    assert found.f == pytest.approx(5.475953, abs=2e-4) and found.p == pytest.approx(0.01927984, abs=2e-6)
    assert (found.low, found.high) == pytest.approx((0.00711473, 0.08048591), abs=1e-6)


def slow_area(scores, positive):
    wins = [1.0 if a > b else 0.5 if a == b else 0.0 for a in scores[positive] for b in scores[~positive]]
    return sum(wins) / len(wins) if wins else math.nan


def slow_left_out(metric, rows, positive, cases):
    return np.array([[metric(row[cases != case], positive[cases != case]) for case in np.unique(cases)]
                     for row in rows])


@pytest.fixture
def clustered():
    """Coarse scores of 3 raters, and lesions of one to three pictures; one patient has both kinds."""
    rng = np.random.default_rng(3)
    cases = np.repeat(np.arange(25) * 7, rng.integers(1, 4, 25))
    positive = cases % 2 == 0
    positive[np.flatnonzero(cases == 7)[0]] = True
    positive[cases == 21] = [True, *[False] * ((cases == 21).sum() - 1)]
    return rng.integers(0, 5, (3, len(cases))) + 1.0 * positive, positive, cases


def test_areas_without_a_case_are_those_computed_anew(clustered):
    scores, positive, cases = clustered
    found = jackknife.areas(scores, positive, cases)
    assert found.values == pytest.approx([slow_area(row, positive) for row in scores])
    assert found.left == pytest.approx(slow_left_out(slow_area, scores, positive, cases))


def test_shares_without_a_case_are_those_computed_anew(clustered):
    scores, positive, cases = clustered
    right = (scores >= 3) == positive
    sensitivity = jackknife.ratios(right, positive, cases)
    ill = np.isin(cases, cases[positive])
    slow = slow_left_out(lambda row, which: row[which].mean(), right[:, ill], positive[ill], cases[ill])
    assert sensitivity.left == pytest.approx(slow) and sensitivity.cases < len(np.unique(cases))
    both = jackknife.balanced(right, positive, cases)
    slow = slow_left_out(lambda row, which: (row[which].mean() + row[~which].mean()) / 2, right, positive, cases)
    assert both.left == pytest.approx(slow)


def test_a_comparison_is_that_of_formulae_written_out(clustered):
    scores, positive, cases = clustered
    spread = jackknife.areas(np.vstack([scores, scores[::-1] + np.arange(len(cases)) % 3]), positive, cases)
    found = mrmc.compare(spread)
    count = spread.cases
    covariance = np.zeros((6, 6))
    for a in range(6):
        for b in range(6):
            off = [(spread.left[a, g] - spread.left[a].mean()) * (spread.left[b, g] - spread.left[b].mean())
                   for g in range(count)]
            covariance[a, b] = (count - 1) / count * sum(off)
    cov2 = np.mean([covariance[3 * i + j, 3 * i + k] for i in (0, 1) for j in range(3) for k in range(3) if j != k])
    cov3 = np.mean([covariance[j, 3 + k] for j in range(3) for k in range(3) if j != k])
    gains = spread.values[3:] - spread.values[:3]
    ms_tr = np.sum((gains - gains.mean()) ** 2) / (2 * 2)
    below = ms_tr + 3 * max(cov2 - cov3, 0)
    assert found.random.error == pytest.approx(math.sqrt(2 / 3 * below))
    assert found.random.df == pytest.approx(below**2 / (ms_tr**2 / 2))
    assert found.components.cov1 == pytest.approx(np.mean([covariance[j, 3 + j] for j in range(3)]))
    own = [covariance[j, j] + covariance[3 + j, 3 + j] - 2 * covariance[j, 3 + j] for j in range(3)]
    assert [verdict.error**2 for verdict in found.by_reader] == pytest.approx(own)


def test_one_reader_is_a_fixed_one(clustered):
    scores, positive, cases = clustered
    found = mrmc.compare(jackknife.areas(scores[:2], positive, cases))
    assert math.isnan(found.random.p) and found.to_dict()["random_readers"]["p"] is None
    assert found.fixed.p == pytest.approx(found.by_reader[0].p) and 0 < found.fixed.p < 1


def test_arms_that_never_differ_prove_nothing(clustered):
    scores, positive, cases = clustered
    found = mrmc.compare(jackknife.areas(np.vstack([scores, scores]), positive, cases))
    assert found.random.value == 0 and math.isnan(found.random.p) and math.isnan(found.fixed.p)


def test_a_class_of_one_case_has_no_interval():
    positive = np.arange(10) == 0
    found = mrmc.compare(jackknife.areas(np.random.default_rng(0).random((4, 10)), positive, np.arange(10)))
    assert math.isnan(found.random.p)


def test_a_true_null_is_refused_about_one_time_in_twenty():
    """Of 400 studies 95 % lie between 11 and 29 refusals at 5 %."""
    found = power.of(Design(5, 60, trust=0.0), studies=400, seed=7)
    assert 0.02 <= found.found <= 0.085 and found.difference == pytest.approx(0, abs=1e-12)
    assert found.covered == pytest.approx(1 - found.found)


def test_intervals_hold_a_true_difference():
    found = power.of(Design(4, 60, trust=0.3), studies=200, seed=11)
    assert found.difference > 0.03 and 0.89 <= found.covered <= 0.99 and found.found > 0.2


@pytest.mark.parametrize("df", [1.0, 2.5, 15.06611, 400.0])
def test_the_t_distribution_is_that_of_scipy(df):
    oracle = pytest.importorskip("scipy.stats")
    for t in (0.0, 0.3, 2.1, 9.0):
        assert chance.t_two_sided(t, df) == pytest.approx(2 * oracle.t.sf(t, df), rel=1e-9)
    assert chance.t_quantile(df) == pytest.approx(oracle.t.ppf(0.975, df), rel=1e-9)


def test_mcnemar_is_exact():
    oracle = pytest.importorskip("scipy.stats")
    for ones, others in ((0, 0), (1, 8), (10, 24), (7, 7)):
        expected = oracle.binomtest(ones, ones + others).pvalue if ones + others else 1.0
        assert chance.mcnemar(ones, others) == pytest.approx(expected)
    assert chance.mcnemar(480, 540) == pytest.approx(oracle.binomtest(480, 1020).pvalue, abs=2e-3)
