"""k-fold cross-validation: every picture is answered by a network that has seen no kin of it."""

from __future__ import annotations

import csv
import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from macule.analysis import bundle as bundles
from macule.analysis import calibrate
from macule.data import guard
from macule.data.atomic import writing
from macule.data.record import Record
from macule.errors import DatasetError, UsageError
from macule.evaluation import runs, scoring
from macule.evaluation.metrics import Floats
from macule.evaluation.predictions import CODES, Predictions
from macule.spreadsheet import harmless
from macule.training import build, bundling, prepare, processes
from macule.training.build import Source
from macule.training.loop import Row
from macule.training.prepare import Fold
from macule.training.recipe import Recipe

PREDICTIONS = "predictions.csv"
#: Figures whose spread over the folds is told.
FIGURES = ("accuracy", "balanced_accuracy", "macro_auc", "malignant_auc", "calibration_error")
#: What is told of each data set besides: of melanoma alone.
OF_MELANOMA = ("auc", "sensitivity_at_90%_specificity")


@dataclass(frozen=True)
class CrossValidated:
    """folder: metrics.json and predictions.csv. runs: one folder a fold. metrics: as in the file."""

    folder: Path
    runs: tuple[Path, ...]
    metrics: dict[str, Any]


@dataclass(frozen=True)
class _Answers:
    """Of one fold's network to the fold's pictures. names: `dataset:id`. shares: float64, (N, 11). risks: by the
    thresholds alone, as the pictures are of the sets that were trained on."""

    names: list[str]
    shares: Floats
    risks: list[str]


def cross_validate(recipe: Recipe, source: Source, count: int, *, log: Callable[[str], None] = print,
                   show: Callable[[Row], None] = lambda _: None) -> CrossValidated | None:
    """One run a fold, one after the other, then one report over all pictures. Run again, it goes on.

    A fold that has come to its end is not repeated; each fold's own run is kept, with its bundle. That is not refitted:
    what is scored is the network as it is calibrated, and a refit takes as long as all of the scoring.

    Returns: None in all processes but the first.
    Raises: UsageError for a number of folds that cannot be made; see also build.build.
    """
    if source.chosen is not None:
        raise UsageError("--folds makes folds of its own: leave --split out, or train its folds with --fold.")
    done = [_one(recipe, source, Fold(number, count), log, show) for number in range(count)]
    if not processes.present().is_main_process:
        return None
    folder = source.work / f"{recipe.name}-{count}folds-{_key(done)}"
    folder.mkdir(exist_ok=True)
    records = _records(recipe, source, count)
    answers = [_read(run) for run in done]
    _check_apart(answers)
    metrics = _metrics(recipe, done, answers, records)
    _write_predictions(folder / PREDICTIONS, answers, records)
    with writing(folder / runs.METRICS) as stream:
        stream.write(json.dumps(metrics, indent=2) + "\n")
    log("\n".join(guard.mark(metrics["leaky"]) + line for line in lines(metrics)))
    return CrossValidated(folder, tuple(done), metrics)


def lines(metrics: dict[str, Any]) -> list[str]:
    """What a person should read: each figure over all pictures, and how it spreads over the folds."""
    head = f"out of fold, {metrics['pictures']} pictures in {len(metrics['folds'])} folds:"
    found = [head, *(_line(name, metrics) for name in FIGURES if metrics[name]["value"] is not None)]
    for part in metrics["sets"]:
        of = " ".join(word for word in (part["dataset"], part["modality"]) if word)
        found.append(f"{of} alone, {part['pictures']} pictures of {part['lesions']} lesions:")
        melanoma = {f"melanoma {name}": part["classes"].get("mel", {}).get(name) for name in OF_MELANOMA}
        figures = {name: part[name] for name in FIGURES} | melanoma
        found += [_shown(name, figure) for name, figure in figures.items() if figure and figure["value"] is not None]
    return found


def spread(values: Sequence[float | None]) -> Mapping[str, float | int | None]:
    """Mean, standard deviation (of a sample), least and largest; None where fewer than two folds have a value."""
    known = np.array([value for value in values if value is not None], np.float64)
    if len(known) < 2:
        return {"mean": None, "sd": None, "least": None, "largest": None, "folds": len(known)}
    shown = {"mean": known.mean(), "sd": known.std(ddof=1), "least": known.min(), "largest": known.max()}
    return {name: round(float(value), 4) for name, value in shown.items()} | {"folds": len(known)}


def _one(recipe: Recipe, source: Source, fold: Fold, log: Callable[[str], None], show: Callable[[Row], None]) -> Path:
    def titled(text: str) -> None:
        log("\n".join(f"fold {fold.number + 1} of {fold.count}: {line}" for line in text.splitlines()))

    return build.build(recipe, replace(source, fold=fold), None, again=False, refitted=False, log=titled, show=show)


