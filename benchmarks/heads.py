"""Which last layer, prior, loss, pooling and calibration is best on a bundle's own embedding?

    python benchmarks/heads.py --data DATA [--bundle default] [--links docs/results/pairs.csv]

Writes docs/results/heads.md. The network stays as it is: its embeddings of its own parts are computed once (80,000 runs
of it, kept in the work folder; stopped at any time, the same command goes on), and each arm takes seconds. All is
fitted to the training part and chosen on the calibration part; what is chosen is scored on the locked part once, beside
what the bundle does now. Needs the training extra.
"""

from __future__ import annotations

import argparse
import sys
import textwrap
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import heads_arms as arms
import heads_calibration as calibration
import heads_pooling as pooling
import heads_scoring as scoring
import numpy as np
from heads_arms import Arm, Bench
from heads_embeddings import Floats, Linear, Part, head, load, parted
from heads_fit import Basis
from heads_scoring import Exam

from macule.analysis import bundle as bundles
from macule.analysis.bundle import Bundle
from macule.analysis.calibration import SUSPICIOUS
from macule.evaluation import metrics
from macule.evaluation.metrics import Figure

COLUMNS = (scoring.SCORE, "HAM balanced accuracy", "HAM malignant AUC", "MILK dermoscopic malignant AUC",
           "MILK clinical malignant AUC", "log loss", "HAM calibration error", "MILK calibration error")
FOUR = "Calibration error of the first / of the malignant probability / its intercept (0 is right) / log loss:\n"
FAMILIES: Sequence[tuple[str, str, Callable[[Bench], Iterator[Arm]]]] = (
    ("The prior of the present head",
     "Hypothesis: half of the drawn prior is the right share to take off.", arms.present),
    ("A last layer fitted anew to the training part",
     "Hypothesis: a regularised linear layer on the frozen embedding beats the head that was trained with it; the loss "
     "and the class weights matter.", arms.losses),
    ("Gone on from the present layer", "Hypothesis: a small step from the present layer is better than a new one.",
     arms.tethered),
    ("The patient's data", "Hypothesis: age, sex, site and modality help.", arms.patients),
    ("Noisy labels", "Hypothesis: naevi without histology should count less, or losses that forgive should be taken.",
     arms.noisy),
    ("Pictures that the network has learnt, against others",
     "Hypothesis: embeddings of training pictures are optimistic, so that a layer fitted to them is worse than one "
     "fitted to as many other pictures.", arms.honest),
    ("Views of the training pictures", "Hypothesis: a layer fitted to four views of each picture is better.",
     arms.training_views),
    ("Views of the pictures that are answered", "Hypothesis: more views are better.", arms.serving_views),
)


@dataclass(frozen=True)
class Given:
    """parts: train, calibration, test and the exams, by name."""

    bundle: Bundle
    parts: Mapping[str, Part]
    resamples: int

    def exam(self, names: Sequence[str]) -> tuple[Exam, Part]:
        """Pictures with a single class of some parts."""
        views = self.bundle.preprocessing.views
        records = [record for name in names for record in self.parts[name].records]
        single = np.array([len(record.labels) == 1 for record in records])
        joined = Part([record for record, kept in zip(records, single, strict=True) if kept],
                      np.concatenate([self.parts[name].mean(views) for name in names])[single][None],
                      np.concatenate([self.parts[name].patients for name in names])[single])
        return Exam(joined.records, [record.group for record in joined.records], self.resamples), joined


def bench_of(given: Given) -> Bench:
    held = given.parts["calibration"]
    exam = Exam(held.records, [record.group for record in held.records], given.resamples)
    train = given.parts["train"]
    views = given.bundle.preprocessing.views
    return Bench(head(given.bundle), train, held, exam, views, Basis.of(train.mean(views)))


def families(bench: Bench, log: Callable[[str], None]) -> Iterator[tuple[list[str], list[Arm]]]:
    """The lines of each family's section, and its arms."""
    present = bench.answered(bench.present)
    for title, hypothesis, made in FAMILIES:
        found = list(made(bench))
        if not found:
            yield [f"## {title}\n", f"{hypothesis} Not measured: the views are not kept.\n"], []
            continue
        log(f"{title}: {len(found)} arms")
        shown = {arms.PRESENT: scoring.tempered(bench.exam, present)}
        shown |= {arm.name: scoring.tempered(bench.exam, arm.logits) for arm in found if arm.name != arms.PRESENT}
        rows = scoring.compare(bench.exam, shown)
        yield [f"## {title}\n", wrapped(hypothesis), *scoring.table(rows, COLUMNS, "arm"), verdict(rows)], found


