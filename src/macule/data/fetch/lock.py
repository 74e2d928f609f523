"""One fetch a folder at a time. The operating system frees the lock when a process ends, however it ends."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from macule.errors import EnvironmentFault


@contextmanager
def hold(path: Path, folder: Path) -> Iterator[None]:
    """Hold the lock file `path` of the data set's `folder`; it is gone afterwards.

    Raises: EnvironmentFault if another process holds it.
    """
    descriptor = _take(path, folder)
    try:
        yield
    finally:
        with suppress(OSError):  # Windows removes no open file; an empty one does no harm.
            path.unlink()
            path.parent.rmdir()  # refused while anything unfinished is in there
        os.close(descriptor)


def _take(path: Path, folder: Path) -> int:
    while True:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        if not _lock(descriptor):
            os.close(descriptor)
            raise EnvironmentFault(f"another fetch is at work in {folder}: let it end, or give another folder "
                                   "with --to.")
        if _is_still(path, descriptor):
            return descriptor
        # Its holder ended, and removed it, between the two lines above: this lock guards nothing.
        os.close(descriptor)


def _is_still(path: Path, descriptor: int) -> bool:
    try:
        return os.path.samestat(path.stat(), os.fstat(descriptor))
    except FileNotFoundError:
        return False


if sys.platform == "win32":
    import msvcrt

    def _lock(descriptor: int) -> bool:
        with suppress(OSError):
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
            return True
        return False
else:
    import fcntl

    def _lock(descriptor: int) -> bool:
        with suppress(BlockingIOError):
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        return False
