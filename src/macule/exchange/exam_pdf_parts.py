"""Figures of an exam's paper: the risk's shape, a body with the spot on it, bars and the QR code. Millimetres."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import segno

from macule.exchange.exam_pdf import Limits, Person
from macule.exchange.exam_pdf_sheet import TEXT, Paper
from macule.exchange.pdf.sheet import ACCENT, INK, SOFT

#: Letters and ground, with a contrast of at least 4.5 : 1 (WCAG 2.2 AA); the page's own colours.
TONES: Mapping[str, tuple[str, str]] = {
    "low": ("#17663f", "#e6f4ec"), "medium": ("#855000", "#fbf2e0"), "high": ("#a01d2c", "#fbebea"),
    "refused": ("#4b4a8f", "#eeeefa"),
}
LEVELS = ("low", "medium", "high")
_RAIL = "#dde6e4"
#: The drawing of the body map (templates/clinic/care/_body.html), its right half: where `map_x` and `map_y` lie.
BODY_SIZE = (200.0, 420.0)
BODY_HALF = (
    "M100 8C112 8 121 18 121 33 121 45 115 55 109 60 109 66 110 70 114 72 124 76 138 77 144 86 150 95 151 112 154 "
    "130 157 150 163 170 168 196 170 204 174 212 173 222 172 232 168 241 164 241 160 241 158 230 157 220 156 212 "
    "157 206 156 200 149 180 143 165 140 150 137 135 134 122 131 110 131 128 129 145 127 160 127 175 133 190 135 "
    "206 138 235 134 270 129 298 130 320 127 350 121 376 121 384 130 392 130 398 130 405 112 405 109 398 107 390 "
    "109 382 108 374 106 350 104 325 105 300 105 275 103 245 100 226"
)


def risk_shape(paper: Paper, level: str, x: float, y: float, side: float) -> None:
    """Circle with a tick, diamond with a bar, octagon with a call sign: told apart without colour too."""
    part = side / 48
    paper.fill(TONES[level][0])

    def at(*points: tuple[float, float]) -> list[tuple[float, float]]:
        return [(x + px * part, y + py * part) for px, py in points]

    if level == "low":
        paper.ellipse(x + 3 * part, y + 3 * part, 42 * part, 42 * part, style="F")
    elif level == "high":
        corners = ((15.2, 2.5), (32.8, 2.5), (45.5, 15.2), (45.5, 32.8), (32.8, 45.5), (15.2, 45.5), (2.5, 32.8),
                   (2.5, 15.2))
        paper.polygon(at(*corners), style="F")
    else:
        paper.polygon(at((24, 1.5), (46.5, 24), (24, 46.5), (1.5, 24)), style="F")
    paper.stroke("#ffffff", 4 * part)
    marks = {"low": (((14.5, 20.5), (24, 30), (33.5, 20.5)),), "medium": (((15, 24), (33, 24)),),
             "high": (((24, 12.5), (24, 27)), ((24, 34), (24, 35))),
             "refused": (((16, 16), (32, 32)), ((32, 16), (16, 32)))}
    for mark in marks[level]:
        paper.polyline(at(*mark))


def ladder(paper: Paper, level: str, words: Mapping[str, str], *, x: float, y: float, width: float) -> None:
    """Three steps, the one that applies filled and named in bold."""
    step = (width - 4) / 3
    for place, each in enumerate(LEVELS):
        left, here = x + place * (step + 2), each == level
        paper.fill(TONES[each][0] if here else _RAIL)
        paper.rect(left, y, step, 2.6, style="F", round_corners=True, corner_radius=1.3)
        paper.set_font(TEXT, "B" if here else "", 9)
        paper.ink(TONES[each][0] if here else SOFT)
        paper.write_at(left, y + 5.6, paper.fitted(words[each], step), width=step, align="C")


def bar(paper: Paper, share: float, x: float, y: float, width: float, *, height: float = 2.6, colour: str = ACCENT,
        marks: tuple[float, ...] = ()) -> None:
    """share, marks: 0 to 1 of the rail."""
    paper.fill(_RAIL)
    paper.rect(x, y, width, height, style="F")
    paper.fill(colour)
    if share > 0:
        paper.rect(x, y, max(0.4, width * min(share, 1)), height, style="F")
    paper.stroke(INK, 0.35)
    for mark in marks:
        paper.line(x + width * mark, y - 0.9, x + width * mark, y + height + 0.9)


def qr(paper: Paper, content: str, x: float, y: float, side: float) -> None:
    """Error correction M; vectors, so that it scans from a bad copy too."""
    code = segno.make(content, error="m", micro=False)
    rows = [list(row) for row in code.matrix]
    cell = side / len(rows)
    paper.fill("#000000")
    for line, row in enumerate(rows):
        start = None
        for column, dark in enumerate([*row, 0]):
            if dark and start is None:
                start = column
            elif not dark and start is not None:
                # A run as one box: between single cells some viewers show hairlines.
                paper.rect(x + start * cell, y + line * cell, (column - start) * cell, cell * 1.02, style="F")
                start = None


def limit_marks(limits: Limits | None) -> tuple[float, ...]:
    return () if limits is None else (limits.medium.probability, limits.high.probability)


def percent(probability: float) -> str:
    """`< 1 %` to `> 99 %`: no answer is ever shown as certain."""
    if probability < 0.01:
        return "<\u00a01\u00a0%"
    if probability > 0.99:
        return ">\u00a099\u00a0%"
    return f"{probability * 100:.0f}\u00a0%"


def body(paper: Paper, person: Person, x: float, y: float, height: float) -> float:
    """Front or back with the spot ringed. Returns: its width, 0 where no place is known."""
    if person.map_view is None or person.map_x is None or person.map_y is None:
        return 0.0
    unit = height / BODY_SIZE[1]
    half = list(_curve(BODY_HALF))
    outline = [*half, *((BODY_SIZE[0] - px, py) for px, py in reversed(half))]
    paper.fill("#e3ebea")
    paper.stroke(SOFT, 0.25)
    paper.polygon([(x + px * unit, y + py * unit) for px, py in outline], style="DF")
    spot = x + person.map_x * BODY_SIZE[0] * unit, y + person.map_y * height
    paper.fill("#a01d2c")
    paper.circle(*spot, radius=0.9, style="F")
    paper.stroke("#a01d2c", 0.45)
    paper.circle(*spot, radius=2.4, style="D")
    return BODY_SIZE[0] * unit


def _curve(path: str) -> Iterator[tuple[float, float]]:
    """Points of `M x y C ...`, eight a curve."""
    numbers = [float(each) for each in path.replace("M", " ").replace("C", " ").split()]
    points = list(zip(numbers[::2], numbers[1::2], strict=True))
    yield points[0]
    for start in range(0, len(points) - 1, 3):
        corners = points[start:start + 4]
        for step in range(1, 9):
            share = step / 8
            parts = [(1 - share) ** 3, 3 * share * (1 - share) ** 2, 3 * share**2 * (1 - share), share**3]
            yield (sum(part * px for part, (px, _) in zip(parts, corners, strict=True)),
                   sum(part * py for part, (_, py) in zip(parts, corners, strict=True)))


__all__ = ["LEVELS", "TONES", "bar", "body", "ladder", "limit_marks", "percent", "qr", "risk_shape"]
