"""`macule train`: data folders and a recipe -> a run and a bundle, fitted and scored, every step resumable."""

from __future__ import annotations

import datetime
import json
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from macule.analysis.bundle import Bundle, load
from macule.analysis.pipeline import Analyzer
from macule.data import guard, membership
from macule.data.atomic import writing
from macule.data.record import Record
from macule.errors import EnvironmentFault
from macule.evaluation import predictions, runs, scoring
from macule.training import (
    bundling,
    cache,
    faults,
    fit,
    from_split,
    heritage,
    labels,
    loop,
    losses,
    prepare,
    processes,
    record,
    trained,
)
from macule.training.batches import TrainingSet
from macule.training.events import Events
from macule.training.from_split import Chosen
from macule.training.loop import Row
from macule.training.networks import LesionNet, Start
from macule.training.prepare import Fold, Parts
from macule.training.recipe import Recipe, Targets

METRICS = "metrics.json"
HEADLINES = ("balanced_accuracy", "macro_auc", "malignant_auc", "sensitivity", "specificity")


@dataclass(frozen=True)
class Source:
    """Where the pictures come from and how they are parted.

    root: the folder that holds the data sets. work: caches and runs. chosen: a split file in place of the recipe's
    own split. pairs: links of `macule data audit`. fold: of a cross-validation. allow_leak: whether kin may be parted;
    every figure is marked then. only: the data sets to use, after all of the recipe's were parted together.
    """

    root: Path
    work: Path
    chosen: Chosen | None = None
    pairs: Path | None = None
    fold: Fold | None = None
    allow_leak: bool = False
    only: tuple[str, ...] | None = None


def build(recipe: Recipe, source: Source, out: Path | None, *, log: Callable[[str], None] = print,
          show: Callable[[Row], None] = lambda _: None, tensorboard: bool = False, again: bool = True,
          refitted: bool = True) -> Path:
    """Train, export, fit and write the bundle to `out`. Run again, it goes on.

    out: None for no bundle but the one in the run's folder. log: told what a person should read; show: every row of the
    curve, with `leaky`, whether its figures must be marked. tensorboard: whether the rows are written for it too, into
    the run's folder. again: whether the bundle of a run that has come to its end is written anew. refitted: see
    `bundling.write_spoken`.
    Returns: the run's folder.
    Raises: LeakingSplit before any work is done; DatasetError, TrainingFault, EnvironmentFault, UsageError.
    """
    limit_threads()
    # An impossible setting is refused now, not after an hour of training.
    bundling.preprocessing(recipe, (0.5,) * 3, (0.5,) * 3)
    losses.class_weights(recipe.loss, counts=np.ones(len(labels.names(recipe.targets))), targets=recipe.targets)
    for place in filter(None, (source.work, out)):
        _need_place(place)
    us = processes.present()
    with us.main_process_first():  # the others find its downloads and caches
        network = loop.start(recipe)
        parts = read(recipe, source)
        fit.need(len(parts.train), bundling.in_taxonomy(parts.calibration, recipe.targets))
        cache.check([*parts.calibration, *parts.test])
        data, validation = sets(recipe, parts, source.work)
    log = marking(log, parts) if us.is_main_process else _silent
    log(summary(parts))
    folder = source.work / f"{recipe.name}-{loop.fingerprint(recipe, data, validation)[:8]}"
    if not again and _concluded(folder, recipe):
        log(f"{folder.name} has come to its end already")
        return folder
    warnings = cautions(recipe, network, parts)
    for warning in warnings:
        log(f"WARNING: {warning}")
    about = facts(recipe, network.start, parts, warnings)
    with recorded(folder, about, main=us.is_main_process), faults.named(recipe, folder):
        with _events(folder, show, wanted=tensorboard and us.is_main_process) as shown:
            network = loop.train(recipe, network, data, folder, validation=validation,
                                 show=lambda row: shown(row | {"leaky": parts.leaky}))
        if us.is_main_process:
            _conclude(_Made(network, recipe, parts, folder, refitted), out or folder / "bundle", log)
    us.wait_for_everyone()
    return folder


