"""How logits become probabilities: `python benchmarks/calibrations.py default --data DATA`.

Three calibrations, each fitted to the bundle's calibration part and asked about its locked part: one temperature; how
much is malignant calibrated apart, as bundles have it (ADR 19); and bias-corrected temperature scaling for all classes.
And what thresholds do that are reached over all, or in each data set and kind of picture. With `--runs RUN...`, the
folds of a cross-validation instead: one temperature against the malignant sum apart, each as its fold's own calibration
part says, over all pictures. Into docs/results/calibrations.md. Needs the training extra.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import beside
import kept
import numpy as np
import parted
from numpy.typing import NDArray

from macule.analysis import bundle as bundles
from macule.analysis.bundle import Bundle
from macule.analysis.calibration import SUSPICIOUS, Calibration, MalignantSum, softmax
from macule.data import sources
from macule.data.record import Record
from macule.errors import MaculeError
from macule.evaluation import metrics
from macule.evaluation.metrics import Figure, Floats, Reliability
from macule.training import bundling, fit

PAGE = Path(__file__).parents[1] / "docs" / "results" / "calibrations.md"
SETS = ("ham10000", "milk10k")
FIRST, SERVED = "one temperature", "malignant sum apart (served)"
#: What is added to the log-odds of malignant, to see whether leaning that way wins balanced accuracy back.
LEANINGS = (0.5, 1.0)
Ask = Callable[[Floats], Floats]


@dataclass(frozen=True)
class Part:
    """logits: float64, (N, 11), means over the bundle's views."""

    records: Sequence[Record]
    logits: Floats

    @property
    def targets(self) -> NDArray[np.int64]:
        return beside.targets_of(self.records)

    @property
    def allowed(self) -> NDArray[np.bool_]:
        return np.eye(len(beside.CODES), dtype=bool)[self.targets]


def part(bundle: Bundle, data: Path, name: str, links: Path | None) -> Part:
    found = [record for dataset in SETS for record in parted.records(bundle, data, part=name, dataset=dataset,
                                                                     pairs=links)]
    return Part(found, bundling.infer(bundle.model, bundle.preprocessing, found)[0])


def ways(held: Part) -> Mapping[str, Ask]:
    """What makes probabilities, (N, 11), of logits, by name; the first is what the others are compared with."""
    temperature = fit.temperature(held.logits, held.allowed)
    over = fit.malignant_sum(held.logits, held.allowed)
    if over is None:
        raise MaculeError("no malignant sum can be fitted to these answers: give a bundle that has learnt something.")
    return {FIRST: Calibration(temperature).shares,
            SERVED: Calibration(temperature, over).shares,
            "every class shifted": lambda logits: softmax(over.over(logits))}


def kinds(records: Sequence[Record]) -> Mapping[str, NDArray[np.bool_]]:
    """Which pictures are of each data set and kind."""
    strata = np.array(fit.strata(records))
    return {name: strata == name for name in dict.fromkeys(strata.tolist())}


def measured(found: Mapping[str, Floats], asked: Sequence[Record]) -> dict[str, dict[str, Figure]]:
    """Each figure of each way; of all but the first, the difference to it, paired. found: probabilities, (N, 11)."""
    classes = [beside.CODES.index(code) for code in sources.find(asked[0].dataset).classes]
    targets = beside.targets_of(asked)
    each = {name: _measure(shares, asked, classes, targets) for name, shares in found.items()}

    def measure(drawn: Floats) -> dict[tuple[str, str], Floats]:
        rows = {name: of(drawn) for name, of in each.items()}
        return {(name, figure): value if name == FIRST else value - rows[FIRST][figure]
                for name, row in rows.items() for figure, value in row.items()}

    # A resample has more noise in a bin than the pictures have: see metrics.interval.
    centred = [(FIRST, name) for name in ("calibration error", "malignant calibration error")]
    flat = metrics.figures(measure, metrics.resample([record.group for record in asked]), centred=centred)
    return {name: {figure: flat[name, figure] for way, figure in flat if way == name} for name in found}


def _measure(shares: Floats, asked: Sequence[Record], classes: Sequence[int],
             targets: NDArray[np.int64]) -> Callable[[Floats], Mapping[str, Floats]]:
    ranks = beside.figures(shares, asked, classes)
    within = shares[:, classes] / shares[:, classes].sum(axis=1, keepdims=True)
    first = np.asarray(classes)[within.argmax(axis=1)]
    bins = {"calibration error": Reliability.of(within.max(axis=1), first == targets),
            "malignant calibration error": Reliability.of(shares[:, SUSPICIOUS].sum(axis=1), SUSPICIOUS[targets])}
    given = shares[np.arange(len(targets)), targets]
    return lambda weights: {**ranks(weights), "log loss": metrics.log_loss(given, weights),
                            **{name: Reliability.error(of.sums(weights)) for name, of in bins.items()}}


