"""How a training run goes, row by row of its curve: a bar where a person looks at it, plain lines elsewhere."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress, TaskID

#: Steps between two plain lines; the rows of validation, the first and the last are always written.
EVERY = 20
#: Training rows that the speed is measured over: it changes with the size of the pictures.
RECENT = 10

#: A row of curve.jsonl; with `steps`, those of the whole run, and perhaps `batch`, pictures a step, and `leaky`.
Row = Mapping[str, Any]


@contextmanager
def showing(write: Callable[[str], None] = typer.echo, *,
            console: Console | None = None) -> Iterator[Callable[[Row], None]]:
    """write: takes the plain lines. console: of a terminal, for the bar; standard error where that is one.

    Yields: what to call with every row.
    """
    from rich.console import Console

    console = console or Console(stderr=True)
    if not console.is_terminal:
        yield _Lines(write)
        return
    bar = _Bar(console)
    try:
        yield bar
    finally:
        bar.stop()


class _Pace:
    """How fast the last rows were."""

    def __init__(self) -> None:
        self._rows: deque[tuple[int, float]] = deque(maxlen=RECENT)

    def see(self, row: Row) -> None:
        if "seconds" in row:
            self._rows.append((row["step"], row["seconds"]))

    @property
    def steps_a_second(self) -> float | None:
        if len(self._rows) < 2:
            return None
        (first, began), (last, now) = self._rows[0], self._rows[-1]
        return (last - first) / (now - began) if now > began and last > first else None

    def speed(self, row: Row) -> str:
        """In pictures where the row says how many a step takes."""
        pace = self.steps_a_second
        if pace is None:
            return ""
        return f"{pace * row['batch']:.0f} pictures/s" if row.get("batch") else f"{pace:.2g} steps/s"

    def left(self, row: Row) -> str:
        pace = self.steps_a_second
        if pace is None or not row.get("steps"):
            return ""
        return f"{_time(timedelta(seconds=(row['steps'] - row['step'] - 1) / pace))} left"


class _Lines:
    def __init__(self, write: Callable[[str], None]) -> None:
        self._write, self._pace, self._last = write, _Pace(), -EVERY

    def __call__(self, row: Row) -> None:
        self._pace.see(row)
        if "validation" in row:
            self._write(f"{_place(row)}  validation: {_figures(row['validation'])}")
        elif row["step"] - self._last >= EVERY or row["step"] < self._last or _done(row) == row.get("steps"):
            self._last = row["step"]
            parts = (_place(row), _phase(row), f"loss {row['loss']:.3f}", self._pace.speed(row), self._pace.left(row))
            self._write("  ".join(filter(None, parts)))


class _Bar:
    """Begins with the first row: before it, caches draw bars of their own. Ends with the last step."""

    def __init__(self, console: Console) -> None:
        self._console, self._pace = console, _Pace()
        self._progress: Progress | None = None
        self._task: TaskID | None = None
        self._seen = ""

    def __call__(self, row: Row) -> None:
        self._pace.see(row)
        if self._progress is None:
            self._progress = _progress(self._console)
            self._progress.start()
            self._task = self._progress.add_task("", total=row.get("steps"), loss="", seen="", speed="", left="")
        assert self._task is not None  # noqa: S101 (made with the progress)  # nosec B101
        if "validation" in row:
            self._seen = _headline(row)
            self._progress.console.print(f"{_place(row)}  validation: {_figures(row['validation'])}", markup=False,
                                         highlight=False)
        else:
            self._progress.update(self._task, loss=f"{_mark(row)}loss {row['loss']:.3f}", description=_phase(row))
        self._progress.update(self._task, completed=_done(row), seen=self._seen, speed=self._pace.speed(row),
                              left=self._pace.left(row))

    def stop(self) -> None:
        if self._progress is not None:
            self._progress.stop()
            self._progress = None


def _progress(console: Console) -> Progress:
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    fields = (TextColumn(f"{{task.fields[{name}]}}") for name in ("loss", "seen", "speed", "left"))
    return Progress(TextColumn("{task.description}"), BarColumn(bar_width=None), MofNCompleteColumn(), *fields,
                    console=console, expand=True)


def _done(row: Row) -> int:
    return int(row["step"]) + 1  # steps are counted from 0


def _place(row: Row) -> str:
    return f"{_mark(row)}step {_done(row)}" + (f"/{row['steps']}" if row.get("steps") else "")


def _mark(row: Row) -> str:
    from macule.data import guard

    return guard.mark(bool(row.get("leaky")))


def _phase(row: Row) -> str:
    return f"phase {row['phase'] + 1}, {row['size']} px"


def _figures(found: Mapping[str, float | None]) -> str:
    return ", ".join(f"{name.replace('_', ' ').replace('auc', 'AUC')} "
                     f"{'undefined' if value is None else format(value, '.3f')}" for name, value in found.items())


def _headline(row: Row) -> str:
    value = row["validation"].get("balanced_accuracy")
    return "" if value is None else f"{_mark(row)}validation {value:.3f}"


def _time(left: timedelta) -> str:
    minutes = round(left.total_seconds() / 60)
    if minutes < 1:
        return "under a minute"
    return f"{minutes // 60} h {minutes % 60:02} min" if minutes >= 60 else f"{minutes} min"
