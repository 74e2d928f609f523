"""Colours of an evaluation's charts, for both writers.

Series: Okabe & Ito 2008, which the colour-blind can tell apart, each darkened (on light) or lightened (on dark) until
it has a contrast of at least 4 : 1 to its ground. Shades of a matrix: one hue in even steps, with the letters' colour
that has at least 4.5 : 1 on each.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

#: A dash pattern for each style, so that lines differ in black and white too; empty is a whole line.
DASHES = ("", "7 3", "2 3", "9 3 2 3", "5 2", "12 4", "1 3", "6 2 1 2")


@dataclass(frozen=True)
class Palette:
    """series: hexadecimal, by style. reference: of style -1. shades: ground and letters, lightest first."""

    series: tuple[str, ...]
    reference: str
    shades: tuple[tuple[str, str], ...]

    def of(self, style: int) -> str:
        return self.reference if style < 0 else self.series[style % len(self.series)]

    def variables(self) -> Iterator[tuple[str, str]]:
        """Custom properties of a stylesheet."""
        yield "s-ref", self.reference
        yield from ((f"s{place}", colour) for place, colour in enumerate(self.series))
        for place, (ground, letters) in enumerate(self.shades):
            yield f"shade{place}", ground
            yield f"on-shade{place}", letters


LIGHT = Palette(
    ("#0072b2", "#c44c00", "#00805c", "#a34d84", "#946300", "#6a58b5", "#3d4f51", "#8f3b2e"), "#6c7c7d",
    (("#fbfdfc", "#000"), ("#dceaee", "#000"), ("#bdd8e0", "#000"), ("#98c2d1", "#000"), ("#71abc0", "#000"),
     ("#4f93ae", "#000"), ("#347c9b", "#fff"), ("#1d6587", "#fff"), ("#134f71", "#fff"), ("#0a3a5c", "#fff")),
)
DARK = Palette(
    ("#56b4e9", "#ff9157", "#3fcf9f", "#eaa8cf", "#f0b840", "#b9b0ff", "#c9d6d6", "#e39486"), "#94a7a8",
    (("#131c1e", "#fff"), ("#172d34", "#fff"), ("#1c3e4a", "#fff"), ("#225263", "#fff"), ("#28677c", "#fff"),
     ("#377f96", "#000"), ("#4e9bb0", "#000"), ("#6bb7c9", "#000"), ("#9ad1dc", "#000"), ("#c9ecf0", "#000")),
)


def style(number: int) -> str:
    """The class names of a series."""
    return "ref" if number < 0 else f"s{number % len(LIGHT.series)}"
