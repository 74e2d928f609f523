"""The figures of a change in plain words, each with what it can and cannot say."""

from __future__ import annotations

from dataclasses import dataclass

from macule.analysis.change import Change, Refusal

#: Errors of 95 in 100 drawn pairs stay within these (docs/clinic-change.md): less is not called a change.
AREA_PERCENT, DELTA_E, ASYMMETRY, BORDER, SPREAD = 25.0, 1.3, 0.07, 0.2, 0.8
#: Delta L or a from which the direction of a change of colour is named.
DIRECTION = 1.0

REFUSALS = {
    Refusal.NO_FEATURES: "One of the pictures shows too little structure to be recognised in the other.",
    Refusal.FEW_MATCHES: "Too few places of one picture were found again in the other.",
    Refusal.IMPLAUSIBLE_SCALE: "One would have to be enlarged more than two and a half times to fit the other.",
    Refusal.LITTLE_OVERLAP: "They show too little of the same skin.",
    Refusal.NOT_ALIKE: "Laid over each other, their fine structures do not agree.",
}


@dataclass(frozen=True)
class Line:
    """notable: more than the measuring error."""

    label: str
    value: str
    words: str
    notable: bool


def lines(change: Change) -> list[Line]:
    return [_area(change), _colour(change), _dark(change), _asymmetry(change), _border(change), _spread(change)]


def _area(change: Change) -> Line:
    if change.area_percent is None:
        return Line("Area", "–", "Not measured: the lesion reaches the edge of a picture.", False)
    value = _signed(change.area_percent, "%.0f") + "\N{NO-BREAK SPACE}%"
    if abs(change.area_percent) <= AREA_PERCENT:
        return Line("Area", value, f"Within the measuring error of {AREA_PERCENT:.0f} %.", False)
    return Line("Area", value, "Larger than before." if change.area_percent > 0 else "Smaller than before.", True)


def _colour(change: Change) -> Line:
    value = f"ΔE {change.delta_e:.1f}"
    if not change.same_light:
        return Line("Mean colour", value, "Uncertain: too little skin is seen to take the light off.", False)
    if change.delta_e <= DELTA_E:
        return Line("Mean colour", value, "No change that an eye would see.", False)
    ways = []
    if abs(change.darker) >= DIRECTION:
        ways.append("darker" if change.darker > 0 else "lighter")
    if abs(change.redder) >= DIRECTION:
        ways.append("redder" if change.redder > 0 else "less red")
    seen = "clearly seen" if change.delta_e >= 5 else "seen side by side"
    return Line("Mean colour", value, f"{(' and '.join(ways) or 'another hue').capitalize()}, {seen}.", True)


def _dark(change: Change) -> Line:
    share = f"{change.new_dark:.0%}".replace("%", "\N{NO-BREAK SPACE}%")
    if change.new_dark == 0:
        return Line("New dark regions", "none", "No part of the lesion is markedly darker than before.", False)
    return Line("New dark regions", share, "Of the lesion, markedly darker than the same place before; hatched above.",
                True)


def _asymmetry(change: Change) -> Line:
    then, now = (sum(each.asymmetry) / 2 for each in (change.earlier, change.later))
    axes = " and ".join(f"{axis:.0%}".replace("%", "\N{NO-BREAK SPACE}%") for axis in change.later.asymmetry)
    return _moved("Asymmetry", (then, now), ASYMMETRY, "%.2f", f"Folded along and across, {axes} do not meet now.")


def _border(change: Change) -> Line:
    return _moved("Border irregularity", (change.earlier.border, change.later.border), BORDER, "%.2f",
                  "Its length against a circle's; 1 is round.")


def _spread(change: Change) -> Line:
    return _moved("Spread of colours", (change.earlier.spread, change.later.spread), SPREAD, "%.1f",
                  "Mean ΔE from the lesion's own mean.")


def _moved(label: str, values: tuple[float, float], error: float, form: str, words: str) -> Line:
    then, now = values
    notable = abs(now - then) > error
    verdict = ("More than before. " if now > then else "Less than before. ") if notable else "No measurable change. "
    return Line(label, f"{form % then} → {form % now}", verdict + words, notable)


def _signed(value: float, form: str) -> str:
    text = form % abs(value)
    if float(text) == 0:
        return "0"
    return ("+" if value > 0 else "−") + text
