"""What is kept of a run: run.json, from its start to its end, and the rows of its curve. Needs no torch itself.

`read` gives it all back; see macule.evaluation.runs, which the command line and the pages use without this room.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from macule.data import atomic
from macule.errors import MaculeError
from macule.evaluation import runs
from macule.evaluation.curve import whole
from macule.evaluation.runs import CURVE, FORMAT, RUN, Run, read
from macule.training.surroundings import machine, versions

__all__ = ["Facts", "Run", "append", "digest", "fail", "finish", "machine", "read", "start", "versions"]


@dataclass(frozen=True)
class Facts:
    """What is known of a run before its first step.

    recipe: as plain data, as the run uses it. recipe_sha256: see `digest`. manifest: hash of the manifest that the
    split file was made of; None for the recipe's own split. pictures, lesions: part -> count. split: how they were
    parted. leaky: whether kin stand in two parts. start: backbone, weights (in words) and pretrained.
    """

    name: str
    recipe: Mapping[str, Any]
    recipe_sha256: str
    manifest: str | None
    pictures: Mapping[str, int]
    lesions: Mapping[str, int]
    split: Mapping[str, Any]
    leaky: bool
    seed: int
    start: runs.Start
    warnings: Sequence[str] = ()
    versions: Mapping[str, str | None] = field(default_factory=versions)
    machine: Mapping[str, Any] = field(default_factory=machine)


def digest(recipe: Mapping[str, Any]) -> str:
    """SHA-256 of a recipe, whatever order its keys stand in."""
    return hashlib.sha256(json.dumps(recipe, sort_keys=True, ensure_ascii=False).encode()).hexdigest()


def start(folder: Path, facts: Facts, *, now: datetime) -> None:
    """Begin the record; where there is one, the run goes on: it keeps its start and notes when it was resumed.

    Half a row at the end of the curve, as a power cut leaves it, is cut off, so that the next row stands by itself.

    Raises: RunDamaged if the record that is there cannot be read; OSError.
    """
    folder.mkdir(parents=True, exist_ok=True)
    before = runs.load(folder) if (folder / RUN).exists() else None
    began = {"started": _time(now), "resumed": []} if before is None else {
        "started": before["started"], "resumed": [*before.get("resumed", ()), _time(now)]}
    table = {"format": FORMAT, "name": facts.name, "status": "running", **began, "ended": None, "error": None}
    _write(folder, table | {key: value for key, value in asdict(facts).items() if key != "name"})
    _mend(folder / CURVE)


def append(folder: Path, row: Mapping[str, Any]) -> None:
    """One more row of the curve. Raises: OSError."""
    with (folder / CURVE).open("a", encoding="utf-8") as stream:
        stream.write(json.dumps(row) + "\n")


def finish(folder: Path, *, now: datetime) -> None:
    """Raises: RunDamaged, OSError."""
    _write(folder, runs.load(folder) | {"status": "finished", "ended": _time(now), "error": None})


def fail(folder: Path, error: BaseException, *, now: datetime) -> None:
    """The run ended early: `stopped` by Ctrl-C, else `failed`, with the error in words.

    A record that cannot be written (the disk may be what failed) stays as it was: `error` is what the caller must hear.
    """
    stopped = isinstance(error, KeyboardInterrupt)
    with suppress(OSError, MaculeError):
        end = {"status": "stopped" if stopped else "failed", "ended": _time(now),
               "error": None if stopped else _in_words(error, folder)}
        _write(folder, runs.load(folder) | end)


def _in_words(error: BaseException, folder: Path) -> dict[str, str]:
    code = error.code if isinstance(error, MaculeError) else type(error).__name__
    message = str(error) or type(error).__name__
    # The record may be sent on: the folders of this machine have no place in it.
    for path, name in ((folder.resolve(), folder.name), (Path.cwd(), "."), (Path.home(), "~")):
        if len(path.parts) > 1:
            message = message.replace(str(path), name)
    return {"code": code, "message": message}


def _time(now: datetime) -> str:
    return now.astimezone(UTC).isoformat(timespec="seconds")


def _write(folder: Path, table: Mapping[str, Any]) -> None:
    with atomic.writing(folder / RUN) as stream:
        stream.write(json.dumps(table, indent=2, ensure_ascii=False) + "\n")
        stream.flush()
        os.fsync(stream.fileno())  # else a power cut can leave the new name on an empty file


def _mend(path: Path) -> None:
    if path.exists() and path.stat().st_size > (end := whole(path)):
        os.truncate(path, end)
