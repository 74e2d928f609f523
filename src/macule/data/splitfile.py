"""A split as a file: which picture of which manifest is in which part, and how that was decided."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from macule.data.manifest.schema import arrow
from macule.data.schemes import CENTRE
from macule.errors import DatasetError, UsageError

COLUMNS = ("dataset", "picture_id", "part")
MANIFEST, SCHEME = b"macule.manifest", b"macule.scheme"
ROLES = ("train", "val", "test")


@dataclass(frozen=True)
class Made:
    """How a split was made. shares: part -> share that was asked for; empty where the parts come from the rows.

    leaky: whether parts share kin. links_sha256: of the pairs that were kept together; None without.
    """

    scheme: str
    by: str
    seed: int
    shares: Mapping[str, float]
    links_sha256: str | None = None
    leaky: bool = False


@dataclass(frozen=True)
class Split:
    """manifest: the content hash of the manifest whose rows are parted. parts: `dataset:id` -> part.

    A row of the manifest that stands in no part was set aside.
    """

    manifest: str
    made: Made
    parts: Mapping[str, str]

    @property
    def names(self) -> list[str]:
        """The parts in the order of their use."""
        known = [*ROLES, *self.made.shares]
        found = set(self.parts.values())
        return [name for name in dict.fromkeys(known) if name in found] + sorted(found - set(known))

    @property
    def rotating(self) -> bool:
        """Whether the parts are folds, each of which is the test part of one run."""
        return not set(self.names) <= set(ROLES)

    def roles(self, fold: str | None = None) -> dict[str, str]:
        """Part -> train, val or test. fold: of folds, the one that is tested; the next one in order is val.

        The last fold is followed by the first. With two folds there is no val.

        Raises: UsageError if a fold is needed, not wanted or unknown.
        """
        if not self.rotating:
            if fold is not None:
                raise UsageError(f"the fold is {fold!r}, but this split has the parts {', '.join(self.names)}: "
                                 "leave --fold out.")
            return {name: name for name in self.names}
        if fold not in (names := self.names):
            raise UsageError(f"the fold is {fold!r}; one of {', '.join(names)} is needed: give it with --fold.")
        roles = dict.fromkeys(names, "train")
        if len(names) > 2:
            roles[names[(names.index(fold) + 1) % len(names)]] = "val"
        return roles | {fold: "test"}


def write(path: Path, split: Split) -> None:
    """The file appears when it is complete.

    Raises: MissingExtra
    """
    pa = arrow()
    import pyarrow.parquet as pq

    rows = [(*name.split(":", 1), part) for name, part in split.parts.items()]
    columns = zip(*rows, strict=True) if rows else ((), (), ())
    table = pa.table([pa.array(column, pa.string()) for column in columns], names=list(COLUMNS))
    kept = {MANIFEST: split.manifest.encode(), SCHEME: json.dumps(asdict(split.made)).encode()}
    partial = path.with_name(path.name + ".partial")
    try:
        pq.write_table(table.replace_schema_metadata(kept), partial, compression="zstd")
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def read(path: Path, *, manifest: str) -> Split:
    """manifest: the content hash of the manifest that the split is to be used with.

    Raises: DatasetError if it is no split file, or of another manifest; MissingExtra.
    """
    arrow()
    import pyarrow.parquet as pq

    if not path.is_file():
        raise DatasetError(f"{path} is no file: make a split with macule data split, or correct the path.")
    try:
        table = pq.read_table(path)
        kept = table.schema.metadata or {}
        made = _made(path, json.loads(kept[SCHEME]))
    except (OSError, ValueError, KeyError) as error:  # pyarrow's own are ValueErrors
        raise DatasetError(f"{path} is no split file, or is damaged ({error}): make the split anew.") from error
    if (found := kept.get(MANIFEST, b"").decode(errors="replace")) != manifest:
        raise DatasetError(f"{path} parts the manifest {found[:12]}..., but the one given is {manifest[:12]}...: "
                           "give the manifest that it was made of, or make the split anew.")
    return Split(manifest, made, _parts(path, table))


def _made(path: Path, kept: object) -> Made:
    """Raises: DatasetError unless it is an object with each field of Made and a value of its type."""
    expected = {each.name for each in fields(Made)}
    if not isinstance(kept, dict) or kept.keys() != expected:
        found = ", ".join(kept) if isinstance(kept, dict) else repr(kept)
        raise DatasetError(f"{path}: macule.scheme in its metadata has {found or 'nothing'}; "
                           f"{', '.join(sorted(expected))} are expected: make the split anew.")
    for name, fits in _FITS.items():
        if not fits(kept[name]):
            raise DatasetError(f"{path}: {name} of macule.scheme in its metadata is {kept[name]!r}, which it cannot "
                               "be: make the split anew.")
    return Made(**kept)


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _is_shares(value: object) -> bool:
    return isinstance(value, dict) and all(type(share) in (int, float) and 0 <= share <= 1 for share in value.values())


#: What the JSON of each field of Made can be. `type`, as True is an int too.
_FITS: Mapping[str, Callable[[object], bool]] = {
    "scheme": _is_text,
    "by": _is_text,
    "seed": lambda value: type(value) is int,
    "shares": _is_shares,
    "links_sha256": lambda value: value is None or _is_text(value),
    "leaky": lambda value: type(value) is bool,
}


def _parts(path: Path, table: Any) -> dict[str, str]:
    if tuple(table.column_names) != COLUMNS:
        raise DatasetError(f"{path} has the columns {', '.join(table.column_names)}; {', '.join(COLUMNS)} are "
                           "expected: make it with macule data split.")
    parts: dict[str, str] = {}
    for row in zip(*(table.column(name).to_pylist() for name in COLUMNS), strict=True):
        if None in row:
            raise DatasetError(f"{path}: the row {row} has an empty cell: make it with macule data split.")
        if not all(isinstance(cell, str) for cell in row):
            raise DatasetError(f"{path}: the row {row} has a cell that is no text: make it with macule data split.")
        name = f"{row[0]}:{row[1]}"
        if name in parts:
            raise DatasetError(f"{path}: {name} stands in two rows: make it with macule data split.")
        parts[name] = row[2]
    _check_names(path, set(parts.values()))
    return parts


def _check_names(path: Path, names: set[str]) -> None:
    """Raises: DatasetError unless all are train, val and test, or all are folds."""
    folds = {name for name in names if name.startswith((CENTRE, "fold"))}
    if names - folds and (folds or not names <= set(ROLES)):
        raise DatasetError(f"{path} has the parts {', '.join(sorted(names))}; train, val and test, or folds, are "
                           "expected: make it with macule data split.")