def figures_table(found: Mapping[str, Ask], exam: Part) -> Iterator[str]:
    for kind, here in kinds(exam.records).items():
        asked = [record for record, counts in zip(exam.records, here, strict=True) if counts]
        yield from figures_of(kind, {name: ask(exam.logits[here]) for name, ask in found.items()}, asked)


def figures_of(kind: str, found: Mapping[str, Floats], asked: Sequence[Record]) -> Iterator[str]:
    """found: probabilities by the name of the calibration, (N, 11)."""
    rows = measured(found, asked)
    yield f"\n{kind}, {len(asked)} pictures of {beside.lesions(asked)} lesions:\n"
    yield f"| calibration | {' | '.join(rows[FIRST])} |"
    yield "| --- |" + " --- |" * len(rows[FIRST])
    for name, row in rows.items():
        shown = (str(figure) if name == FIRST else figure.signed() for figure in row.values())
        yield f"| {name} | {' | '.join(shown)} |"


def folds_table(runs: Sequence[Path], data: Path) -> Iterator[str]:
    """Out of fold. Raises: MaculeError for folds whose bundles have no malignant sum."""
    known = {name: record for dataset in SETS for every in [sources.load(dataset, data / sources.find(dataset).folder)]
             for name, record in zip(kept.names(every), every, strict=True)}
    asked: list[Record] = []
    found: dict[str, list[Floats]] = {}
    for run in runs:
        how = bundles.load(run / "bundle").calibration
        if how.malignant is None:
            raise MaculeError(f"{run} has no malignant sum apart: it is older than that, train it again.")
        with np.load(run / bundling.PREDICTIONS) as file:
            names, logits = file["test"].tolist(), file["test_logits"]
        asked += [known[name] for name in names]
        each = {FIRST: Calibration(how.temperature), SERVED: how,
                **{f"leaning by {lean:g}": leaning(how.temperature, how.malignant, lean) for lean in LEANINGS}}
        for name, one in each.items():
            found.setdefault(name, []).append(one.shares(logits))
    yield from figures_of(f"{len(runs)} folds", {name: np.vstack(parts) for name, parts in found.items()}, asked)


def leaning(temperature: float, over: MalignantSum, lean: float) -> Calibration:
    """The malignant sum with so much added to its log-odds."""
    shift = tuple(np.array(over.shift) + lean * SUSPICIOUS)
    return Calibration(temperature, MalignantSum(over.scale, shift))


def thresholds_table(found: Mapping[str, Ask], held: Part, exam: Part) -> Iterator[str]:
    """Sensitivity / specificity at the threshold of medium risk."""
    there = kinds(exam.records)
    yield f"| calibration | sensitivity reached | threshold | {' | '.join(there)} |"
    yield "| --- | --- | --- |" + " --- |" * len(there)
    for name, ask in list(found.items())[:2]:
        fitted, scores = (ask(of.logits)[:, SUSPICIOUS].sum(axis=1) for of in (held, exam))
        for how, strata in (("over all", []), ("in each kind", fit.strata(held.records))):
            limit = fit.threshold(fitted, SUSPICIOUS[held.targets], fit.MEDIUM_SENSITIVITY, strata)
            cells = [_operating(scores[here] >= limit, SUSPICIOUS[exam.targets[here]]) for here in there.values()]
            yield f"| {name} | {how} | {limit:.3f} | {' | '.join(cells)} |"


def _operating(called: NDArray[np.bool_], positive: NDArray[np.bool_]) -> str:
    """Sensitivity / specificity, each with its n."""
    return " / ".join(f"{right.mean():.3f} of {len(right)}" for right in (called[positive], ~called[~positive]))


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bundle", nargs="?", default="default")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--links", type=Path, default=parted.LINKS)
    parser.add_argument("--runs", type=Path, nargs="+", help="the folds of a cross-validation, in place of a bundle")
    parser.add_argument("--page", type=Path, default=PAGE)
    return parser.parse_args()


def main() -> None:
    given = arguments()
    if given.runs:
        beside.fill(given.page, "folds", "\n".join(folds_table(given.runs, given.data)))
        return
    bundle = bundles.load(given.bundle)
    held, exam = (part(bundle, given.data, name, given.links) for name in ("calibration", "test"))
    found = ways(held)
    head = (f"Bundle {bundle.id} ({bundle.sha256[:12]}), {bundle.preprocessing.size} px, {bundle.preprocessing.views} "
            f"views. Fitted to {len(held.records):,} pictures of {beside.lesions(held.records):,} lesions of the "
            f"calibration part.")
    tables = {"figures": [head, *figures_table(found, exam)], "thresholds": thresholds_table(found, held, exam)}
    for name, lines in tables.items():
        text = "\n".join(lines)
        print(text, flush=True)
        beside.fill(given.page, name, text)


if __name__ == "__main__":
    main()
