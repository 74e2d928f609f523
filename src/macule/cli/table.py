"""Answers for a person at a terminal: a table, and for a single picture the whole answer."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

from macule.cli.sinks import Quiet
from macule.errors import MaculeError

if TYPE_CHECKING:
    from rich.console import Console

    # At run time this would bring NumPy, and more than a third of the command's start, with it.
    from macule.analysis.lesion import LesionResult, Shot
    from macule.analysis.result import Answer, Quality, Result

_STYLES = {"high": "bold red", "medium": "yellow", "low": "green", "refused": "magenta", "error": "magenta"}
#: Without a terminal there is no width to fit: wide enough for paths.
_FILE_WIDTH = 160


class Table(Quiet):
    """Rows of text, printed when the command ends."""

    def __init__(self) -> None:
        self._rows: list[tuple[str, str, str, str]] = []
        self._last: Result | None = None

    def add(self, image: str, answer: Result | MaculeError) -> None:
        self._rows.append((printable(image), *_cells(answer)))
        self._last = None if isinstance(answer, MaculeError) else answer

    def add_lesion(self, result: LesionResult) -> None:
        console = make_console()
        rows = [(str(number), *_shot_cells(shot)) for number, shot in enumerate(result.shots, 1)]
        print_rows(console, ("", "picture", "taken", "risk alone", "suspicious", "most likely alone"), rows)
        if result.answer is not None:
            _print_together(console, result, result.answer)
        _print_ending(console, printable(result.advice), result)
        _print_disclaimer(console)

    def __exit__(self, *error: object) -> None:
        if error[0] is None and self._rows:
            console = make_console()
            print_rows(console, ("picture", "risk", "suspicious", "most likely"), self._rows)
            self._print_end(console)

    def _print_end(self, console: Console) -> None:
        counts = Counter(row[1] for row in self._rows)
        if len(self._rows) > 1:
            console.print("  ".join(f"{counts[name]} {name}" for name in _STYLES if counts[name]))
        elif self._last is not None:
            _print_details(console, self._last)
        _print_disclaimer(console)


def _cells(answer: Result | MaculeError) -> tuple[str, str, str]:
    if isinstance(answer, MaculeError):
        return "error", "", printable(str(answer))
    if answer.assessment is None:
        return "refused", "", failures(answer.quality)
    return _answer_cells(answer.assessment)


def _answer_cells(found: Answer) -> tuple[str, str, str]:
    first = found.diagnoses[0]
    unlike = "" if found.in_distribution else "; unlike the pictures that the model knows"
    return found.risk.value, f"{found.malignant:.1%}", f"{first.code.entry.name} ({first.probability:.0%}){unlike}"


def _shot_cells(shot: Shot) -> tuple[str, str, str, str, str]:
    told = shot.result or shot.error
    again = f" (given {len(shot.copies) + 1} times, counted once)" if shot.copies else ""
    cells = _cells(told) if told is not None else ("", "", "")
    return printable(shot.image) + again, shot.modality.value if shot.modality else "", *cells


def failures(quality: Quality) -> str:
    """The names of the failed checks with what was measured."""
    failed = (check for check in quality.checks if not check.passed)
    return "; ".join(f"{check.name} {check.value:.3g} (limit {check.limit:g})" for check in failed)


def _print_details(console: Console, result: Result) -> None:
    if result.assessment is not None:
        _print_diagnoses(console, result.assessment)
    _print_ending(console, result.advice, result)


def _print_together(console: Console, result: LesionResult, answer: Answer) -> None:
    count = len(result.alone)
    if count > 1:
        word = "agree" if result.agree else "disagree"
        console.print(f"The {count} pictures that count {word} on the first diagnosis.", markup=False, highlight=False)
    named = "one picture" if count == 1 else f"{count} pictures together"
    print_rows(console, ("the lesion", "risk", "suspicious", "most likely"), [(named, *_answer_cells(answer))])
    _print_diagnoses(console, answer)


def _print_diagnoses(console: Console, answer: Answer) -> None:
    rows = [(ranked.code.entry.name, f"{ranked.probability:.1%}") for ranked in answer.diagnoses]
    print_rows(console, ("diagnosis", "probability"), rows)


def _print_ending(console: Console, advice: str, result: Result | LesionResult) -> None:
    views = "" if result.views is None else f", {result.views} views"
    console.print(f"\n{advice}", markup=False, highlight=False)
    console.print(f"\nModel {result.bundle.id} ({result.bundle.sha256[:12]}){views}", markup=False, highlight=False)


def _print_disclaimer(console: Console) -> None:
    from macule.analysis.result import DISCLAIMER

    console.print(f"\n{DISCLAIMER}", style="dim", markup=False, highlight=False)


def make_console() -> Console:
    from rich.console import Console

    console = Console()
    return console if console.is_terminal else Console(width=_FILE_WIDTH)


def print_rows(console: Console, heads: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> None:
    """A table whose cells are plain text: no name of a file can hold markup."""
    from rich import box
    from rich.table import Table as RichTable
    from rich.text import Text

    table = RichTable(*heads, box=box.SIMPLE_HEAD, pad_edge=False)
    for column in table.columns:
        column.overflow = "fold"
    for row in rows:
        table.add_row(*(Text(cell, style=_STYLES.get(cell, "")) for cell in row))
    console.print(table)


def printable(text: str) -> str:
    """Without control characters: a file's name must not steer the terminal."""
    return "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in text)
