"""How readers say their confidence, on one of four scales."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from macule.errors import UsageError

#: If fewer than this share of the numbers lie off a smaller scale, they are slips and not another scale.
_SLIPS = 0.05
_ENOUGH = 20


@dataclass(frozen=True)
class Scale:
    """low, high: its ends. whole: whether only whole numbers stand on it."""

    name: str
    low: float
    high: float
    whole: bool = False

    def holds(self, value: float) -> bool:
        return self.low <= value <= self.high and (not self.whole or value == int(value))


SCALES = {scale.name: scale for scale in (
    Scale("0-1", 0, 1), Scale("1-5", 1, 5, True), Scale("1-6", 1, 6, True), Scale("0-100", 0, 100))}


def named(name: str) -> Scale:
    """Raises: UsageError"""
    if name not in SCALES:
        raise UsageError(f"the scale is {name!r}; one of auto, {', '.join(SCALES)} is needed.")
    return SCALES[name]


def detect(values: Sequence[float]) -> Scale:
    """The smallest scale that holds every number; 0-100 where none does, so that the rows off it are told.

    A scale only matters for what lies off it: all figures come from the order of the numbers.

    Raises: UsageError if nearly all lie on a smaller scale, so that the others look like slips.
    """
    for scale in SCALES.values():
        off = [value for value in values if not scale.holds(value)]
        if not off:
            return scale
        if len(values) >= _ENOUGH and len(off) < _SLIPS * len(values) and scale.name != "0-100":
            some = ", ".join(f"{value:g}" for value in off[:5])
            raise UsageError(f"{len(off)} of {len(values)} confidences ({some}) lie off the scale {scale.name} of the "
                             f"others: name the scale by --scale ({', '.join(SCALES)}), and the rows off it are told.")
    return SCALES["0-100"]
