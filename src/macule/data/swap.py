"""Folders that take the place of another, whole or not at all: whatever cuts that off, one of the two is there."""

from __future__ import annotations

import shutil
from pathlib import Path


def put(made: Path, out: Path, *, old: Path | None = None) -> None:
    """Move the folder `made` to `out`; what stood there goes once the new one is there, and comes back if it does not.

    Both must be on one disk. old: where the former folder waits; None is a hidden place beside `out`.
    Raises: OSError.
    """
    waits = _old(out) if old is None else old
    recover(out, old=waits)
    try:
        if out.exists():
            waits.parent.mkdir(parents=True, exist_ok=True)
            out.replace(waits)
        made.replace(out)
    finally:  # also after Ctrl-C between the two
        recover(out, old=waits)


def recover(out: Path, *, old: Path | None = None) -> None:
    """Put back what stood in `out` if a call was killed before the new folder was there; else remove what is left.

    Raises: OSError if it cannot be put back.
    """
    waits = _old(out) if old is None else old
    if out.exists():
        shutil.rmtree(waits, ignore_errors=True)
    elif waits.exists():
        waits.replace(out)


def _old(out: Path) -> Path:
    """Not in a temporary folder, which is removed with all that it holds."""
    return out.with_name(f".{out.name}.macule-old")
