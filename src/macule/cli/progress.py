"""A progress bar on standard error, drawn only where a person looks at it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TypeVar

_T = TypeVar("_T")


def track(items: Iterable[_T], *, total: int, what: str) -> Iterator[_T]:
    """Pass the items through, showing how many of `total` have passed."""
    if total < 2 or not sys.stderr.isatty():
        yield from items
        return
    # Rich is only worth its 60 ms where something is drawn.
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn(what), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(what, total=total)
        for item in items:
            yield item
            progress.advance(task)


@contextmanager
def bars() -> Iterator[Callable[[str, int], Callable[[], None]]]:
    """A bar for each piece of work, on standard error and only in a terminal.

    Yields: what to call with a title and a count; it gives what to call after each item. A count of 0 is unknown.
    """
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    console = Console(stderr=True)
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
        def start(title: str, count: int) -> Callable[[], None]:
            task = progress.add_task(title, total=count or None)
            return lambda: progress.advance(task)

        yield start
