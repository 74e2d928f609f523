"""docs/results/smote.md: what the SMOTE ablation measured, and the sentences that follow from its intervals."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

import numpy as np
import smote_arms as arms
from smote_arms import Ints, Task
from smote_figures import BY_PICTURE, FIRST, FIRST_REAL, MEASURES, MOVED, REFERENCE, RESAMPLES, SMOTE, Outcome

INTRODUCTION = """
System B tried SMOTE and rejected it. Here it is tried again on all of HAM10000 without a leak, beside the leaky way in
which it is often scored. Made by `python benchmarks/smote.py --data DATA --seeds {seeds}`."""
ABOUT = """
{pictures:,} pictures of {lesions:,} lesions (photographs linked by [pairs.csv](pairs.csv) count as one lesion),
{malignant:,} pictures of {malignant_lesions:,} lesions malignant (mel, bcc, akiec). Embeddings: EfficientNet-Lite0 as
trained on ImageNet, {size} px, {width:,} numbers a picture; no lesion was seen in their making. Classifier: logistic
regression on standardised embeddings, {folds} folds by lesion, {seeds} times; the penalty of each fit is the one of
{penalties} with the largest malignant AUC on the next fold, which is then trained on too. SMOTE and random oversampling
see the training folds only and make all classes equal. Malignant is called at a share of 0.5, a class as the most
probable one. "Thresholds moved" divides the plain arm's shares by the classes' frequencies; nothing is fitted anew."""
HOW = """
Figures are means over {fits} folds with 95 % intervals from {resamples:,} resamples of lesions. Test lesions are
resampled and nothing is fitted anew, so the intervals leave out what other training pictures would change. They are not
corrected for the number of comparisons."""
LEAKY = """
Not to be used, only to be recognised. A split by picture puts siblings of one lesion on both sides. SMOTE before the
split adds, on the training side, points between test pictures and their neighbours, and on the test side points between
training pictures. Where synthetic rows are tested too, malignant rows are more common, which alone raises F1."""


def page(outcomes: Sequence[Outcome], task: Task, *, size: int, seeds: int) -> str:
    """task: that of the last outcome, for its counts. size: pixels a side of the embedded pictures."""
    positives = task.suspicious[task.targets]
    about = ABOUT.format(
        pictures=len(task.targets), lesions=_lesions(task.lesion), malignant=int(positives.sum()),
        malignant_lesions=_lesions(task.lesion[positives]), size=size, width=task.features.shape[1],
        folds=arms.FOLDS, seeds=seeds, penalties=len(arms.PENALTIES))
    how = HOW.format(fits=arms.FOLDS * seeds, resamples=RESAMPLES)
    return "\n".join([
        "# SMOTE on embeddings", "", *_wrapped(INTRODUCTION.format(seeds=seeds)), "", *_wrapped(about), "",
        *_wrapped(how), "", "## What it shows", "", *_findings(outcomes), "",
        *(line for outcome in outcomes for line in _tables(outcome)),
        "## The leaky arms", "", *_wrapped(LEAKY), "", *_tested(outcomes, len(task.targets)), "",
        "## Chosen penalties", "", "How often each penalty of the mean loss was chosen:", "", *_penalties(outcomes), "",
    ])


def _findings(outcomes: Sequence[Outcome]) -> list[str]:
    """Whichever way the intervals fall."""
    found = [(f"{each} ({outcome.title.lower()}: {gap.signed()})", gap)
             for outcome in outcomes for each in MEASURES for gap in [outcome.lines[SMOTE].differences[each]]]
    better = [words for words, gap in found if gap.low > 0]
    worse = [words for words, gap in found if gap.high < 0]
    count = f"{len(better) or 'none'} of {len(found)} comparisons"
    verdict = (f"SMOTE does better than class weights in {count}: {'; '.join(better)}." if better else
               f"System B's negative result is reproduced: SMOTE does better than class weights in {count}.")
    lost = f"It does worse in {len(worse)}: {'; '.join(worse)}." if worse else "It does worse in none either."
    undecided = f"In the other {len(found) - len(better) - len(worse)} the interval holds 0."
    return [line for text in (f"{verdict} {lost} {undecided}", *map(_inflation, outcomes)) for line in _item(text)]


def _inflation(outcome: Outcome) -> str:
    def both(name: str) -> str:
        values = outcome.lines[name].values
        return f"{values['malignant AUC'].value:.3f} and {values['F1 malignant'].value:.3f}"

    return (f"{outcome.title}, malignant AUC and F1: SMOTE after a split by lesion {both(SMOTE)}; before the split"
            f" {both(FIRST)}, and {both(FIRST_REAL)} on the real pictures among its test rows; the leak of siblings"
            f" alone (class weights, split by picture) {both(BY_PICTURE)}.")


def _tables(outcome: Outcome) -> list[str]:
    head = [f"| arm | {' | '.join(MEASURES)} |", f"|---|{'---|' * len(MEASURES)}"]
    values = [f"| {name} | {' | '.join(str(line.values[each]) for each in MEASURES)} |"
              for name, line in outcome.lines.items()]
    differences = [f"| {name} | {' | '.join(line.differences[each].signed() for each in MEASURES)} |"
                   for name, line in outcome.lines.items() if name != REFERENCE]
    return [f"## {outcome.title}", "", *head, *values, "", f"Minus {REFERENCE}, on the same resampled lesions:", "",
            *head, *differences, ""]


def _tested(outcomes: Sequence[Outcome], pictures: int) -> list[str]:
    return ["| task | arm | rows tested in one repeat | synthetic among them |", "|---|---|---:|---:|",
            *(f"| {outcome.title} | {name} | {outcome.tested[name]:,} | {outcome.tested[name] - pictures:,} |"
              for outcome in outcomes for name in (BY_PICTURE, FIRST_REAL, FIRST))]


def _penalties(outcomes: Sequence[Outcome]) -> list[str]:
    return [f"| task | arm | {' | '.join(f'{each:g}' for each in arms.PENALTIES)} |",
            f"|---|---|{'---:|' * len(arms.PENALTIES)}",
            *(f"| {outcome.title} | {name} | {' | '.join(str(chosen.get(each, 0)) for each in arms.PENALTIES)} |"
              for outcome in outcomes for name, chosen in outcome.penalties.items() if name not in (MOVED, FIRST_REAL))]


def _lesions(numbers: Ints) -> int:
    return len(np.unique(numbers))


def _wrapped(text: str) -> list[str]:
    return textwrap.wrap(text.strip(), 118, break_long_words=False, break_on_hyphens=False)


def _item(text: str) -> list[str]:
    first, *rest = _wrapped(text)
    return [f"- {first}", *(f"  {line}" for line in rest)]
