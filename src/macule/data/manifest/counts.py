"""How many there are of everything in a manifest."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from macule.taxonomy import Diagnosis

UNKNOWN, LUMPED = "unknown", "one of several"


@dataclass(frozen=True)
class Counts:
    """pictures: rows whose picture is there; elsewhere only the tables are. lesions, patients: ids that are known.
    groups: what a split may not part. classes: diagnosis -> rows, then `one of several` (lumped) and `unknown`.
    malignant, parts: `unknown` where nothing is said. set_aside: rows with a reason. Nought is left out.
    """

    rows: int
    pictures: int
    lesions: int
    patients: int
    groups: int
    set_aside: int
    datasets: dict[str, int]
    classes: dict[str, int]
    malignant: dict[str, int]
    parts: dict[str, int]

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


#: The columns that `count` needs.
NEEDED = ("dataset", "picture", "dx", "labels", "malignant", "lesion_id", "patient_id", "group", "part", "reason")


def count(table: Any) -> Counts:
    """table: pyarrow.Table with at least the columns NEEDED."""
    import pyarrow.compute as pc

    rows, column = table.num_rows, table.column
    lumped = pc.sum(pc.greater(pc.list_value_length(column("labels")), 1)).as_py() or 0
    classes = {code.value: n for code in Diagnosis if (n := _of(column("dx")).get(code.value, 0))}
    unknown = rows - sum(classes.values()) - lumped
    truth = _of(column("malignant"))
    return Counts(
        rows=rows,
        pictures=rows - column("picture").null_count,
        lesions=_distinct(table, "lesion_id"),
        patients=_distinct(table, "patient_id"),
        groups=pc.count_distinct(column("group")).as_py(),
        set_aside=rows - column("reason").null_count,
        datasets=_of(column("dataset")),
        classes=classes | _nonzero({LUMPED: lumped, UNKNOWN: unknown}),
        malignant=_nonzero({"malignant": truth.get(True, 0), "benign": truth.get(False, 0),
                            UNKNOWN: column("malignant").null_count}),
        parts=_nonzero({part: _of(column("part")).get(part, 0) for part in ("train", "val", "test")}
                       | {UNKNOWN: column("part").null_count}),
    )


def _of(column: Any) -> dict[Any, int]:
    """How often each value stands there, without null."""
    import pyarrow.compute as pc

    found = pc.value_counts(column.drop_null())
    return {each["values"]: each["counts"] for each in found.to_pylist()}


def _nonzero(counts: dict[str, int]) -> dict[str, int]:
    return {name: n for name, n in counts.items() if n}


def _distinct(table: Any, column: str) -> int:
    """Ids are a publisher's own: the same id in two sets is two lesions."""
    known = table.select(["dataset", column]).drop_null()
    return int(known.group_by(["dataset", column]).aggregate([]).num_rows)
