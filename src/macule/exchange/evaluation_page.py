"""The page of an evaluation: one file, no script, no request. Drawn from the report's sections alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from macule.exchange import frame as frames
from macule.exchange import page, palette, plots, run_page, shown
from macule.exchange.blocks import Block, Forest, Gallery, Matrix, Note, Plot, Prose, Section, Table, Value
from macule.exchange.shown import Shown

#: With more columns of figures than this there is no room for rails.
_RAILS = 4
#: With more rows than this a table is folded behind its title; with more than that it scrolls in itself too.
_FOLDED, _TALL = 12, 24
#: With more columns than this a matrix is wider than a telephone.
_NARROW = 4
#: Characters of a column's head in a matrix, above which all of them stand upright.
_UPRIGHT = 8


@dataclass(frozen=True)
class Drawn:
    """A block, ready for its template `_block_<kind>.html`. wide: over the whole column."""

    kind: str
    block: Any
    wide: bool = True


@dataclass(frozen=True)
class TableView:
    """numeric, railed: of each column. counts: whether each figure says its n. folded: whether it opens on
    demand. tall: whether it scrolls in itself."""

    block: Table
    numeric: tuple[bool, ...]
    railed: tuple[bool, ...]
    rows: tuple[tuple[bool, tuple[Shown, ...]], ...]
    counts: bool
    folded: bool
    tall: bool


@dataclass(frozen=True)
class MatrixView:
    block: Matrix
    cells: tuple[tuple[plots.MatrixCell, ...], ...]
    upright: bool
    broad: bool


@dataclass(frozen=True)
class GalleryView:
    """shots: address of the picture's data, and the shot."""

    block: Gallery
    shots: tuple[tuple[str, Any], ...]


def write(report: Mapping[str, Any], sections: Sequence[Section], out: Path, now: datetime) -> None:
    """One self-contained HTML file.

    report: of `macule evaluate`. sections: in the order of the page; those not measured are listed at its end.
    Raises: OSError; what stood at `out` is then still there.
    """
    frame = frames.of(report, sections, now)
    run_page.put(
        out, "evaluation.html", frame=frame, light=palette.LIGHT, dark=palette.DARK, dashes=palette.DASHES,
        style=palette.style, tidy=shown.tidy,
        sections=[(section, [drawn(block, frame.mark) for block in section.blocks]) for section in frame.sections],
        tones=shown.TONES,
    )


def drawn(block: Block, mark: str) -> Drawn:
    """mark: what stands before every figure."""
    match block:
        case Prose():
            found = Drawn("prose", block)
        case Note():
            found = Drawn("note", block)
        case Table():
            found = Drawn("table", _table(block, mark))
        case Plot():
            found = Drawn("plot", plots.plot(block), wide=False)
        case Forest():
            found = Drawn("forest", plots.forest(block, mark), wide=False)
        case Matrix():
            found = Drawn("matrix", _matrix(block), wide=False)
        case Gallery():
            shots = tuple((page.data_uri(shot.jpeg), shot) for shot in block.shots)
            found = Drawn("gallery", GalleryView(block, shots))
    return found


def _matrix(block: Matrix) -> MatrixView:
    cells = tuple(tuple(row) for row in plots.matrix(block))
    return MatrixView(block, cells, any(len(name) > _UPRIGHT for name in block.columns),
                      len(block.columns) > _NARROW)


def _table(block: Table, mark: str) -> TableView:
    numeric = tuple(shown.numeric(block, column) for column in range(len(block.head)))
    rows = tuple((number in block.muted, tuple(shown.cell(each, mark) for each in row))
                 for number, row in enumerate(block.rows))
    railed = tuple(numeric[column] and _shares(block, column) for column in range(len(block.head)))
    return TableView(block, numeric, railed if sum(railed) <= _RAILS else (False,) * len(railed), rows,
                     counts=not shown.counted(block), folded=len(rows) > _FOLDED, tall=len(rows) > _TALL)


def _shares(block: Table, column: int) -> bool:
    """Whether the figures of a column have places between 0 and 1; a column of differences has not."""
    figures = [row[column] for row in block.rows if column < len(row) and isinstance(row[column], Value)]
    ends = [end for value in figures if isinstance(value, Value) for end in (value.value, value.low, value.high)
            if shown.given(end)]
    return bool(ends) and all(0 <= end <= 1 for end in ends)
