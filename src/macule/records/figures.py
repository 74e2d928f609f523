"""What every figure of the dashboard is made of: a period, a share, an estimate and a spread, each with its n.

A figure of fewer than TOO_FEW cases is not given: its interval would cover most of what is possible.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
from sqlalchemy import ColumnElement, func
from sqlalchemy.orm import InstrumentedAttribute

from macule.statistics import wilson

TOO_FEW = 10


@dataclass(frozen=True)
class Window:
    """What is counted. since: inclusive; until: exclusive; both aware, None is open. bundle: SHA-256 of one model.

    Every event counts on its own day: an exam when it was received, a decision when it was made, a biopsy when its
    result was entered.
    """

    since: datetime | None = None
    until: datetime | None = None
    bundle: str | None = None

    def holds(self, column: InstrumentedAttribute[Any]) -> list[ColumnElement[bool]]:
        """Conditions for a column of times; none where the window is open."""
        bounds: list[ColumnElement[bool]] = []
        if self.since is not None:
            bounds.append(column >= self.since)
        if self.until is not None:
            bounds.append(column < self.until)
        return bounds

    def of_model(self, column: InstrumentedAttribute[Any]) -> list[ColumnElement[bool]]:
        """Conditions for an exam's bundle where something rarer is counted.

        Wrapped, so that the planner starts at the rarer rows and not at the thousands of exams of a model.
        """
        return [] if self.bundle is None else [func.coalesce(column, "") == self.bundle]


@dataclass(frozen=True)
class Share:
    """count of `of`, with Wilson's 95 % interval (1927). value, low, high: None where `of` is too few."""

    count: int
    of: int

    @property
    def known(self) -> bool:
        return self.of >= TOO_FEW

    @property
    def value(self) -> float | None:
        return self.count / self.of if self.known else None

    @property
    def low(self) -> float | None:
        return wilson(self.count, self.of)[0] if self.known else None

    @property
    def high(self) -> float | None:
        return wilson(self.count, self.of)[1] if self.known else None


@dataclass(frozen=True)
class Estimate:
    """value with its 95 % interval; None where n is too few or the figure is not defined."""

    value: float | None
    low: float | None
    high: float | None
    n: int


@dataclass(frozen=True)
class Spread:
    """Of durations in seconds: median and 90th percentile, linear between neighbours. None where n is too few."""

    median: float | None
    p90: float | None
    n: int


def spread(seconds: Sequence[float]) -> Spread:
    if len(seconds) < TOO_FEW:
        return Spread(None, None, len(seconds))
    median, p90 = np.percentile(seconds, (50, 90))
    return Spread(float(median), float(p90), len(seconds))
