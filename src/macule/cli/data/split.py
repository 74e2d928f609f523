"""`macule data split`: a manifest -> parts that share no patient, lesion or photograph."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from macule.cli import outputs, table
from macule.errors import UsageError

if TYPE_CHECKING:
    from macule.data.parting import Parted

SCHEME = "70/15/15, 70/20/10, 80/20 or any percentages; kfold:5; leave-one-centre-out; official."
BY = "Never part a patient, else a lesion, else a duplicate; picture parts them all: LEAKY."


def split(
    manifest: Annotated[Path, typer.Argument(help="A manifest, as macule data manifest writes it.")],
    *,
    scheme: Annotated[str, typer.Option(help=SCHEME)],
    by: Annotated[str, typer.Option(help=BY)] = "patient",
    links: Annotated[Path | None, typer.Option(help="pairs.csv of macule data audit; pairs stay together.")] = None,
    seed: Annotated[int, typer.Option(help="Another seed makes another split.")] = 0,
    out: Annotated[Path | None, typer.Option(help="Write the split to this .parquet file.")] = None,
    json_file: Annotated[Path | None, typer.Option("--json", help="Write every figure to this file.")] = None,
) -> None:
    """Part a manifest by patient, lesion and photograph at once, stratified by diagnosis and data set."""
    from macule.data import links as pairs
    from macule.data import manifest as manifests
    from macule.data import parting, schemes, splitfile

    wanted = schemes.parse(scheme)
    if by not in tuple(schemes.By):
        raise UsageError(f"--by is {by!r}; one of {', '.join(schemes.By)} is needed.")
    outputs.check_all({"--out": out, "--json": json_file}, inputs=(manifest, links))
    parted = parting.part(manifests.read(manifest), wanted, by=schemes.By(by), seed=seed, links=pairs.read(links))
    if out:
        splitfile.write(out, parted.split)
    if json_file:
        json_file.write_text(json.dumps(parted.to_dict(), indent=2) + "\n", encoding="utf-8")
    _print(parted, out)


def _print(parted: Parted, out: Path | None) -> None:
    from macule.data import parting
    from macule.data.guard import MARK

    console, labels = table.make_console(), parting.classes(parted.counts)
    mark = f"{MARK} " if parted.report.leaky else ""
    totals = {label: sum(found.get(label, 0) for found in parted.counts.values()) for label in labels}
    whole = sum(totals.values())
    rows = [(f"{mark}{name}", _shown(sum(found.values()), whole),
             *(_shown(found.get(label, 0), totals[label]) for label in labels))
            for name, found in parted.counts.items()]
    table.print_rows(console, ("part", "pictures", *labels), rows)
    for line in _notes(parted, mark, out):
        console.print(line, markup=False, highlight=False)


def _shown(count: int, of: int) -> str:
    return f"{count} ({100 * count / of:.1f} %)"


def _notes(parted: Parted, mark: str, out: Path | None) -> list[str]:
    leaking = [leak.sentence() for leak in parted.report.leaks if leak.leaking]
    notes = [f"{mark}{sentence}." for sentence in leaking]
    if not leaking:
        told = "ids, bytes and links" if parted.split.made.links_sha256 else "ids and bytes"
        notes.append(f"No two parts share a photograph, lesion or patient, as far as {told} tell.")
    if parted.split.made.links_sha256 is None:
        notes.append("Near duplicates were NOT looked for: run macule data audit and give its pairs.csv with --links "
                     "(docs/results/pairs.csv has those of HAM10000, MILK10k, ISIC 2017 and ISIC 2018 validation).")
    if parted.set_aside:
        notes.append(f"{parted.set_aside} rows are left out: the manifest gives a reason against them.")
    if parted.unplaced:
        notes.append(f"{parted.unplaced} pictures are left out: their kin stand mostly in another centre.")
    return [*notes, f"Written to {out}." if out else "Not written: give --out FILE.parquet."]
