"""The hash of a manifest's rows: equal for equal rows in equal order, wherever they lie and however they are stored."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from macule.data.manifest.row import COLUMNS

# Arrays and not objects: the names stand once, in the first line.
_JSON = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False)


class ContentHash:
    """SHA-256 over the JSON array of the column names and then that of each row, a comma between two."""

    def __init__(self) -> None:
        self._hash = hashlib.sha256(_JSON.encode(COLUMNS).encode())

    def add(self, batch: Any) -> None:
        """batch: a pyarrow.RecordBatch of the manifest's schema. How rows are cut into batches does not matter."""
        rows = list(zip(*(column.to_pylist() for column in batch.columns), strict=True))
        if rows:
            self._hash.update(b"," + _JSON.encode(rows)[1:-1].encode())

    @property
    def hexadecimal(self) -> str:
        return self._hash.hexdigest()
