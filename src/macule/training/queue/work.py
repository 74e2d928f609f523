"""The queue at work: the next entry that can be trained, until none is left or the time is up."""

from __future__ import annotations

import os
import traceback
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from macule.errors import InputNotFound, MaculeError, UsageError
from macule.training import build, combine, kfold
from macule.training.build import Source
from macule.training.loop import Row
from macule.training.queue import answers, clock, lock, plan, standing
from macule.training.queue.clock import Deadline, TimeIsUp
from macule.training.queue.ledger import Event, Ledger
from macule.training.queue.plan import Item, Plan


@dataclass(frozen=True)
class Told:
    """Who hears of it. log: lines for a person. showing: of each entry anew, what is told every row of its curves.
    ended: the run folders of an entry."""

    log: Callable[[str], None] = print
    showing: Callable[[], AbstractContextManager[Callable[[Row], None]]] = lambda: nullcontext(lambda _: None)
    ended: Callable[[Sequence[Path]], None] = lambda _: None


@dataclass
class Shift:
    """One start of the queue. failed: name -> what was said. timed_out: whether --hours ended it."""

    file: Path
    source: Source
    told: Told
    deadline: Deadline
    ended: list[str] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)
    timed_out: bool = False
    tried: set[tuple[str, str]] = field(default_factory=set)


def run(file: Path, source: Source, *, deadline: Deadline, told: Told) -> Shift:
    """Train the entries of a queue file, in its order. Run again, it goes on where it was.

    The file is read anew before each entry, so that rows may be added, changed and taken out meanwhile. What failed in
    an earlier start is tried again.

    source: the data, without a fold or a split file.
    Raises: UsageError for a file that is wrong from the start; EnvironmentFault if another queue is at work there;
    KeyboardInterrupt, with the entry marked as stopped.
    """
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        raise UsageError("the queue is one process, and torchrun started several: start `macule queue run` by itself.")
    shift = Shift(file, source, told, deadline)
    planned = plan.load(file)
    ledger = Ledger.of(source.work, planned.name)
    with lock.held(source.work, planned.name, now=build.now()) as left, clock.interruptible():
        if left is not None:
            told.log(f"the lock of {left} was left behind: it ended without a word, and its work goes on")
        while (item := _next(shift, planned, ledger)) is not None:
            if deadline.passed:
                shift.timed_out = True
                break
            if not _try(shift, planned, item, ledger):
                break
            planned = _again(shift, planned)
    return shift


def _next(shift: Shift, planned: Plan, ledger: Ledger) -> Item | None:
    """The first that is neither done nor tried already, and whose needs are done."""
    events = ledger.events()
    done = {item.name for item in planned.items if standing.done(item, events, ledger) is not None}
    return next((item for item in planned.items if item.name not in done and done.issuperset(item.needs)
                 and (item.name, item.fingerprint) not in shift.tried), None)


def _again(shift: Shift, before: Plan) -> Plan:
    try:
        return plan.load(shift.file)
    except UsageError as error:  # somebody is at it with an editor
        shift.told.log(f"WARNING: {error} The queue goes on as it was before.")
        return before


def _try(shift: Shift, planned: Plan, item: Item, ledger: Ledger) -> bool:
    """Returns: whether the queue should go on."""
    shift.tried.add((item.name, item.fingerprint))
    shift.told.log(f"== {item.name}: {item.entry.hypothesis}")

    def note(what: Any, **more: Any) -> None:
        ledger.add(what, item.name, item.fingerprint, now=build.now(), **more)

    note("began")
    try:
        made = _train(shift, planned, item, ledger)
        answers.write(_scored(made), shift.source.root, made[0])
    except TimeIsUp:
        note("stopped")
        shift.timed_out = True
        shift.told.log(f"== {item.name}: the time is up; the same command goes on from its checkpoint")
        return False
    except KeyboardInterrupt:
        note("stopped")
        raise
    except Exception as error:  # whatever it was, the others are not to blame
        note("failed", error=error)
        shift.failed[item.name] = str(error) or type(error).__name__
        if not isinstance(error, MaculeError | OSError):
            shift.told.log(traceback.format_exc().rstrip())
        shift.told.log(f"== {item.name} FAILED: {shift.failed[item.name]}")
        return True
    note("ended", runs=made, about=standing.about(item, planned, ledger.events(), ledger))
    shift.ended.append(item.name)
    shift.told.ended(_scored(made))
    return True


def _train(shift: Shift, planned: Plan, item: Item, ledger: Ledger) -> list[Path]:
    """Returns: the folder that the answers go into, first; of folds, that of all together and then each run's."""
    source, events = shift.source, ledger.events()
    runs = {name: _folders(planned, name, events, ledger) for name in item.needs}
    if item.entry.combine:
        members = [runs[name][0] for name in item.entry.members]
        return [combine.combine(members, source.root, source.work, how=item.entry.combine, name=item.name,
                                pairs=source.pairs, log=shift.told.log)]
    recipe = plan.resolved(item, runs, planned)
    wanted = replace(source, only=item.entry.only)
    with shift.told.showing() as shown:
        show = shift.deadline.watching(source.work, item.name, shown)
        if item.entry.folds:
            found = kfold.cross_validate(recipe, wanted, item.entry.folds, log=shift.told.log, show=show)
            assert found is not None  # noqa: S101 (only other processes get None)  # nosec B101
            return [found.folder, *found.runs]
        return [build.build(recipe, wanted, None, again=False, log=shift.told.log, show=show)]


def _scored(made: Sequence[Path]) -> Sequence[Path]:
    return made[1:] or made


def _folders(planned: Plan, name: str, events: Sequence[Event], ledger: Ledger) -> list[Path]:
    item = planned.find(name)
    event = standing.done(item, events, ledger) if item else None
    if event is None:
        raise InputNotFound(f"the run of {name} is gone: start the queue again, and it is trained anew.")
    return ledger.folders(event)
