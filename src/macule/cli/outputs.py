"""Files that a verb is asked to write, looked at before its work and not after."""

from __future__ import annotations

from pathlib import Path

from macule.errors import UsageError


def check(option: str, out: Path | None, *, inputs: tuple[Path, ...] = ()) -> None:
    """Raises: UsageError if the folder of `out` is not there, or `out` is one of the inputs."""
    if out is None:
        return
    if not out.parent.is_dir():
        raise UsageError(f"{option} {out}: there is no folder {out.parent}: make it, or name another file.")
    if out.resolve() in {path.resolve() for path in inputs}:
        raise UsageError(f"{option} {out} is also read: name another file.")
