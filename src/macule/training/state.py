"""All that a run needs to go on, in one file that a power cut cannot spoil."""

from __future__ import annotations

import errno
import os
import pickle  # for the name of its error alone  # nosec B403
import struct
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from macule.errors import CheckpointDamaged, OutOfSpace, UsageError

CHECKPOINT, PREVIOUS = "checkpoint.pt", "checkpoint.previous.pt"
_DAMAGE = (RuntimeError, EOFError, OSError, ValueError, TypeError, KeyError, IndexError, OverflowError, struct.error,
           zlib.error, zipfile.BadZipFile, pickle.UnpicklingError)


def save(folder: Path, parts: Mapping[str, Any]) -> None:
    """Write the checkpoint; the one before it stays as `checkpoint.previous.pt`.

    Raises: OutOfSpace; the last checkpoint is intact.
    """
    path = folder / CHECKPOINT
    write(path.with_suffix(".partial"), parts)
    if path.exists():
        path.replace(folder / PREVIOUS)
    path.with_suffix(".partial").replace(path)


def write(path: Path, parts: Mapping[str, Any]) -> None:
    """Raises: OutOfSpace; nothing half-written is left."""
    try:
        with path.open("wb") as stream:
            torch.save(dict(parts), stream)
            stream.flush()
            os.fsync(stream.fileno())
    except (OSError, RuntimeError) as error:
        path.unlink(missing_ok=True)
        if getattr(error, "errno", None) == errno.ENOSPC or "file write failed" in str(error):
            raise OutOfSpace(f"there is no space left for {path}: free some and run the same command again; the last "
                             "checkpoint is intact.") from error
        raise


def load(folder: Path, *, made_for: str) -> dict[str, Any] | None:
    """The last checkpoint; None if there is none.

    made_for: what the run depends on, see `loop.fingerprint`.

    Raises: CheckpointDamaged; UsageError if it is of another recipe or other pictures.
    """
    path = folder / CHECKPOINT
    if not path.exists():
        if not (folder / PREVIOUS).exists():
            return None
        path = folder / PREVIOUS  # killed between the two renames of `save`
    parts = read(path)
    # Without this a changed recipe would go on from, or hand back, the network of the old one.
    if parts.get("made_for") != made_for:
        raise UsageError(f"{path} is of another recipe or other pictures: give another work folder or delete it.")
    return parts


def read(path: Path) -> dict[str, Any]:
    """Raises: CheckpointDamaged."""
    try:
        _check(path)
        parts = torch.load(path, weights_only=True, map_location="cpu")
        if not isinstance(parts, dict):
            raise TypeError(f"it holds {type(parts).__name__}")
    except _DAMAGE as error:
        remedy = (f"delete it, and the same command goes on from {PREVIOUS}" if (path.parent / PREVIOUS).exists()
                  and path.name == CHECKPOINT else "delete it, and the same command starts anew")
        said = (str(error) or type(error).__name__).splitlines()[0][:200]
        raise CheckpointDamaged(f"{path} cannot be read ({said}): {remedy}.") from error
    return parts


def _check(path: Path) -> None:
    """torch writes checksums but does not look at them: a flipped bit would be learnt on from in silence."""
    with zipfile.ZipFile(path) as archive:
        if (broken := archive.testzip()) is not None:
            raise zipfile.BadZipFile(f"{broken} is not as it was written")
