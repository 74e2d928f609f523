"""Files that are on the disk when the function returns, and whole or not there at all."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path


def write_new(path: Path, content: bytes) -> None:
    """path: of a file that does not exist; 0600. Its folder is not synced. Raises: OSError, and leaves nothing."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        try:
            view = memoryview(content)
            while view:
                view = view[os.write(descriptor, view):]
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except OSError:
        path.unlink(missing_ok=True)
        raise


def sync_folder(folder: Path) -> None:
    """Make the names in the folder durable: a file's own fsync does not (fsync(2))."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def make_folder(folder: Path, *, below: Path, known: set[Path]) -> None:
    """The folder and those between it and `below`, durably. known: those that are; it is added to.

    Raises: OSError; FileNotFoundError if `below` is gone.
    """
    if folder == below or folder in known:
        return
    make_folder(folder.parent, below=below, known=known)
    with contextlib.suppress(FileExistsError):
        folder.mkdir(mode=0o700)
    # Also of one that another thread made: that one may not have come to this yet.
    sync_folder(folder.parent)
    known.add(folder)
