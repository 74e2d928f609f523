"""A progress bar on standard error, drawn only where a person looks at it."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
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
