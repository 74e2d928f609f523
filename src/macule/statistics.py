"""The few lines of statistics that evaluation and the clinic share; nothing but the standard library behind them."""

from __future__ import annotations

import math

#: Standard deviations of a normal 95 % interval.
Z = 1.959964


def wilson(count: int, of: int) -> tuple[float, float]:
    """The 95 % interval of a share (Wilson 1927). of: above 0."""
    share, reach = count / of, Z**2 / of
    middle = (share + reach / 2) / (1 + reach)
    half = Z * math.sqrt(share * (1 - share) / of + reach / (4 * of)) / (1 + reach)
    return max(middle - half, 0.0), min(middle + half, 1.0)
