"""`macule data manifest`: a data set's folder as one table, each picture with its hash."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from macule.cli import options, outputs
from macule.cli.exit import DONE, SOME_FAILED
from macule.errors import UsageError

if TYPE_CHECKING:
    from macule.data.manifest import Counts, Manifest
    from macule.data.sources import Reading, Reject, Source

REJECT_COLUMNS = ("dataset", "file", "row", "picture_id", "reason")


def manifest(
    *,
    dataset: Annotated[str, typer.Option(metavar="ID", help="One of `macule data list`.")],
    root: Annotated[Path, typer.Option(help="The folder that the data set was unzipped in, or its one file.")],
    out: Annotated[Path | None, typer.Option(metavar="FILE", help="Where to write; ID.parquet by default.")] = None,
    part: Annotated[str, typer.Option(help="train, val, test or all, of those that the publisher made.")] = "all",
    mapping: Annotated[
        list[str] | None,
        typer.Option("--map", metavar="NAME=VALUE", help="What the reader asks for, as often as needed: the column "
                     "of a CSV that holds each field, the task of ISIC 2018, the size of DermaMNIST."),
    ] = None,
    tables: Annotated[
        bool, typer.Option("--tables", help="Take a row whose picture is not here, too: it has no SHA-256.")
    ] = False,
    keep_going: Annotated[bool, typer.Option("--keep-going", help="Set bad rows aside and go on.")] = False,
    rejects: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Where --keep-going writes them; ID.rejects.csv by default.")
    ] = None,
    json_file: Annotated[Path | None, typer.Option("--json", metavar="FILE", help="Write the counts there.")] = None,
    threads: options.Threads = None,
) -> None:
    """Read a data set's folder into a manifest: one row a picture, with its SHA-256 and macule's words.

    The first bad row ends it and nothing is written, unless --keep-going sets such rows aside: then the status is 1.
    """
    from macule.data import sources

    reading = sources.Reading(dataset, root, part, keep_going=keep_going, tables_allowed=True, tables_only=tables,
                              options=_options(sources.find(dataset), mapping or []))
    out = out or Path(f"{dataset}.parquet")
    if keep_going:
        rejects = rejects or out.with_name(f"{out.stem}.rejects.csv")
    outputs.check_all({"--out": out, "--rejects": rejects, "--json": json_file}, root=root)
    made = _make(out, reading, threads)
    counts = made.counts()
    if keep_going and rejects:
        _write_rejects(rejects, reading.rejects)
    print_counts(made, counts, rejects=len(reading.rejects))
    _warn_of_absent(counts)
    if json_file:
        figures = {"hash": made.hash, **counts.to_dict(), "rejects": len(reading.rejects)}
        json_file.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
    raise typer.Exit(SOME_FAILED if reading.rejects else DONE)


def _options(source: Source, pairs: list[str]) -> dict[str, str]:
    """Raises: UsageError for a name that the source's reader does not ask for."""
    known = source.options
    given = dict(pair.partition("=")[::2] for pair in pairs)
    for name, value in given.items():
        # The reader of any CSV knows best which columns and labels it takes.
        if not value or (name not in known and "COLUMN" not in known):
            says = "; ".join(f"{key}: {meaning}" for key, meaning in known.items()) or "none"
            raise UsageError(f"--map {name}={value} is not understood; NAME=VALUE is expected, with one of: {says}.")
    return given


def _make(out: Path, reading: Reading, threads: int | None) -> Manifest:
    from macule.data import manifest as manifests
    from macule.data import sources
    from macule.data.record import Record
    from macule.errors import MaculeError

    def refuse(record: Record, error: MaculeError) -> None:
        file = record.picture.name if record.picture else ""
        reading.refuse(file, None, record.picture_id, str(error), error)

    with counting(f"reading {reading.dataset}") as tick:
        return manifests.write(out, sources.read(reading), roots={reading.dataset: reading.root}, workers=threads,
                               tick=tick, refuse=refuse)


def _write_rejects(path: Path, rejects: list[Reject]) -> None:
    import csv

    from macule.data.atomic import writing
    from macule.spreadsheet import harmless

    with writing(path, errors="backslashreplace") as stream:
        writer = csv.DictWriter(stream, REJECT_COLUMNS, lineterminator="\n")
        writer.writeheader()
        for each in rejects:
            cells = {name: "" if value is None else harmless(str(value)) for name, value in asdict(each).items()}
            writer.writerow(cells)
    if rejects:
        print(f"macule: {len(rejects)} rows or pictures were set aside; why stands in {path}.", file=sys.stderr)


def _warn_of_absent(counts: Counts) -> None:
    absent = counts.rows - counts.pictures
    if absent:
        which = f"{absent} of {counts.rows} PICTURES are NOT" if counts.pictures else "NOT ONE PICTURE of the set is"
        print(f"macule: {which} here: the rows say what the tables say, have no SHA-256 and cannot be trained or "
              "scored on. Get the pictures and make the manifest again.", file=sys.stderr)


def print_counts(made: Manifest, counts: Counts, *, rejects: int | None = None) -> None:
    """A tidy table, then the hash."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    from macule.cli.table import make_console

    table = Table("", "", "rows", box=box.SIMPLE_HEAD, pad_edge=False)
    table.columns[0].style, table.columns[2].justify = "dim", "right"
    for head, group in _groups(counts, rejects):
        for place, (name, number) in enumerate(group.items()):
            table.add_row("" if place else head, Text(name), f"{number:,}")
        table.add_section()
    console = make_console()
    console.print(table)
    console.print(f"{made.path}\nSHA-256 of the rows {made.hash}", markup=False, highlight=False, soft_wrap=True)


def _groups(counts: Counts, rejects: int | None) -> Iterator[tuple[str, dict[str, int]]]:
    """What is printed, without what the publisher does not say of any row."""
    yield "data set", counts.datasets
    known = {"pictures here": counts.pictures, "lesions by id": counts.lesions, "patients by id": counts.patients,
             "groups that stay together": counts.groups, "set aside, with a reason": counts.set_aside,
             "rejected, not in the rows": rejects or 0}
    yield "of these", {name: number for name, number in known.items() if number or name == "pictures here"}
    for head, group in (("class", counts.classes), ("nature", counts.malignant), ("official part", counts.parts)):
        if group != {"unknown": counts.rows}:
            yield head, group


@contextmanager
def counting(what: str, total: int | None = None) -> Iterator[Callable[[int], None]]:
    """A bar on standard error, only in a terminal. Yields: what takes how many more are done."""
    if not sys.stderr.isatty():
        yield lambda _: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn(what), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(what, total=total)
        yield lambda done: progress.advance(task, done)
