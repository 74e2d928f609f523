"""docs/results/source-systems.md: what the source systems' recipes score without a leak and, beside it, with one."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import source_figures as figures
from source_figures import SEEDS, Scored, Spread

from macule.data import guard
from macule.evaluation.metrics import Figure
from macule.evaluation.runs import Run
from macule.training.recipe import Recipe

COMMAND = "make source-systems"
COMPARED = ("balanced accuracy", "malignant AUC")
FIGURES = {False: ("balanced accuracy", "macro AUC", "melanoma sensitivity", "malignant AUC"),
           True: ("balanced accuracy", "malignant sensitivity", "malignant specificity", "malignant AUC")}
STARTS = {"lite0": "EfficientNet-Lite0 in place of the recipe's network", "own": "The recipes' own networks"}


@dataclass(frozen=True)
class Outcome:
    """A finished run. name: of the recipe; start: `own` network or `lite0`; split: `leak-free` or `leaky`.

    drawn: pictures that its schedule draws; drawn_described: as the recipe says, over all of its data.
    """

    system: str
    name: str
    start: str
    split: str
    described: Recipe
    recipe: Recipe
    changes: Mapping[str, Any]
    why: str
    run: Run
    drawn: int
    drawn_described: int
    scored: Scored

    @cached_property
    def spreads(self) -> dict[str, Spread]:
        return figures.spreads(self.scored, seed=SEEDS[self.split])

    @cached_property
    def compared(self) -> figures.Bools:
        """Pictures whose lesion was trained on; without a leak, those of the like that was not: of several pictures."""
        return self.scored.sibling if self.split == "leaky" else self.scored.several

    @cached_property
    def gaps(self) -> dict[str, Spread]:
        """The compared pictures' figures minus the others'."""
        return figures.gaps(self.scored, self.compared, seed=SEEDS[self.split])


@dataclass(frozen=True)
class Pair:
    """One recipe on both splits; a run that is not there is None."""

    free: Outcome | None
    leaky: Outcome | None

    @property
    def one(self) -> Outcome:
        found = self.free or self.leaky
        assert found is not None  # noqa: S101 (a pair is made of a run)
        return found

    def each(self) -> list[Outcome]:
        return [outcome for outcome in (self.free, self.leaky) if outcome]


def page(outcomes: Sequence[Outcome], *, expected: int, full: bool) -> str:
    """Raises: ValueError if the two runs of a recipe did not see the same pictures."""
    pairs = _paired(outcomes)
    shown = [
        "# The source systems, with and without the leak", "", *_wrapped(_about(outcomes, expected, full)), "",
        "## What it shows", "", *_wrapped(_finding(pairs)), "", *_wrapped(_limits(pairs, full)), "",
    ]
    for start, title in STARTS.items():
        chosen = [pair for pair in pairs if pair.one.start == start]
        if chosen:
            shown += [f"## {title}", "", *_wrapped(_loud(chosen)), "", *_tables(chosen), ""]
    shown += ["## Siblings", "", *_wrapped(_about_siblings()), "", *_siblings(pairs), "",
              "## Schedules, as run and as described", "", *_schedules(pairs), "",
              "## Settings changed", "", *_settings(pairs), ""]
    return "\n".join(shown)


def _paired(outcomes: Iterable[Outcome]) -> list[Pair]:
    found: dict[tuple[str, str], dict[str, Outcome]] = {}
    for outcome in outcomes:
        found.setdefault((outcome.name, outcome.start), {})[outcome.split] = outcome
    pairs = [Pair(each.get("leak-free"), each.get("leaky")) for each in found.values()]
    for pair in pairs:
        if pair.free and pair.leaky and pair.free.scored.pictures != pair.leaky.scored.pictures:
            raise ValueError(f"{pair.one.name}: the two splits part different pictures and cannot be compared")
    return pairs


# The tables

def _tables(pairs: Sequence[Pair]) -> list[str]:
    shown: list[str] = []
    for binary, names in FIGURES.items():
        chosen = [pair for pair in pairs if pair.one.scored.binary is binary]
        if chosen:
            title = "Malignant against benign, called at 0.5" if binary else "HAM10000's seven classes"
            shown += [f"{title}:", "", _row("system, recipe", "split", "locked pictures / lesions", *names),
                      "|---|---|---|" + "---|" * len(names),
                      *(line for pair in chosen for line in _lines(pair, names)), ""]
    return [*shown, *_means(pairs)]


def _lines(pair: Pair, names: Sequence[str]) -> list[str]:
    title = f"{pair.one.system}, `{pair.one.name}`"
    lines = [_row(title, _split(each), _size(each.scored), *(str(each.spreads[name].figure) for name in names))
             for each in pair.each()]
    if pair.free and pair.leaky:
        differences = [_signed(pair.leaky.spreads[name] - pair.free.spreads[name]) for name in names]
        lines.append(_row("", "**leaky - leak-free**", "", *differences))
    return lines


def _means(pairs: Sequence[Pair]) -> list[str]:
    whole = [pair for pair in pairs if pair.free and pair.leaky]
    if len(whole) < 2:
        return []
    shown = [f"{name} {_signed(_mean_difference(whole, name))}" for name in COMPARED]
    return _wrapped(f"Mean of the {len(whole)} differences, leaky - leak-free, each recipe by its own classes: "
                    + "; ".join(shown) + ".")


def _mean_difference(pairs: Sequence[Pair], name: str) -> Spread:
    return figures.mean([pair.leaky.spreads[name] - pair.free.spreads[name] for pair in pairs
                         if pair.free and pair.leaky])


def _siblings(pairs: Sequence[Pair]) -> list[str]:
    shown = [_row("recipe, network", "split", "pictures compared", *COMPARED), "|---|---|---|---|---|"]
    for pair in pairs:
        shown += [line for each in pair.each() for line in _groups(each)]
        if pair.free and pair.leaky:
            more = [_signed(pair.leaky.gaps[name] - pair.free.gaps[name]) for name in COMPARED]
            shown.append(_row("", "", "**leaky gap - leak-free gap**", *more))
    return shown


def _groups(outcome: Outcome) -> list[str]:
    what = (("with a sibling in training", "without") if outcome.split == "leaky" else
            ("of lesions with several pictures", "of lesions with one"))
    lines = []
    for part, words in zip((outcome.compared, ~outcome.compared), what, strict=True):
        values = figures.spreads(outcome.scored.only(part), seed=SEEDS[outcome.split])
        lines.append(_row(_title(outcome), _split(outcome), f"{part.sum():,} {words}",
                          *(str(values[name].figure) for name in COMPARED)))
    gaps = [_signed(outcome.gaps[name]) for name in COMPARED]
    return [*lines, _row("", "", "**the first - the second**", *gaps)]


def _split(outcome: Outcome) -> str:
    return outcome.split.replace("leaky", guard.MARK)


def _title(outcome: Outcome) -> str:
    return f"`{outcome.name}`, {outcome.run.start.backbone}"


def _schedules(pairs: Sequence[Pair]) -> list[str]:
    shown = [_row("recipe", "network", "start", "pictures drawn", "epochs a phase", "pixels", "trained on", "minutes",
                  "seed"), "|---|---|---|---|---|---|---|---|---|"]
    for pair in pairs:
        for each in pair.each():
            made, said = each.recipe, each.described
            shown.append(_row(
                f"`{each.name}`, {each.split}", each.run.start.backbone, _start(each),
                f"{each.drawn:,} of {each.drawn_described:,}", f"{_epochs(made)} of {_epochs(said)}",
                f"{_sizes(made)} of {_sizes(said)}", f"{each.run.pictures['train']:,}",
                f"{each.run.duration.total_seconds() / 60:.1f}", str(each.run.seed)))
    return shown


def _settings(pairs: Sequence[Pair]) -> list[str]:
    shown = []
    for pair in pairs:
        each = pair.one
        changed = ", ".join(f"`{name}={value}`" for name, value in each.changes.items()) or "none"
        why = f" {each.why[0].upper()}{each.why[1:]}." if each.why else ""
        line = f"- `{each.name}`, {each.run.start.backbone}: {changed}.{why}"
        shown += textwrap.wrap(line, 120, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False)
    return shown


# The words

def _about(outcomes: Sequence[Outcome], expected: int, full: bool) -> str:
    first = outcomes[0]
    when = max(each.run.touched for each in outcomes).date().isoformat()
    missing = f" {expected - len(outcomes)} of {expected} runs are not made yet." if len(outcomes) < expected else ""
    counts = sorted({len(each.scored.pictures) for each in outcomes})
    split = first.recipe.split
    return (
        f"Made by `{COMMAND}{' OPTIONS=--full' if full else ''}`, {when}, on "
        f"{first.run.machine.get('cores', 'unknown')} CPU cores.{missing} Every recipe is trained twice on the same "
        f"{_numbers(counts)} pictures of HAM10000, parted {split.train:.0%} / {split.calibration:.0%} / "
        f"{split.test:.0%} for training, calibration and the locked part (seed {split.seed}): leak-free, by lesion, "
        "with the photographs that stand under two lesions joined ([pairs.csv](pairs.csv)); and leaky, by picture, "
        f"as the papers did. Both splits are stratified alike. Figures are of the locked part, single runs, with 95 "
        f"% intervals from {figures.RESAMPLES:,} resamples of lesions; for a difference the two locked parts are "
        "resampled each by itself. Malignant: mel, bcc, akiec. Sensitivity and specificity are those of the most "
        "probable class, or of a share of 0.5.")


def _finding(pairs: Sequence[Pair]) -> str:
    whole = [pair for pair in pairs if pair.free and pair.leaky]
    told = []
    for pair in pairs:
        if pair.leaky and pair.leaky.scored.sibling.any():
            told.append(_counted(pair.leaky.scored))
            break
    for start, what in (("lite0", "that start from ImageNet's weights"), ("own", "of the recipes' own networks")):
        chosen = [pair for pair in whole if pair.one.start == start]
        if chosen:
            told.append(_verdict(chosen, what))
    return " ".join(told) or "Too few runs are made to compare."


def _counted(scored: Scored) -> str:
    melanoma = scored.targets == figures.MELANOMA
    return (f"In the leaky split {scored.sibling.sum():,} of {len(scored.sibling):,} locked pictures "
            f"({scored.sibling.mean():.0%}) have a sibling in training, and {(scored.sibling & melanoma).sum()} of "
            f"{melanoma.sum()} melanomas ({scored.sibling[melanoma].mean():.0%}); in the leak-free split none has.")


def _verdict(pairs: Sequence[Pair], what: str) -> str:
    parts = []
    for name in COMPARED:
        spread = _mean_difference(pairs, name)
        parts.append(f"{name} by {_signed(spread)}{_sureness(spread.figure)}")
    gaps = _gap_of_gaps(pairs)
    return (f"Over the {len(pairs)} rows {what}, the leaky split changes the {' and the '.join(parts)}. Within the "
            "runs, the advantage of pictures with a sibling in training, less what lesions of several pictures have "
            f"without a leak, is {_signed(gaps)} in malignant AUC{_sureness(gaps.figure)}.")


def _sureness(found: Figure) -> str:
    return "" if found.low > 0 or found.high < 0 else " (the interval holds 0: not shown)"


def _gap_of_gaps(pairs: Sequence[Pair]) -> Spread:
    return figures.mean([pair.leaky.gaps["malignant AUC"] - pair.free.gaps["malignant AUC"] for pair in pairs
                         if pair.free and pair.leaky])


def _limits(pairs: Sequence[Pair], full: bool) -> str:
    scratch = any(not each.run.start.pretrained for pair in pairs for each in pair.each())
    return (
        "What it does not show: how good the source systems are. "
        + ("" if full else "The schedules are shortened to what two cores do in minutes, on a part of the pictures "
           "at a part of the pixels (below), so no score here is that of the recipe as described. ")
        + ("Networks that start from scratch learn little in that time, and what has learnt little has little to "
           "remember: a small difference there is no proof that a leak is harmless. " if scratch else "")
        + "Each row is one run of one seed, and its interval leaves out what another seed or other training pictures "
        "would change. The two locked parts are not the same pictures: that is what the resampling of each accounts "
        "for. A network trained for longer remembers more, so the difference at full schedules may be larger; it is "
        "not measured here. HAM10000's locked part comes out of the same hospitals as its training part: neither "
        "column says how a model does elsewhere.")


def _loud(pairs: Sequence[Pair]) -> str:
    starts = {(each.run.start.backbone, _start(each)) for pair in pairs for each in pair.each()}
    return "Start: " + "; ".join(f"{backbone} {start}" for backbone, start in sorted(starts)) + "."


def _about_siblings() -> str:
    return (
        "Within one run, do pictures whose lesion was trained on score higher? Lesions that were photographed "
        "several times differ from others, so the same is asked of the leak-free run, where no lesion was trained "
        "on: only what the leaky gap has over the leak-free gap speaks for the leak. Balanced accuracy is over the "
        "classes that stand in a group, some with few pictures; the malignant AUC is steadier.")


def _start(outcome: Outcome) -> str:
    return outcome.run.start.weights if outcome.run.start.pretrained else "FROM SCRATCH"


def _size(scored: Scored) -> str:
    return f"{len(scored.targets):,} / {len(np.unique(np.asarray(scored.lesion))):,}"


def _epochs(made: Recipe) -> str:
    return " + ".join(f"{phase.epochs:g}" if phase.epochs else f"{phase.samples:,} pictures" for phase in made.phases)


def _sizes(made: Recipe) -> str:
    return "/".join(str(size) for size in dict.fromkeys(phase.size for phase in made.phases))


def _numbers(counts: Sequence[int]) -> str:
    return " or ".join(f"{count:,}" for count in counts)


def _signed(spread: Spread) -> str:
    found = spread.figure
    return "not measured" if np.isnan(found.value) else f"{found.value:+.3f} ({found.low:+.3f} to {found.high:+.3f})"


def _row(*cells: str) -> str:
    return "| " + " | ".join(cells) + " |"


def _wrapped(text: str) -> list[str]:
    return textwrap.wrap(text, 120, break_long_words=False, break_on_hyphens=False)
