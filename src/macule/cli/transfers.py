"""How far the files are that are being got: bars on standard error."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from macule.data.fetch.settings import Meter, Progress


@contextmanager
def shown() -> Iterator[Progress]:
    """A bar a file, with rate and time left, on standard error and only where a person looks at it.

    It starts with the first file: before that something may be asked, or another program draw its own.
    """
    from macule.data.fetch.job import quiet

    if not sys.stderr.isatty():
        yield quiet
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, Task, TextColumn, TimeRemainingColumn
    from rich.text import Text

    class Amount(TextColumn):
        """Megabytes and their rate, or a count."""

        def render(self, task: Task) -> Text:
            return Text(_amount(task.fields["unit"], task.completed, task.total or 0, task.speed or 0.0))

    bars = Progress(TextColumn("{task.description}"), BarColumn(), Amount(""), TimeRemainingColumn(),
                    console=Console(stderr=True))

    def start(what: str, total: int, unit: str = "bytes", /) -> Meter:
        bars.start()
        task = bars.add_task(what, total=total, unit=unit)
        return lambda done: bars.update(task, completed=done)

    try:
        yield start
    finally:
        bars.stop()


def _amount(unit: str, done: float, total: float, rate: float) -> str:
    if unit != "bytes":
        return f"{done:,.0f}/{total:,.0f} {unit}"
    return f"{done / 1e6:,.1f}/{total / 1e6:,.1f} MB, {rate / 1e6:,.1f} MB/s"
