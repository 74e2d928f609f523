"""The folder of `macule readers --report`: every figure as JSON, and the page that is drawn from it alone."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from macule.data import atomic
from macule.exchange import evaluation_page
from macule.exchange.sections import readers

PAGE, JSON = "index.html", "report.json"


def report(measured: Mapping[str, Any]) -> dict[str, Any]:
    """measured: as `macule.evaluation.readers.service.measure` gives it. Returns: what the page's frame reads."""
    design, model = measured["design"], measured["model"]
    judged = model is not None and model["sha256"] is not None
    return {
        "title": f"reader study, {design['readers']} readers, {design['pictures']} pictures",
        "bundle": {"id": model["name"] if model else "Readers", "sha256": model["sha256"] or "" if model else ""},
        # Of answers from a file nobody knows: the section says so, and the readers' own figures are not marked.
        "leaky": model["leaky"] if judged else False,
        "pictures": design["pictures"],
        "lesions": design["lesions"],
        "refused": design["pictures"] - model["answered"] if model else 0,
        "resamples": measured["resamples"],
        "headlines": _headlines(measured),
        "readers": dict(measured),
    }


def write(measured: Mapping[str, Any], folder: Path, *, now: datetime) -> None:
    """Raises: OSError; files that stand there stay then."""
    folder.mkdir(parents=True, exist_ok=True)
    made = report(measured)
    with atomic.writing(folder / JSON) as stream:
        stream.write(json.dumps(made, indent=2, allow_nan=False) + "\n")
    evaluation_page.write(made, [readers.section(measured)], folder / PAGE, now=now)


def _headlines(measured: Mapping[str, Any]) -> list[dict[str, Any]]:
    """name, hint and figure of what one wants first; those that were measured."""
    found = []
    about = measured["mrmc"].get("aided_against_unaided", {})
    if gain := about.get("figures", {}).get("auc"):
        kind = "random_readers" if gain["random_readers"]["p"] is not None else "fixed_readers"
        verdict = gain[kind]
        found.append({"name": "AUC gained with advice", "hint": "mean of the readers, aided less unaided",
                      "figure": {"value": verdict["difference"], "low": verdict["low"], "high": verdict["high"],
                                 "n": about["pictures"]}})
    for arm, levels in measured["agreement"].items():
        found.append({"name": f"Fleiss' kappa, {arm}", "hint": "agreement of the readers on malignant or not",
                      "figure": levels["call"]["fleiss"]})
    if measured["model"]:
        found.append({"name": "AUC of the model", "hint": "malignant or indeterminate against benign",
                      "figure": measured["model"]["auc"]})
    if measured["switching"]:
        rate = measured["switching"]["call"][0]["rates"]["misled_by_wrong_advice"]
        found.append({"name": "Led astray", "hint": "right calls given up for wrong advice", "figure": rate})
    return found
