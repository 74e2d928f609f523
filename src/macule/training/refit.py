"""`macule refit`: what is fitted after training, fitted anew into a bundle whose network and calibration stay.

The gate, the conformal limits, the baselines and an index of training pictures, all from answers of the path that
serves, to the pictures that the bundle itself calls train and calibration.
"""

from __future__ import annotations

import datetime
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from macule import __version__
from macule.analysis import bundle as bundles
from macule.analysis import gate as gates
from macule.analysis.bundle import CARD, MANIFEST, Bundle
from macule.analysis.pipeline import Analyzer
from macule.data import guard, membership, sources
from macule.data.atomic import writing
from macule.data.record import Record
from macule.errors import DatasetError, TooFewPictures
from macule.evaluation import neighbours
from macule.evaluation.baseline_file import FILE as BASELINES
from macule.evaluation.predictions import NO_CLASS, Predictions, predict
from macule.training import baselines, conforming, fit, presence, rewriting

#: More than the embedded bundle's training part has: with 6,000 of 12,706 pictures the first gate let twice as many
#: photographs pass.
MOST_TRAINING_PICTURES = 20_000
#: Main directions of the training embeddings that the index keeps at most, and numbers in all: 0.8 MB.
INDEX_DIRECTIONS, INDEX_VALUES = 48, 400_000
Log = Callable[[str], None]
Start = Callable[[str, int], Callable[[], None]]


@dataclass(frozen=True)
class Refit:
    """How it is done. most: training pictures that are looked at. start: as `cli.progress.bars` gives it."""

    most: int = MOST_TRAINING_PICTURES
    seed: int = 0
    threads: int | None = None
    log: Log = print
    start: Start = lambda _title, _count: lambda: None


def refit(bundle: Bundle, data: Path, out: Path, *, now: datetime.datetime, how: Refit) -> Path:
    """Fit into `out`, which may be the bundle's own folder. It is made beside it and takes its place at the end: an
    interrupted refit leaves what was there.

    data: the folder that holds the data sets as unzipped.
    Returns: `out`.
    Raises: DatasetError if the bundle does not say what it was made of, or a data set is not there; UsageError if
    `out` is no folder, or holds something other than a bundle.
    """
    rewriting.check(bundle, out)
    parts = parted(bundle, data)
    with rewriting.copy(bundle, out) as made:
        into(made, parts["train"], parts["calibration"], now=now, how=how)
    return out


def parted(bundle: Bundle, data: Path) -> dict[str, list[Record]]:
    """The records that the bundle was made of: train and calibration. Raises: DatasetError."""
    known = membership.load(bundle.folder / membership.FILE)
    if not known.parts:
        raise DatasetError(f"bundle {bundle.id} has no {membership.FILE} that says what it was made of: train again.")
    wanted = sorted({group.partition(":")[0] for group in known.parts})
    found: dict[str, list[Record]] = {"train": [], "calibration": []}
    for dataset in wanted:
        for record in sources.load(dataset, data / sources.find(dataset).folder):
            part = known.part_of(record)
            if part in found:
                found[part].append(record)
    return found


def into(folder: Path, train: Sequence[Record], calibration: Sequence[Record], *, now: datetime.datetime,
         how: Refit) -> Path:
    """The bundle in `folder`, from the pictures of its parts. What cannot be fitted stays or is left out, and is said.
    """
    bundle = opened(bundles.load(folder))
    analyzer = Analyzer(bundle)
    sample = _sample(train, how)
    seen = answers(analyzer, sample, "training part", how)
    held = answers(analyzer, calibration, "calibration part", how)
    fitted = _Fitted(folder, how)
    fitted.gate(analyzer, sample, seen, held)
    fitted.conformal(held)
    fitted.baselines(seen)
    fitted.index(seen)
    fitted.write(bundle, now, {"train": len(seen.records), "calibration": len(held.records)})
    bundles.load(folder)
    return folder


def opened(bundle: Bundle) -> Bundle:
    """The bundle without a gate that refuses: a gate fitted to what an earlier one let through would only narrow."""
    return replace(bundle, gate=replace(bundle.gate, presence=None))


def _sample(train: Sequence[Record], how: Refit) -> list[Record]:
    places = np.sort(np.random.default_rng(how.seed).permutation(len(train))[:how.most])
    return [train[place] for place in places]


def answers(analyzer: Analyzer, records: Sequence[Record], title: str, how: Refit) -> Predictions:
    """title: of the bar."""
    return predict(analyzer, records, workers=how.threads, tick=how.start(title, len(records)))


def conformal(held: Predictions) -> dict[str, Any]:
    """The `conformal` entry of bundle.json, from answers to the calibration part. Raises: TooFewPictures."""
    single = held.targets != NO_CLASS
    lesions = [record.group for record, counts in zip(held.records, single, strict=True) if counts]
    return dict(conforming.fit(held.shares[single], held.targets[single], lesions))