def verdict(rows: Sequence[scoring.Row]) -> str:
    others = [row for row in rows if row.ahead]
    better = [row.name for row in others if scoring.clear(row) == "better"]
    worse = sum(scoring.clear(row) == "worse" for row in others)
    return wrapped(f"Score better than the first row beyond the interval: {'; '.join(better) or 'none'}. "
                   f"Worse: {worse} of {len(others)}.")


def calibrations(bench: Bench) -> Iterator[str]:
    """Every way to calibrate the present head, across folds of the calibration part."""
    logits = bench.answered(bench.present)
    shares = {name: calibration.crossed(method, logits, bench.exam) for name, method in calibration.METHODS.items()}
    yield from scoring.table(scoring.compare(bench.exam, shares), COLUMNS, "calibration")
    yield FOUR
    yield from calibration_table({name: calibration.figures(bench.exam, each) for name, each in shares.items()})


def calibration_table(found: Mapping[str, Mapping[str, tuple[float, ...]]]) -> Iterator[str]:
    sets = list(next(iter(found.values())))
    yield "| calibration | " + " | ".join(sets) + " |"
    yield "|---|" + "---|" * len(sets)
    for name, by_set in found.items():
        cells = ["{:.3f} / {:.3f} / {:+.2f} / {:.3f}".format(*by_set[each]) for each in sets]
        yield f"| {name} | " + " | ".join(cells) + " |"
    yield ""


def candidates(bench: Bench, found: Sequence[Arm]) -> dict[str, Linear]:
    """The present head, and the best of each family that fits one to the training part, by score at one temperature."""
    best = {arms.PRESENT: bench.present}
    for family in ("fitted anew", "gone on", "noisy labels"):
        group = {arm.name: arm for arm in found if arm.family == family and arm.layer is not None}
        shares = {name: scoring.tempered(bench.exam, arm.logits) for name, arm in group.items()}
        one = Exam(bench.exam.records, bench.exam.lesion, 1)
        scores = {row.name: row.of[scoring.SCORE].value for row in scoring.compare(one, shares)}
        name = max(scores, key=lambda each: scores[each])
        layer = group[name].layer
        if layer is not None:
            best[name] = layer
    return best


def both(bench: Bench, layers: Mapping[str, Linear]) -> list[scoring.Row]:
    """The candidates under the calibration that was kept: its biases take any prior."""
    method = calibration.METHODS[calibration.GROUPED]
    return scoring.compare(bench.exam, {name: calibration.crossed(method, bench.answered(layer), bench.exam)
                                        for name, layer in layers.items()})


def locked(given: Given, bench: Bench, layer: Linear) -> Iterator[str]:
    """The locked part and the exams, once: what the bundle does now, and what was chosen."""
    now, kept = calibration.METHODS["temperature"], calibration.METHODS[calibration.GROUPED]
    arms_of = {"present head, temperature": (bench.present, now),
               "present head, malignant sum bias-corrected": (bench.present, kept)}
    if layer is not bench.present:
        arms_of["chosen head, malignant sum bias-corrected"] = (layer, kept)
    exam, part = given.exam(["test"])
    yield f"HAM10000 and MILK10k, locked: {len(exam.records)} pictures of {len(set(exam.lesion))} lesions.\n"
    yield from scoring.table(scoring.compare(exam, _answers(bench, arms_of, exam, part)), COLUMNS, "answer")
    exam, part = given.exam([name for name in given.parts if name not in {"train", "calibration"}])
    shares = _answers(bench, arms_of, exam, part)
    yield FOUR
    yield from calibration_table({name: calibration.figures(exam, each) for name, each in shares.items()})
    yield "Malignant calibration error, with the paired difference:\n"
    yield from _errors(exam, shares)


def _answers(bench: Bench, arms_of: Mapping[str, tuple[Linear, calibration.Method]], exam: Exam,
             part: Part) -> dict[str, Floats]:
    kinds = calibration.modality(exam)
    return {name: calibration.fitted(method, bench.answered(layer), bench.exam)(
        layer.logits(part.mean(1), part.patients), kinds) for name, (layer, method) in arms_of.items()}


