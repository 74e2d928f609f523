"""Which picture was in which part when a bundle was made: the file that travels in the bundle and guards its scores."""

from __future__ import annotations

import csv
import gzip
import io
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from macule.data import kinship
from macule.data.kinship import About, Kin
from macule.data.links import NONE, Links
from macule.data.record import Record

FILE = "split.csv.gz"
#: Parts that a bundle was fitted on. A lesion of these may not be scored.
FITTED = frozenset({"train", "calibration"})
#: Hexadecimal digits of a picture's SHA-256 that are kept. Two of 400,000 pictures share 64 bits by chance once in 10^8
#: such sets; the file of 16,000 pictures takes 290 kB, most of it these digits.
DIGITS = 16
_COARSE = ("group", "part")
_FINE = ("group", "part", "picture", "patient_id", "sha256", "leaky")
_ABSENT = {"leaky": "0"}


@dataclass(frozen=True)
class Membership:
    """parts: lesion -> part; of a lesion in several, the one that was fitted on.

    pictures: `dataset:id` -> part; empty in files of macule 0.1, which only know lesions.
    unnamed: lesions of a file that else knows pictures, of whose pictures it does not know the names -> part.
    leaky: whether the parts shared kin when the bundle was made, which --allow-leak let pass.
    """

    parts: Mapping[str, str] = field(default_factory=dict)
    pictures: Mapping[str, str] = field(default_factory=dict)
    unnamed: Mapping[str, str] = field(default_factory=dict)
    leaky: bool = False
    _learnt: tuple[Mapping[str, str], ...] = ()  # the rows of the file that tell what was fitted on

    @property
    def fine(self) -> bool:
        """Whether single pictures are known, with their bytes and patients."""
        return bool(self.pictures)

    def part_of(self, record: Record) -> str | None:
        if not self.fine:
            return self.parts.get(record.group)
        return self.pictures.get(f"{record.dataset}:{record.picture_id}") or self.unnamed.get(record.group)

    def fitted(self, links: Links = NONE) -> Kin:
        """What the bundle was fitted on."""
        return kinship.of([_about(row) for row in self._learnt], links, archive=self.fine)

    def scored(self, records: Iterable[Record], links: Links = NONE, *, sha256: Mapping[str, str] | None = None) -> Kin:
        """Records as `fitted` tells pictures apart. sha256: `dataset:id` -> hash of the bytes, where known.

        A file that only knows lesions is compared as it was when it was written: by lesions of the same data set.
        """
        short = {name: digest[:DIGITS] for name, digest in (sha256 or {}).items()}
        return kinship.of_records(records, links, sha256=short, archive=self.fine)


def write(path: Path, parts: Mapping[str, Iterable[Record]], *, sha256: Mapping[str, str] | None = None,
          leaky: bool = False, before: Membership | None = None) -> None:
    """One row a picture, sorted; byte-equal for equal parts.

    sha256: `dataset:id` -> hash of each picture's bytes; without any, one row a lesion, as files once were.
    before: of the bundle that was gone on from: lesions that it was fitted on and that stand in no part any more are
    still in the weights, so they are told too.
    """
    header = _COARSE if sha256 is None else _FINE
    rows = {_row(record, part, sha256, leaky) for part, records in parts.items() for record in records}
    if before is not None:
        here = {row[0] for row in rows}
        rows |= {tuple(row.get(name) or _ABSENT.get(name, "") for name in header)
                 for row in before._learnt if row["group"] not in here}
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([header, *sorted(rows)])
    path.write_bytes(gzip.compress(text.getvalue().encode(), mtime=0))


def _row(record: Record, part: str, sha256: Mapping[str, str] | None, leaky: bool) -> tuple[str, ...]:
    if sha256 is None:
        return record.group, part
    name = f"{record.dataset}:{record.picture_id}"
    return record.group, part, name, record.patient_id or "", sha256.get(name, "")[:DIGITS], str(int(leaky))


def read(path: Path) -> dict[str, str]:
    """Lesion -> part; empty if the bundle does not say."""
    return dict(load(path).parts)


def load(path: Path) -> Membership:
    """What a bundle says of its parts; empty if it does not say."""
    if not path.is_file():
        return Membership()
    with gzip.open(path, "rt", encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    # Of a lesion in two parts (of a leaky bundle), the one that was fitted on counts: it is read last.
    parts = {row["group"]: row["part"] for row in sorted(rows, key=lambda row: row["part"] in FITTED)}
    return Membership(
        parts=dict(sorted(parts.items())),
        pictures={row["picture"]: row["part"] for row in rows if row.get("picture")},
        unnamed={row["group"]: row["part"] for row in rows if row.get("picture") == ""},
        leaky=any(row.get("leaky") == "1" for row in rows),
        _learnt=tuple(row for row in rows if row["part"] in FITTED),
    )


def _about(row: Mapping[str, str]) -> About:
    """A lesion, where only lesions are known, stands for its pictures."""
    dataset, _, name = (row.get("picture") or row["group"]).partition(":")
    return About(dataset, name, row["group"], patient_id=row.get("patient_id") or None,
                 sha256=row.get("sha256") or None)