@dataclass
class _Fitted:
    """What goes into the bundle: entries of bundle.json, and files. left_out: why something is not there."""

    folder: Path
    how: Refit
    entries: dict[str, Any] = field(default_factory=dict)
    files: dict[str, Callable[[Path], None]] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)

    def gate(self, analyzer: Analyzer, train: Sequence[Record], seen: Predictions, held: Predictions) -> None:
        """What stands in the bundle stays if there are too few pictures for another."""
        if not len(held.records):
            self._leave("gate", "no picture of the calibration part can be judged.")
            return
        try:
            found = fit.gate(seen.embeddings, held.embeddings)
        except TooFewPictures as error:
            self._leave("gate", str(error))
            return
        about: dict[str, Any] = {"file": "gate.npz", "threshold": found.threshold, "quantile": fit.GATE_QUANTILE}
        try:
            without = self._without(analyzer, train, len(seen.records))
            found = replace(found, presence=presence.fit(seen.embeddings, without, held.embeddings,
                                                         seed=self.how.seed))
        except TooFewPictures as error:
            self._leave("presence", str(error))
        else:
            about["presence"] = {
                "kinds": {kind: len(rows) for kind, rows in zip(presence.KINDS, without, strict=True)},
                "flag_quantile": presence.FLAG_QUANTILE, "refuse_quantile": presence.REFUSE_QUANTILE,
                "fitted_on": "training part, limits on the calibration part", "n": len(held.records)}
        self.entries["gate"] = about
        self.files["gate.npz"] = lambda path: gates.save(found, path)

    def _without(self, analyzer: Analyzer, train: Sequence[Record], count: int) -> list[NDArray[np.float32]]:
        """Embeddings of pictures without a lesion. Raises: TooFewPictures, before anything is drawn."""
        presence.need(count)
        # Another seed than that of the exam's pictures (`evaluation.outliers`).
        drawn = presence.drawn(analyzer, per_kind=presence.PER_KIND, seed=self.how.seed + 1)
        skin = presence.skin(analyzer, train, most=presence.CORNERS, seed=self.how.seed)
        return [drawn, np.vstack([skin, presence.like_skin(drawn)])]

    def conformal(self, held: Predictions) -> None:
        try:
            self.entries["conformal"] = conformal(held)
        except TooFewPictures as error:
            self._leave("conformal", str(error))

    def baselines(self, seen: Predictions) -> None:
        try:
            found = baselines.fit(seen, seed=self.how.seed)
        except TooFewPictures as error:
            self._leave("baselines", str(error))
        else:
            self.files[BASELINES] = found.write

    def index(self, seen: Predictions) -> None:
        if len(seen.records) < 2:
            self._leave("index", f"{len(seen.records)} pictures of the training part can be judged.")
            return
        names = np.array([f"{record.dataset}:{record.picture_id}" for record in seen.records])
        mean = seen.embeddings.mean(axis=0)
        _, _, directions = np.linalg.svd(seen.embeddings - mean, full_matrices=False)
        count = max(1, min(INDEX_DIRECTIONS, INDEX_VALUES // len(names)))
        basis = directions[:count].T.astype(np.float16)
        vectors = ((seen.embeddings - mean) @ basis.astype(np.float32)).astype(np.float16)
        codes = seen.targets.astype(np.int8)
        self.files[neighbours.FILE] = lambda path: np.savez_compressed(
            path, names=names, codes=codes, vectors=vectors, basis=basis, mean=mean)

    def write(self, bundle: Bundle, now: datetime.datetime, pictures: Mapping[str, int]) -> None:
        """All files, then bundle.json: what was there and is no longer fitted goes, and so does what was measured with
        it."""
        path = self.folder / MANIFEST
        content = json.loads(path.read_text(encoding="utf-8"))
        kept = {key: value for key, value in content.items() if key != "conformal"}
        told = content.get("provenance", {}) | {"refit": {
            "at": now.replace(microsecond=0).isoformat(), "macule": __version__, "of": bundle.sha256,
            "pictures": dict(pictures), "seed": self.how.seed,
            "fitted": sorted({*self.entries, *(Path(name).stem for name in self.files)}), "left_out": self.left_out}}
        for name in (BASELINES, neighbours.FILE):
            (self.folder / name).unlink(missing_ok=True)
        for name, save in self.files.items():
            save(self.folder / name)
        (self.folder / CARD).unlink(missing_ok=True)
        marked = {key: guard.marked(entry, bool(told.get("leaky"))) for key, entry in self.entries.items()}
        with writing(path) as stream:
            stream.write(json.dumps(kept | marked | {"metrics": {}, "provenance": told}, indent=2) + "\n")

    def _leave(self, name: str, why: str) -> None:
        self.left_out[name] = why
        self.how.log(f"{name} left out: {why}")
