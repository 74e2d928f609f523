"""`macule data list`: the public data sets that macule reads, and how each is got."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

from macule.cli import table

if TYPE_CHECKING:
    from macule.data.sources import Source

#: Column -> widest it may be, so that 120 columns leave room for an address; None takes the rest.
COLUMNS = {"id": 14, "pictures": 8, "classes": 11, "ids of": 7, "skin tone": 11, "licence": 15,
           "what it is, where, and how to get it": None}


def list_(
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print all that is known of them, as JSON.")] = False,
) -> None:
    """Print every data set that macule reads: counts, classes, licence, home page and how to get it."""
    from macule.data.sources import SOURCES

    if as_json:
        typer.echo(json.dumps([_facts(source) for source in SOURCES.values()], indent=2, ensure_ascii=False))
    else:
        _print(list(SOURCES.values()))


def _print(sources: list[Source]) -> None:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    shown = Table(box=box.SIMPLE_HEAD, show_edge=False, padding=0, leading=1)
    for name, width in COLUMNS.items():
        shown.add_column(name, width=width, overflow="fold", justify="right" if name == "pictures" else "left")
    for source in sources:
        shown.add_row(*map(Text, _cells(source)))
    table.make_console().print(shown)


def _cells(source: Source) -> tuple[str, ...]:
    pictures = "" if source.pictures is None else f"{source.pictures:,}"
    ids = [name for name, there in (("lesion", source.lesions), ("patient", source.patients)) if there]
    about = "\n".join(filter(None, (source.title, source.home, source.how)))
    return (source.id, pictures, _classes(source), ", ".join(ids), source.tone or "", source.licence, about)


def _classes(source: Source) -> str:
    from macule.taxonomy import Diagnosis

    return f"all {len(source.classes)}" if set(source.classes) == set(Diagnosis) else " ".join(source.classes)


def _facts(source: Source) -> dict[str, Any]:
    return {
        "id": source.id,
        "title": source.title,
        "pictures": source.pictures,
        "classes": [code.value for code in source.classes],
        "lesion_ids": source.lesions,
        "patient_ids": source.patients,
        "skin_tone": source.tone.value if source.tone else None,
        "parts": list(source.parts),
        "options": dict(source.options),
        "licence": source.licence or None,
        "home": source.home or None,
        "how": source.how,
        "folder": source.folder,
        "citation": source.citation or None,
    }
