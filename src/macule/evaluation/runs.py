"""Run folders, read back: what was trained on what, how it went, and how good it came out. Needs no torch.

`run.json` is written by macule.training.record, `curve.jsonl` grows with the run, `metrics.json` comes last.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from macule.errors import InputNotFound, RunDamaged
from macule.evaluation.curve import Curve, read_curve

RUN, CURVE, METRICS = "run.json", "curve.jsonl", "metrics.json"
FORMAT = 1
REMEDY = "restore it, or delete the folder and train again"
STATES = ("running", "finished", "failed", "stopped")
#: The figures that runs are compared by: key in metrics.json -> name.
HEADLINES = {"balanced_accuracy": "balanced accuracy", "macro_auc": "macro AUC", "malignant_auc": "malignant AUC"}


@dataclass(frozen=True)
class Start:
    """What the weights were before the first step. pretrained: False is from scratch."""

    backbone: str
    weights: str
    pretrained: bool


@dataclass(frozen=True)
class Run:
    """One run folder. ended: None while it runs, or if it was cut off. resumed: when it went on, earliest first.

    touched: when something was last written. manifest: its hash; None for the recipe's own split. curve: without the
    rows that a resumed run repeated. metrics: one report of macule.evaluation.scoring a test part, or none yet.
    """

    folder: Path
    name: str
    status: str
    started: datetime
    ended: datetime | None
    resumed: tuple[datetime, ...]
    touched: datetime
    error: Mapping[str, str] | None
    recipe: Mapping[str, Any]
    recipe_sha256: str
    manifest: str | None
    pictures: Mapping[str, int]
    lesions: Mapping[str, int]
    split: Mapping[str, Any]
    leaky: bool
    seed: int
    start: Start
    versions: Mapping[str, str | None]
    machine: Mapping[str, Any]
    warnings: tuple[str, ...]
    curve: Curve
    metrics: tuple[Mapping[str, Any], ...]

    @property
    def duration(self) -> timedelta:
        """From start to end; of a run that was resumed, the time that its steps took, without the pauses."""
        if self.resumed:
            return timedelta(seconds=self.curve.seconds)
        return (self.ended or self.touched) - self.started

    @property
    def marked(self) -> bool:
        """Whether its figures are LEAKY: by its split, or by what it was scored on."""
        return self.leaky or any(report.get("leaky") for report in self.metrics)

    def figure(self, name: str) -> Mapping[str, Any] | None:
        """A figure of the first report: value, low, high, n; None before there is one."""
        found = self.metrics[0].get(name) if self.metrics else None
        return found if isinstance(found, Mapping) else None


def load(folder: Path) -> dict[str, Any]:
    """run.json as it is. Raises: InputNotFound without one; RunDamaged if it is no record, or of another format."""
    path = folder / RUN
    if not path.is_file():
        raise InputNotFound(f"{folder} is no run: there is no {RUN} in it; `macule runs FOLDER` lists those below one.")
    table = _json(path)
    if not isinstance(table, dict):
        raise RunDamaged(f"{path} holds a {type(table).__name__} in place of a table: {REMEDY}.")
    if table.get("format") != FORMAT:
        raise RunDamaged(f"{path} has format {table.get('format')!r}; this macule reads {FORMAT}: use the one that "
                         "wrote it.")
    return table


def read(folder: Path) -> Run:
    """Raises: InputNotFound without a run.json; RunDamaged if one of the files is not what a run writes."""
    table, curve, reports = load(folder), read_curve(folder / CURVE), _reports(folder / METRICS)
    try:
        return _run(folder, table, curve, reports)
    except KeyError as error:
        raise RunDamaged(f"{folder / RUN} lacks {error}: {REMEDY}.") from error
    except (TypeError, ValueError, AttributeError) as error:
        raise RunDamaged(f"{folder / RUN} is damaged ({error}): {REMEDY}.") from error


def find(folder: Path) -> Iterator[Path]:
    """The run folders in and below `folder`, by name. Raises: InputNotFound if it is no folder or holds no run."""
    if not folder.is_dir():
        raise InputNotFound(f"there is no folder {folder}: name the one that `macule train --work` wrote to.")
    found = False
    for parent, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        if RUN in names:
            found = True
            yield Path(parent)
    if not found:
        raise InputNotFound(f"{folder} holds no runs (no {RUN} in it or below): name the folder that "
                            "`macule train --work` wrote to.")


def settings(recipe: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """A recipe as one flat table, with the names that `macule train --set` takes."""
    flat: dict[str, Any] = {}
    for key, value in recipe.items():
        if is_section(value):
            inner = value if isinstance(value, Mapping) else {str(number): each for number, each in enumerate(value)}
            flat |= settings(inner, f"{prefix}{key}.")
        else:
            flat[prefix + key] = value
    return flat


def is_section(value: Any) -> bool:
    """Whether a setting holds settings itself: a table, or a list of tables."""
    if isinstance(value, Mapping):
        return bool(value)
    return isinstance(value, list | tuple) and bool(value) and all(isinstance(each, Mapping) for each in value)


def _run(folder: Path, table: Mapping[str, Any], curve: Curve, metrics: tuple[Mapping[str, Any], ...]) -> Run:
    if table["status"] not in STATES:
        raise ValueError(f"status is {table['status']!r}, not one of {', '.join(STATES)}")
    return Run(
        folder=folder, name=str(table["name"]), status=table["status"],
        started=datetime.fromisoformat(table["started"]),
        ended=datetime.fromisoformat(table["ended"]) if table["ended"] else None,
        resumed=tuple(datetime.fromisoformat(each) for each in table.get("resumed", ())),
        touched=_touched(folder), error=table["error"],
        recipe=_table(table, "recipe"), recipe_sha256=table["recipe_sha256"], manifest=table["manifest"],
        pictures=_table(table, "pictures"), lesions=_table(table, "lesions"), split=_table(table, "split"),
        leaky=bool(table["leaky"]), seed=int(table["seed"]),
        start=Start(**{key: table["start"][key] for key in ("backbone", "weights", "pretrained")}),
        versions=_table(table, "versions"), machine=_table(table, "machine"), warnings=tuple(table["warnings"]),
        curve=curve, metrics=metrics,
    )


def _table(table: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    if not isinstance(table[key], Mapping):
        raise TypeError(f"{key} is {table[key]!r}, and no table")
    return dict(table[key])


def _touched(folder: Path) -> datetime:
    files = (folder / name for name in (RUN, CURVE, METRICS))
    return datetime.fromtimestamp(max(file.stat().st_mtime for file in files if file.exists()), UTC)


def _reports(path: Path) -> tuple[Mapping[str, Any], ...]:
    """One report, or a list of them; none where no picture of the test part could be scored."""
    found = _json(path) if path.exists() else {}
    reports = found if isinstance(found, list) else [found] if found else []
    if not all(isinstance(each, dict) and "dataset" in each for each in reports):
        raise RunDamaged(f"{path} is no report of `macule train`: delete it, and score the run again.")
    return tuple(reports)


def _json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:  # not JSON, or not UTF-8
        raise RunDamaged(f"{path} is damaged ({error}): {REMEDY}.") from error
