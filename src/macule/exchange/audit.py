"""The page of an audit: what was found, what it does to splits, and the pictures side by side. One file, no request.

Of every two data sets the weakest pairs are shown: there the search would err, if it did.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from macule import __version__
from macule.analysis.explain import to_jpeg
from macule.analysis.image import decode
from macule.analysis.pipeline import thumbnail
from macule.analysis.result import DISCLAIMER
from macule.data import pictures
from macule.data.audit import Audit, Summary, Twins, summary
from macule.data.duplicates.confirm import Agreement
from macule.data.kinship import Kind
from macule.data.manifest.row import Row
from macule.errors import MaculeError
from macule.exchange import page
from macule.taxonomy import Diagnosis

#: Pixels; a 4:3 picture is then 216 high.
LONG_SIDE = 288
#: Unreadable pictures that the page names; the others are only counted.
NAMED = 8
#: The correlation from 0 to 1, in steps of 0.05.
BINS = 20


@dataclass(frozen=True)
class Side:
    """One picture of a pair. lesion: None without an id. source: a data URI; None where nothing can be read now."""

    dataset: str
    picture_id: str
    lesion: str | None
    diagnosis: str
    source: str | None


@dataclass(frozen=True)
class Comparison:
    """Two pictures, and how they agree in words. correlation: None for equal files.

    same: whether the diagnoses are equal; None where one of them is not known as a single class.
    """

    number: int
    left: Side
    right: Side
    how: str
    correlation: float | None
    same: bool | None


@dataclass(frozen=True)
class Bar:
    """Pairs of one step of correlation, in percent of the fullest step: those on the page, and the rest of them."""

    shown: float
    rest: float


@dataclass(frozen=True)
class Section:
    """The pairs between two sets. bars: empty where the page shows every pair."""

    anchor: str
    summary: Summary
    comparisons: tuple[Comparison, ...]
    bars: tuple[Bar, ...]

    @property
    def more(self) -> int:
        return self.summary.pairs - len(self.comparisons)


def write(folder: Path, audit: Audit, *, roots: Mapping[str, Path], now: datetime, samples: int = 24) -> None:
    """`folder`/index.html. roots: where each data set lies. samples: pairs that are shown of every two sets.

    Raises: OSError
    """
    between = audit.between()
    page.write(
        folder, "audit.html", audit=audit, now=now, version=__version__, disclaimer=DISCLAIMER,
        sections=[_section(number, sets, pairs, roots, samples)
                  for number, (sets, pairs) in enumerate(between.items(), 1)],
        total=summary(("", ""), [each for pairs in between.values() for each in pairs]),
        most=max(audit.pictures.values(), default=1),
        kinds=(Kind.PICTURE, Kind.LESION, Kind.PATIENT),
        unreadable=list(_unreadable(audit, roots)),
    )


def _unreadable(audit: Audit, roots: Mapping[str, Path]) -> Iterator[tuple[str, str]]:
    """The first few names and reasons, without this machine's folders."""
    for name, reason in list(audit.unreadable.items())[:NAMED]:
        root = roots.get(name.partition(":")[0])
        yield name, reason if root is None else reason.replace(f"{root}/", "")


def _section(number: int, sets: tuple[str, str], pairs: Sequence[Twins], roots: Mapping[str, Path],
             samples: int) -> Section:
    shown = tuple(_comparison(place, each, sets, roots) for place, each in enumerate(pairs[:samples], 1))
    bars = _bars(pairs, len(shown)) if len(pairs) > len(shown) else ()
    return Section(f"pairs-{number}", summary(sets, pairs), shown, bars)


def _bars(pairs: Sequence[Twins], shown: int) -> tuple[Bar, ...]:
    """pairs: the weakest first, of which the first `shown` stand on the page."""
    here, rest = _steps(pairs[:shown]), _steps(pairs[shown:])
    most = max((here + rest).values(), default=1)
    return tuple(Bar(100 * here[step] / most, 100 * rest[step] / most) for step in range(BINS))


def _steps(pairs: Sequence[Twins]) -> Counter[int]:
    found = (each.found.agreement for each in pairs)
    return Counter(min(max(int(how.correlation * BINS), 0), BINS - 1) for how in found if how is not None)


def _comparison(number: int, twins: Twins, sets: tuple[str, str], roots: Mapping[str, Path]) -> Comparison:
    swap = twins.first.dataset != sets[0]  # a section keeps each set on its side
    left, right = (twins.second, twins.first) if swap else (twins.first, twins.second)
    how = twins.found.agreement
    return Comparison(
        number, _side(left, roots), _side(right, roots),
        how="equal byte by byte" if how is None else words(inverse(how) if swap else how),
        correlation=None if how is None else how.correlation,
        same=left.dx == right.dx if left.dx and right.dx else None,
    )


def _side(row: Row, roots: Mapping[str, Path]) -> Side:
    return Side(row.dataset, row.picture_id, row.lesion_id, _diagnosis(row), _source(row, roots.get(row.dataset)))


def _diagnosis(row: Row) -> str:
    # A manifest's rows hold codes as plain words.
    names = [Diagnosis(label).entry.name for label in row.labels]
    return " or ".join(names) or row.dx_original or "diagnosis not known"


def _source(row: Row, root: Path | None) -> str | None:
    """The picture as it is now: since the audit it may have gone."""
    if root is None or row.picture is None:
        return None
    try:
        picture = decode(pictures.read(root / row.picture), short_side=LONG_SIDE)
    except MaculeError:
        return None
    return page.data_uri(to_jpeg(thumbnail(picture, LONG_SIDE), 82))


def inverse(how: Agreement) -> Agreement:
    """The same agreement, read from the second picture to the first. Of features it is kept that so many agree."""
    turn = how.rotation if how.mirrored else -how.rotation  # a mirror turns the other way round
    return Agreement(how.inliers, how.correlation, turn, 1 / how.scale, how.mirrored)


def words(how: Agreement) -> str:
    """How the second picture agrees with the first."""
    degrees = round(abs(how.rotation))
    way = "anticlockwise" if how.rotation > 0 else "clockwise"
    parts = [
        f"{how.inliers} features agree",
        f"details correlate {how.correlation:.2f}",
        f"turned {degrees} degree{'' if degrees == 1 else 's'} {way if 0 < degrees < 180 else ''}".rstrip()
        if degrees else "not turned",
        _size(how.scale),
    ]
    return ", ".join([*parts, "mirrored"] if how.mirrored else parts)


def _size(scale: float) -> str:
    factor = f"{max(scale, 1 / scale):.1f}"
    if factor == "1.0":
        return "same size"
    return f"{factor} times {'larger' if scale > 1 else 'smaller'}"
