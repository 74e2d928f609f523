"""The disk: is there room, what lies on it, and what it says when it fails."""

from __future__ import annotations

import errno
import hashlib
from pathlib import Path

from macule.data.fetch.settings import Meter, Settings
from macule.errors import EnvironmentFault

#: What the system says where there is no room: disk, quota, longest file.
_FULL = frozenset({errno.ENOSPC, errno.EFBIG, getattr(errno, "EDQUOT", errno.ENOSPC)})


def digest(path: Path, algorithms: set[str], meter: Meter) -> dict[str, str]:
    """Hexadecimal checksums of a file, in one pass."""
    sums = {name: hashlib.new(name, usedforsecurity=False) for name in algorithms}
    with path.open("rb") as stream:
        while chunk := stream.read(1 << 20):
            for each in sums.values():
                each.update(chunk)
            meter(stream.tell())
    return {name: each.hexdigest() for name, each in sums.items()}


def check_space(folder: Path, needed: int, what: str, settings: Settings) -> None:
    """Raises: EnvironmentFault if the disk of `folder` has less than `needed` bytes free."""
    if (free := settings.free(folder)) < needed:
        raise EnvironmentFault(f"{what} {needed / 1e9:,.2f} GB, and {free / 1e9:,.2f} GB are free in {folder}: make "
                               "room, or give a folder on another disk with --to; what is here already stays.")


def disk_fault(error: OSError, name: str) -> EnvironmentFault:
    """A sentence for what the disk said."""
    if error.errno in _FULL:
        return EnvironmentFault(f"{name}: the disk is full ({error.strerror}): make room and call again; "
                                "it goes on where it was.")
    return EnvironmentFault(f"{name}: {error}: check the disk and its permissions, then call again.")
