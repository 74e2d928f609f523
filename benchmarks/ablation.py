"""Which preparation of the pictures earns its place: each arm against none, on the same folds with the same seeds.

    python benchmarks/ablation.py --data ../shared/data    # writes docs/results/preparation.md

One network a fold and arm is trained on HAM10000, lesions kept whole, and answers the fold that it has not seen and
ISIC 2017's test part, another institution. Differences are paired: the same picture, fold, seed and order of draws. One
run after the other; stopped at any time, the same command goes on. Needs the training extra.
"""

from __future__ import annotations

import argparse
import sys
import textwrap
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from macule.analysis import bundle as bundles
from macule.analysis.calibration import SUSPICIOUS
from macule.analysis.pipeline import Analyzer
from macule.data import sources
from macule.data.record import Record
from macule.errors import MaculeError
from macule.evaluation import metrics, predictions, runs
from macule.evaluation.metrics import Figure, Floats
from macule.taxonomy import Diagnosis
from macule.training import build, bundling, prepare, recipe
from macule.training.build import Source
from macule.training.prepare import Fold
from macule.training.recipe import Recipe

#: What is compared with no preparation at all: name -> arms, in order.
ARMS: Mapping[str, tuple[str, ...]] = {
    "none": (),
    "colour constancy (shades of gray)": ("shades_of_gray",),
    "hair removal": ("hair",),
    "CLAHE": ("clahe",),
    "lesion crop": ("lesion_crop",),
}
#: The recipe `lite`, small enough for two cores: EfficientNet-Lite0, 112 px, one view, 40 % of the lesions.
SHORT: Mapping[str, Any] = {
    "datasets": ["ham10000"], "exams": ["isic2018", "isic2017"], "network.backbone": "lite0",
    "network.pretrained": "require", "split.keep": 0.4, "serving.size": 112, "serving.views": 1,
    "phases": [{"size": 112, "epochs": 4, "trainable": "after:2", "learning_rate": 6e-4, "head_learning_rate": 3e-3}],
}
FOLDS, TRAINED = 5, 3
OUTSIDE = "isic2017"
MEL = list(Diagnosis).index(Diagnosis.MEL)
Log = Callable[[str], None]


@dataclass(frozen=True)
class Scored:
    """Pictures of an exam and each arm's answers to them. shares: float64, (N, 11), by the arm's name."""

    records: Sequence[Record]
    shares: Mapping[str, Floats]


def recipe_of(arm: str, epochs: float) -> Recipe:
    made = recipe.load("lite").changed({**SHORT, "serving.arms": list(ARMS[arm]),
                                        "name": f"prepared-{'-'.join(ARMS[arm]) or 'none'}"})
    return made.changed({"phases.0.epochs": epochs})


def train(source: Source, epochs: float, log: Log) -> dict[tuple[str, int], Path]:
    """(arm, fold) -> the run's folder. A fold ends in all arms before the next begins: a queue cut short compares."""
    done: dict[tuple[str, int], Path] = {}
    for number in range(TRAINED):
        for arm in ARMS:
            log(f"== fold {number + 1} of {TRAINED}, {arm}")
            place = Source(source.root, source.work, pairs=source.pairs, fold=Fold(number, FOLDS))
            done[arm, number] = build.build(recipe_of(arm, epochs), place, None, log=log, again=False)
    return done


def finished(source: Source, epochs: float) -> dict[tuple[str, int], Path]:
    """The runs of the folds that every arm has ended."""
    found: dict[tuple[str, int], Path] = {}
    for folder in sorted(source.work.glob("prepared-*")):
        if not (folder / build.METRICS).is_file():
            continue
        told = runs.load(folder)
        for arm in ARMS:
            if told["status"] == "finished" and told["recipe"] == recipe_of(arm, epochs).model_dump(mode="json"):
                found[arm, int(told["split"]["fold"].partition(" ")[0])] = folder
    return {key: folder for key, folder in found.items() if all((arm, key[1]) in found for arm in ARMS)}


