"""A reader study for a person at a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table

if TYPE_CHECKING:
    from macule.evaluation.readers.power import Power

_FIGURES = {"auc": "area under the curve", "balanced_accuracy": "balanced accuracy", "sensitivity": "sensitivity",
            "specificity": "specificity"}


def print_power(name: str, studies: int, rows: Sequence[Power]) -> None:
    table = Table(title=f"{name}: {studies} simulated studies a row, p < 0.05")
    for column in ("true gain in AUC", "found, other readers too", "found, these readers", "interval holds the truth",
                   "its mean width"):
        table.add_column(column, justify="right")
    for row in rows:
        table.add_row(f"{row.difference:.3f}", f"{row.found:.0%}", f"{row.fixed_found:.0%}", f"{row.covered:.1%}",
                      f"{row.width:.3f}")
    Console().print(table)


def print_study(measured: Mapping[str, Any]) -> None:
    """measured: as `macule.evaluation.readers.service.measure` gives it."""
    console = Console()
    for line in _about(measured):
        console.print(line, markup=False, highlight=False, soft_wrap=True)
    _print_points(console, measured)
    _print_comparisons(console, measured)
    for line in (*_agreed(measured), *_switched(measured), *_missing(measured)):
        console.print(line, markup=False, highlight=False, soft_wrap=True)


def _about(measured: Mapping[str, Any]) -> Iterator[str]:
    design = measured["design"]
    mark = "SIMULATED " if measured["simulated"] else ""
    found = " (found from the numbers)" if design["scale_detected"] else ""
    yield (f"{mark}{design['readers']} readers, {design['pictures']} pictures of {design['lesions']} lesions or "
           f"patients, {design['positives']} malignant or indeterminate")
    yield (f"{design['readings']['unaided']} unaided and {design['readings']['aided']} aided readings; confidence in "
           f"{design['confidence_of']}, {design['scale']}{found}")


def _agreed(measured: Mapping[str, Any]) -> Iterator[str]:
    for arm, levels in measured["agreement"].items():
        yield (f"Fleiss' kappa among {arm} readers: {_shown(levels['call']['fleiss'])} on malignant or not, "
               f"{_shown(levels['diagnosis']['fleiss'])} on the class")


def _switched(measured: Mapping[str, Any]) -> Iterator[str]:
    if not measured["switching"]:
        return
    everyone = measured["switching"]["call"][0]
    for rate, words in (("mended_by_right_advice", "wrong calls set right by right advice"),
                        ("misled_by_wrong_advice", "right calls given up for wrong advice")):
        figure = everyone["rates"][rate]
        yield f"{words}: {_shown(figure)} of {figure['n']}"


def _missing(measured: Mapping[str, Any]) -> Iterator[str]:
    for name, about in measured["mrmc"].items():
        for gap in about["missing"]:
            yield (f"{name.replace('_', ' ')}: {gap['reader']} did not read {gap['missing']} picture(s) {gap['arm']} "
                   f"({', '.join(gap['pictures'])}): not compared over readers.")


def _print_points(console: Console, measured: Mapping[str, Any]) -> None:
    from macule.data import guard

    table = Table(title="malignant or indeterminate against benign")
    for column in ("", "", "sensitivity", "specificity", "AUC"):
        table.add_column(column)
    for each in sorted(measured["points"], key=lambda each: str(each["reader"])):
        figures = (_shown(each[key]) for key in ("sensitivity", "specificity", "auc"))
        table.add_row(each["reader"], each["arm"], *figures)
    model = measured["model"]
    for point in model["points"] if model else ():
        mark = guard.mark(model["leaky"]) if model["sha256"] else ""
        table.add_row(model["name"], point["name"], *(mark + _shown(figure) for figure in (
            point["sensitivity"], point["specificity"], model["auc"])))
    console.print(table)


def _print_comparisons(console: Console, measured: Mapping[str, Any]) -> None:
    table = Table(title="compared over readers and lesions (Obuchowski-Rockette)")
    for column in ("second less first", "figure", "means", "difference (95 % interval)", "F", "df", "p"):
        table.add_column(column)
    for about in measured["mrmc"].values():
        groups = [("", about.get("figures", {})), *((point["point"], point) for point in about.get("points", ()))]
        for where, figures in groups:
            for key, words in _FIGURES.items():
                if key in figures:
                    table.add_row(f"{about['second']}, {about['first']}" + f" ({where})" * bool(where), words,
                                  *_verdict(figures[key]))
    if table.row_count:
        console.print(table)


def _verdict(figure: Mapping[str, Any]) -> tuple[str, ...]:
    """With one reader the fixed one stands in, and says so."""
    one = figure["readers"] == 1
    found = figure["fixed_readers" if one else "random_readers"]
    means = ", ".join("undefined" if mean is None else f"{mean:.3f}" for mean in figure["means"])
    shown = _shown({"value": found["difference"], "low": found["low"], "high": found["high"]})
    if found["p"] is None:
        return means, shown, "undefined", "undefined", "undefined"
    df = "infinite" if found["df"] is None else f"{found['df']:.1f}"
    p = "< 0.001" if found["p"] < 0.001 else f"{found['p']:.3f}"
    return means, shown + " this reader alone" * one, f"{found['f']:.2f}", df, p


def _shown(figure: Mapping[str, Any]) -> str:
    if figure["value"] is None:
        return "undefined"
    interval = "" if figure["low"] is None else f" ({figure['low']:.3f} to {figure['high']:.3f})"
    return f"{figure['value']:.3f}{interval}"