def _key(done: Sequence[Path]) -> str:
    return hashlib.sha256(" ".join(run.name for run in done).encode()).hexdigest()[:8]


def _records(recipe: Recipe, source: Source, count: int) -> dict[str, Record]:
    """Every picture that stands in some fold's test part, by name."""
    parts = prepare.read(recipe, source.root, source.work, pairs=source.pairs, fold=Fold(0, count))
    return {f"{record.dataset}:{record.picture_id}": record
            for role in prepare.ROLES for record in getattr(parts, role)}


def _read(run: Path) -> _Answers:
    bundle = bundles.load(run / "bundle")
    with np.load(run / bundling.PREDICTIONS) as kept:
        names, logits = kept["test"].tolist(), kept["test_logits"]
    shares = bundle.calibration.shares(logits) if len(logits) else np.zeros((0, len(CODES)))
    risks = [calibrate.risk(calibrate.malignant(row), bundle.thresholds, in_distribution=True).value for row in shares]
    return _Answers(names, shares, risks)


def _check_apart(answers: Sequence[_Answers]) -> None:
    names = [name for each in answers for name in each.names]
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise DatasetError(f"{twice} is in the test part of two folds: the runs are of different data; give another "
                           "--work folder.")


def _predictions(answers: Sequence[_Answers], records: dict[str, Record]) -> Predictions:
    """All together, without the pictures that have no single diagnosis."""
    rows = [(records[name], share, risk) for each in answers
            for name, share, risk in zip(each.names, each.shares, each.risks, strict=True)
            if len(records[name].labels) == 1]
    return Predictions([record for record, _, _ in rows],
                       np.array([share for _, share, _ in rows]).reshape(-1, len(CODES)),
                       [risk for _, _, risk in rows])


def _metrics(recipe: Recipe, done: Sequence[Path], answers: Sequence[_Answers],
             records: dict[str, Record]) -> dict[str, Any]:
    name = "+".join(recipe.datasets)
    # Only the value of a fold is told: its interval would be that of a fifth of the lesions.
    single = [scoring.score(_predictions([each], records), name, resamples=1) for each in answers]
    folds = [{"run": run.name, "pictures": one["pictures"], "lesions": one["lesions"]}
             | {figure: one[figure]["value"] for figure in FIGURES} for run, one in zip(done, single, strict=True)]
    about = {"recipe": recipe.name, "dataset": name, "split": "out of fold",
             "leaky": any(runs.load(run)["leaky"] for run in done), "folds": folds,
             "spread": {figure: spread([one[figure] for one in folds]) for figure in FIGURES}}
    everything = _predictions(answers, records)
    return about | scoring.score(everything, name) | {"sets": list(_sets(everything))}


def _sets(said: Predictions) -> Iterator[dict[str, Any]]:
    """The figures of each data set by itself, over its own classes, and of each modality where it has several."""
    found = {name: np.array([record.dataset == name for record in said.records])
             for name in sorted({record.dataset for record in said.records})}
    for name, here in found.items():
        kinds = sorted({record.patient.modality for record, kept in zip(said.records, here, strict=True)
                        if kept and record.patient.modality})
        for kind in (None, *(kinds if len(kinds) > 1 else ())):
            keep = here & np.array([kind in (None, record.patient.modality) for record in said.records])
            yield {"dataset": name, "modality": kind} | scoring.score(said.only(keep), name)


def _line(name: str, metrics: dict[str, Any]) -> str:
    shown, over = _shown(name, metrics[name]), metrics["spread"][name]
    if over["mean"] is not None:
        shown += (f"; a fold {over['mean']:.3f}, sd {over['sd']:.3f}, {over['least']:.3f} to {over['largest']:.3f}")
    return shown


def _shown(name: str, figure: dict[str, Any]) -> str:
    shown = f"{name.replace('_', ' '):18} {figure['value']:.3f}"
    return shown if figure["low"] is None else f"{shown} ({figure['low']:.3f} to {figure['high']:.3f})"


def _write_predictions(path: Path, answers: Sequence[_Answers], records: dict[str, Record]) -> None:
    """One row a picture; `diagnosis` holds all classes of its label."""
    with writing(path) as stream:
        table = csv.writer(stream, lineterminator="\n")
        table.writerow(["image", "fold", "diagnosis", *(code.value for code in CODES), "malignant"])
        for number, each in enumerate(answers):
            for name, row in zip(each.names, each.shares, strict=True):
                label = "+".join(sorted(code.value for code in records[name].labels))
                table.writerow([harmless(name), number, label, *(f"{share:.6f}" for share in row),
                                f"{calibrate.malignant(row):.6f}"])
