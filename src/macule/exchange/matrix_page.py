"""The folder of `macule matrix`: every cell as JSON, the tables as Markdown, and the page."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from macule.data import atomic
from macule.exchange import evaluation_page
from macule.exchange.sections import matrix

PAGE, JSON, MARKDOWN = "index.html", "matrix.json", "matrix.md"


def write(found: Mapping[str, Any], folder: Path, *, now: datetime) -> None:
    """found: as `macule.training.matrix.measure` gives it. Raises: OSError; files that stand there stay then."""
    folder.mkdir(parents=True, exist_ok=True)
    with atomic.writing(folder / JSON) as stream:
        stream.write(json.dumps(found, indent=2, allow_nan=False) + "\n")
    with atomic.writing(folder / MARKDOWN) as stream:
        stream.write(matrix.markdown(found))
    evaluation_page.write(report(found), [matrix.section(found)], folder / PAGE, now=now)


def report(found: Mapping[str, Any]) -> dict[str, Any]:
    """What the page's frame reads. The first row's cells tell the columns' pictures: all rows have the same."""
    first = [cell for cell in found["cells"] if cell["row"] == found["rows"][0]]
    return {
        "title": "one data set, tested on another",
        "bundle": {"id": found["recipe"], "sha256": ""},
        "leaky": found["leaky"],
        "pictures": sum(cell["pictures"] + cell["refused"] + cell["failed"] for cell in first),
        "refused": sum(cell["refused"] for cell in found["cells"]),
        "resamples": found["resamples"],
        "headlines": list(_headlines(found)),
    }


def _headlines(found: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """The best and the worst malignant AUC outside the training set: where one would be surprised."""
    away = [cell for cell in found["cells"] if not cell["own"] and cell["malignant_auc"]["value"] is not None]
    if not away:
        return
    ordered = sorted(away, key=lambda cell: float(cell["malignant_auc"]["value"]))
    for name, cell in (("Lowest malignant AUC elsewhere", ordered[0]),
                       ("Highest malignant AUC elsewhere", ordered[-1])):
        yield {"name": name, "hint": f"trained on {cell['row']}, tested on {cell['column']}",
               "figure": cell["malignant_auc"]}
