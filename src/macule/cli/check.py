"""`macule check`: can these pictures be judged? No model is loaded."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from macule.cli import options
from macule.cli.exit import DONE, SOME_FAILED
from macule.cli.paths import expand
from macule.cli.progress import track
from macule.errors import MaculeError

if TYPE_CHECKING:
    from macule.analysis.result import Quality


def check(paths: options.Paths, *, as_json: options.Json = False, threads: options.Threads = None) -> None:
    """Check whether pictures are good enough to be judged, and say what to do about those that are not."""
    from macule.analysis.batch import cores, in_order

    found = expand(paths)
    checked = in_order(_check, found, workers=threads or cores())
    rows: list[tuple[str, ...]] = []
    failed = 0
    for (path, _), verdict in track(checked, total=len(found), what="checking"):
        failed += isinstance(verdict, MaculeError) or not verdict.usable
        if as_json:
            _print_object(str(path), verdict)
        else:
            rows.append(_row(str(path), verdict))
    if rows:
        _print_table(rows)
    raise typer.Exit(SOME_FAILED if failed else DONE)


def _check(found: tuple[Path, MaculeError | None]) -> Quality:
    from macule.analysis.image import decode
    from macule.analysis.quality import assess

    path, error = found
    if error is not None:
        raise error
    return assess(decode(path))


def _print_object(image: str, verdict: Quality | MaculeError) -> None:
    from macule.cli.sinks import error_object, write_line

    if isinstance(verdict, MaculeError):
        write_line(error_object(image, verdict))
    else:
        write_line({"image": image, "quality": verdict.to_dict()})


def _row(image: str, verdict: Quality | MaculeError) -> tuple[str, ...]:
    from macule.cli.table import failures, printable

    if isinstance(verdict, MaculeError):
        return printable(image), "error", printable(str(verdict)), ""
    advice = " ".join(check.advice for check in verdict.checks if not check.passed)
    return printable(image), "usable" if verdict.usable else "refused", failures(verdict), advice


def _print_table(rows: list[tuple[str, ...]]) -> None:
    from macule.cli.table import make_console, print_rows

    print_rows(make_console(), ("picture", "verdict", "failed", "what to do"), rows)