def inside(source: Source, epochs: float, done: Mapping[tuple[str, int], Path]) -> Scored:
    """Every picture of the finished folds, answered by the network that had not seen its lesion."""
    parts = prepare.read(recipe_of("none", epochs), source.root, source.work, pairs=source.pairs, fold=Fold(0, FOLDS))
    known = {f"{r.dataset}:{r.picture_id}": r for role in prepare.ROLES for r in getattr(parts, role)}
    names: list[str] = []
    shares: dict[str, list[Floats]] = {arm: [] for arm in ARMS}
    for number in sorted({fold for _, fold in done}):
        answered = {arm: _answers(done[arm, number]) for arm in ARMS}
        here = list(answered["none"])
        names += here
        for arm in ARMS:
            shares[arm].append(np.stack([answered[arm][name] for name in here]))
    keep = [i for i, name in enumerate(names) if len(known[name].labels) == 1]
    return Scored([known[names[i]] for i in keep], {arm: np.concatenate(rows)[keep] for arm, rows in shares.items()})


def _answers(run: Path) -> dict[str, Floats]:
    with np.load(run / bundling.PREDICTIONS) as kept:
        logits = kept["test_logits"]
        return dict(zip(kept["test"].tolist(), bundles.load(run / "bundle").calibration.shares(logits),
                        strict=True))


def outside(source: Source, done: Mapping[tuple[str, int], Path]) -> Scored:
    """The other institution's pictures; an arm's answer is the mean of its folds' networks."""
    records = sources.load(OUTSIDE, source.root / sources.find(OUTSIDE).folder, part="test")
    found: dict[str, list[Floats]] = {arm: [] for arm in ARMS}
    answered: list[list[Record]] = []
    for (arm, _), run in sorted(done.items()):
        said = predictions.predict(Analyzer(bundles.load(run / "bundle")), records)
        answered.append(list(said.records))
        found[arm].append(said.shares)
    if any(each != answered[0] for each in answered):
        raise MaculeError("the arms did not answer the same pictures: their figures cannot be paired.")
    return Scored(answered[0], {arm: np.mean(rows, axis=0) for arm, rows in found.items()})


def figures(scored: Scored, classes: Sequence[int]) -> dict[str, Callable[[str], Callable[[Floats], Floats]]]:
    """Name -> arm -> figure of weights."""
    targets = np.array([list(Diagnosis).index(record.diagnosis) for record in scored.records])
    suspicious = SUSPICIOUS[targets]

    @cache
    def projected(arm: str) -> Floats:
        shares = scored.shares[arm][:, list(classes)]
        return np.asarray(shares / shares.sum(axis=1, keepdims=True))

    def balanced(arm: str) -> Callable[[Floats], Floats]:
        called = np.asarray(classes)[projected(arm).argmax(axis=1)]
        return lambda w: metrics.balanced_accuracy(called, targets, w)

    def malignant(arm: str) -> Callable[[Floats], Floats]:
        return lambda w: metrics.auc(scored.shares[arm][:, SUSPICIOUS].sum(axis=1), suspicious, w)

    def melanoma(arm: str) -> Callable[[Floats], Floats]:
        return lambda w: metrics.auc(projected(arm)[:, list(classes).index(MEL)], targets == MEL, w)

    return {"balanced accuracy": balanced, "malignant AUC": malignant, "melanoma AUC": melanoma}


def table(title: str, scored: Scored, classes: Sequence[int], resamples: int) -> Iterator[str]:
    weights = metrics.resample([record.group for record in scored.records], resamples=resamples, seed=0)
    kinds = figures(scored, classes)
    lesions = len({record.group for record in scored.records})
    yield f"## {title}: {len(scored.records)} pictures, {lesions} lesions\n"
    yield "| preparation | " + " | ".join(f"{name} | difference from none" for name in kinds) + " |"
    yield "|---|" + "---|---|" * len(kinds)
    for arm in ARMS:
        cells = []
        for of in kinds.values():
            mine, none = of(arm), of("none")
            cells.append(str(metrics.figure(mine, weights)))
            cells.append("" if arm == "none" else _difference(mine, none, weights))
        yield f"| {arm} | " + " | ".join(cells) + " |"
    yield ""


def _difference(mine: Callable[[Floats], Floats], none: Callable[[Floats], Floats], weights: NDArray[Any]) -> str:
    found = _ahead(mine, none, weights)
    return f"{found.value:+.3f} ({found.low:+.3f} to {found.high:+.3f})"