def _errors(exam: Exam, shares: Mapping[str, Floats]) -> Iterator[str]:
    groups = calibration.groups(exam)
    yield "| answer | " + " | ".join(f"{name} (n = {int(chosen.sum())})" for name, chosen in groups.items()) + " |"
    yield "|---|" + "---|" * len(groups)
    cells: dict[str, list[str]] = {name: [] for name in shares}
    for chosen in groups.values():
        part = exam.only(chosen)
        outcome = SUSPICIOUS[part.targets]
        spread = {}
        for name, each in shares.items():
            bins = metrics.Reliability.of(each[chosen][:, SUSPICIOUS].sum(axis=1), outcome)
            spread[name] = metrics.gathered(lambda w, bins=bins: {"": bins.error(bins.sums(w))}, part.weights)  # type: ignore[misc]
        first = next(iter(spread.values()))
        for name, (value, found) in spread.items():
            change = value is not first[0]
            whole = float(value[""] - first[0][""]) if change else float(value[""])
            low, high = metrics.interval(found[""] - first[1][""] if change else found[""], whole, centred=True)
            cells[name].append(scoring.shown(Figure(whole, low, high, len(outcome)), signed=change))
    for name, row in cells.items():
        yield f"| {name} | " + " | ".join(row) + " |"
    yield ""


def page(given: Given, log: Callable[[str], None]) -> Iterator[str]:
    bench = bench_of(given)
    yield from ("# Which last layer, prior and calibration\n", introduction(given, bench))
    found: list[Arm] = []
    for lines, made in families(bench, log):
        yield from lines
        found += made
    yield from ("## Calibration\n", wrapped(
        "Hypothesis: one temperature is not enough: the logit adjustment that helps the first diagnosis makes "
        "malignant probabilities too high."), *calibrations(bench))
    layers = candidates(bench, found)
    rows = both(bench, layers)
    kept = chosen(rows)
    yield from ("## The best heads under the calibration that was kept\n", *scoring.table(rows, COLUMNS, "head"),
                f"Kept: {kept}.\n")
    yield from ("## Several pictures of a lesion\n", wrapped(
        "Hypothesis: pooling beats one picture; the mean of the logits is the best way. Calibration part, the bundle's "
        "temperature."), *pooling.tables(bench.exam, bench.answered(bench.present),
                                         given.bundle.calibration.temperature))
    yield from ("## Locked part and exams, once\n", *locked(given, bench, layers[kept]))


def chosen(rows: Sequence[scoring.Row]) -> str:
    """Of the heads that are better beyond the interval, and no worse in balanced accuracy, the best by score."""
    better = [row for row in rows if row.ahead and scoring.clear(row) == "better"
              and row.ahead["HAM balanced accuracy"].high >= 0]
    return max(better, key=lambda row: row.of[scoring.SCORE].value).name if better else arms.PRESENT


def introduction(given: Given, bench: Bench) -> str:
    exam, size = bench.exam, given.bundle.preprocessing.size
    network = f"{given.bundle.model.stat().st_size / 1e6:.1f} MB at {size} px, {bench.views} views"
    seen, lesions = f"{len(bench.train.records):,} pictures", f"{len(set(exam.lesion)):,} lesions"
    return wrapped(
        f"`python benchmarks/heads.py` writes this page. Bundle {given.bundle.id}, network {network}. The network is "
        f"frozen: layers are fitted to its embeddings of its own training part ({seen}) and chosen on its calibration "
        f"part ({len(exam.records):,} pictures of {lesions}), which no layer saw. The temperature is fitted across "
        f"{scoring.FOLDS} folds of whole lesions. 95 % intervals: bootstrap of lesions, {exam.resamples} resamples; "
        "differences are paired. `score` is the mean of HAM10000's balanced accuracy and macro AUC and the three "
        "malignant AUCs: the one figure by which arms are chosen. The logit adjustment of the present head was itself "
        "chosen on the calibration part, which favours it there.")


def wrapped(text: str) -> str:
    return textwrap.fill(text, 120, break_long_words=False, break_on_hyphens=False) + "\n"


def main(arguments: Sequence[str] | None = None, log: Callable[[str], None] = print) -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--bundle", default=None)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--work", type=Path, default=Path("work"))
    parser.add_argument("--links", type=Path, default=Path("docs/results/pairs.csv"))
    parser.add_argument("--out", type=Path, default=Path("docs/results/heads.md"))
    parser.add_argument("--resamples", type=int, default=metrics.RESAMPLES)
    asked = parser.parse_args(arguments)
    bundle = bundles.load(asked.bundle)
    parts = load(bundle, parted(bundle, asked.data, asked.work, asked.links), asked.work, log)
    asked.out.write_text("\n".join(page(Given(bundle, parts, asked.resamples), log)), encoding="utf-8")
    log(f"written: {asked.out}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
