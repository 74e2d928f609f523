"""How far apart an attribute's groups are, with intervals of the difference, and what many looks leave of it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

import numpy as np

from macule.evaluation import metrics
from macule.evaluation.fairness.figures import Group
from macule.evaluation.metrics import Floats

#: Compared between groups. Balanced accuracy is not, since groups hold other classes; nor is the calibration error,
#: which grows as n falls.
COMPARED = ("sensitivity_medium", "specificity_medium", "sensitivity_high", "specificity_high", "malignant_auc",
            "melanoma_sensitivity", "overestimate", "flagged", "refused")


@dataclass(frozen=True)
class Gap:
    """The largest difference of a figure between two groups that are large enough. spread: of the resamples, (B,)."""

    metric: str
    highest: Group
    lowest: Group
    pairs: int

    @property
    def value(self) -> float:
        return self.highest.value(self.metric) - self.lowest.value(self.metric)

    def interval(self, looks: int = 1) -> tuple[float, float]:
        """95 % for all of `looks` comparisons together (Bonferroni); paired, since one resample weighs both groups.

        Alone it is the middle 95 % of the resamples; over many looks the resamples' tails are too few, so the normal
        distribution with their standard deviation stands in.
        """
        wider = NormalDist().inv_cdf(1 - 0.025 / looks) / metrics.Z
        if any(group.is_stiff(self.metric) for group in (self.highest, self.lowest)):
            stiff = self._of_two_intervals(wider)
            if self.metric == "refused" or not np.isnan(stiff).any():
                return stiff
        spread = self.highest.spread[self.metric] - self.lowest.spread[self.metric]
        alone = metrics.interval(spread, self.value)
        if looks == 1 or np.isnan(alone).any():
            return alone
        reach = wider * metrics.Z * float(spread[np.isfinite(spread)].std(ddof=1))
        return self.value - reach, self.value + reach

    def _of_two_intervals(self, wider: float) -> tuple[float, float]:
        """Newcombe 1998, Statistics in Medicine 17:873: where a group's resamples all say the same (or none do)."""
        high, low = self.highest.figure(self.metric), self.lowest.figure(self.metric)
        below = math.hypot(high.value - high.low, low.high - low.value)
        above = math.hypot(high.high - high.value, low.value - low.low)
        return self.value - wider * below, self.value + wider * above

    def to_dict(self, looks: int) -> dict[str, Any]:
        low, high = self.interval()
        strict_low, strict_high = self.interval(looks)
        return {"metric": self.metric, "highest": self.highest.name, "lowest": self.lowest.name,
                "value": _number(self.value), "low": _number(low), "high": _number(high),
                "adjusted_low": _number(strict_low), "adjusted_high": _number(strict_high),
                "pairs": self.pairs, "n": self.highest.n + self.lowest.n,
                "holds": bool(strict_low > 0)}


def find(groups: Sequence[Group]) -> list[Gap]:
    """Of every figure by which at least two groups can be compared. groups: those that are stated."""
    found = []
    for metric in COMPARED:
        compared = [group for group in groups if group.counts(metric)]
        if len(compared) > 1:
            compared.sort(key=lambda group: group.value(metric))
            found.append(Gap(metric, compared[-1], compared[0], len(compared) * (len(compared) - 1) // 2))
    return found


def equalised_odds(groups: Sequence[Group], threshold: str = "medium") -> dict[str, Any] | None:
    """The larger of the gaps in sensitivity and in false positives, and the smaller of their ratios (least over most).

    Hardt, Price & Srebro 2016, as in fairlearn. A largest difference cannot be below 0, so its interval lies too high.
    None with fewer than two groups that are large enough for both.
    """
    hit, spared = f"sensitivity_{threshold}", f"specificity_{threshold}"
    compared = [group for group in groups if group.counts(hit) and group.counts(spared)]
    if len(compared) < 2:
        return None
    found: dict[str, Any] = {"groups": len(compared), "n": sum(group.n for group in compared)}
    whole = [np.array([[group.whole[key] for group in compared]]) for key in (hit, spared)]
    spread = [np.stack([group.spread[key] for group in compared], axis=1) for key in (hit, spared)]
    for name, value, values in zip(("difference", "ratio"), _odds(*whole), _odds(*spread), strict=True):
        low, high = metrics.interval(values, float(value[0]))
        found[name] = {"value": _number(float(value[0])), "low": _number(low), "high": _number(high)}
    return found


def _odds(hits: Floats, spared: Floats) -> tuple[Floats, Floats]:
    """Sensitivity and specificity of each group, (B, groups). Returns: difference and ratio, each (B,)."""
    rates = np.stack([hits, 1 - spared])
    least, most = rates.min(axis=2), rates.max(axis=2)
    return (most - least).max(axis=0), metrics.ratio(least, most).min(axis=0)


def _number(value: float) -> float | None:
    return round(value, 4) if math.isfinite(value) else None