def _ahead(mine: Callable[[Floats], Floats], none: Callable[[Floats], Floats], weights: NDArray[Any]) -> Figure:
    return metrics.figure(lambda w: mine(w) - none(w), weights)


def clear(scored: Scored, classes: Sequence[int], resamples: int) -> dict[str, tuple[set[str], set[str]]]:
    """Arm -> figures in which it is better than none beyond its interval, and those in which it is worse."""
    weights = metrics.resample([record.group for record in scored.records], resamples=resamples, seed=0)
    leads = {arm: {name: _ahead(of(arm), of("none"), weights) for name, of in figures(scored, classes).items()}
             for arm in ARMS if arm != "none"}
    return {arm: ({name for name, lead in of.items() if lead.low > 0}, {name for name, lead in of.items()
                                                                     if lead.high < 0}) for arm, of in leads.items()}


def verdict(inner: Mapping[str, tuple[set[str], set[str]]], outer: Mapping[str, tuple[set[str], set[str]]]) -> str:
    """An arm earns its place by being better on unseen lesions, and worse nowhere."""
    earned = [arm for arm, (better, worse) in inner.items() if better and not worse and not outer[arm][1]]
    worse = [f"{arm} ({', '.join(sorted(inner[arm][1] | outer[arm][1]))})" for arm in inner
             if inner[arm][1] or outer[arm][1]]
    return (f"Better on unseen lesions beyond the interval, and worse nowhere: {', '.join(earned) or 'none'}. "
            f"Worse beyond the interval somewhere: {'; '.join(worse) or 'none'}. Twenty-four differences were looked "
            "at; of so many about one lies outside its interval by chance. The embedded bundle uses only what has "
            "earned its place; `serving.arms` in a recipe turns any of them on.")


def page(done: Mapping[tuple[str, int], Path], inner: Scored, outer: Scored, epochs: float, resamples: int) -> str:
    folds = len({fold for _, fold in done})
    ham = [list(Diagnosis).index(code) for code in sources.find("ham10000").classes]
    seen = [list(Diagnosis).index(code) for code in sources.find(OUTSIDE).classes]
    pictures = runs.load(next(iter(done.values())))["pictures"]
    said = verdict(clear(inner, ham, resamples), clear(outer, seen, resamples))
    return "\n".join([
        "# Does preparing the picture help?\n",
        wrapped("`make ablation` writes this page (benchmarks/ablation.py). Each preparation is compared with none: "
        "the same folds, seeds and order of draws, in training and in serving alike. 95 % intervals of paired "
        f"differences, bootstrap of whole lesions, {resamples} resamples."),
        wrapped(f"Trained: EfficientNet-Lite0 (ImageNet start, stem and two stages frozen), 112 px, {epochs:g} epochs, "
        f"one view, 40 % of HAM10000's lesions, {folds} of {FOLDS} folds: {pictures['train']} pictures to train on, "
        f"{pictures['calibration']} to calibrate. A short training at a low resolution: it can show a large effect and "
        "miss a small one."),
        *table("Unseen lesions of HAM10000", inner, ham, resamples),
        *table("ISIC 2017 test, another institution", outer, seen, resamples),
        "## What follows\n",
        wrapped(said),
    ])


def wrapped(text: str) -> str:
    return textwrap.fill(text, 120, break_long_words=False, break_on_hyphens=False) + "\n"


def main(arguments: Sequence[str] | None = None, log: Log = print) -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--work", type=Path, default=Path("work"))
    parser.add_argument("--links", type=Path, default=Path("docs/results/pairs.csv"))
    parser.add_argument("--out", type=Path, default=Path("docs/results/preparation.md"))
    parser.add_argument("--epochs", type=float, default=4)
    parser.add_argument("--resamples", type=int, default=metrics.RESAMPLES)
    parser.add_argument("--page", action="store_true", help="train nothing; write the page of the finished folds")
    given = parser.parse_args(arguments)
    source = Source(given.data, given.work, pairs=given.links)
    if not given.page:
        train(source, given.epochs, log)
    done = finished(source, given.epochs)
    if not done:
        log("no fold is finished in every arm: run without --page")
        return 1
    given.out.write_text(page(done, inside(source, given.epochs, done), outside(source, done), given.epochs,
                              given.resamples), encoding="utf-8")
    log(f"written: {given.out}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
