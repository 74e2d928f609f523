"""Whether probabilities can be taken at their word, as blocks: reliability before and after calibration."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from macule.exchange.blocks import Axis, Block, Plot, Prose, Section, Series, Table, Value, not_measured
from macule.exchange.sections.figures import ENOUGH, number, value

TITLE = "Calibration"
KINDS = {"malignant": "Malignant probability", "top": "Probability of the class ranked first"}
FIGURES = {"ece": "Calibration error (ECE)", "largest_error": "Largest error of a bin", "brier": "Brier score",
           "log_loss": "Log loss", "intercept": "Calibration intercept", "slope": "Calibration slope"}
NOTE = ("Best: 0 for all but the slope, which is best at 1; a slope below 1 means probabilities that are too extreme, "
        "an intercept below 0 ones that are too high. Bins hold equally many pictures. Resampling adds noise to bins, "
        "so the intervals of their two errors are moved to lie around the value.")


def section(found: Mapping[str, Any]) -> Section:
    """found: as `macule.evaluation.calibration.measure` gives it."""
    kinds = {key: title for key, title in KINDS.items() if found[key]["n"]}
    if not kinds:
        return not_measured("calibration", TITLE, "No answered picture has a label to hold the probabilities against.")
    blocks: list[Block] = [Prose(
        f"The bundle divides its logits by a temperature of {found['temperature']:.3f}{_apart(found)}, fitted on its "
        "calibration part. Before: that undone. Nothing was fitted on this exam.")]
    blocks += [_plot(title, found[key]) for key, title in kinds.items()]
    blocks += [_table(title, found[key]) for key, title in kinds.items()]
    return Section("calibration", TITLE, _lead(found), tuple(blocks))


def _apart(found: Mapping[str, Any]) -> str:
    return "; how much the malignant classes have together comes from a shift of each class" if found[
        "malignant_apart"] else ""


def _lead(found: Mapping[str, Any]) -> str:
    mine = found["malignant"]
    after, change = mine["after"], mine["change"]["ece"]
    if not mine["n"]:
        return "Of no answered picture the label says whether it is malignant."
    if mine["n"] < ENOUGH:
        return f"{mine['n']} pictures are too few to say whether the probabilities can be taken at their word."
    return (f"The malignant probability is off by {number(after['ece'])} on average over {mine['n']} pictures"
            f"{_direction(after.get('intercept', {}))}. {_verdict(change)}")


def _direction(intercept: Mapping[str, Any]) -> str:
    if not intercept or intercept.get("low") is None:
        return ""
    if intercept["high"] < 0:
        return "; it is too high on the whole"
    return "; it is too low on the whole" if intercept["low"] > 0 else ""


def _verdict(change: Mapping[str, Any]) -> str:
    """What the calibration did, as far as the interval says so."""
    if change["low"] is None:
        return "What the calibration changes cannot be told."
    if change["high"] < 0:
        return f"The calibration lowers that error, by {number(_turned(change))}."
    if change["low"] > 0:
        return f"The calibration raises that error here, by {number(change)}."
    return f"The calibration does not clearly change it (difference {number(change)})."


def _turned(found: Mapping[str, Any]) -> dict[str, Any]:
    return {**found, "value": -found["value"], "low": -found["high"], "high": -found["low"]}


def _plot(title: str, found: Mapping[str, Any]) -> Plot:
    return Plot(
        f"Reliability: {title.lower()}",
        "Share of pictures where it was so, against the mean probability, in bins of equal count. On the dashed line "
        "the probability is right; below it, too high.",
        Axis("Mean probability", 0, 1, percent=True), Axis("Observed", 0, 1, percent=True),
        (_series("before calibration", found["before"]["reliability"], -1),
         _series("after, as served", found["after"]["reliability"], 0)), diagonal=True,
        note=f"{found['n']} pictures, {found['outcomes']} where it was so; tint: 95 % interval of each bin.")


def _series(label: str, bins: Mapping[str, Any], style: int) -> Series:
    rows = [row for row in zip(*(bins[key] for key in ("probability", "observed", "low", "high")), strict=True)
            if row[0] is not None and row[1] is not None]
    # The band of the reference would only hide the other.
    band = () if style < 0 or any(row[2] is None for row in rows) else tuple((row[2], row[3]) for row in rows)
    return Series(label, tuple(row[0] for row in rows), tuple(row[1] for row in rows), "line", band, style)


def _table(title: str, found: Mapping[str, Any]) -> Table:
    rows: tuple[tuple[str | Value, ...], ...] = tuple(
        (name, *(value(found[way][key], counted=False) for way in ("before", "after", "change")))
        for key, name in FIGURES.items() if key in found["after"])
    return Table(f"{title}, {found['n']} pictures", ("Figure", "Before", "After", "Change"), rows, NOTE,
                 tuple(range(len(rows))) if found["n"] < ENOUGH else ())
