"""`macule data audit`: which pictures show one photograph or lesion, and which splits that breaks."""

from __future__ import annotations

import datetime
import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from macule.cli import options, outputs
from macule.cli.exit import DONE, SOME_FAILED
from macule.errors import UsageError

if TYPE_CHECKING:
    from macule.data.audit import Audit
    from macule.data.guard import LeakReport
    from macule.data.manifest import Manifest
    from macule.data.splitfile import Split

MANIFEST, PAIRS, FIGURES = "manifest.parquet", "pairs.csv", "audit.json"


def audit(
    *,
    manifests: Annotated[
        list[Path] | None, typer.Argument(metavar="[MANIFEST...]", help="Made by `macule data manifest`.")
    ] = None,
    root: Annotated[
        Path | None, typer.Option(help="In place of manifests: a folder of data sets; all that are found are read.")
    ] = None,
    out: Annotated[Path, typer.Option(metavar="DIR", help="The page, pairs.csv and audit.json.")] = Path("audit"),
    split: Annotated[
        list[Path] | None, typer.Option(metavar="FILE", help="A split of the one manifest, as often as needed.")
    ] = None,
    work: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Keeps what was read of the pictures; DIR/work by default.")
    ] = None,
    engine: Annotated[str, typer.Option(help="local, or ray for a cluster (RAY_ADDRESS) or this machine.")] = "local",
    json_file: Annotated[
        Path | None, typer.Option("--json", metavar="FILE", help="Write the figures there, too.")
    ] = None,
    threads: options.Threads = None,
) -> None:
    """Search data sets for copies, near duplicates, and lesions and patients under several ids.

    A near duplicate is the same photograph turned, flipped, cropped, rescaled or re-coloured, or another of the same
    lesion that lies alike. The status is 1 if a split leaks, or a picture could not be read.
    """
    from macule.cli.progress import bars
    from macule.data import atomic, splitfile
    from macule.data import audit as audits
    from macule.data import engine as engines
    from macule.exchange import audit as page

    outputs.check_folder("--out", out)
    outputs.check_all({"--json": json_file}, inputs=(*(manifests or ()), *(split or ())))
    if (root is None) == (not manifests):
        raise UsageError("either manifests or --root is needed: macule data audit --root DATA, or name the files.")
    runner = engines.make(engine, workers=threads)
    out.mkdir(parents=True, exist_ok=True)
    with bars() as start:
        tick = start("reading tables", 0) if root else lambda: None
        made = _manifest(manifests, root, out, tick)
        # Read before the search: a mistake should not cost the hour that follows.
        splits = {str(path): splitfile.read(path, manifest=made.hash) for path in split or ()}
        found = audits.audit(manifest=made, work=work or out / "work", engine=runner, threads=threads, progress=start)
    audits.write_pairs(out / PAIRS, found.twins)
    found = replace(found, splits={name: _check(parted, made, out / PAIRS) for name, parted in splits.items()})
    figures = json.dumps(found.to_dict(), indent=2) + "\n"
    for path in filter(None, (out / FIGURES, json_file)):
        with atomic.writing(path) as stream:
            stream.write(figures)
    page.write(out, found, roots=made.roots, now=datetime.datetime.now(datetime.UTC))
    _print(found, out)
    leaky = any(report.leaky for report in found.splits.values())
    raise typer.Exit(SOME_FAILED if leaky or found.unreadable else DONE)


def _manifest(manifests: list[Path] | None, root: Path | None, out: Path, tick: Callable[[], None]) -> Manifest:
    from macule.data import manifest as files

    if root is not None:
        return _read_all(root, out / MANIFEST, tick)
    read = [files.read(path) for path in manifests or ()]
    return read[0] if len(read) == 1 else files.merge(out / MANIFEST, read)


def _read_all(root: Path, path: Path, tick: Callable[[], None]) -> Manifest:
    """Every data set that lies under `root` in its usual folder. Bad rows are set aside and counted on stderr."""
    from macule.data import manifest as files
    from macule.data import sources

    readings = [sources.Reading(source.id, root / source.folder, keep_going=True, tables_allowed=True)
                for source in sources.SOURCES.values() if source.folder and (root / source.folder).is_dir()]
    if not readings:
        known = ", ".join(source.folder for source in sources.SOURCES.values() if source.folder)
        raise UsageError(f"--root {root} holds none of the folders {known}: correct it, or name manifests.")
    roots = {reading.dataset: reading.root for reading in readings}
    records = (record for reading in readings for record in sources.read(reading))
    made = files.write(path, records, roots=roots, tick=lambda _: tick())
    for reading in readings:
        if reading.rejects:
            first = reading.rejects[0]
            print(f"macule: {reading.dataset}: {len(reading.rejects)} rows were set aside, the first: {first.file} "
                  f"row {first.row}: {first.reason}", file=sys.stderr)
    return made


def _check(split: Split, made: Manifest, pairs: Path) -> LeakReport:
    from macule.data import kinship, links, parting

    kin = kinship.of_table(made.table(kinship.COLUMNS), links.read(pairs))
    return parting.check(split, kin)


def _print(found: Audit, out: Path) -> None:
    from macule.cli import table
    from macule.data import audit as audits

    console = table.make_console()
    columns = ("between", "and", "pairs", "exact", "mirrored", "lesions", "lesions", "diagnosis agrees")
    summaries = [audits.summary(sets, pairs) for sets, pairs in found.between().items()]
    table.print_rows(console, columns, [
        (each.first, each.second, str(each.pairs), str(each.exact), str(each.mirrored), str(each.first_lesions),
         str(each.second_lesions), f"{each.agreeing} of {each.comparable}") for each in summaries])
    for line in _notes(found, out):
        console.print(line, markup=False, highlight=False)


def _notes(found: Audit, out: Path) -> Iterator[str]:
    known = sum(twins.known for twins in found.twins)
    yield (f"{sum(found.pictures.values())} pictures compared, {found.candidates} candidate pairs, {len(found.twins)} "
           f"pairs found, {known} of them one lesion by the tables too.")
    for (one, other), kinds in found.shared.items():
        yield f"{one} in {other} by ids: " + ", ".join(f"{count} {kind}" for kind, count in kinds.items()) + "."
    if found.unreadable:
        name, why = next(iter(found.unreadable.items()))
        yield f"{len(found.unreadable)} pictures could not be read, the first: {name}: {why}"
    for name, report in found.splits.items():
        leaks = [leak.sentence() for leak in report.leaks if leak.leaking]
        yield from (f"LEAKY {name}: {sentence}." for sentence in leaks)
        if not leaks:
            yield f"{name}: no two parts share a photograph, lesion or patient."
    yield f"The page: {out / 'index.html'}; the pairs, for macule data split --links: {out / PAIRS}."
