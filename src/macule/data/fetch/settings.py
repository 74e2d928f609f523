"""What a fetch is told from outside: patience, the clock's sleep, the disk's room, and whom to show progress."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

#: Told how much of a job is done now.
Meter = Callable[[int], None]


class Progress(Protocol):
    """Whatever shows a person how far things are."""

    def __call__(self, what: str, total: int, unit: str = "bytes", /) -> Meter:
        """A new job of `total` bytes, or pictures."""


@dataclass(frozen=True)
class Settings:
    """attempts: tries in a row that bring not one byte. timeout: seconds without a byte. chunk: bytes a step.

    sleep: waits that many seconds. free: bytes free on the disk of a path.
    """

    attempts: int = 6
    timeout: float = 60.0
    chunk: int = 1 << 20
    sleep: Callable[[float], None] = time.sleep
    free: Callable[[Path], int] = lambda path: shutil.disk_usage(path).free
