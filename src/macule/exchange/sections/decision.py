"""What acting on the malignant probability is worth, as blocks: the decision curve."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from macule.exchange.blocks import Axis, Cell, Plot, Prose, Section, Series, Table, not_measured
from macule.exchange.sections.figures import ENOUGH, curve, number, value

TITLE = "Net benefit"
#: Below this the curves leave the picture: to act on everyone costs without end as the threshold nears 1.
FLOOR = -0.1
HOW = ("Net benefit (Vickers & Elkin 2006): true positives a picture, less false alarms at the price that somebody "
       "pays who acts from that probability on; at 10 %, nine false alarms cost as much as one malignant lesion "
       "missed. It is of this exam's share of malignant pictures.")


def section(found: Mapping[str, Any]) -> Section:
    """found: as `macule.evaluation.decision.measure` gives it."""
    if not found["thresholds"]:
        return not_measured("decision", TITLE, "Malignant and benign pictures are both needed.")
    return Section("decision", TITLE, _lead(found), (Prose(HOW), _plot(found), _table(found)))


def _lead(found: Mapping[str, Any]) -> str:
    if found["n"] < ENOUGH:
        return f"{found['n']} pictures are too few to say what acting on the probability is worth."
    if not found["useful"]:
        return ("At no threshold, each taken by itself, is acting on the malignant probability better, beyond doubt, "
                f"than acting on every picture or on none (n = {found['n']}, "
                f"{100 * found['prevalence']:.0f} % malignant).")
    first, last = max(found["useful"], key=lambda ends: ends[1] - ends[0])
    gain = found["operating_points"]["medium"].get("gain")
    more = (f" At the bundle's threshold for medium risk, acting on the risk as served, the gain is {number(gain)} "
            "a picture."
            if gain and gain["value"] is not None else "")
    which = (f"At each threshold by itself from {100 * first:.0f} % to {100 * last:.0f} %" if last > first
             else f"At a threshold of {100 * first:.0f} %, taken by itself")
    return (f"{which}, acting on the malignant probability is better than acting on every picture or on none "
            f"(n = {found['n']}, {100 * found['prevalence']:.0f} % malignant).{more}")


def _plot(found: Mapping[str, Any]) -> Plot:
    x = found["thresholds"]
    return Plot(
        "Decision curve", "Net benefit against the probability from which one acts; the tint is the 95 % interval.",
        Axis("Threshold probability", 0, 1, percent=True), Axis("Net benefit", FLOOR),
        (_above(curve("act on the model", {"x": x, "y": found["model"], "low": found["low"], "high": found["high"]})),
         _above(Series("act on every picture", tuple(x), tuple(found["everyone"]), style=1)),
         Series("act on none", (x[0], x[-1]), (0.0, 0.0), style=-1)),
        note="The interval is of each threshold by itself, not of the whole curve. A curve ends where it falls below "
             "−0.1.")


def _above(series: Series) -> Series:
    """As far as it stays above the floor."""
    end = next((place for place, y in enumerate(series.y) if y < FLOOR), len(series.y))
    band = tuple((max(low, FLOOR), max(high, FLOOR)) for low, high in series.band[:end])
    return Series(series.label, series.x[:end], series.y[:end], series.kind, band, series.style)


def _table(found: Mapping[str, Any]) -> Table:
    rows: tuple[tuple[Cell, ...], ...] = tuple(
        (f"{name}, from {point['probability']:.3f}",
         *(value(point[key], counted=False) for key in ("net_benefit", "everyone", "gain")))
        for name, point in found["operating_points"].items() if "gain" in point)
    return Table(f"At the bundle's own thresholds, {found['n']} pictures",
                 ("Threshold", "Act on the model", "Act on every picture", "Gain over the better of all and none"),
                 rows, "By the risk as it is served: what the gate flags is never low. The thresholds were fitted on "
                 "the bundle's calibration part.",
                 tuple(range(len(rows))) if found["n"] < ENOUGH else ())
