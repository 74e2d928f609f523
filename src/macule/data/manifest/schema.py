"""The manifest's columns as Arrow types, and the rules of `Row` over a whole batch at once."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from typing import Any

from macule.analysis.patient import MAX_AGE
from macule.data.manifest.row import COLUMNS, DATASET, OUTSIDE, SHA256, VOCABULARIES
from macule.data.vocabulary import TONE_RANGE
from macule.errors import DatasetError, MissingExtra
from macule.taxonomy import Diagnosis

FORMAT = "1"
_REQUIRED = ("dataset", "picture_id", "group")
_KINDS = {"labels": "labels", "malignant": "bool", "age": "float", "skin_tone": "float", "skin_tone_upper": "float"}

#: A column, a mask of the rows that break its rule, and what is expected there.
Rule = tuple[str, Any, str]


def arrow() -> Any:
    """The package pyarrow.

    Raises: MissingExtra
    """
    try:
        import pyarrow
    except ModuleNotFoundError as error:
        raise MissingExtra("pyarrow is not installed: pip install 'macule[data]'.") from error
    return pyarrow


@functools.cache
def schema() -> Any:
    """pyarrow.Schema of a manifest."""
    pa = arrow()
    kinds = {"labels": pa.list_(pa.string()), "bool": pa.bool_(), "float": pa.float32(), "text": pa.string()}
    return pa.schema([pa.field(name, kinds[_KINDS.get(name, "text")], nullable=name not in ("dataset", "picture_id"))
                      for name in COLUMNS])


def check_schema(found: Any, where: str) -> None:
    """Raises: DatasetError if a column is missing, unknown, or of another type."""
    names, expected = list(found.names), schema()
    if names != expected.names:
        missing, unknown = sorted(set(COLUMNS) - set(names)), sorted(set(names) - set(COLUMNS))
        raise DatasetError(f"{where} has not a manifest's columns (missing: {', '.join(missing) or 'none'}; unknown: "
                           f"{', '.join(unknown) or 'none'}; or in another order): make it with macule data manifest.")
    for field in expected:
        if found.field(field.name).type != field.type:
            raise DatasetError(f"{where}: column {field.name} is of type {found.field(field.name).type}; "
                               f"{field.type} is expected: make it with macule data manifest.")


def check_rows(batch: Any, where: str, first: int) -> None:
    """first: number of the batch's first row, counted from 1.

    Raises: DatasetError naming the first bad row, its column, the value and what is expected.
    """
    import pyarrow.compute as pc

    for column, bad, expected in _rules(batch):
        place = pc.index(pc.fill_null(bad, False), True).as_py()
        if place >= 0:
            value, picture = batch.column(column)[place].as_py(), batch.column("picture_id")[place].as_py()
            raise DatasetError(f"{where} row {first + place} (picture {picture}): column {column} is {value!r}; "
                               f"{expected} is expected: make the manifest anew.")


def _rules(batch: Any) -> Iterator[Rule]:
    import pyarrow.compute as pc

    pa, column = arrow(), batch.column
    for name in _REQUIRED:
        empty = pc.or_kleene(pc.is_null(column(name)), pc.equal(column(name), ""))
        yield name, empty, "some text"
    for name, words in VOCABULARIES.items():
        unknown = pc.invert(pc.is_in(column(name), value_set=pa.array([*map(str, words), None], pa.string())))
        yield name, unknown, f"one of {', '.join(words)}, or null,"
    yield "dataset", pc.invert(pc.match_substring_regex(column("dataset"), DATASET)), "letters, digits, '.', '_', '-'"
    for name in ("picture", "mask"):
        yield name, pc.match_substring_regex(column(name), OUTSIDE), "a path below the root, without '..',"
    yield "sha256", pc.invert(pc.match_substring_regex(column("sha256"), SHA256)), "64 hexadecimal digits"
    yield "sha256", _differ(column("picture"), column("sha256")), "a value where there is a picture, else null,"
    yield "age", _beyond(column("age"), 0, MAX_AGE), f"a number from 0 to {MAX_AGE}"
    yield "reason", pc.equal(column("reason"), ""), "some text or null"
    yield from _label_rules(column("labels"), column("dx"))
    yield from _tone_rules(column("skin_tone_scale"), column("skin_tone"), column("skin_tone_upper"))


def _label_rules(labels: Any, dx: Any) -> Iterator[Rule]:
    import pyarrow.compute as pc

    pa = arrow()
    joined = pc.binary_join(labels, ",")  # null where the list or one of its words is
    bad = [text for text in pc.unique(joined).to_pylist() if text is None or not _are_labels(text)]
    yield "labels", pc.is_in(joined, value_set=pa.array(bad, pa.string())), \
        f"a sorted list, without repeats, of {', '.join(Diagnosis)}"
    only = pc.if_else(pc.equal(pc.list_value_length(labels), 1), joined, pa.scalar(None, pa.string()))
    yield "dx", _differ(only, dx, exactly=True), "the only one of labels, or null where there are none or several,"


def _are_labels(text: str) -> bool:
    words = text.split(",") if text else []
    return words == sorted(set(words)) and set(words) <= set(Diagnosis)


def _tone_rules(scale: Any, value: Any, upper: Any) -> Iterator[Rule]:
    import pyarrow.compute as pc

    yield "skin_tone_scale", _differ(scale, value), "a scale where there is a skin tone, else null,"
    yield "skin_tone_upper", pc.and_(pc.is_valid(upper), pc.is_null(value)), "null where there is no skin tone"
    for name, (low, high) in TONE_RANGE.items():
        here, expected = pc.equal(scale, name.value), f"a number from {low:g} to {high:g} on the scale {name}"
        yield "skin_tone", pc.and_(here, _beyond(value, low, high)), expected
        yield "skin_tone_upper", pc.and_(here, _beyond(upper, low, high)), expected


def _beyond(values: Any, low: float, high: float) -> Any:
    """Written so that NaN is beyond."""
    import pyarrow.compute as pc

    return pc.invert(pc.and_(pc.greater_equal(values, low), pc.less_equal(values, high)))


def _differ(one: Any, other: Any, *, exactly: bool = False) -> Any:
    """Where only one of two is null; exactly: or where both have a value and not the same."""
    import pyarrow.compute as pc

    differ = pc.not_equal(pc.is_null(one), pc.is_null(other))
    return pc.or_(differ, pc.fill_null(pc.not_equal(one, other), False)) if exactly else differ
