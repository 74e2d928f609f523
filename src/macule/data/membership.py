"""Which lesion was in which part when a bundle was made: the file that travels in the bundle and guards its scores."""

from __future__ import annotations

import csv
import gzip
import io
from collections.abc import Iterable, Mapping
from pathlib import Path

from macule.data.record import Record

FILE = "split.csv.gz"
#: Parts that a bundle was fitted on. A lesion of these may not be scored.
FITTED = frozenset({"train", "calibration"})


def write(path: Path, parts: Mapping[str, Iterable[Record]]) -> None:
    """Lesion and part, sorted; byte-equal for equal parts."""
    rows = sorted({(record.group, part) for part, records in parts.items() for record in records})
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([("group", "part"), *rows])
    path.write_bytes(gzip.compress(text.getvalue().encode(), mtime=0))


def read(path: Path) -> dict[str, str]:
    """Lesion -> part; empty if the bundle does not say."""
    if not path.is_file():
        return {}
    with gzip.open(path, "rt", encoding="utf-8", newline="") as stream:
        return {row["group"]: row["part"] for row in csv.DictReader(stream)}
