"""When to stop: after so many hours at the next checkpoint, or at once when the machine asks."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

from macule.training.state import CHECKPOINT

Show = Callable[[dict[str, Any]], None]

class TimeIsUp(KeyboardInterrupt):
    """A run that ends so is `stopped` and not failed, as by Ctrl-C."""

class Deadline:
    """hours: from now on; None is never. clock: seconds of the wall, as the times of files are."""

    def __init__(self, hours: float | None, *, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._end = None if hours is None else clock() + 3600 * hours

    @property
    def passed(self) -> bool:
        return self._end is not None and self._clock() >= self._end

    def watching(self, work: Path, name: str, show: Show) -> Show:
        """`show`, which ends the run after the first checkpoint past the end: hardly a step is lost.

        name: of the run folders, without what is put after it. Raises: TimeIsUp, from the callable.
        """
        def shown(row: dict[str, Any]) -> None:
            show(row)
            if self.passed and self._end is not None and _newest(work, name) >= self._end:
                raise TimeIsUp

        return shown

def _newest(work: Path, name: str) -> float:
    return max((path.stat().st_mtime for path in work.glob(f"{name}-*/{CHECKPOINT}")), default=0.0)

@contextmanager
def interruptible() -> Iterator[None]:
    """SIGTERM, by which machines are shut down, ends a run as Ctrl-C does. In the main thread only."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(_number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
