"""Train on one data set, test on another, as blocks: where a figure holds, and where it falls."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from macule.exchange.blocks import Matrix, Prose, Section, Table, Value

SHOWN = {"malignant_auc": "Malignant AUC", "melanoma_auc": "Melanoma AUC", "balanced_accuracy": "Balanced accuracy",
         "calibration_error": "Calibration error of the malignant probability"}


def section(found: Mapping[str, Any]) -> Section:
    """found: as `macule.training.matrix.measure` gives it."""
    tables = tuple(block for name, title in SHOWN.items() for block in _figure(found, name, title))
    return Section("matrix", "Trained on one set, tested on another", _lead(found),
                   (Prose(_training(found)), *tables))


def _lead(found: Mapping[str, Any]) -> str:
    """Own locked pictures against the others', by the figure that every set can be scored on."""
    known = [cell for cell in found["cells"] if cell["malignant_auc"]["value"] is not None]
    own = [cell["malignant_auc"]["value"] for cell in known if cell["own"]]
    away = [cell["malignant_auc"]["value"] for cell in known if not cell["own"]]
    if not own or not away:
        return f"{len(known)} of {len(found['cells'])} pairs of data sets could be scored."
    return (f"On locked pictures of the sets that were trained on the malignant AUC is {sum(own) / len(own):.3f} on "
            f"average ({len(own)} pairs); on sets that were not, {sum(away) / len(away):.3f} ({len(away)} pairs).")


def _training(found: Mapping[str, Any]) -> str:
    rows = "; ".join(f"{row}: {count['pictures']:,} pictures of {count['lesions']:,} lesions"
                     for row, count in found["training"].items())
    return (f"Recipe {found['recipe']}, one training a row ({rows}). All sets were parted together, kin on one side; "
            f"every network of a column is asked about the same locked pictures{_refusals(found)}. Balanced accuracy "
            "is over the classes that the column labels and the row was trained on, so its rows are not of one task.")


def _refusals(found: Mapping[str, Any]) -> str:
    """How far the cells of a column differ because each network's own gate refuses some."""
    refused = [cell["refused"] + cell["failed"] for cell in found["cells"]]
    return f"; it refuses {min(refused)} to {max(refused)} of them, which are left out" if any(refused) else ""


def _figure(found: Mapping[str, Any], name: str, title: str) -> tuple[Matrix, Table]:
    cells = {(cell["row"], cell["column"]): cell for cell in found["cells"]}
    rows, columns = tuple(found["rows"]), tuple(found["columns"])
    counts = tuple(f"{column} (n = {cells[rows[0], column]['pictures']})" for column in columns)
    shades = tuple(tuple(cells[row, column][name]["value"] for column in columns) for row in rows)
    values = tuple((row, *(_value(cells[row, column], name) for column in columns)) for row in rows)
    return (Matrix(title, f"{title} by what was trained on and what was tested.", "trained on", "tested on", rows,
                   counts, shades, decimals=3),
            Table(f"{title}, with 95 % intervals", ("trained on", *counts), values,
                  note="In brackets the interval by bootstrap over lesions or patients."))


def _value(cell: Mapping[str, Any], name: str) -> Value:
    figure = cell[name]
    note = "own set" if cell["own"] else ""
    return Value(figure["value"], figure["low"], figure["high"], figure["n"], figure.get("positives"), note=note)


def markdown(found: Mapping[str, Any]) -> str:
    """The same tables for docs/results."""
    section_ = section(found)
    lines = [section_.lead, "", _training(found), ""]
    cells = {(cell["row"], cell["column"]): cell for cell in found["cells"]}
    for name, title in SHOWN.items():
        lines += [f"## {title}", "", "| trained on | " + " | ".join(
            f"{column} ({cells[found['rows'][0], column]['pictures']} pictures, "
            f"{cells[found['rows'][0], column]['lesions']} lesions)" for column in found["columns"]) + " |",
            "|---|" + "---|" * len(found["columns"])]
        lines += [f"| {row} | " + " | ".join(_shown(cells[row, column], name) for column in found["columns"]) + " |"
                  for row in found["rows"]] + [""]
    return "\n".join(lines)


def _shown(cell: Mapping[str, Any], name: str) -> str:
    figure = cell[name]
    if figure["value"] is None:
        return "not measured"
    interval = "" if figure["low"] is None else f" ({figure['low']:.3f} to {figure['high']:.3f})"
    return f"{'**' if cell['own'] else ''}{figure['value']:.3f}{interval}{'**' if cell['own'] else ''}"
