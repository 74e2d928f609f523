"""A small curve over time, as the points of an SVG: where each lies, and where the model changed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from macule.records.changes import Visit

WIDTH, HEIGHT, EDGE = 320, 84, 10


@dataclass(frozen=True)
class Dot:
    x: float
    y: float
    visit: Visit


@dataclass(frozen=True)
class Spark:
    """dots: the answers, the oldest first. line: of SVG's polyline. breaks: x at which another model took over."""

    dots: tuple[Dot, ...]
    lines: tuple[str, ...]
    breaks: tuple[float, ...]
    width: int = WIDTH
    height: int = HEIGHT


def spark(visits: Sequence[Visit]) -> Spark | None:
    """None for fewer than two answers. x is time, y the probability from 0 below to 1 above."""
    shown = [visit for visit in visits if visit.malignant is not None]
    if len(shown) < 2:
        return None
    first, last = shown[0].at, shown[-1].at
    span = max((last - first).total_seconds(), 1.0)
    dots = tuple(
        Dot(round(EDGE + (WIDTH - 2 * EDGE) * (visit.at - first).total_seconds() / span, 1),
            round(HEIGHT - EDGE - (HEIGHT - 2 * EDGE) * (visit.malignant or 0.0), 1), visit)
        for visit in shown
    )
    breaks = tuple(round((one.x + other.x) / 2, 1) for one, other in pairwise(dots)
                   if one.visit.bundle_sha256 != other.visit.bundle_sha256)
    return Spark(dots, _lines(dots), breaks)


def _lines(dots: Sequence[Dot]) -> tuple[str, ...]:
    """One line a model: answers of two models are not one curve."""
    runs: list[list[Dot]] = []
    for dot in dots:
        if runs and runs[-1][-1].visit.bundle_sha256 == dot.visit.bundle_sha256:
            runs[-1].append(dot)
        else:
            runs.append([dot])
    return tuple(" ".join(f"{dot.x},{dot.y}" for dot in run) for run in runs if len(run) > 1)
