"""What more test-time views, and more pictures of a lesion, change in an answer and in its calibration.

    python benchmarks/views.py --data DATA [--bundle default] [--lesions 200] [--links PAIRS] [--work DIR]
        [--out docs/results/views.md]

DATA holds HAM10000 and MILK10k as `macule data list` names their folders. Only lesions of the bundle's locked parts
are judged, without kin of what it was fitted on, `--lesions` of each set, drawn with a fixed seed (0: all). The
network's logits of each view are computed once and kept in `work` with the pictures' names: stopped at any time, the
same command goes on. Temperature, limits and thresholds are the bundle's own throughout.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import cv2
import kept
import numpy as np
import parted
from numpy.typing import NDArray

from macule.analysis import bundle as bundles
from macule.analysis import image, preprocess
from macule.analysis.bundle import Bundle
from macule.analysis.calibration import SUSPICIOUS
from macule.analysis.conformal import sets
from macule.analysis.network import Network
from macule.analysis.patient import Modality, encode
from macule.data import sources
from macule.data.record import Record
from macule.evaluation import metrics
from macule.evaluation.metrics.bootstrap import interval
from macule.evaluation.predictions import Predictions
from macule.taxonomy import Diagnosis

SETS = ("ham10000", "milk10k")
DIHEDRAL = max(preprocess.VIEW_COUNTS)
#: The middle of the picture that the closer views show, as a share of each side, and how many there are.
CLOSER, CLOSE_VIEWS = 0.85, 4
COUNTS = (*preprocess.VIEW_COUNTS, DIHEDRAL + CLOSE_VIEWS)
SEED, RESAMPLES, SAVE_EVERY = 0, 2000, 50
Floats = NDArray[np.float64]
MELANOMA = list(Diagnosis).index(Diagnosis.MEL)


def main() -> None:
    asked = _asked()
    bundle = bundles.load(asked.bundle)
    asked.work.mkdir(parents=True, exist_ok=True)
    lines = [f"Bundle {bundle.id} ({bundle.sha256[:12]}), {bundle.preprocessing.size} px, "
             f"{bundle.preprocessing.views} views of its own.", ""]
    for name in SETS:
        records = locked(bundle, name, asked.data, asked.lesions, asked.links)
        path = asked.work / f"views-{bundle.sha256[:12]}-{name}-{asked.lesions}.npz"
        logits = view_logits(bundle, records, path)
        lines += [f"## {sources.find(name).title}, locked part", "", *views_table(bundle, records, logits), ""]
        if name == "milk10k":
            lines += ["## Both pictures of a lesion together", "", *lesion_table(bundle, records, logits), ""]
    text = "\n".join(lines)
    print(text)
    if asked.out:
        asked.out.write_text(f"# Views, and pictures of one lesion\n\n`{_command(asked)}`\n\n{text}", encoding="utf-8")


def locked(bundle: Bundle, name: str, data: Path, lesions: int, links: Path | None) -> list[Record]:
    """Single-class pictures of `lesions` lesions of the locked part; all of them where `lesions` is 0."""
    every = parted.records(bundle, data, part="test", dataset=name, pairs=links)
    groups = np.random.default_rng(SEED).permutation(sorted({r.group for r in every}))
    chosen = set(groups[:lesions].tolist() if lesions else groups.tolist())
    return [record for record in every if record.group in chosen]


def view_logits(bundle: Bundle, records: Sequence[Record], path: Path) -> NDArray[np.float32]:
    """float32, (N, 12, K): the eight dihedral views, then four of the closer crop."""
    network, names = Network(bundle.model, size=bundle.preprocessing.size), kept.names(records)
    rows = kept.load(path, names, bundle.sha256)
    if rows is None:
        rows = np.full((len(records), COUNTS[-1], len(Diagnosis)), np.nan, np.float32)
    for place in np.flatnonzero(np.isnan(rows[:, -1, -1])):
        rows[place] = _logits(bundle, network, records[place])
        if place % SAVE_EVERY == 0:
            kept.save(path, rows, names, bundle.sha256)
    kept.save(path, rows, names, bundle.sha256)
    return rows


def _logits(bundle: Bundle, network: Network, record: Record) -> NDArray[np.float32]:
    spec = bundle.preprocessing
    rgb = image.decode(record.read(), short_side=preprocess.decoding_side(spec.size)).rgb
    views = np.concatenate([preprocess.make_views(preprocess.apply(rgb, spec), DIHEDRAL),
                            preprocess.make_views(preprocess.apply(closer(rgb), spec), CLOSE_VIEWS)])
    return network.run(views, np.repeat(encode(record.patient)[None], len(views), axis=0)).logits


def closer(rgb: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The middle of a picture."""
    height, width = rgb.shape[:2]
    size = (round(width * CLOSER), round(height * CLOSER))
    return np.asarray(cv2.getRectSubPix(rgb, size, ((width - 1) / 2, (height - 1) / 2)), dtype=np.uint8)


# -- figures --------------------------------------------------------------------------------------------------------

Measure = Callable[[Floats, metrics.Weights], Floats]


