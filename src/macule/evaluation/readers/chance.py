"""Probabilities that the tests of a reader study need, without scipy: Student's t, the normal, the binomial."""

from __future__ import annotations

import math
from statistics import NormalDist

_NORMAL = NormalDist()
#: Above so many degrees of freedom t and normal agree to seven decimals.
_MANY = 1e7
_TINY = 1e-300


def t_two_sided(t: float, df: float) -> float:
    """P(|T| >= |t|) of Student's t. df: above 0, may be infinite. NaN gives NaN."""
    if math.isnan(t) or math.isnan(df) or df <= 0:
        return math.nan
    if df > _MANY:
        return math.erfc(abs(t) / math.sqrt(2))
    return _incomplete_beta(df / 2, 0.5, df / (df + t * t))


def t_quantile(df: float, *, outside: float = 0.05) -> float:
    """The t with P(|T| >= t) = outside, by bisection."""
    if math.isnan(df) or df <= 0:
        return math.nan
    if df > _MANY:
        return _NORMAL.inv_cdf(1 - outside / 2)
    low, high = 0.0, 1.0
    while t_two_sided(high, df) > outside:
        low, high = high, high * 2
    for _ in range(100):
        middle = (low + high) / 2
        low, high = (middle, high) if t_two_sided(middle, df) > outside else (low, middle)
    return (low + high) / 2


def mcnemar(first_only: int, second_only: int) -> float:
    """Exact two-sided p of McNemar's test (McNemar 1947): of the discordant pairs, each side as likely.

    first_only, second_only: pairs in which only one of the two was right. 1.0 where both are 0.
    """
    pairs, fewer = first_only + second_only, min(first_only, second_only)
    tail = sum(math.comb(pairs, k) for k in range(fewer + 1))
    return min(1.0, 2 * tail / 2**pairs) if pairs < 1000 else _normal_mcnemar(first_only, second_only)


def _normal_mcnemar(first_only: int, second_only: int) -> float:
    """With the continuity correction; of a thousand pairs and more it agrees with the exact one to three decimals."""
    z = max(abs(first_only - second_only) - 1, 0) / math.sqrt(first_only + second_only)
    return math.erfc(z / math.sqrt(2))


def _incomplete_beta(a: float, b: float, x: float) -> float:
    """Regularised, I_x(a, b), by its continued fraction (DLMF 8.17.22), on the side where that converges fast."""
    if x <= 0 or x >= 1:
        return 0.0 if x <= 0 else 1.0
    front = math.exp(math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log1p(-x))
    if x < (a + 1) / (a + b + 2):
        return front * _fraction(a, b, x) / a
    return 1 - front * _fraction(b, a, 1 - x) / b


def _fraction(a: float, b: float, x: float) -> float:
    """Lentz's method, as modified by Thompson and Barnett (1986)."""
    c, d = 1.0, 1 / _away(1 - (a + b) * x / (a + 1))
    value = d
    for m in range(1, 10_000):
        even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        before = value
        for term in (even, odd):
            d, c = 1 / _away(1 + term * d), _away(1 + term / c)
            value *= d * c
        if abs(value - before) < 1e-15 * abs(value):
            break
    return value


def _away(value: float) -> float:
    """From 0, which Lentz's method divides by."""
    return value if abs(value) > _TINY else _TINY
