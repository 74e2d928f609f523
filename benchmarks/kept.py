"""Arrays that are computed once and kept in one file with what they are of: what is of anything else is not read."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from macule.data.record import Record


def names(records: Sequence[Record]) -> list[str]:
    return [f"{record.dataset}:{record.picture_id}" for record in records]


def load(path: Path, pictures: Sequence[str], by: str) -> NDArray[Any] | None:
    """pictures: their names, in order. by: what computed it. None if that was not kept."""
    if not path.is_file():
        return None
    with np.load(path) as file:
        same = file["by"].item() == by and file["pictures"].tolist() == list(pictures)
        return np.asarray(file["rows"]) if same else None


def save(path: Path, rows: NDArray[Any], pictures: Sequence[str], by: str) -> None:
    """The file is there complete or not at all."""
    partial = path.with_name(path.name + ".partial")
    with partial.open("wb") as stream:
        np.savez(stream, rows=rows, pictures=np.array(pictures, dtype=str), by=np.array(by))
    partial.replace(path)


def once(path: Path, pictures: Sequence[str], by: str, make: Callable[[], NDArray[Any]]) -> NDArray[Any]:
    rows = load(path, pictures, by)
    if rows is None:
        rows = make()
        save(path, rows, pictures, by)
    return rows
