"""Size, views and logit adjustment of a run, compared on its calibration part: a choice, so never on the locked part.

    python benchmarks/serving.py RUN --data DATA [--links PAIRS] [--sizes 208 240] [--set NAME=VALUE] [--out FILE.md]

RUN is a folder that `macule train` has finished. The temperature is fitted anew in each row, on the pictures that the
row is scored on: it ranks settings, it is no result. Logits are kept in RUN with the network and the pictures that they
are of, so the same command goes on, and another choice of pictures is measured anew.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from zipfile import BadZipFile

import kept
import numpy as np
import torch
from numpy.typing import NDArray

from macule.analysis import preprocess
from macule.analysis.calibration import SUSPICIOUS, softmax
from macule.analysis.preprocess import Preprocessing
from macule.data.record import Record
from macule.evaluation import metrics
from macule.taxonomy import PROJECTIONS, Diagnosis
from macule.training import bundling, export, fit, labels, prepare, sampling, trained
from macule.training.recipe import Recipe, Targets, settings
from macule.training.trained import Trained

CODES = list(Diagnosis)
ADJUSTMENTS = (0.0, 0.25, 0.5, 0.75, 1.0)
BATCH = 8  # pictures
HAM = [CODES.index(code) for (code,) in PROJECTIONS["ham7"].values()]
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Part:
    """The calibration part. truth: (N,). ham: (N,), which are HAM10000's. drawn: how often each class was drawn."""

    records: Sequence[Record]
    truth: NDArray[np.int64]
    ham: NDArray[np.bool_]
    drawn: Floats


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--links", type=Path)
    parser.add_argument("--sizes", type=int, nargs="+", default=[208, 240, 272])
    parser.add_argument("--set", action="append", default=[], help="of the recipe, such as network.start=FOLDER")
    parser.add_argument("--out", type=Path)
    asked = parser.parse_args()
    found = trained.load(asked.run)
    part = calibration(found.recipe.changed(settings(asked.set)), asked.data, asked.run, asked.links)
    lines = [f"Calibration part: {len(part.records)} pictures of {prepare.lesions(part.records)} lesions.", "",
             "| size | views | adjustment | T | HAM balanced accuracy | HAM macro AUC | HAM melanoma AUC | HAM "
             "calibration error | malignant AUC, all | MILK10k malignant AUC | negative log-likelihood |",
             "| --- " * 11 + "|"]
    for size in asked.sizes:
        for line in rows(part, logits(found, part.records, size, asked.run), size):
            print(line, flush=True)
            lines.append(line)
    if asked.out:
        asked.out.write_text("\n".join(lines) + "\n", encoding="utf-8")


def calibration(recipe: Recipe, data: Path, work: Path, links: Path | None) -> Part:
    parts = prepare.read(recipe, data, work, pairs=links)
    truth = labels.rows(parts.calibration, Targets.DIAGNOSIS).argmax(axis=1)
    ham = np.array([record.dataset == "ham10000" for record in parts.calibration])
    drawn = sampling.drawn(labels.allowed(parts.train, recipe.targets), recipe.sampling)
    return Part(parts.calibration, truth, ham, drawn)


def logits(found: Trained, records: Sequence[Record], size: int, run: Path) -> Floats:
    """Without any adjustment of the prior. Returns: (8, N, 11), one row a view."""

    def make() -> Floats:
        every = _former(found, records, size, run)
        return np.concatenate(list(_batches(found, records, size)), axis=1) if every is None else every

    by = f"network {trained.fingerprint(run)}, {size} px"
    return kept.once(run / f"calibration-{size}.npz", kept.names(records), by, make)


def _former(found: Trained, records: Sequence[Record], size: int, run: Path) -> Floats | None:
    """What was once kept without names, where the run's own answers prove that it is of these pictures.

    predictions.npz names its pictures, and its logits are the mean over the run's views, moved by the adjustment of the
    prior, which is one shift of all rows. It holds the run's own size alone.
    """
    path, said, serving = run / f"calibration-{size}.npy", run / bundling.PREDICTIONS, found.recipe.serving
    if size != serving.size or not (path.is_file() and said.is_file()):
        return None
    try:
        every: Floats = np.load(path)
        with np.load(said) as file:
            names, theirs = file["calibration"].tolist(), file["calibration_logits"]
    except (OSError, ValueError, EOFError, KeyError, BadZipFile):  # cut off, as neither was written whole or not at all
        return None
    if not names or names != kept.names(records) or every.shape != (8, *theirs.shape):
        return None
    shift = theirs - every[:serving.views].mean(axis=0)
    return every if np.ptp(shift, axis=0).max() <= export.TOLERANCE else None


@torch.inference_mode()
def _batches(found: Trained, records: Sequence[Record], size: int) -> Iterator[Floats]:
    start = found.network.start
    spec = Preprocessing(size=size, mean=start.mean, std=start.std, arms=found.recipe.serving.arms)
    network = found.network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    for first in range(0, len(records), BATCH):
        images, about = bundling.inputs(records[first:first + BATCH], spec)
        views = np.stack([preprocess.make_views(image, 8) for image in images], axis=1)
        said = [network(torch.from_numpy(np.ascontiguousarray(view)).contiguous(memory_format=torch.channels_last),
                        torch.from_numpy(about))[0].numpy() for view in views]
        yield np.stack(said).astype(np.float64)


def rows(part: Part, every: Floats, size: int) -> Iterator[str]:
    for views in preprocess.VIEW_COUNTS:
        for adjustment in ADJUSTMENTS if views == 4 else (0.0, 0.5):
            moved = every[:views].mean(axis=0) + fit.offsets(part.drawn, adjustment=adjustment)
            cells = " | ".join(f"{value:.3f}" for value in measured(part, moved))
            yield f"| {size} | {views} | {adjustment:g} | {cells} |"


def measured(part: Part, moved: Floats) -> tuple[float, ...]:
    """The columns behind the settings. moved: logits, (N, 11)."""
    allowed = np.eye(len(CODES), dtype=bool)[part.truth]
    temperature = fit.temperature(moved, allowed)
    shares = softmax(moved / temperature)
    ham, truth = shares[part.ham][:, HAM], part.truth[part.ham]
    ham /= ham.sum(axis=1, keepdims=True)
    place = np.array([HAM.index(each) for each in truth])
    one = np.ones((1, len(truth)))
    first = ham.argmax(axis=1)
    areas = [_auc(ham[:, k], place == k) for k in range(len(HAM))]
    malignant, positive = shares[:, SUSPICIOUS].sum(axis=1), SUSPICIOUS[part.truth]
    return (temperature, float(metrics.balanced_accuracy(first, place, one)[0]), float(np.mean(areas)),
            areas[HAM.index(CODES.index(Diagnosis.MEL))],
            float(metrics.calibration_error(ham.max(axis=1), first == place, one)[0]), _auc(malignant, positive),
            _auc(malignant[~part.ham], positive[~part.ham]),
            fit.negative_log_likelihood(moved / temperature, allowed))


def _auc(scores: Floats, positive: NDArray[np.bool_]) -> float:
    return float(metrics.auc(scores, positive, np.ones((1, len(scores))))[0])


if __name__ == "__main__":
    main()
