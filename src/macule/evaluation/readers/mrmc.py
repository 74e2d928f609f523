"""Two ways of reading, compared over readers and cases (multi-reader multi-case, MRMC).

Obuchowski & Rockette 1995: a two-way analysis of variance of the readers' figures, whose errors are correlated because
all read the same cases. Degrees of freedom: Hillis 2007 (Stat Med 26:596). Readers and cases are random; with readers
fixed, the finding holds for these readers alone, and there may be one of them.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from macule.evaluation.readers import chance
from macule.evaluation.readers.jackknife import Spread

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Components:
    """Mean squares of the treatment and of treatment x reader; the error's variance and its covariances: same reader
    (cov1), same arm (cov2), neither (cov3). NaN where a study has too few readers for one.
    """

    ms_t: float
    ms_tr: float
    variance: float
    cov1: float
    cov2: float
    cov3: float


@dataclass(frozen=True)
class Verdict:
    """A difference, second arm minus first, with its 95 % interval. f = t squared. NaN where it is undefined."""

    value: float
    low: float
    high: float
    error: float
    t: float
    df: float
    p: float

    @property
    def f(self) -> float:
        return self.t**2

    def to_dict(self) -> dict[str, Any]:
        shown = {"difference": self.value, "low": self.low, "high": self.high, "standard_error": self.error,
                 "t": self.t, "f": self.f, "df": self.df, "p": self.p}
        return {name: rounded(value) for name, value in shown.items()}


@dataclass(frozen=True)
class Comparison:
    """means: of the two arms over readers. random: readers and cases both sampled; undefined with one reader.

    fixed: these readers, cases sampled; its df is infinite (z). by_reader: one verdict each, cases sampled.
    """

    readers: int
    cases: int
    means: tuple[float, float]
    components: Components
    random: Verdict
    fixed: Verdict
    by_reader: tuple[Verdict, ...]

    def to_dict(self) -> dict[str, Any]:
        return {
            "readers": self.readers,
            "cases": self.cases,
            "means": [rounded(value) for value in self.means],
            "components": {name: rounded(value) for name, value in asdict(self.components).items()},
            "random_readers": self.random.to_dict(),
            "fixed_readers": self.fixed.to_dict(),
            "by_reader": [verdict.to_dict() for verdict in self.by_reader],
        }


def compare(spread: Spread) -> Comparison:
    """spread: 2 x r figures, those of the first arm before those of the second, readers in the same order."""
    figures, covariance = spread.values.reshape(2, -1), spread.covariance
    parts = components(figures, covariance)
    difference = np.diff(figures, axis=0)[0]
    return Comparison(
        readers=figures.shape[1], cases=spread.cases, means=(float(figures[0].mean()), float(figures[1].mean())),
        components=parts,
        random=random_readers(figures, parts),
        fixed=fixed_readers(figures, parts),
        by_reader=tuple(_alone(float(value), error) for value, error in
                        zip(difference, _errors(covariance), strict=True)),
    )


def components(figures: Floats, covariance: Floats) -> Components:
    """figures: shape (2, r). covariance: (2r, 2r)."""
    readers = figures.shape[1]
    blocks = covariance.reshape(2, readers, 2, readers)
    same, other = np.eye(readers, dtype=bool), ~np.eye(readers, dtype=bool)
    within, across = (blocks[0, :, 0] + blocks[1, :, 1]) / 2, blocks[0, :, 1]
    off = figures - figures.mean(axis=1, keepdims=True) - figures.mean(axis=0) + figures.mean()
    return Components(
        ms_t=float(readers * ((figures.mean(axis=1) - figures.mean()) ** 2).sum()),
        ms_tr=float((off**2).sum() / (readers - 1)) if readers > 1 else math.nan,
        variance=float(within[same].mean()), cov1=float(across[same].mean()),
        cov2=float(within[other].mean()) if readers > 1 else math.nan,
        cov3=float(across[other].mean()) if readers > 1 else math.nan,
    )


def random_readers(figures: Floats, parts: Components) -> Verdict:
    """F = MS(T) / (MS(TR) + r max(cov2 - cov3, 0)), with Hillis' degrees of freedom for the denominator."""
    readers = figures.shape[1]
    if readers < 2:
        return _verdict(_mean_difference(figures), math.nan, math.nan)
    below = parts.ms_tr + readers * max(parts.cov2 - parts.cov3, 0.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        df = float(np.float64(below**2) / (np.float64(parts.ms_tr**2) / (readers - 1)))
    return _verdict(_mean_difference(figures), 2 / readers * below, df)


def fixed_readers(figures: Floats, parts: Components) -> Verdict:
    """Chi-squared = MS(T) / (variance - cov1 + (r - 1) max(cov2 - cov3, 0)), as z."""
    readers = figures.shape[1]
    shared = (readers - 1) * max(parts.cov2 - parts.cov3, 0.0) if readers > 1 else 0.0
    return _verdict(_mean_difference(figures), 2 / readers * (parts.variance - parts.cov1 + shared), math.inf)


def _errors(covariance: Floats) -> Floats:
    """Variance of each reader's own difference, shape (r,)."""
    readers = len(covariance) // 2
    first, second = np.diag(covariance)[:readers], np.diag(covariance)[readers:]
    return np.asarray(first + second - 2 * np.diag(covariance[:readers, readers:]))


def _mean_difference(figures: Floats) -> float:
    return float(figures[1].mean() - figures[0].mean())


def _alone(difference: float, variance: float) -> Verdict:
    return _verdict(difference, float(variance), math.inf)


def _verdict(value: float, variance: float, df: float) -> Verdict:
    # Readers who never differ leave no error to measure against: the test is undefined, not certain.
    if not variance > 1e-15 or math.isnan(df):
        return Verdict(value, *[math.nan] * 6)
    error = math.sqrt(variance)
    reach = chance.t_quantile(df) * error
    return Verdict(value, value - reach, value + reach, error, value / error, df, chance.t_two_sided(value / error, df))


def rounded(value: float) -> float | None:
    """Six significant digits; None for what is undefined or infinite."""
    return float(f"{value:.6g}") if math.isfinite(value) else None
