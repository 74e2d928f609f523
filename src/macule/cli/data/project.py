"""`macule data project`: a manifest's diagnoses in a smaller vocabulary, and what is lost on the way."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from macule.cli import outputs, table

if TYPE_CHECKING:
    from macule.data.projection import Description, Labels


def project(
    manifest: Annotated[Path, typer.Argument(help="A manifest, as macule data manifest writes it.")],
    *,
    to: Annotated[str, typer.Option(help="ham7, isic8, pad6, milk11 or binary.")],
    out: Annotated[Path | None, typer.Option(help="Write each picture's label to this .csv file.")] = None,
    json_file: Annotated[Path | None, typer.Option("--json", help="Write every figure to this file.")] = None,
) -> None:
    """Count the diagnoses before and after, and say which rows have no label there."""
    from macule.data import manifest as manifests
    from macule.data import projection

    projection.classes(to)
    outputs.check_all({"--out": out, "--json": json_file}, inputs=(manifest,))
    read = manifests.read(manifest).table(("dataset", "picture_id", "labels", "malignant"))
    labels = [projection.labels_of(codes) for codes in read.column("labels").to_pylist()]
    words = read.column("malignant").to_pylist()
    found = projection.describe(to, projection.count(labels, words))
    if out:
        _write(out, read, labels, to)
    if json_file:
        json_file.write_text(json.dumps(_figures(found), indent=2) + "\n", encoding="utf-8")
    _print(found)


def _write(out: Path, read: Any, labels: list[Labels], vocabulary: str) -> None:
    """label: empty where it is lost; then `lost` says why."""
    from macule.data.atomic import writing
    from macule.data.projection import Loss, project_label
    from macule.spreadsheet import harmless

    names = zip(*(read.column(name).to_pylist() for name in ("dataset", "picture_id", "malignant")), strict=True)
    with writing(out) as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(("dataset", "picture_id", "label", "lost"))
        for (dataset, picture, malignant), codes in zip(names, labels, strict=True):
            label = project_label(codes, vocabulary, malignant)
            cells = ("", label) if isinstance(label, Loss) else (label, "")
            writer.writerow((harmless(dataset), harmless(picture), *cells))


def _figures(found: Description) -> dict[str, Any]:
    return {
        "vocabulary": found.vocabulary, "rows": found.rows, "before": dict(found.before), "after": dict(found.after),
        "merged": {label: list(codes) for label, codes in found.merged.items()},
        "lost": {"rows": found.lost, "no_class": dict(found.no_class), "lumped": found.lumped,
                 "unlabelled": found.unlabelled},
    }


def _print(found: Description) -> None:
    console = table.make_console()
    table.print_rows(console, ("class", "rows"), [(label, str(count)) for label, count in found.before.items()])
    after = [(label, str(count)) for label, count in found.after.items()]
    table.print_rows(console, (found.vocabulary, "rows"), [*after, ("(lost)", str(found.lost))])
    for sentence in found.sentences():
        console.print(sentence, markup=False, highlight=False)
