"""The log of a queue in Markdown."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from macule.errors import UsageError
from macule.evaluation import marks, metrics
from macule.evaluation.metrics import Figure
from macule.training.queue import expectation, ledger
from macule.training.queue.expectation import FIGURES
from macule.training.queue.ledger import Event
from macule.training.queue.measures import Measured
from macule.training.queue.plan import Item, Plan

WIDTH = 120
HEAD = (
    "Measured on the calibration part, which no network here has learnt from; the locked part is not looked at, so "
    "that it stays an exam. Temperature is fitted on the same pictures, so calibration errors are not told. 95 % "
    f"intervals: bootstrap of whole lesions, {metrics.RESAMPLES} resamples; "
    "differences on the same pictures and resamples.")

OUT_OF_FOLD = ("Every picture is answered once, by the fold that calibrated on it, the other entries' locked pictures "
               "too: a figure to be told, not to choose by.")


@dataclass(frozen=True)
class Told:
    """An experiment that has ended. item: None if the row was changed or taken out since."""

    event: Event
    item: Item | None
    note: str
    measured: Sequence[Measured]
    baseline: str | None
    verdict: Mapping[str, str] | None
    hours: float | None


def placed(page: str, text: str, name: str) -> str:
    """The page with the text between the queue's marks, at its end where it has none. Raises: UsageError."""
    begin, end = (f"<!-- macule queue log, {name}: {what} -->" for what in ("begin", "end"))
    if begin not in page and end not in page:
        page = f"{page.rstrip()}\n\n{begin}{end}\n"
    try:
        return marks.replaced(page, begin, end, f"\n\n{text.strip()}\n\n")
    except ValueError as error:
        raise UsageError(f"the log of queue {name!r} has no place to go: {error}.") from error


def lines(plan: Plan, found: Sequence[Told], events: Sequence[Event]) -> Iterator[str]:
    """The whole section, from its title on. found: what has ended, earliest first."""
    yield f"## Queue `{plan.name}`{f': {plan.summary}' if plan.summary else ''}\n"
    yield _wrapped(HEAD + _by_chance(found)) + "\n"
    for told in found:
        yield from _of(told)
    ended = {(told.event.entry, told.event.fingerprint) for told in found}
    left = [item for item in plan.items if (item.name, item.fingerprint) not in ended]
    if left:
        yield from _to_come(left, events)


def _by_chance(found: Sequence[Told]) -> str:
    looks = sum(len(each.lead) for told in found for each in told.measured)
    return "" if looks < 20 else (f" {looks} differences stand below: of so many, about {round(looks / 20)} would lie "
                                  "outside their intervals by chance alone.")


def _of(told: Told) -> Iterator[str]:
    about = told.event.about
    yield f"### {told.event.entry} ({told.event.at[:10]})\n"
    if told.note:
        yield _wrapped(told.note) + "\n"
    yield _wrapped(f"Hypothesis: {_of_row(told, 'hypothesis')}") + "\n"
    yield _wrapped(f"Expected: {_of_row(told, 'expected')}") + "\n"
    for written in _of_row(told, "expect") or ():
        yield f"- {_judged(written, told)}"
    if _of_row(told, "expect"):
        yield ""
    yield _wrapped(f"Run: {_what(about)}{_took(told)} (`{Path(told.event.runs[0]).name}`).") + "\n"
    if about.get("folds"):
        yield _wrapped(OUT_OF_FOLD) + "\n"
    if told.measured:
        yield from _table(told)
    yield _wrapped(_decided(told.verdict)) + "\n"


def _of_row(told: Told, key: str) -> Any:
    """As the file has it now; of a row that is gone, as it had it then."""
    return getattr(told.item.entry, key) if told.item else told.event.about.get(key)


def _what(about: Mapping[str, Any]) -> str:
    if about.get("combine"):
        return f"{about['combine']} of {', '.join(f'`{name}`' for name in about['members'])}"
    changes = ", ".join(f"`{each}`" for each in about.get("set", ()))
    parts = [f"recipe `{about.get('recipe')}`", f"with {changes}" if changes else "",
             f"on {', '.join(about['only'])} alone" if about.get("only") else "",
             f"in {about['folds']} folds" if about.get("folds") else ""]
    return " ".join(filter(None, parts))


def _took(told: Told) -> str:
    return "" if told.hours is None else (
        f", {told.hours:.1f} hours" if told.hours >= 0.1 else f", {60 * told.hours:.1f} minutes")


def _judged(written: str, told: Told) -> str:
    try:
        wanted = expectation.parse(written)
    except ValueError:  # of a row that is gone, from before such were refused
        return f"`{written}`: cannot be judged."
    measured = {each.scope: each for each in told.measured}.get(wanted.scope)
    if wanted.scope == expectation.ALL and measured is None:  # a single data set, which is told first, is all
        measured = next(iter(told.measured), None)
    figure = None if measured is None else (measured.lead if wanted.relative else measured.figures).get(wanted.figure)
    told_of = "" if figure is None else f": {figure.signed() if wanted.relative else figure}"
    return f"`{written}`{told_of}: {wanted.judged(figure)}."


def _table(told: Told) -> Iterator[str]:
    names = [name for name in FIGURES if any(name in each.figures for each in told.measured)]
    yield f"| part | pictures | lesions | {' | '.join(FIGURES[name] for name in names)} |"
    yield f"|---|---|---|{'---|' * len(names)}"
    for each in told.measured:
        yield _row(each.scope, each.pictures, each.lesions, _cells(names, each.figures, str))
        if each.lead:
            lead = _cells(names, each.lead, Figure.signed)
            yield _row(f"{each.scope}, less `{told.baseline}`", each.shared, "", lead)
    yield ""


def _row(*cells: Any) -> str:
    *first, rest = cells
    return f"| {' | '.join([*map(str, first), *rest])} |"


def _cells(names: Sequence[str], figures: Mapping[str, Figure], shown: Callable[[Figure], str]) -> list[str]:
    return [shown(figures[name]) if name in figures else "" for name in names]


def _decided(verdict: Mapping[str, str] | None) -> str:
    if verdict is None:
        return "Kept or not: open."
    return f"**{verdict['verdict'].capitalize()}**: {verdict['reason']}"


def _to_come(left: Sequence[Item], events: Sequence[Event]) -> Iterator[str]:
    yield "### To come\n"
    yield "| entry | hypothesis | expected | hours | so far |"
    yield "|---|---|---|---|---|"
    for item in left:
        hours = "" if item.entry.hours is None else f"{item.entry.hours:g}"
        yield _row(item.name, [item.entry.hypothesis, item.entry.expected, hours, _so_far(item, events)])
    yield ""


def _so_far(item: Item, events: Sequence[Event]) -> str:
    last = ledger.latest(events, item.name, item.fingerprint)
    if last is None:
        return ""
    if last.what == "failed":
        return f"failed: {(last.error or {}).get('message', '')}".replace("|", "/").replace("\n", " ")
    return "begun"


def _wrapped(text: str) -> str:
    return textwrap.fill(" ".join(text.split()), WIDTH, break_long_words=False, break_on_hyphens=False)
