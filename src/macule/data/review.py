"""What was found at pictures, written into the manifest's reasons; and a table in which a person overrules it."""

from __future__ import annotations

import csv
import heapq
import io
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from macule.data.atomic import writing
from macule.data.clean import KINDS, Finding, Looked
from macule.data.manifest import Manifest, Writer
from macule.errors import DatasetError
from macule.spreadsheet import harmless, restored

COLUMNS = ("dataset", "picture_id", "sha256", "reason", "decision")
DECISIONS = ("", "keep", "drop")
DROPPED = "dropped in review"
SEPARATOR = "; "

Key = tuple[str, str]


@dataclass(frozen=True)
class Flag:
    """A row that is to be set aside: all its findings as one reason."""

    dataset: str
    picture_id: str
    sha256: str
    reason: str

    @property
    def key(self) -> Key:
        return self.dataset, self.picture_id


@dataclass
class Review:
    """Gathers what was looked at: every flag, the counts, and of each check the `samples` most doubtful pictures."""

    samples: int = 48
    looked: int = 0
    flags: list[Flag] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    _doubtful: dict[str, list[tuple[float, int, Looked]]] = field(default_factory=dict)

    def add(self, each: Looked) -> None:
        self.looked += 1
        if not each.findings:
            return
        row = each.row
        reason = SEPARATOR.join(finding.reason for finding in each.findings)
        self.flags.append(Flag(row.dataset, row.picture_id, row.sha256 or "", reason))
        for finding in each.findings:
            self.counts[finding.check] += 1
            self._keep(finding, each)

    def _keep(self, finding: Finding, each: Looked) -> None:
        kept = self._doubtful.setdefault(finding.check, [])
        # The running number parts equal doubts: rows cannot be compared, and the first of them stays.
        entry = (finding.doubt, -self.looked, each)
        if len(kept) < self.samples:
            heapq.heappush(kept, entry)
        elif kept:
            heapq.heappushpop(kept, entry)

    def doubtful(self, check: str) -> list[Looked]:
        """Nearest to the limit first: there a check errs most."""
        return [each for _, _, each in sorted(self._doubtful.get(check, []), key=lambda entry: entry[:2], reverse=True)]

    @property
    def checks(self) -> list[str]:
        """Those that found something, in the order of KINDS."""
        return [name for name in KINDS if self.counts[name]]


@dataclass(frozen=True)
class Decision:
    """A person's word on one flag. keep: None where nothing was written."""

    flag: Flag
    keep: bool | None


def flag_rows(manifest: Manifest, flags: Iterable[Flag], out: Path) -> Manifest:
    """The manifest with each flag's reason beside those that are there already."""
    return _rewrite(manifest, out, {flag.key: Decision(flag, None) for flag in flags})


def decide(manifest: Manifest, decisions: Iterable[Decision], out: Path) -> Manifest:
    """The manifest with flags kept or dropped as a person decided.

    keep takes the flag's reasons away; drop and an empty cell write them. A picture that no check flagged can be
    dropped too. Rows that no decision speaks of stay as they are.

    Raises: DatasetError for a decision on a picture that is not in the manifest, or that has changed since.
    """
    wanted = {decision.flag.key: decision for decision in decisions}
    for dataset, picture, sha256 in zip(*_columns(manifest, "dataset", "picture_id", "sha256"), strict=True):
        if (found := wanted.get((dataset, picture))) and found.flag.sha256 != (sha256 or ""):
            raise DatasetError(f"the decision on {dataset} {picture} is about another picture (its SHA-256 is "
                               f"{found.flag.sha256 or 'empty'}, the row's {sha256}): clean and review it anew.")
    known = set(zip(*_columns(manifest, "dataset", "picture_id"), strict=True))
    if strangers := [key for key in wanted if key not in known]:
        raise DatasetError(f"the decision on {' '.join(strangers[0])} is about no row of {manifest.path}: give the "
                           "manifest that was reviewed.")
    return _rewrite(manifest, out, wanted)


def write_table(path: Path, flags: Iterable[Flag]) -> None:
    """A CSV with a row a flag and an empty column `decision`, for a person to write keep or drop in."""
    with writing(path) as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(COLUMNS)
        writer.writerows([*map(harmless, (flag.dataset, flag.picture_id, flag.sha256, flag.reason)), ""]
                         for flag in flags)


def read_table(path: Path) -> list[Decision]:
    """Raises: DatasetError naming the file, the row and what is expected."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise DatasetError(f"{path} cannot be read as UTF-8 text ({error}): give the CSV of a review.") from error
    head = text.partition("\n")[0]
    # Spreadsheets write what their country parts cells by.
    rows = csv.DictReader(io.StringIO(text), delimiter=";" if head.count(";") > head.count(",") else ",")
    if missing := [name for name in COLUMNS if name not in (rows.fieldnames or ())]:
        raise DatasetError(f"{path} row 1 lacks the column(s) {', '.join(missing)}: give the CSV of a review.")
    seen: dict[Key, int] = {}
    return [_decision(path, number, row, seen) for number, row in enumerate(rows, 2)]


def _decision(path: Path, number: int, row: Mapping[str, str | None], seen: dict[Key, int]) -> Decision:
    dataset, picture, sha256, reason, word = (restored((row.get(name) or "").strip()) for name in COLUMNS)
    if word.lower() not in DECISIONS:
        raise DatasetError(f"{path.name} row {number}: column decision is {word!r}; keep, drop or nothing is expected.")
    flag = Flag(dataset, picture, sha256, reason)
    if flag.key in seen:
        raise DatasetError(f"{path.name} row {number}: {picture} already stands in row {seen[flag.key]}: keep one row.")
    seen[flag.key] = number
    return Decision(flag, {"": None, "keep": True, "drop": False}[word.lower()])


def _rewrite(manifest: Manifest, out: Path, decisions: Mapping[Key, Decision]) -> Manifest:
    import pyarrow as pa

    with Writer(out, roots=manifest.roots) as writer:
        for batch in manifest.batches():
            place = batch.schema.get_field_index("reason")
            keys = zip(batch["dataset"].to_pylist(), batch["picture_id"].to_pylist(), strict=True)
            reasons = [_merged(old, decisions.get(key))
                       for key, old in zip(keys, batch["reason"].to_pylist(), strict=True)]
            writer.add(batch.set_column(place, batch.schema.field(place), pa.array(reasons, pa.string())))
    return writer.manifest


def _merged(old: str | None, decision: Decision | None) -> str | None:
    if decision is None:
        return old
    before = old.split(SEPARATOR) if old else []
    found = decision.flag.reason.split(SEPARATOR) if decision.flag.reason else []
    if decision.keep:
        return SEPARATOR.join(each for each in before if each not in found) or None
    if decision.keep is False and not found:
        found = [DROPPED]
    return SEPARATOR.join(dict.fromkeys([*before, *found])) or None


def _columns(manifest: Manifest, *names: str) -> Iterator[list[Any]]:
    table = manifest.table(names)
    return (table[name].to_pylist() for name in names)