def _need_place(folder: Path) -> None:
    """Raises: EnvironmentFault where a folder cannot be made or written to: told now, and not after training."""
    there = next(place for place in (folder, *folder.absolute().parents) if place.exists())
    if not (there.is_dir() and os.access(there, os.W_OK)):
        raise EnvironmentFault(f"{folder} cannot be written to, since {there} is "
                               f"{'not ours to write' if there.is_dir() else 'no folder'}: give another folder.")


def _concluded(folder: Path, recipe: Recipe) -> bool:
    """Whether this very recipe, and not only one of the same weights, was trained, exported and scored there."""
    written = (runs.RUN, METRICS, bundling.PREDICTIONS, trained.FILE)
    if not all((folder / name).is_file() for name in written):
        return False
    told = runs.load(folder)
    return bool(told["status"] == "finished" and told["recipe_sha256"] == record.digest(recipe.model_dump(mode="json")))


@contextmanager
def recorded(folder: Path, facts: record.Facts, *, main: bool) -> Iterator[None]:
    """run.json says that the run is on, and in the end how it went; one process writes it."""
    if not main:
        yield
        return
    record.start(folder, facts, now=now())
    try:
        yield
    except BaseException as error:
        with suppress(OSError):  # a full disk is told by the error itself
            record.fail(folder, error, now=now())
        raise
    record.finish(folder, now=now())


@contextmanager
def _events(folder: Path, show: Callable[[Row], None], *, wanted: bool) -> Iterator[Callable[[Row], None]]:
    """`show`, and TensorBoard's events beside it if they are wanted. Raises: MissingExtra."""
    if not wanted:
        yield show
        return
    written: list[Events] = []

    def both(row: Row) -> None:
        if not written:
            written.append(Events(folder / "events", again_from=row["step"]))
        written[0].row(row)
        show(row)

    try:
        yield both
    finally:
        for events in written:
            events.close()


def read(recipe: Recipe, source: Source) -> Parts:
    """The recipe's parts. Raises: LeakingSplit, DatasetError, UsageError."""
    if source.chosen:
        parts = from_split.read(recipe, source.root, source.chosen)
        return heritage.guard_teachers(recipe, parts, allow_leak=source.chosen.allow_leak)
    parts = prepare.read(recipe, source.root, source.work, pairs=source.pairs, fold=source.fold)
    if source.only is not None:
        parts = prepare.narrowed(parts, source.only)
    if parts.report is not None:
        guard.enforce(parts.report, allow_leak=source.allow_leak, remedy="Set split.by to patient")
    return heritage.guard_teachers(recipe, parts, allow_leak=source.allow_leak)


def sets(recipe: Recipe, parts: Parts, work: Path) -> tuple[TrainingSet, TrainingSet | None]:
    """What is learnt from, and what is looked at on the way."""
    others = labels.rows([*parts.calibration, *parts.test], recipe.targets)
    labels.need(labels.allowed(parts.train, recipe.targets), others, recipe.targets)
    looking = recipe.engine.validate_every > 0 and len(parts.calibration) > 0
    return _set(recipe, parts.train, work), _set(recipe, parts.calibration, work) if looking else None


def _set(recipe: Recipe, records: Sequence[Record], work: Path) -> TrainingSet:
    allowed = labels.allowed(records, recipe.targets)
    side = max(cache.SIDE, recipe.serving.size, *(phase.size for phase in recipe.phases))
    form = cache.Form(side, recipe.serving.arms, recipe.serving.size)
    return TrainingSet(cache.build(records, work, form=form), records, allowed)


@dataclass(frozen=True)
class _Made:
    """What a run has come to."""

    network: LesionNet
    recipe: Recipe
    parts: Parts
    folder: Path
    refitted: bool


def _conclude(made: _Made, out: Path, log: Callable[[str], None]) -> None:
    trained.save(made.folder, made.network, made.recipe)
    bundling.write(made.network, made.recipe, made.parts, out, predictions=made.folder, refitted=made.refitted, log=log)
    keep_score(made.recipe, made.parts, made.folder, out, log)


