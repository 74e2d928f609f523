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
    def several(self) -> figures.Bools:
        """Pictures of lesions with several; where the split leaks, those of them whose sibling was trained on."""
        return self.scored.sibling if self.split == "leaky" else self.scored.several

    @cached_property
    def groups(self) -> dict[str, dict[str, Spread]]:
        """The figures of `several`, of the lesions with one picture, and of all that are not `several`."""
        parts = {"several": self.several, "one": ~self.scored.several, "others": ~self.several}
        return {name: figures.spreads(self.scored, part, seed=SEEDS[self.split]) for name, part in parts.items()}


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
    shown += ["## Siblings", "", *_wrapped(_about_siblings(pairs)), "", *_siblings(pairs), "",
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
    whole = [pair for pair in pairs if pair.free and pair.leaky]
    return [
        _row("recipe, network", "figure", "several: leak-free", "several: LEAKY", "difference", "one: leak-free",
             "one: LEAKY", "difference", "difference of the differences"), "|---|---|---|---|---|---|---|---|---|",
        *(_between(pair, name) for pair in whole for name in COMPARED), "",
        "Within the leaky run alone, with a sibling in training against all others:", "",
        _row("recipe, network", "figure", "with", "without", "difference"), "|---|---|---|---|---|",
        *(_within(pair.leaky, name) for pair in whole if pair.leaky for name in COMPARED)]


def _between(pair: Pair, name: str) -> str:
    assert pair.free and pair.leaky  # noqa: S101 (of whole pairs)
    cells: list[str] = []
    for group in ("several", "one"):
        free, leaky = pair.free.groups[group][name], pair.leaky.groups[group][name]
        cells += [str(free.figure), str(leaky.figure), _signed(leaky - free)]
    return _row(_title(pair.free), name, *cells, _signed(_more(pair, name)))


def _within(outcome: Outcome, name: str) -> str:
    chosen, others = outcome.groups["several"][name], outcome.groups["others"][name]
    return _row(_title(outcome), name, str(chosen.figure), str(others.figure), _signed(chosen - others))


def _more(pair: Pair, name: str) -> Spread:
    """What the leaky split adds where a sibling was trained on, beyond what it adds where there is none."""
    assert pair.free and pair.leaky  # noqa: S101 (of whole pairs)
    several, one = (pair.leaky.groups[group][name] - pair.free.groups[group][name] for group in ("several", "one"))
    return several - one


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
    parts = [f"{name} {_told(_mean_difference(pairs, name))}" for name in COMPARED]
    more = [f"{name} {_told(figures.mean([_more(pair, name) for pair in pairs]))}" for name in COMPARED]
    return (f"Over the {len(pairs)} rows {what}, the leaky split changes the {' and the '.join(parts)}. Where a "
            "sibling was trained on, and set against lesions with one picture, which cannot leak, it changes the "
            f"{' and the '.join(more)}.")


def _told(spread: Spread) -> str:
    return f"by {_signed(spread)}{_sureness(spread.figure)}"


def _sureness(found: Figure) -> str:
    return "" if found.low > 0 or found.high < 0 else " (the interval holds 0: not shown)"


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


def _about_siblings(pairs: Sequence[Pair]) -> str:
    counts = next((f" Pictures: {_count(pair.free.several)} and {_count(pair.leaky.several)} of lesions with several, "
                   f"{_count(~pair.free.scored.several)} and {_count(~pair.leaky.scored.several)} of lesions with one."
                   for pair in pairs if pair.free and pair.leaky), "")
    return (
        "Lesions that were photographed several times are others than those with one picture, and harder (see the "
        "leak-free columns), so pictures with a sibling in training, set against all others of one run, would hide the "
        "leak (second table). The first table therefore sets like against like: pictures of lesions with several "
        "pictures, of which the leaky run was trained on another and the leak-free run on none; and, as a control, "
        "lesions with one picture, which neither split can leak. What the first difference has over the second speaks "
        "for the leak. Balanced accuracy is over the classes that stand in a group, some with few pictures; the "
        "malignant AUC is steadier." + counts)


def _count(chosen: figures.Bools) -> str:
    return f"{int(chosen.sum()):,}"


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
    return spread.figure.signed()


def _row(*cells: str) -> str:
    return "| " + " | ".join(cells) + " |"


def _wrapped(text: str) -> list[str]:
    return textwrap.wrap(text, 120, break_long_words=False, break_on_hyphens=False)
