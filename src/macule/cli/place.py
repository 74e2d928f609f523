"""The options of every verb that works on a clinic's records, and the clinic that they name."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from macule.records.clinic import Clinic
    from macule.records.opening import Place

Home = Annotated[Path | None, typer.Option(
    "--home", metavar="DIR", help="The clinic's folder. [env: MACULE_HOME; default: macule-clinic]")]
DatabaseUrl = Annotated[str | None, typer.Option(
    "--database", metavar="URL", help="sqlite:///FILE or postgresql://... [env: MACULE_DATABASE; default: in --home]")]
StoreUrl = Annotated[str | None, typer.Option(
    "--store", metavar="URL", help="A folder for the pictures, or s3://... [env: MACULE_STORE; default: in --home]")]
KeyFile = Annotated[Path | None, typer.Option(
    "--key-file", metavar="FILE", help="File of the keys. [env: MACULE_KEY_FILE; default: in --home]")]


def place_of(home: Path | None, database: str | None, store: str | None, key_file: Path | None) -> Place:
    """What the options say, else what the environment says, else the default."""
    from macule.records.opening import HOME, Place

    def said(value: str | None, name: str) -> str | None:
        return value if value is not None else os.environ.get(f"MACULE_{name}") or None

    at = said(None if key_file is None else str(key_file), "KEY_FILE")
    return Place(
        home=Path(said(None if home is None else str(home), "HOME") or HOME), database=said(database, "DATABASE"),
        store=said(store, "STORE"), key_file=None if at is None else Path(at), key=os.environ.get("MACULE_KEY") or None,
    )


def existing(home: Path | None, database: str | None, store: str | None, key_file: Path | None) -> Clinic:
    """The clinic that the options name. Raises: KeyMissing if there is none."""
    from macule.records.opening import open_clinic, require_clinic

    place = place_of(home, database, store, key_file)
    require_clinic(place)
    return open_clinic(place)
