"""Files of an exam that are byte for byte the same: they count twice, and under two labels or lesions they mislead."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Hashable, Iterable, Sequence
from pathlib import Path
from typing import Any

from macule.data import pictures
from macule.data.record import Record
from macule.errors import UnreadableImage

_SHOWN = 20


def duplicates(records: Sequence[Record]) -> dict[str, Any]:
    """How many pictures are there more than once. One picture is in memory at a time.

    Only files of one size are read: two of different sizes cannot be the same.
    Returns: `sets` of identical files, the `surplus` pictures beyond one of each, how many sets have
    `several_lesions` (the intervals take them for independent) or `several_labels`, and the first few as `examples`.
    """
    found = [same for size in _grouped((_size(record.picture), record) for record in records)
             for same in _grouped((_hash(record), record) for record in size)]
    return {
        "sets": len(found),
        "surplus": sum(len(same) - 1 for same in found),
        "several_lesions": sum(len({record.group for record in same}) > 1 for same in found),
        "several_labels": sum(len({record.labels for record in same}) > 1 for same in found),
        "examples": [[record.picture_id for record in same] for same in found[:_SHOWN]],
    }


def _grouped(pairs: Iterable[tuple[Hashable | None, Record]]) -> list[list[Record]]:
    """Those that share a key with another; None shares with none."""
    groups: dict[Hashable, list[Record]] = defaultdict(list)
    for key, record in pairs:
        if key is not None:
            groups[key].append(record)
    return [group for group in groups.values() if len(group) > 1]


def _size(picture: Path | None) -> int | None:
    """0 for a member of an archive, whose size is not on the disk; None if it is not there."""
    if picture is None:
        return None
    if pictures.container(picture) is not None:
        return 0
    try:
        return picture.stat().st_size
    except OSError:
        return None  # it is counted as failed


def _hash(record: Record) -> bytes | None:
    try:
        return hashlib.sha256(record.read()).digest()
    except UnreadableImage:
        return None
