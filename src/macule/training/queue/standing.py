"""What of a queue is done, under way, to come or failed, and how long it will take. Needs no torch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from macule.errors import MaculeError
from macule.evaluation import runs
from macule.evaluation.curve import Curve, Step
from macule.evaluation.runs import Run
from macule.training.queue import answers, ledger, lock
from macule.training.queue.ledger import Event, Ledger
from macule.training.queue.lock import Holder
from macule.training.queue.plan import Item, Plan

State = Literal["done", "running", "stopped", "failed", "waiting", "blocked"]
#: Rows of the curve that the pace is measured over.
RECENT = 10


@dataclass(frozen=True)
class Standing:
    """One entry. note: why it waits, or failed. share: of its steps that are done; left: seconds to the end of
    training at the pace of its last steps; None where it is not known. run: the last folder."""

    name: str
    state: State
    note: str = ""
    share: float | None = None
    left: float | None = None
    hours: float | None = None
    run: Path | None = None

    def to_dict(self) -> dict[str, Any]:
        return {"name": self.name, "state": self.state, "note": self.note, "share": self.share,
                "seconds_left": self.left, "planned_hours": self.hours, "run": self.run and str(self.run)}


def done(item: Item, events: Sequence[Event], kept: Ledger) -> Event | None:
    """How it ended: None unless this very entry did, and its runs are still there."""
    event = ledger.latest(events, item.name, item.fingerprint, what="ended")
    if event is None:
        return None
    folders = kept.folders(event)
    whole = all(folder.is_dir() for folder in folders) and (folders[0] / answers.FILE).is_file()
    return event if whole else None


def about(item: Item, plan: Plan, events: Sequence[Event], kept: Ledger) -> dict[str, Any]:
    """The entry as it stands, so that the log can tell of it when the row is changed or gone."""
    base = plan.find(item.baseline) if item.baseline else None
    against = done(base, events, kept) if base else None
    said = item.entry.model_dump(mode="json", include={"hypothesis", "expected", "expect", "folds", "only", "combine",
                                                       "members"})
    return said | {"recipe": item.source, "set": list(item.changes), "baseline": item.baseline,
                   "against": against.fingerprint if against else None}


def standings(plan: Plan, work: Path) -> tuple[list[Standing], Holder | None]:
    """Every entry in the file's order, and who is at work in the folder, if anybody is."""
    kept, at_work = Ledger.of(work, plan.name), lock.holder(work)
    events = kept.events()
    finished = {item.name for item in plan.items if done(item, events, kept) is not None}
    busy = at_work if at_work is not None and at_work.queue == plan.name else None
    return [_one(item, events, kept, finished, busy) for item in plan.items], at_work


def _one(item: Item, events: Sequence[Event], kept: Ledger, finished: set[str], busy: Holder | None) -> Standing:
    name, hours = item.name, item.entry.hours
    if (event := done(item, events, kept)) is not None:
        return Standing(name, "done", share=1.0, hours=hours, run=kept.folders(event)[0])
    last = ledger.latest(events, name, item.fingerprint)
    if last is None or last.what == "ended":
        return _untouched(item, events, finished, gone=last is not None)
    if last.what == "failed":
        return Standing(name, "failed", (last.error or {}).get("message", ""), hours=hours)
    share, left, run = _progress(item, kept.work)
    running = busy is not None and last.what == "began" and last == [e for e in events if e.what != "verdict"][-1]
    return Standing(name, "running" if running else "stopped", "" if running else "goes on at the next start",
                    share, left, hours, run)


def _untouched(item: Item, events: Sequence[Event], finished: set[str], *, gone: bool) -> Standing:
    lacking = [need for need in item.needs if need not in finished]
    failed = [need for need in lacking if (last := ledger.latest(events, need)) is not None and last.what == "failed"]
    if failed:
        return Standing(item.name, "blocked", f"{failed[0]} failed", hours=item.entry.hours)
    changed = ledger.latest(events, item.name, what="ended")
    note = ("its run is gone" if gone else f"for {', '.join(lacking)}" if lacking
            else "changed since it was run" if changed else "")
    return Standing(item.name, "waiting", note, hours=item.entry.hours)


def _progress(item: Item, work: Path) -> tuple[float | None, float | None, Path | None]:
    """Over all folds, where there are some. Only training is counted: export and fits take minutes more."""
    found = sorted(_runs(item, work), key=lambda run: run.touched)
    recipe, count = item.recipe, item.entry.folds or 1
    if recipe is None or not found:
        return None, None, found[-1].folder if found else None
    run = found[-1]
    total = _lengths(run.recipe, run.curve)
    if total is None or not run.curve.steps:
        return None, None, run.folder
    ended = sum(each.status == "finished" for each in found)
    here = 0.0 if run.status == "finished" else (run.curve.steps[-1].step + 1) / sum(total)
    pace = _seconds_a_step(run.curve)
    left = None
    if pace is not None:
        others = count - ended - (run.status != "finished")
        whole = sum(_cost(run.recipe, phase) * steps for phase, steps in enumerate(total))
        now = run.curve.steps[-1]
        rest = sum(_cost(run.recipe, phase) * steps for phase, steps in enumerate(total) if phase > now.phase)
        rest += _cost(run.recipe, now.phase) * (sum(total[:now.phase + 1]) - now.step - 1)
        left = pace / _cost(run.recipe, now.phase) * ((0 if run.status == "finished" else rest) + others * whole)
    return (ended + here) / count, left, run.folder


def _runs(item: Item, work: Path) -> list[Run]:
    """The folders that this entry has begun, by its name. One that cannot be read yet is passed over."""
    found = []
    for folder in work.glob(f"{item.name}-*"):
        try:
            run = runs.read(folder)
        except (MaculeError, OSError):
            continue
        if run.name == item.name:
            found.append(run)
    if not found:
        return []
    # An entry that was changed has left others behind, of another recipe.
    last = max(found, key=lambda run: run.touched)
    return [run for run in found if run.recipe_sha256 == last.recipe_sha256]


def _lengths(recipe: Any, curve: Curve) -> list[int] | None:
    """Steps of each phase. Of phases in epochs they follow from how far the curve says it is."""
    batch = recipe["engine"]["batch"]
    an_epoch = next(((row.step + 1) / row.epoch for row in reversed(curve.steps) if row.epoch), None)
    if an_epoch is None:
        return None
    return [phase["samples"] // batch if phase["samples"] else round(phase["epochs"] * an_epoch)
            for phase in recipe["phases"]]


def _seconds_a_step(curve: Curve) -> float | None:
    """Of the last rows of one process and one phase."""
    rows: list[Step] = []
    for row in reversed(curve.steps[-RECENT:]):
        if rows and (row.seconds > rows[-1].seconds or row.phase != rows[-1].phase):
            break
        rows.append(row)
    if len(rows) < 2 or rows[0].seconds <= rows[-1].seconds:
        return None
    return (rows[0].seconds - rows[-1].seconds) / (rows[0].step - rows[-1].step)


def _cost(recipe: Any, phase: int) -> float:
    """A step takes about as long as it has pixels."""
    return float(recipe["phases"][phase]["size"]) ** 2