def keep_score(recipe: Recipe, parts: Parts, folder: Path, out: Path, log: Callable[[str], None]) -> None:
    """What the bundle in `out` comes to on the locked part, into the run's folder."""
    # Kept with the weights, wherever the bundle goes: who learns from them must know what they have seen.
    shutil.copyfile(out / membership.FILE, folder / membership.FILE)
    metrics = score(load(out), recipe, parts)
    with writing(folder / METRICS) as stream:
        stream.write(json.dumps(metrics, indent=2) + "\n")
    if metrics:
        log(headline(metrics))


def score(bundle: Bundle, recipe: Recipe, parts: Parts) -> dict[str, Any]:
    """The locked part through the path that serves a clinic; empty without one.

    A network that tells two classes apart gets the figures of two classes, over bare labels ("benign") too.
    """
    if not parts.test:
        return {}
    name = "+".join(recipe.datasets)
    about = {"bundle": scoring.describe(bundle), "dataset": name, "split": "test", "leaky": parts.leaky}
    found = predictions.predict(Analyzer(bundle), parts.test)
    if recipe.targets is Targets.DIAGNOSIS:
        return about | scoring.score(found, name)
    positive = labels.rows(found.records, Targets.MALIGNANT)[:, 1]
    return about | {"targets": recipe.targets.value} | scoring.score_malignant(found, positive)


def headline(metrics: dict[str, Any]) -> str:
    shown = [f"{name.replace('_', ' ')} {_with_interval(metrics[name])}" for name in HEADLINES
             if metrics.get(name, {}).get("value") is not None]
    return f"locked part of {metrics['dataset']}, {metrics['pictures']} pictures: {', '.join(shown)}"


def _with_interval(figure: dict[str, Any]) -> str:
    """One lesion, or no difference between resamples, has none."""
    interval = "" if figure["low"] is None else f" ({figure['low']:.3f} to {figure['high']:.3f})"
    return f"{figure['value']:.3f}{interval}"


def cautions(recipe: Recipe, network: LesionNet, parts: Parts) -> list[str]:
    found = []
    if not network.start.pretrained:
        frozen = [phase.trainable for phase in recipe.phases if phase.trainable != "all"]
        found.append(f"{recipe.network.backbone} starts FROM SCRATCH, with random weights: {network.start.note}")
        if frozen:
            found.append(f"nothing is frozen, though the recipe says {', '.join(frozen)}: random weights must learn")
    if parts.absent:
        found.append(f"{', '.join(parts.absent)} not found, so lesions that stand there too were not left out: this "
                     "bundle should not be scored on them")
    if parts.vague:
        found.append(f"{parts.vague} pictures outside the training part have no single class and are left out")
    return found


def facts(recipe: Recipe, start: Start, parts: Parts, warnings: list[str]) -> record.Facts:
    shown = recipe.model_dump(mode="json")
    counted = {role: getattr(parts, role) for role in prepare.ROLES}
    return record.Facts(
        name=recipe.name, recipe=shown, recipe_sha256=record.digest(shown), manifest=parts.split.get("manifest"),
        pictures={role: len(records) for role, records in counted.items()},
        lesions={role: prepare.lesions(records) for role, records in counted.items()},
        split=parts.split, leaky=parts.leaky, seed=recipe.seed,
        start=runs.Start(start.backbone, start.weights, start.pretrained), warnings=warnings)


def _silent(_: str) -> None:
    """The first process speaks for all."""


def limit_threads() -> None:
    import cv2

    cv2.setNumThreads(1)  # the loader has its own thread; OpenCV's pool would fight torch's for the cores


def now() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC)


def marking(log: Callable[[str], None], parts: Parts) -> Callable[[str], None]:
    """Every line of a leaking run says that it is one."""
    mark = guard.mark(parts.leaky)
    return lambda text: log("\n".join(mark + line for line in text.splitlines()))


def summary(parts: Parts) -> str:
    shown = {"train": parts.train, "calibration": parts.calibration, "test": parts.test, "left out": parts.left_out}
    return "\n".join(f"{name:12} {len(records):6} pictures  {prepare.lesions(records):6} lesions"
                     for name, records in shown.items())