def measures(bundle: Bundle, targets: NDArray[np.int64]) -> dict[str, Measure]:
    """What is read off calibrated shares (N, K). Each gives a value a set of weights."""
    suspicious = SUSPICIOUS[targets]
    found: dict[str, Measure] = {
        "balanced accuracy": lambda s, w: metrics.balanced_accuracy(s.argmax(1), targets, w),
        "malignant AUC": lambda s, w: metrics.auc(s[:, SUSPICIOUS].sum(1), suspicious, w),
        "melanoma AUC": lambda s, w: metrics.auc(s[:, MELANOMA], targets == MELANOMA, w),
        "calibration error": lambda s, w: metrics.calibration_error(s.max(1), s.argmax(1) == targets, w),
    }
    if bundle.conformal:
        limits, places = bundle.conformal.thresholds, np.arange(len(targets))
        found["coverage"] = lambda s, w: metrics.accuracy(sets(s, limits)[places, targets], w)
    low = bundle.thresholds.medium.probability
    found["malignant called low"] = lambda s, w: metrics.accuracy(
        s[suspicious][:, SUSPICIOUS].sum(1) < low, w[:, suspicious])
    return found


def views_table(bundle: Bundle, records: Sequence[Record], logits: NDArray[np.float32]) -> Iterator[str]:
    own = bundle.preprocessing.views
    shares = {count: calibrated(logits[:, :count].mean(axis=1), bundle) for count in COUNTS}
    labels = {count: f"{count}{' (its own)' if count == own else ''}" for count in COUNTS}
    labels[COUNTS[-1]] += f": 8, and {CLOSE_VIEWS} of the middle {CLOSER:.0%}"
    yield (f"n = {len(records)} pictures of {len({r.group for r in records})} lesions. In brackets: the difference to "
           f"{own} views with its 95 % interval over lesions.")
    yield ""
    yield from compared(bundle, records, {labels[count]: shares[count] for count in COUNTS}, labels[own], "views")


def lesion_table(bundle: Bundle, records: Sequence[Record], logits: NDArray[np.float32]) -> Iterator[str]:
    """Dermoscopic alone, clinical alone, both in two ways: of the lesions that have both."""
    means = logits[:, :bundle.preprocessing.views].mean(axis=1)
    by_kind = {kind: {r.group: i for i, r in enumerate(records) if r.patient.modality is kind} for kind in Modality}
    groups = sorted(by_kind[Modality.DERMOSCOPIC].keys() & by_kind[Modality.CLINICAL].keys())
    kept = {kind: means[[places[group] for group in groups]] for kind, places in by_kind.items()}
    first = [records[by_kind[Modality.DERMOSCOPIC][group]] for group in groups]
    both = np.mean([kept[kind] for kind in Modality], axis=0)
    rows = {**{kind.value: kept[kind] for kind in Modality}, "both, mean of logits (used)": both}
    yield f"n = {len(groups)} lesions with a picture of each kind. In brackets: the difference to the dermoscopic one."
    yield ""
    shares = {name: calibrated(value, bundle) for name, value in rows.items()}
    shares["both, mean of probabilities"] = (shares["dermoscopic"] + shares["clinical"]) / 2
    yield from compared(bundle, first, shares, "dermoscopic", "pictures")


def compared(bundle: Bundle, records: Sequence[Record], shares: dict[str, Floats], base: str,
             what: str) -> Iterator[str]:
    of = Predictions(records, shares[base])
    drawn = metrics.resample(of.groups, resamples=RESAMPLES, seed=SEED)
    # The first row is the figure itself.
    weights = np.vstack([np.ones((1, drawn.shape[1]), np.float32), drawn])
    found = {name: {row: measure(each, weights) for row, each in shares.items()}
             for name, measure in measures(bundle, of.targets).items()}
    yield f"| {what} | {' | '.join(found)} |"
    yield f"|---|{'---|' * len(found)}"
    for row in shares:
        yield f"| {row} | " + " | ".join(
            _cell(values[row], None if row == base else values[base], centred=name == "calibration error")
            for name, values in found.items()) + " |"


def _cell(values: Floats, base: Floats | None, *, centred: bool) -> str:
    if base is None:
        low, high = interval(values[1:], float(values[0]), centred=centred)
        return f"{values[0]:.3f} ({low:.3f} to {high:.3f})"
    difference = values - base
    low, high = interval(difference[1:], float(difference[0]), centred=centred)
    if np.isnan(low):  # every resample says the same
        return f"{values[0]:.3f} [{difference[0]:+.3f}]"
    return f"{values[0]:.3f} [{difference[0]:+.3f}, {low:+.3f} to {high:+.3f}]"


def calibrated(logits: NDArray[np.float32], bundle: Bundle) -> Floats:
    return bundle.calibration.shares(logits.astype(np.float64))


def _asked() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="views, and pictures of one lesion")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--bundle")
    parser.add_argument("--lesions", type=int, default=200)
    parser.add_argument("--links", type=Path, default=parted.LINKS, help="near duplicates")
    parser.add_argument("--work", type=Path, default=Path("work"))
    parser.add_argument("--out", type=Path)
    return parser.parse_args()


def _command(asked: argparse.Namespace) -> str:
    more = f" --bundle {Path(asked.bundle).name}" if asked.bundle else ""
    more += f" --links {asked.links.name}" if asked.links != parted.LINKS else ""
    return f"python benchmarks/views.py --data DATA --lesions {asked.lesions}{more} --out docs/results/{asked.out.name}"


if __name__ == "__main__":
    main()
