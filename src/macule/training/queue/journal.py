"""The log of a queue: what was expected of each experiment, what was measured, what was decided."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path

from macule.data.atomic import writing
from macule.errors import MaculeError
from macule.evaluation import runs
from macule.evaluation.predictions import Predictions
from macule.training.queue import answers, ledger, measures, page
from macule.training.queue.ledger import Event, Ledger
from macule.training.queue.page import Told
from macule.training.queue.plan import Item, Plan


def write(plan: Plan, work: Path, out: Path, *, now: datetime) -> int:
    """Put the log between its two marks in `out`, or at its end; the rest of the file stays.

    now: when verdicts that were not known before are noted, so that they stay with the run that they were of.
    Returns: how many experiments it tells of.
    Raises: OSError; RunDamaged.
    """
    kept = Ledger.of(work, plan.name)
    _note_verdicts(plan, kept, now)
    events = kept.events()
    found = [_told(event, plan, events, kept) for event in ledger.ended(events)]
    text = "\n".join(page.lines(plan, found, events))
    before = out.read_text(encoding="utf-8") if out.exists() else "# Experiments\n"
    with writing(out) as stream:
        stream.write(page.placed(before, text, plan.name))
    return len(found)


def _note_verdicts(plan: Plan, kept: Ledger, now: datetime) -> None:
    """A verdict is of the run that it was written about: word for word the same on a changed row is not of the new."""
    events = kept.events()
    for item in plan.items:
        said = {"verdict": item.entry.verdict, "reason": item.entry.reason}
        if item.entry.verdict is None or ledger.latest(events, item.name, item.fingerprint, what="ended") is None:
            continue
        before = [event.about for event in events if event.what == "verdict" and event.entry == item.name]
        if said not in before:
            kept.add("verdict", item.name, item.fingerprint, now=now, about=said)


def _told(event: Event, plan: Plan, events: Sequence[Event], kept: Ledger) -> Told:
    item = plan.find(event.entry)
    note = ""
    if item is None:
        note = "The row is no longer in the file."
    elif item.fingerprint != event.fingerprint:
        item, note = None, "The row was changed since; this is what it was before."
    name = item.baseline if item else event.about.get("baseline")
    base = _baseline(event, name, events)
    mine = _answers(event, kept)
    theirs = _answers(base, kept) if base else None
    measured = measures.measure(mine, theirs) if mine else []
    if mine is None:
        note = f"{note} Its run is gone, and its figures with it.".strip()
    return Told(event, item, note, measured, name if theirs else None, _verdict(event, item, events),
                 _hours(event, kept))


def _baseline(event: Event, name: str | None, events: Sequence[Event]) -> Event | None:
    """The baseline as it stood when the experiment ended; else as it is now."""
    if name is None:
        return None
    against = event.about.get("against") if name == event.about.get("baseline") else None
    return (ledger.latest(events, name, against, what="ended") if against else None) or ledger.latest(
        events, name, what="ended")


def _answers(event: Event, kept: Ledger) -> Predictions | None:
    folder = kept.folders(event)[0]
    return answers.read(folder) if (folder / answers.FILE).is_file() else None


def _verdict(event: Event, item: Item | None, events: Sequence[Event]) -> Mapping[str, str] | None:
    if item is not None and item.entry.verdict is None:
        return None  # it was taken back
    noted = ledger.latest(events, event.entry, event.fingerprint, what="verdict")
    return noted.about if noted else None


def _hours(event: Event, kept: Ledger) -> float | None:
    """From start to end of all its runs, without the pauses."""
    folders = kept.folders(event)
    try:
        return sum(runs.read(folder).duration.total_seconds() for folder in folders[1:] or folders) / 3600
    except (MaculeError, OSError):
        return None
