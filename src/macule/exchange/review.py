"""The review page of a cleaning: a contact sheet of what was found, to mark with keep and drop. One file, no request.

Thumbnails lie in the page; the pictures stay where they are.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from macule import __version__
from macule.analysis.result import DISCLAIMER
from macule.data.clean import KINDS, Finding, Kind, Looked
from macule.data.review import COLUMNS, SEPARATOR, Review
from macule.exchange import page

TABLE = "review.csv"


@dataclass(frozen=True)
class Gauge:
    """A measured value on a rail. value_at, limit_at: percent of the rail. sense: which side of the limit passes."""

    value: str
    limit: str
    sense: str
    value_at: float
    limit_at: float


@dataclass(frozen=True)
class Frame:
    """One picture on a sheet. source: a data URI; None where nothing could be read."""

    number: int
    dataset: str
    picture_id: str
    sha256: str
    label: str
    reason: str
    others: str
    source: str | None
    gauge: Gauge | None


@dataclass(frozen=True)
class Sheet:
    """The pictures that one check found. count: all of them, of which the frames are the most doubtful."""

    check: str
    kind: Kind
    count: int
    share: float
    frames: tuple[Frame, ...]


def write(folder: Path, review: Review, *, name: str, digest: str, now: datetime) -> None:
    """`folder`/index.html. name, digest: the reviewed manifest's file name and hash.

    Raises: OSError
    """
    page.write(
        folder, "review.html", sheets=list(_sheets(review)), looked=review.looked, flagged=len(review.flags), name=name,
        digest=digest, table=TABLE, columns=COLUMNS, now=now, version=__version__, disclaimer=DISCLAIMER,
    )


def _sheets(review: Review) -> Iterator[Sheet]:
    most = max(review.counts.values(), default=1)
    for check in review.checks:
        frames = tuple(_frame(number, each, check) for number, each in enumerate(review.doubtful(check), 1))
        yield Sheet(check, KINDS[check], review.counts[check], 100 * review.counts[check] / most, frames)


def _frame(number: int, each: Looked, check: str) -> Frame:
    row, here = each.row, next(finding for finding in each.findings if finding.check == check)
    return Frame(
        number=number,
        dataset=row.dataset,
        picture_id=row.picture_id,
        sha256=row.sha256 or "",
        label=row.dx or row.dx_original or "class not known",
        reason=SEPARATOR.join(finding.reason for finding in each.findings),
        others=", ".join(KINDS[finding.check].words for finding in each.findings if finding is not here),
        source=page.data_uri(each.thumbnail) if each.thumbnail else None,
        gauge=_gauge(here),
    )


def _gauge(finding: Finding) -> Gauge | None:
    if finding.value is None or finding.limit is None:
        return None
    # The rail ends a little beyond the larger of the two, so that both can be seen.
    full = 1.12 * max(finding.value, finding.limit) or 1.0
    sense = "at least" if KINDS[finding.check].at_least else "at most"
    return Gauge(f"{finding.value:.3g}", f"{finding.limit:.3g}", sense, 100 * finding.value / full,
                 100 * finding.limit / full)
